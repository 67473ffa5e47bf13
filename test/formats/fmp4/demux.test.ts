import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { CodedError } from '../../../src/base/index.ts';
import { Fmp4Demuxer, writeInit, writePart } from '../../../src/formats/fmp4/index.ts';
import type { AudioTrack, Packet, VideoTrack } from '../../../src/media/index.ts';
import { runChild } from '../../support/child.ts';
import { type Clip, makeFlv } from '../../support/encoder.ts';
import { bareFrames, flvPackets } from '../../support/media-frames.ts';

const folder = mkdtempSync(join(tmpdir(), 'liveapi-fmp4-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const CLIP: Clip = {
  seconds: 4,
  video: { size: '320x180', bFrames: 2, kbps: 300 },
  audio: { rate: 44_100, channels: 2 },
};
const quiet = { unsupported: () => assert.fail('unsupported'), dropped: () => assert.fail('dropped') };

/** The frames of an initialization segment with its segments, in their order. */
function demux(init: Buffer, segments: readonly Buffer[]): Packet[] {
  const demuxer = new Fmp4Demuxer(quiet);
  demuxer.init(init);
  return segments.flatMap((segment) => {
    const packets = demuxer.media(segment);
    const times = packets.map(({ dts, track }) => dts / track.timescale);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
      'a segment comes in the order of its times',
    );
    return packets;
  });
}

/** HLS segments of ffmpeg's, from `input`'s coded frames. */
async function makeHls(input: string, name: string, ...args: string[]): Promise<{ init: Buffer; segments: Buffer[] }> {
  const path = join(folder, name);
  await runChild('ffmpeg', [
    ...['-v', 'error', '-y', '-i', input, '-c', 'copy', ...args, '-f', 'hls', '-hls_time', '1', '-hls_list_size', '0'],
    ...['-hls_segment_type', 'fmp4', '-hls_fmp4_init_filename', `${name}-init.mp4`],
    ...['-hls_segment_filename', `${path}-%03d.m4s`, `${path}.m3u8`],
  ]);
  const segments = readdirSync(folder).filter((file) => file.startsWith(`${name}-`) && file.endsWith('.m4s'));
  return {
    init: readFileSync(join(folder, `${name}-init.mp4`)),
    segments: segments.sort().map((file) => readFileSync(join(folder, file))),
  };
}

/** What our own packager writes of packets: parts of a few frames each. */
function writeOwn(packets: readonly Packet[]): { init: Buffer; segments: Buffer[] } {
  const of = (kind: string) => packets.filter(({ track }) => track.kind === kind);
  const [video, sound] = [of('video'), of('audio')];
  const init = writeInit({ video: video[0]!.track as VideoTrack, audio: sound[0]!.track as AudioTrack });
  const segments: Buffer[] = [];
  for (let at = 0; at < video.length; at += 10) {
    const samples = (from: readonly Packet[], index: number, count: number) => {
      const part = from.slice(index, index + count);
      const endDts = from[index + count]?.dts ?? (part.at(-1)?.dts ?? 0) + 1024;
      return { decodeTime: part[0]?.dts ?? 0, packets: part, endDts };
    };
    const soundCount = Math.ceil(sound.length / Math.ceil(video.length / 10));
    segments.push(
      writePart({
        sequence: segments.length + 1,
        video: samples(video, at, 10),
        audio: samples(sound, segments.length * soundCount, soundCount),
      }),
    );
  }
  return { init, segments };
}

test('G10 fragments of ffmpeg and of our own come out frame by frame as they went in', async () => {
  const flv = await makeFlv(CLIP);
  const sent = flvPackets(flv);
  const own = writeOwn(sent);
  assert.deepEqual(
    demux(own.init, own.segments).filter(({ track }) => track.kind === 'video'),
    sent.filter(({ track }) => track.kind === 'video').map((packet) => ({ ...packet, data: packet.data })),
    'our own video, times and all',
  );
  const cases = [
    own,
    await makeHls(flv, 'muxed'),
    await makeHls(flv, 'picture', '-an'),
    await makeHls(flv, 'sound', '-vn'),
  ];
  for (const [index, { init, segments }] of cases.entries()) {
    const packets = demux(init, segments);
    for (const kind of ['video', 'audio'] as const) {
      const actual = bareFrames(packets, kind);
      const expected = bareFrames(sent, kind);
      if (actual.length === 0 && index === (kind === 'video' ? 3 : 2)) continue;
      assert.deepEqual(
        actual.map(({ hash, key }) => ({ hash, key })),
        expected.map(({ hash, key }) => ({ hash, key })),
      );
      const at = actual.map(({ ptsMs }, frame) => ptsMs - expected[frame]!.ptsMs);
      assert.ok(Math.max(...at) - Math.min(...at) < 2, `presentation times of ${kind}`);
    }
    assert.ok(new Set(packets.map(({ track }) => track)).size <= 2, 'tracks stay the same objects');
  }
});

