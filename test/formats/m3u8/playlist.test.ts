import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type MediaPlaylist,
  type MediaSegment,
  parseMediaPlaylist,
  parseMultivariant,
  renderMediaPlaylist,
  renderMultivariant,
} from '../../../src/formats/m3u8/index.ts';

const START_US = Date.UTC(2026, 4, 1) * 1000;

/** Segments of 2 s in six parts, with a break and a new map every `every` segments, the last one in progress. */
function playlist(count: number, inProgressParts: number, every = 100): MediaPlaylist {
  const segments: MediaSegment[] = [];
  for (let i = 0; i <= count; i++) {
    const done = i < count;
    const partCount = done ? (i >= count - 3 ? 6 : 0) : inProgressParts;
    if (!done && partCount === 0) break;
    segments.push({
      uri: done ? `b/${100 + i}.m4s` : null,
      durationUs: done ? 2_000_000 : partCount * 333_333,
      discontinuity: i % every === 0,
      dateTimeUs: START_US + i * 2_000_000,
      map: `b/init-${Math.floor(i / every)}.mp4`,
      gap: false,
      parts: Array.from({ length: partCount }, (_, part) => ({
        uri: `b/${100 + i}.${part}.m4s`,
        durationUs: 333_333,
        independent: part === 0,
        gap: false,
      })),
    });
  }
  return {
    version: 9,
    independentSegments: true,
    targetDurationS: 2,
    serverControl: { canBlockReload: true, canSkipUntilUs: 12e6, holdBackUs: 6e6, partHoldBackUs: 999_999 },
    partTargetUs: 333_333,
    mediaSequence: 100,
    discontinuitySequence: 7,
    skippedSegments: 0,
    segments,
    preloadHint: `b/${100 + count}.${inProgressParts}.m4s`,
    renditionReports: [{ uri: 'audio.m3u8', lastMsn: 100 + count, lastPart: inProgressParts - 1 }],
    endList: false,
  };
}

test('H01 H14 H21 F09 a media playlist as text, line by line', () => {
  const text = renderMediaPlaylist(playlist(4, 2, 3), { skip: false });
  assert.equal(
    text.replaceAll(/(#EXT-X-PART:.*\n){6}/g, '(six parts)\n'),
    `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.000,HOLD-BACK=6.000,PART-HOLD-BACK=0.999999
#EXT-X-PART-INF:PART-TARGET=0.333333
#EXT-X-MEDIA-SEQUENCE:100
#EXT-X-DISCONTINUITY-SEQUENCE:7
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="b/init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-05-01T00:00:00.000Z
#EXTINF:2.000,
b/100.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-05-01T00:00:02.000Z
(six parts)
#EXTINF:2.000,
b/101.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-05-01T00:00:04.000Z
(six parts)
#EXTINF:2.000,
b/102.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="b/init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-05-01T00:00:06.000Z
(six parts)
#EXTINF:2.000,
b/103.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-05-01T00:00:08.000Z
#EXT-X-PART:DURATION=0.333333,URI="b/104.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.333333,URI="b/104.1.m4s"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="b/104.2.m4s"
#EXT-X-RENDITION-REPORT:URI="audio.m3u8",LAST-MSN=104,LAST-PART=1
`,
  );
});

test('what is rendered is read back as it was; a delta merged onto its predecessor too (H52)', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 9 }),
      (count, parts, every) => {
        const model = playlist(count, parts, every);
        assert.deepEqual(parseMediaPlaylist(renderMediaPlaylist(model, { skip: false })), model);
        const delta = parseMediaPlaylist(renderMediaPlaylist(model, { skip: true }));
        // Six target durations back from the end: 6 segments, less what is in progress; whole segments only.
        assert.equal(delta.skippedSegments, Math.max(0, count - 6));
        assert.deepEqual(delta.segments, model.segments.slice(delta.skippedSegments));
      },
    ),
    { numRuns: 60 },
  );
});

