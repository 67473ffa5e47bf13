import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  FLAGS_DELTA,
  FLAGS_KEY,
  readBoxes,
  readInit,
  readParts,
  writeInit,
  writePart,
} from '../../../src/formats/fmp4/index.ts';
import {
  type AudioTrack,
  type Packet,
  parseAacConfig,
  parseAvcConfig,
  type Track,
  type VideoTrack,
} from '../../../src/media/index.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const AVC = hex('0142c028ffe100176742c028da01e0089f97011000003e90000ea600f1832a01000468ce0fc8');
const video: VideoTrack = { kind: 'video', codec: 'avc', timescale: 1000, config: parseAvcConfig(AVC) };
const audio: AudioTrack = { kind: 'audio', codec: 'aac', timescale: 48000, config: parseAacConfig(hex('119056e500')) };

const packet = (track: Track, dts: number, data: string, key = true, pts = dts): Packet => ({
  track,
  dts,
  pts,
  key,
  data: hex(data),
});

/** Types of all boxes, nested ones in brackets. */
function shape(data: Buffer): string {
  const nested = new Set(['moov', 'trak', 'mdia', 'minf', 'dinf', 'stbl', 'mvex', 'moof', 'traf']);
  return readBoxes(data)
    .map(({ type, body }) => (nested.has(type) ? `${type}[${shape(body)}]` : type))
    .join(' ');
}

test('H58 H59 H69 initialization segments', () => {
  const trak = (header: string) =>
    `trak[tkhd mdia[mdhd hdlr minf[${header} dinf[dref] stbl[stsd stts stsc stco stsz]]]]`;
  for (const [tracks, expected] of [
    [{ video, audio }, `ftyp moov[mvhd ${trak('vmhd')} ${trak('smhd')} mvex[trex trex]]`],
    [{ video }, `ftyp moov[mvhd ${trak('vmhd')} mvex[trex]]`],
    [{ audio }, `ftyp moov[mvhd ${trak('smhd')} mvex[trex]]`],
  ] as const) {
    assert.equal(shape(writeInit(tracks)), expected);
  }
  const init = writeInit({ video, audio });
  const common = { defaultFlags: FLAGS_DELTA, defaultDuration: 0 };
  assert.deepEqual(readInit(init), [
    {
      id: 1,
      kind: 'video',
      timescale: 1000,
      sampleEntry: 'avc1',
      record: AVC,
      width: 1920,
      height: 1080,
      channels: 0,
      ...common,
    },
    {
      id: 2,
      kind: 'audio',
      timescale: 48000,
      sampleEntry: 'mp4a',
      record: audio.config.record,
      width: 0,
      height: 0,
      channels: 2,
      defaultFlags: FLAGS_KEY,
      defaultDuration: 1024,
    },
  ]);
  // Rates that 16.16 cannot hold are left to the AudioSpecificConfig.
  const fast: AudioTrack = { ...audio, timescale: 96000, config: parseAacConfig(hex('1008')) };
  assert.equal(readInit(writeInit({ audio: fast }))[0]!.timescale, 96000);
});

test('H60 H63 a part, byte by byte', () => {
  const part = writePart({
    sequence: 7,
    video: {
      decodeTime: 2 ** 32 + 10_000,
      packets: [packet(video, 100, '0102', true, 90), packet(video, 133, '03', false, 200)],
      endDts: 167,
    },
    audio: { decodeTime: 480_000, packets: [packet(audio, 0, 'a1a2a3'), packet(audio, 1024, 'a4')], endDts: 2048 },
  });
  assert.equal(
    part.toString('hex'),
    hex(`
      000000bc 6d6f6f66
        00000010 6d666864 00000000 00000007
        0000005c 74726166
          00000010 74666864 00020000 00000001
          00000014 74666474 01000000 0000000100002710
          00000030 7472756e 01000b05 00000002 000000c4 02000000
            00000021 00000002 fffffff6
            00000022 00000001 00000043
        00000048 74726166
          00000010 74666864 00020000 00000002
          00000014 74666474 01000000 0000000000075300
          0000001c 7472756e 01000201 00000002 000000c7
            00000003
            00000001
      0000000f 6d646174 0102 03 a1a2a3 a4`).toString('hex'),
  );
});

test('parts read back as they were written, whatever the frames', () => {
  const init = readInit(writeInit({ video, audio }));
  const frame = fc.record({
    step: fc.integer({ min: 1, max: 200 }),
    cto: fc.integer({ min: -500, max: 500 }),
    key: fc.boolean(),
    data: fc.uint8Array({ maxLength: 20 }),
  });
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 6 }),
      fc.array(frame, { maxLength: 6 }),
      fc.nat({ max: 2 ** 45 }),
      (pictures, sounds, time) => {
        const make = (track: Track, frames: typeof pictures) => {
          let dts = 0;
          const packets = frames.map(({ step, cto, key, data }) => {
            const made = { track, dts, pts: dts + cto, key, data };
            dts += step;
            return made;
          });
          return { decodeTime: time, packets, endDts: dts };
        };
        const content = { sequence: 1, video: make(video, pictures), audio: make(audio, sounds) };
        const part = writePart(content);
        const [fragment] = readParts(part, init);
        for (const [i, { packets, endDts }] of [content.video, content.audio].entries()) {
          assert.equal(fragment!.tracks[i]!.tfdt, time);
          assert.deepEqual(
            fragment!.tracks[i]!.samples,
            packets.map((sent, j) => ({
              dts: time + sent.dts,
              duration: (packets[j + 1]?.dts ?? endDts) - sent.dts,
              cto: sent.pts - sent.dts,
              flags: sent.key ? FLAGS_KEY : FLAGS_DELTA,
              data: Buffer.from(sent.data),
            })),
          );
        }
        assert.equal(readParts(Buffer.concat([part, part]), init).length, 2, 'H39');
      },
    ),
    { numRuns: 300 },
  );
});

test('bytes that are no MP4 of ours are refused with media_invalid', () => {
  const init = writeInit({ video, audio });
  const part = writePart({
    sequence: 1,
    video: null,
    audio: { decodeTime: 0, packets: [packet(audio, 0, 'a1a2')], endDts: 1024 },
  });
  const tracks = readInit(init);
  const tame = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'media_invalid', String(error));
    }
  };
  fc.assert(
    fc.property(fc.nat({ max: 2000 }), fc.nat(255), (at, value) => {
      for (const [good, read] of [
        [init, readInit],
        [part, (data: Buffer) => readParts(data, tracks)],
      ] as const) {
        const bent = Buffer.from(good);
        bent[at % bent.length] = value;
        tame(() => read(bent));
        const cut = good.subarray(0, at % good.length);
        if (cut.length > 0) assert.throws(() => read(cut), { code: 'media_invalid' });
      }
    }),
    { numRuns: 500 },
  );
});
