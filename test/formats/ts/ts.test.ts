import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { CodedError } from '../../../src/base/index.ts';
import { TsDemuxer } from '../../../src/formats/ts/index.ts';
import type { Packet } from '../../../src/media/index.ts';
import { runChild } from '../../support/child.ts';
import { type Clip, makeFlv } from '../../support/encoder.ts';
import { type BareFrame, bareFrames, flvPackets } from '../../support/media-frames.ts';

const folder = mkdtempSync(join(tmpdir(), 'liveapi-ts-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const CLIP: Clip = {
  seconds: 4,
  video: { size: '320x180', bFrames: 2, kbps: 300 },
  audio: { rate: 48_000, channels: 2 },
};

interface Demuxed {
  readonly packets: Packet[];
  readonly dropped: number;
  readonly told: string[];
}

/** Demuxes in pieces of a size, the end included. */
function demux(bytes: Buffer, pieceSize = 65_536): Demuxed {
  const packets: Packet[] = [];
  const told: string[] = [];
  const demuxer = new TsDemuxer((packet) => packets.push(packet), {
    unsupported: (kind, codec) => told.push(`${kind} ${codec}`),
    dropped: (reason) => told.push(reason),
  });
  for (let at = 0; at < bytes.length; at += pieceSize) demuxer.write(bytes.subarray(at, at + pieceSize));
  demuxer.flush();
  return { packets, dropped: demuxer.dropped, told };
}

/** `input`'s coded frames as ffmpeg puts them into a transport stream. */
async function makeTs(input: string, name: string, ...args: string[]): Promise<Buffer> {
  const path = join(folder, name);
  await runChild('ffmpeg', ['-v', 'error', '-y', '-i', input, '-c', 'copy', ...args, '-f', 'mpegts', path]);
  return readFileSync(path);
}

/** As `expected`, frame by frame: the same bytes, and times that are apart by the rounding of RTMP's milliseconds at most. */
function assertSame(actual: readonly BareFrame[], expected: readonly BareFrame[]): void {
  assert.deepEqual(
    actual.map(({ hash, key }) => ({ hash, key })),
    expected.map(({ hash, key }) => ({ hash, key })),
  );
  const at = actual.map(({ dtsMs }, index) => dtsMs - expected[index]!.dtsMs);
  assert.ok(Math.max(...at) - Math.min(...at) < 2, 'decoding times');
  const offsets = actual.map(
    ({ ptsMs, dtsMs }, index) => ptsMs - dtsMs - expected[index]!.ptsMs + expected[index]!.dtsMs,
  );
  assert.ok(Math.max(...offsets) - Math.min(...offsets) < 2, 'composition offsets');
}

test('G10 every frame of a transport stream comes out as it went in, however the bytes are cut', async () => {
  const flv = await makeFlv(CLIP);
  const sent = flvPackets(flv);
  for (const [name, args] of [
    ['plain.ts', []],
    // One frame a PES packet for sound; M2TS with its time codes, in which ffmpeg hides AAC; tables all the time.
    ['single.ts', ['-pes_payload_size', '0']],
    ['m2ts.ts', ['-mpegts_m2ts_mode', '1']],
    ['many-tables.ts', ['-pat_period', '0.1', '-mpegts_pmt_start_pid', '300', '-mpegts_start_pid', '700']],
  ] as const) {
    const ts = await makeTs(flv, name, ...args);
    for (const pieceSize of [1, 187, 65_536]) {
      if (pieceSize === 1 && name !== 'plain.ts') continue;
      const { packets, dropped, told } = demux(ts, pieceSize);
      assertSame(bareFrames(packets, 'video'), bareFrames(sent, 'video'));
      assert.deepEqual([dropped, told], [0, []], name);
      if (name === 'm2ts.ts') continue;
      assertSame(bareFrames(packets, 'audio'), bareFrames(sent, 'audio'));
      const tracks = new Set(packets.map(({ track }) => track));
      assert.equal(tracks.size, 2, 'tracks stay the same objects');
      const [video, audio] = ['video', 'audio'].map((kind) => packets.find(({ track }) => track.kind === kind)!.track);
      const [sentVideo, sentAudio] = ['video', 'audio'].map(
        (kind) => sent.find(({ track }) => track.kind === kind)!.track,
      );
      assert.ok(video!.config.record.equals(sentVideo!.config.record), 'AVCDecoderConfigurationRecord');
      // ffmpeg's encoder announces in FLV that it does not use SBR; ADTS has no place for that.
      assert.ok(sentAudio!.config.record.subarray(0, 2).equals(audio!.config.record), 'AudioSpecificConfig');
      const sound = packets.filter(({ track }) => track.kind === 'audio');
      for (const [index, packet] of sound.entries())
        if (index > 0) assert.equal(packet.dts - sound[index - 1]!.dts, 1024, 'sound abuts exactly');
    }
  }
});

test('the 33-bit clock goes on over its wrap, for both tracks alike', async () => {
  const flv = await makeFlv(CLIP);
  const wrapS = 2 ** 33 / 90_000;
  const ts = await makeTs(flv, 'wrap.ts', '-output_ts_offset', String(wrapS - 2), '-muxdelay', '0');
  const { packets, dropped } = demux(ts);
  const sent = flvPackets(flv);
  for (const kind of ['video', 'audio'] as const) assertSame(bareFrames(packets, kind), bareFrames(sent, kind));
  assert.equal(dropped, 0);
  assert.ok(packets.some(({ dts, track }) => track.kind === 'video' && dts > 2 ** 33));
});

test('lost, doubled and damaged packets cost the frames that they belong to, and no others', async () => {
  const flv = await makeFlv(CLIP);
  const ts = await makeTs(flv, 'loss.ts');
  const whole = new Set(bareFrames(demux(ts).packets, 'video').map(({ hash }) => hash));
  const packets = Array.from({ length: ts.length / 188 }, (_, index) => ts.subarray(index * 188, index * 188 + 188));
  // ffmpeg's first elementary stream, in the middle of a frame.
  const inFrame = packets.findIndex(
    (packet, index) => index > packets.length / 2 && (packet.readUInt16BE(1) & 0x5fff) === 0x100,
  );
  const lost = demux(Buffer.concat(packets.toSpliced(inFrame, 1)));
  const left = bareFrames(lost.packets, 'video');
  assert.equal(left.length, whole.size - 1);
  assert.ok(left.every(({ hash }) => whole.has(hash)));
  assert.deepEqual([lost.dropped, lost.told], [1, ['packets of the transport stream were lost']]);

  const doubled = demux(Buffer.concat(packets.toSpliced(inFrame, 0, packets[inFrame]!)));
  assert.deepEqual([doubled.packets.length, doubled.dropped], [demux(ts).packets.length, 0]);

  // Joined in the middle, behind garbage that looks like packets now and then.
  const noise = Buffer.from(Array.from({ length: 4000 }, (_, index) => (index % 50 === 0 ? 0x47 : index & 255)));
  const joined = demux(Buffer.concat([noise, ts.subarray(188 * 100 + 77)]));
  assert.ok(joined.packets.length > 100);
  assert.ok(bareFrames(joined.packets, 'video').every(({ hash }) => whole.has(hash)));
  assert.equal(joined.packets.find(({ track }) => track.kind === 'video')!.key, true, 'nothing before parameter sets');
});

test('what is not carried is named once: other codecs, and what is no transport stream at all', async () => {
  const path = join(folder, 'other.ts');
  const make = (...args: string[]) =>
    runChild('ffmpeg', [
      ...['-v', 'error', '-y', '-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=10:duration=1'],
      ...['-f', 'lavfi', '-i', 'sine=duration=1', ...args, '-f', 'mpegts', path],
    ]);
  await make('-c:v', 'mpeg2video', '-c:a', 'mp2');
  assert.deepEqual(demux(readFileSync(path)).told, ['video mpeg2video', 'audio mp2']);
  await make('-c:v', 'libx264', '-c:a', 'aac', '-mpegts_flags', 'latm');
  const latm = demux(readFileSync(path));
  assert.deepEqual(latm.told, ['audio aac-latm']);
  assert.equal(latm.packets.length, 10);
  for (const hopeless of [Buffer.alloc(3 << 20, '<html>'), Buffer.alloc(7 << 20, Buffer.from([0x47]))])
    assert.throws(
      () => demux(hopeless),
      (error: unknown) => error instanceof CodedError && error.code === 'media_invalid',
    );
});

test('10,000 mutations: nothing but packets, and media_invalid', async () => {
  const flv = await makeFlv({
    seconds: 1,
    video: { size: '64x64', fps: 10, kbps: 50 },
    audio: { rate: 8000, channels: 1 },
  });
  const ts = (await makeTs(flv, 'small.ts')).subarray(0, 188 * 24);
  const edit = fc.record({
    at: fc.nat(ts.length - 1),
    what: fc.oneof(
      fc.record({ byte: fc.nat(255) }),
      fc.record({ cut: fc.integer({ min: 1, max: 400 }) }),
      fc.record({ insert: fc.uint8Array({ minLength: 1, maxLength: 20 }) }),
    ),
  });
  fc.assert(
    fc.property(
      fc.array(edit, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 3000 }),
      (edits, pieceSize) => {
        let bytes: Buffer = Buffer.from(ts);
        for (const { at, what } of edits) {
          if ('byte' in what) bytes[Math.min(at, bytes.length - 1)] = what.byte;
          else if ('cut' in what) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + what.cut)]);
          else bytes = Buffer.concat([bytes.subarray(0, at), what.insert, bytes.subarray(at)]);
          if (bytes.length === 0) return;
        }
        try {
          for (const { dts, pts, data } of demux(bytes, pieceSize).packets)
            assert.ok(Number.isSafeInteger(dts) && Number.isSafeInteger(pts) && data.length > 0);
        } catch (error) {
          assert.ok(error instanceof CodedError && error.code === 'media_invalid', String(error));
        }
      },
    ),
    { numRuns: 10_000 },
  );
});
