// Opus in CMAF, beside what ffmpeg writes for the same sound.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentFrame } from '../../../src/egress/silence.ts';
import { Fmp4Demuxer, readInit, writeInit, writePart } from '../../../src/formats/fmp4/index.ts';
import { type OpusTrack, type Packet, parseOpusConfig } from '../../../src/media/index.ts';
import { pipeThrough } from '../../support/child.ts';

/** Half a second of sound as ffmpeg writes it: an Ogg file, or a fragmented MP4 with a header of its own in front. */
async function encode(channels: number, format: readonly string[]): Promise<Buffer> {
  const source = ['-f', 'lavfi', '-i', 'sine=sample_rate=48000:duration=0.5', '-ac', String(channels)];
  const { code, stdout, stderr } = await pipeThrough(
    'ffmpeg',
    ['-v', 'error', ...source, '-c:a', 'libopus', '-fflags', '+bitexact', ...format, 'pipe:1'],
    [],
  );
  assert.equal(code, 0, stderr);
  return stdout;
}

/** From the box's name on; what a player reads of it. */
function box(file: Buffer, name: string): Buffer {
  const at = file.indexOf(name);
  assert.ok(at > 0, `no ${name}`);
  return file.subarray(at, at - 4 + file.readUInt32BE(at - 4));
}

function makeTrack(head: Buffer, frameSamples = 960): OpusTrack {
  return { kind: 'audio', codec: 'opus', timescale: 48000, config: parseOpusConfig(head, frameSamples) };
}

test('the sample entry is the one that ffmpeg writes: mono, stereo and 5.1', async () => {
  for (const channels of [1, 2, 6]) {
    const ogg = await encode(channels, ['-f', 'ogg']);
    // The first page holds nothing else: 19 bytes, and the mapping where there is one.
    const head = Buffer.from(ogg.subarray(ogg.indexOf('OpusHead'))).subarray(0, channels > 2 ? 21 + channels : 19);
    const mp4 = await encode(channels, ['-f', 'mp4', '-movflags', '+frag_keyframe+empty_moov+delay_moov']);
    const init = writeInit({ audio: makeTrack(head) });
    assert.deepEqual(box(init, 'dOps'), box(mp4, 'dOps'), `${channels} channels`);
    // AudioSampleEntry: name, reserved, reference, reserved, channels, size of samples, rate.
    assert.deepEqual(box(init, 'Opus').subarray(0, 32), box(mp4, 'Opus').subarray(0, 32), `${channels} channels`);
    const [read] = readInit(init);
    assert.deepEqual(
      [read!.sampleEntry, read!.timescale, read!.channels, read!.defaultDuration],
      ['Opus', 48000, channels, 960],
    );
  }
});

test('ffmpeg decodes what is written of it; the silence of pushes is silent and as long as the frames it stands for', async () => {
  const head = Buffer.from('4f707573486561640102000080bb0000000000', 'hex');
  for (const frameSamples of [120, 480, 960, 2880]) {
    const track = makeTrack(head, frameSamples);
    const data = silentFrame(track)!;
    const packets = Array.from({ length: 50 }, (_, n): Packet => {
      const dts = n * frameSamples;
      return { track, dts, pts: dts, key: true, data };
    });
    const part = writePart({ sequence: 1, video: null, audio: { packets, decodeTime: 0, endDts: 50 * frameSamples } });
    const { code, stdout, stderr } = await pipeThrough(
      'ffmpeg',
      ['-v', 'error', '-i', 'pipe:0', '-f', 's16le', '-'],
      [writeInit({ audio: track }), part],
    );
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(stdout.length, 50 * frameSamples * 4, `${frameSamples} samples a frame`);
    assert.ok(
      stdout.every((byte) => byte === 0),
      'silent',
    );
    // Whoever joins a broadcast is given what its parts hold, and pulls of other servers are read so.
    const demuxer = new Fmp4Demuxer({ unsupported: assert.fail, dropped: assert.fail });
    demuxer.init(writeInit({ audio: track }));
    const read = demuxer.media(part);
    assert.deepEqual(
      read.map(({ dts, data }) => [dts, data]),
      packets.map(({ dts, data }) => [dts, data]),
    );
    assert.deepEqual(read[0]!.track.config.record, head);
  }
});
