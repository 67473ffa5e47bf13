// The library must find what is wrong: playlists, boxes and frames with one fault each.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { frameHash, type Sent } from '../support/flv-frames.ts';
import type { Sample } from './boxes.ts';
import { comparable, mergeDelta, nextPosition } from './delta.ts';
import { compareFrames, readFragments } from './index.ts';
import { type MediaPlaylist, PlaylistError, readPlaylist } from './playlist.ts';

const PLAYLIST = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.000,PART-HOLD-BACK=1.002
#EXT-X-PART-INF:PART-TARGET=0.334
#EXT-X-MEDIA-SEQUENCE:100
#EXT-X-DISCONTINUITY-SEQUENCE:7
#EXT-X-MAP:URI="b/init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z
#EXTINF:2.000,
b/100.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="b/init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:07.678Z
#EXT-X-PART:DURATION=0.334,URI="b/101.0.m4s",INDEPENDENT=YES
#EXTINF:2.000,
b/101.m4s
#EXT-X-PART:DURATION=0.333,URI="b/102.0.m4s"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="b/102.1.m4s"
#EXT-X-RENDITION-REPORT:URI="audio.m3u8",LAST-MSN=102,LAST-PART=0
`;

const media = (text: string): MediaPlaylist => {
  const playlist = readPlaylist(text);
  assert.equal(playlist.kind, 'media');
  return playlist as MediaPlaylist;
};

suite('playlists', () => {
  test('a good one is read', () => {
    const playlist = media(PLAYLIST);
    assert.deepEqual(nextPosition(playlist), { msn: 102, part: 1 });
    assert.deepEqual(
      playlist.segments.map(({ msn, map, discontinuity }) => [msn, map, discontinuity]),
      [
        [100, 'b/init-0.mp4', false],
        [101, 'b/init-1.mp4', true],
      ],
    );
    assert.deepEqual(
      playlist.openParts.map(({ uri, durationS }) => [uri, durationS]),
      [['b/102.0.m4s', 0.333]],
    );
  });
  for (const [what, from, to] of [
    ['a byte order mark', '#EXTM3U', '\ufeff#EXTM3U'],
    ['no line end at the end', 'LAST-PART=0\n', 'LAST-PART=0'],
    ['a control character', 'b/100', 'b/\u0007100'],
    ['a CR alone', '#EXTINF:2.000,\nb/100', '#EXTINF:2.000,\rb/100'],
    ['a master tag', '#EXT-X-PART-INF', '#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8\n#EXT-X-PART-INF'],
    ['a URI without EXTINF', '#EXTINF:2.000,\nb/100', 'b/100'],
    ['a tag twice', '#EXT-X-MEDIA-SEQUENCE:100', '#EXT-X-MEDIA-SEQUENCE:100\n#EXT-X-MEDIA-SEQUENCE:100'],
    ['an attribute twice', 'PART-TARGET=0.334', 'PART-TARGET=0.334,PART-TARGET=0.334'],
    ['an unquoted URI', 'URI="b/init-0.mp4"', 'URI=b/init-0.mp4'],
    ['a comma at the end of a list', 'INDEPENDENT=YES', 'INDEPENDENT=YES,'],
    ['a fraction as target', 'TARGETDURATION:2', 'TARGETDURATION:2.0'],
    ['a discontinuity inside a segment', '#EXTINF:2.000,\nb/101', '#EXT-X-DISCONTINUITY\n#EXTINF:2.000,\nb/101'],
    ['a date without zone', '05.678Z', '05.678'],
    ['a space in a URI', 'b/100.m4s', 'b/1 00.m4s'],
  ] as const) {
    test(`${what} is refused`, () => {
      assert.ok(PLAYLIST.includes(from));
      assert.throws(() => readPlaylist(PLAYLIST.replace(from, to)), PlaylistError);
    });
  }
  test('a delta is put onto the playlist before, and a wrong one is seen', () => {
    const full = media(PLAYLIST);
    const text = PLAYLIST.replace(
      /#EXT-X-MAP:URI="b\/init-0.mp4"\n.*\n.*\nb\/100.m4s\n/,
      '#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n',
    );
    assert.equal(comparable(mergeDelta(full, media(text))), comparable(full));
    assert.notEqual(comparable(mergeDelta(full, media(text.replace('#EXT-X-DISCONTINUITY\n', '')))), comparable(full));
    assert.throws(() => mergeDelta(full, media(text.replace('SEGMENTS=1', 'SEGMENTS=9'))), /does not hold/);
  });
});

test('boxes: sizes that do not sum up, missing data, samples outside mdat', () => {
  const box = (type: string, ...body: Buffer[]): Buffer => {
    const all = Buffer.concat(body);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(all.length + 8);
    head.write(type, 4, 'latin1');
    return Buffer.concat([head, all]);
  };
  const words = (...values: number[]): Buffer => {
    const bytes = Buffer.alloc(values.length * 4);
    values.forEach((value, index) => void bytes.writeUInt32BE(value, index * 4));
    return bytes;
  };
  const init = [
    {
      id: 1,
      kind: 'audio',
      timescale: 48_000,
      sampleEntry: 'mp4a',
      config: Buffer.alloc(0),
      codec: '',
      width: 0,
      height: 0,
      hasEdits: false,
      sampleCount: 0,
      defaults: { duration: 1024, size: 0, flags: 0 },
    },
  ] as const;
  const part = (offset: number, size: number): Buffer => {
    const trun = box('trun', words(0x000201, 1, offset, size));
    const traf = box('traf', box('tfhd', words(0x020000, 1)), box('tfdt', words(0x01000000, 0, 480_000)), trun);
    return Buffer.concat([box('moof', box('mfhd', words(0, 5)), traf), box('mdat', Buffer.from('four'))]);
  };
  const offset = part(0, 4).length - 4;
  const [fragment] = readFragments(part(offset, 4), init);
  assert.deepEqual(
    [fragment!.sequence, fragment!.tracks[0]!.samples.map(({ dts, data }) => [dts, data.toString()])],
    [5, [[480_000, 'four']]],
  );
  assert.throws(() => readFragments(part(offset, 5), init), /outside mdat/);
  assert.throws(() => readFragments(part(offset - 1, 4), init), /outside mdat/);
  assert.throws(() => readFragments(part(offset, 4).subarray(0, -1), init), /box size/);
  assert.throws(() => readFragments(Buffer.concat([part(offset, 4), Buffer.alloc(3)]), init), /stray/);
  assert.throws(() => readFragments(part(offset, 4), []), /no trex/);
});

test('frames: lost, doubled, changed, late ones and a wrong key flag are found', () => {
  const data = (index: number): Buffer => Buffer.from(`frame ${index}`);
  const sent: Sent = {
    avcConfig: null,
    aacConfig: null,
    frames: Array.from({ length: 9 }, (_, index) => ({
      kind: 'video' as const,
      dtsMs: index * 33,
      ptsMs: index * 33 + 66,
      key: index % 3 === 0,
      hash: frameHash(data(index)),
    })),
  };
  const samples: Sample[] = sent.frames.map(({ dtsMs, ptsMs, key }, index) => ({
    dts: 10_000 + dtsMs,
    pts: 10_000 + ptsMs,
    duration: 33,
    sync: key,
    data: data(index),
  }));
  const problems = (changed: Sample[]) =>
    compareFrames(sent, { video: { timescale: 1000, samples: changed }, audio: null }).problems;
  const change = (index: number, by: Partial<Sample>) =>
    samples.map((sample, at) => (at === index ? { ...sample, ...by } : sample));
  assert.deepEqual(problems(samples), []);
  assert.deepEqual(problems(change(4, { dts: samples[4]!.dts + 1 })), [], 'one millisecond is rounding');
  assert.match(problems(samples.toSpliced(4, 1)).join(), /9 frames sent, 8 received/);
  assert.match(problems(samples.toSpliced(4, 0, samples[4]!)).join(), /those of frame 4/);
  assert.match(problems(change(8, { data: data(99) })).join(), /never sent/);
  assert.match(problems(change(2, { dts: samples[2]!.dts + 2 })).join(), /received at/);
  assert.match(problems(change(2, { pts: samples[2]!.pts - 2 })).join(), /received at/);
  assert.match(problems(change(3, { sync: false })).join(), /sync false/);
});