test('H53 an ended playlist, and one without CAN-SKIP-UNTIL, are never rendered as a delta', () => {
  const model = playlist(30, 3);
  const control = { ...model.serverControl!, canSkipUntilUs: null };
  for (const other of [
    { ...model, endList: true },
    { ...model, serverControl: control },
    { ...model, serverControl: null },
  ]) {
    const text = renderMediaPlaylist(other, { skip: true });
    assert.ok(!text.includes('EXT-X-SKIP'));
    assert.equal(parseMediaPlaylist(text).segments.length, 31);
  }
});

test('H31 nothing in a value ends its line or its quotes', () => {
  const hostile = 'x"\n#EXT-X-ENDLIST\r\n,URI="y';
  const variant = { uri: 'main.m3u8', bandwidth: 1, averageBandwidth: 1, codecs: hostile };
  const parsed = parseMultivariant(renderMultivariant({ version: 9, independentSegments: true, variants: [variant] }));
  assert.deepEqual(parsed.variants, [{ ...variant, codecs: 'x#EXT-X-ENDLIST,URI=y' }]);
  const hinted = { ...playlist(3, 1), preloadHint: hostile };
  assert.equal(parseMediaPlaylist(renderMediaPlaylist(hinted, { skip: false })).endList, false);
});

test('H02 H03 a multivariant playlist as text and back', () => {
  const video = {
    uri: 'main.m3u8',
    bandwidth: 3_300_000,
    averageBandwidth: 2_700_000,
    codecs: 'avc1.64001f,mp4a.40.2',
  };
  const model = {
    version: 9,
    independentSegments: true,
    variants: [{ ...video, width: 1280, height: 720, frameRate: 29.97 }],
  };
  const text = renderMultivariant(model);
  assert.equal(
    text,
    `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=3300000,AVERAGE-BANDWIDTH=2700000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970
main.m3u8
`,
  );
  assert.deepEqual(parseMultivariant(text), model);
});

test('the parsers take foreign playlists and refuse broken ones with the reason', () => {
  const foreign = parseMediaPlaylist(
    '#EXTM3U\r\n#EXT-X-TARGETDURATION:6\r\n# a comment\r\n#EXT-X-SOMETHING-NEW:A=1\r\n\r\n#EXTINF:5.96,title, with comma\r\nhttps://cdn.example/a.ts?x=1\r\n#EXTINF:6\r\nb.ts\r\n#EXT-X-ENDLIST\r\n',
  );
  assert.deepEqual(
    foreign.segments.map((segment) => [segment.uri, segment.durationUs, segment.dateTimeUs, segment.map]),
    [
      ['https://cdn.example/a.ts?x=1', 5_960_000, null, null],
      ['b.ts', 6_000_000, null, null],
    ],
  );
  assert.equal(foreign.endList, true);
  const head = '#EXTM3U\n#EXT-X-TARGETDURATION:6\n';
  const broken: [text: string, reason: RegExp][] = [
    ['', /begins with/],
    [`\ufeff${head}`, /control character/],
    [`${head}#EXTINF:1\u0007,\na.ts\n`, /control character/],
    ['#EXTM3U\n', /TARGETDURATION is missing/],
    [`${head}#EXT-X-TARGETDURATION:6\n`, /stands twice/],
    [`${head}a.ts\n`, /no EXTINF/],
    [`${head}#EXTINF:nan,\na.ts\n`, /EXTINF/],
    [`${head}#EXT-X-MEDIA-SEQUENCE:99999999999999999999\n`, /MEDIA-SEQUENCE/],
    [`${head}#EXT-X-PART:DURATION=1\n`, /no URI/],
    [`${head}#EXT-X-PART:DURATION=1,URI="a,URI=b\n`, /attribute list/],
    [`${head}#EXT-X-STREAM-INF:BANDWIDTH=1\n`, /in a media playlist/],
  ];
  for (const [text, reason] of broken) assert.throws(() => parseMediaPlaylist(text), reason, JSON.stringify(text));
  assert.throws(() => parseMultivariant('#EXTM3U\n#EXT-X-STREAM-INF:CODECS="a"\nb.m3u8\n'), /BANDWIDTH/);
  assert.throws(() => parseMultivariant('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n'), /not followed/);
  assert.throws(() => parseMultivariant(head), /in a multivariant/);
});