test('picture and sound keep their distance through edit lists', async () => {
  const flv = await makeFlv(CLIP);
  const sent = flvPackets(flv);
  const { init, segments } = await makeHls(flv, 'edits');
  assert.ok(init.includes('elst'), 'ffmpeg writes one for B-frames');
  const shown = (packets: readonly Packet[], kind: 'video' | 'audio') =>
    Math.min(...bareFrames(packets, kind).map(({ ptsMs }) => ptsMs));
  const packets = demux(init, segments);
  const distance = shown(packets, 'video') - shown(packets, 'audio') - shown(sent, 'video') + shown(sent, 'audio');
  assert.ok(Math.abs(distance) < 2, `apart by ${distance} ms`);
});

test('the same initialization again keeps the tracks, another makes new ones; codecs that are not carried are named', async () => {
  const flv = await makeFlv(CLIP);
  const { init, segments } = await makeHls(flv, 'again');
  const demuxer = new Fmp4Demuxer(quiet);
  demuxer.init(init);
  const before = demuxer.media(segments[0]!);
  demuxer.init(Buffer.from(init));
  const same = demuxer.media(segments[1]!);
  assert.deepEqual(new Set(same.map(({ track }) => track)), new Set(before.map(({ track }) => track)));
  assert.equal(same[0]!.track, before.find(({ track }) => track.kind === same[0]!.track.kind)!.track);
  const other = await makeFlv({ seconds: 1, video: { size: '64x64', kbps: 50 } });
  const small = await makeHls(other, 'other');
  demuxer.init(small.init);
  const after = demuxer.media(small.segments[0]!);
  assert.ok(after.every(({ track }) => track.kind === 'video' && track.config.width === 64));

  const told: string[] = [];
  const encrypted = Buffer.from(init.toString('latin1').replace('avc1', 'encv').replace('mp4a', 'fLaC'), 'latin1');
  const picky = new Fmp4Demuxer({ unsupported: (...what) => told.push(what.join(' ')), dropped: () => {} });
  // avc1 stands in ftyp as well, but not as the first box of a sample description.
  picky.init(encrypted.subarray(encrypted.indexOf('moov') - 4));
  assert.deepEqual(told.sort(), ['audio flac', 'video video-encrypted']);
  assert.deepEqual(picky.media(segments[0]!), []);
});

test('10,000 mutations: nothing but packets inside of what was given, and media_invalid', async () => {
  const flv = await makeFlv({
    seconds: 1,
    video: { size: '64x64', fps: 10, kbps: 50 },
    audio: { rate: 8000, channels: 1 },
  });
  const { init, segments } = await makeHls(flv, 'small');
  const media = segments[0]!;
  // Where the boxes are: frames are only looked at for their lengths.
  const boxes = Math.min(media.length, media.indexOf('mdat') + 40);
  const edit = fc.record({
    init: fc.boolean(),
    at: fc.nat(100_000),
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 8 }),
      fc.constantFrom(Uint8Array.of(255, 255, 255, 255), Uint8Array.of(0, 0, 0, 0), Uint8Array.of(0, 0, 0, 1)),
    ),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 5 }), fc.nat(media.length), (edits, cut) => {
      const [initBytes, mediaBytes] = [Buffer.from(init), Buffer.from(media)];
      for (const { init: inInit, at, bytes } of edits)
        if (inInit) initBytes.set(bytes, at % (initBytes.length - 8));
        else mediaBytes.set(bytes, at % (boxes - 8));
      try {
        const demuxer = new Fmp4Demuxer({ unsupported: () => {}, dropped: () => {} });
        demuxer.init(initBytes);
        for (const bytes of [mediaBytes, mediaBytes.subarray(0, cut)])
          for (const { dts, pts, data } of demuxer.media(bytes))
            assert.ok(Number.isSafeInteger(dts) && Number.isSafeInteger(pts) && data.length > 0);
      } catch (error) {
        assert.ok(error instanceof CodedError && error.code === 'media_invalid', String(error));
      }
    }),
    // Found once: a timescale of 125 under times that were counted in millions.
    {
      numRuns: 10_000,
      examples: [
        [
          [
            { init: true, at: 46_217, bytes: Uint8Array.of(0, 0, 0, 125) },
            { init: true, at: 94_767, bytes: Uint8Array.of(255, 255, 255, 255) },
          ],
          0,
        ],
      ],
    },
  );
});
