import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MediaPlaylist, parseMediaPlaylist, parseMultivariant } from '../../src/formats/m3u8/index.ts';
import { BROADCAST_ID, HLS, onAir, PART_US, USER_ID } from './on-air.ts';

const byPlace = ([msn, part]: number[], [otherMsn, otherPart]: number[]) => msn! - otherMsn! || part! - otherPart!;

test('H03 F23 H05 H06 H07 H08 H10 H32 the multivariant playlist: one variant, from the run and the measured parts', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(3);
  const answer = await air.get(`${HLS}/index.m3u8?_session=none`);
  const { variants, independentSegments } = parseMultivariant(answer.body.toString());
  assert.equal(independentSegments, true);
  // Six parts of 5000 bytes in 1.998 s: 120,120 bits a second, and 10 % on top.
  const expected = {
    uri: 'main.m3u8',
    codecs: 'avc1.64001f,mp4a.40.2',
    bandwidth: 140_000,
    averageBandwidth: 140_000,
    width: 1280,
    height: 720,
    frameRate: 30,
  };
  assert.deepEqual(variants, [expected]);
  const byUser = await air.get(`/hls/${USER_ID}/${HLS.slice(5)}/index.m3u8?_session=none`);
  assert.deepEqual(byUser.body, answer.body, 'the owner in the path changes nothing');
  assert.ok(!answer.body.includes('127.0.0.1') && !answer.body.includes('example.net'));

  const main = { init: Buffer.from('i'), codecs: 'mp4a.40.2' };
  air.begin('2'.repeat(24), { main, audio: main });
  air.parts(3);
  const audioOnly = parseMultivariant((await air.get(`${HLS}/index.m3u8`)).body.toString()).variants[0];
  assert.deepEqual([audioOnly.codecs, 'width' in audioOnly, 'frameRate' in audioOnly], ['mp4a.40.2', false, false]);
});

test('E14 F07 F14 H12 H21 H22 H33 H34 H36 H37 H38 H39 H40 H41 H44 watched over eight segments, every resource fetched', async (t) => {
  const air = await onAir(t);
  air.begin();
  let previous: MediaPlaylist | null = null;
  const names = new Set<string>();
  air.segments(1);
  for (let step = 7; step < 55; step++) {
    air.parts(1);
    if (step % 6 === 0) air.window.closeSegment();
    const playlist = await air.playlist();
    const { segments } = playlist;
    assert.deepEqual(playlist.serverControl, {
      canBlockReload: true,
      canSkipUntilUs: 12e6,
      holdBackUs: 6e6,
      partHoldBackUs: 3 * PART_US,
    });
    assert.deepEqual([playlist.targetDurationS, playlist.partTargetUs, playlist.version], [2, PART_US, 9]);
    assert.equal(
      playlist.preloadHint,
      `${BROADCAST_ID}/${air.window.nextMsn}.${air.window.inProgress!.parts.length}.m4s`,
    );
    const audio = await air.playlist('', 'audio');
    const last = segments.at(-1)!;
    const lastMsn = playlist.mediaSequence + segments.length - 1;
    assert.deepEqual(audio.renditionReports, [{ uri: 'main.m3u8', lastMsn, lastPart: last.parts.length - 1 }]);
    assert.deepEqual([audio.mediaSequence, audio.segments.length], [playlist.mediaSequence, segments.length]);
    assert.deepEqual(playlist.renditionReports, [{ uri: 'audio.m3u8', lastMsn, lastPart: last.parts.length - 1 }]);
    // Parts: of all segments that end within three target durations of the end, and of no other.
    let fromEndUs = 0;
    for (const segment of segments.toReversed()) {
      const within = fromEndUs <= 6e6;
      assert.equal(segment.parts.length > 0, within);
      if (within)
        assert.equal(
          segment.parts.reduce((sum, part) => sum + part.durationUs, 0),
          segment.durationUs,
        );
      for (const [i, part] of segment.parts.entries()) assert.equal(part.independent, i === 0);
      assert.equal(segment.map, `${BROADCAST_ID}/init-0.mp4`);
      for (const part of segment.parts) names.add(part.uri!);
      fromEndUs += segment.durationUs;
    }
    // One clock through the run: each date is the one before and what lies between.
    for (const [i, { dateTimeUs, durationUs }] of segments.slice(0, -1).entries())
      assert.ok(Math.abs(segments[i + 1]!.dateTimeUs! - dateTimeUs! - durationUs) <= 1000);
    if (previous) {
      assert.ok(playlist.mediaSequence >= previous.mediaSequence);
      // What stays keeps its number, tags and date; what was hinted is what came.
      const byUri = new Map(segments.map((segment) => [segment.uri, segment]));
      for (const old of previous.segments) {
        const now = old.uri && byUri.get(old.uri);
        if (now) assert.deepEqual({ ...now, parts: null }, { ...old, parts: null });
      }
      const uris = segments.flatMap((segment) => segment.parts.map((part) => part.uri));
      assert.ok(uris.includes(previous.preloadHint!), `${previous.preloadHint} was hinted`);
    }
    previous = playlist;
  }
  // The parts of nine segments, named by segment and place: none left out, none twice.
  const places = [...names]
    .map((name) =>
      name
        .match(/(\d+)\.(\d)\.m4s$/)!
        .slice(1)
        .map(Number),
    )
    .sort(byPlace);
  const first = places[0]![0]!;
  assert.deepEqual(
    places,
    Array.from({ length: 54 }, (_, i) => [first + Math.floor(i / 6), i % 6]),
  );
  for (const rendition of ['main', 'audio']) {
    const playlist = await air.playlist('', rendition);
    assert.equal((await air.get(`${HLS}/${playlist.segments[0].map}`)).body.toString(), `init of ${rendition}`);
    for (const segment of playlist.segments.filter((one) => one.parts.length > 0 && one.uri)) {
      const parts = await Promise.all(segment.parts.map((part) => air.get(`${HLS}/${part.uri}`)));
      const whole = await air.get(`${HLS}/${segment.uri}`);
      assert.deepEqual(Buffer.concat(parts.map((part) => part.body)), whole.body);
      assert.ok(whole.body.toString().startsWith(rendition));
    }
  }
});

test('H24 H25 H27 H30 F19 F21 the publisher comes back: one break, numbers go on, no hint and no ENDLIST in between', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(3);
  air.parts(2);
  const before = await air.playlist();
  air.window.pause();
  const paused = await air.playlist();
  assert.deepEqual([paused.preloadHint, paused.endList], [null, false]);
  assert.equal(paused.segments.length, 4);
  assert.ok(paused.segments.every((segment) => segment.uri));
  assert.equal((await air.get(`${HLS}/${before.preloadHint}`)).status, 404);
  air.run({ audio: null, startedAtMs: Date.now() + 60_000 });
  air.parts(2, false);
  const after = await air.playlist();
  assert.equal(after.mediaSequence, before.mediaSequence);
  assert.deepEqual(
    after.segments.map((segment) => segment.discontinuity),
    [true, false, false, false, true],
  );
  assert.deepEqual(after.segments.at(-1)!.map, `${BROADCAST_ID}/init-1.mp4`);
  assert.ok(after.segments.at(-1)!.dateTimeUs! > Date.now() * 1000 + 50e6, 'PDT is anchored anew');
  const again = await air.get(`${HLS}/${before.segments[0].uri}`);
  assert.equal(again.status, 200, 'old URIs stay');
  // The audio rendition has nothing in this run: gaps keep its numbers and breaks together with the other's.
  const audio = await air.playlist('', 'audio');
  const shape = (playlist: MediaPlaylist) =>
    playlist.segments.map((one) => [one.discontinuity, one.durationUs, one.dateTimeUs]);
  assert.deepEqual(shape(audio), shape(after));
  assert.deepEqual(
    audio.segments.at(-1)!.parts.map((part) => part.gap),
    [true, true],
  );
  assert.equal(audio.preloadHint, null);
});

test('H26 H50 the end: ENDLIST, no parts, no hints, the same bytes ever after whatever is asked', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(2);
  air.parts(2);
  const waiting = air.get(`${HLS}/main.m3u8?${air.next()}`);
  const part = air.get(`${HLS}/${BROADCAST_ID}/${air.window.nextMsn}.2.m4s`);
  await air.waiting(2);
  const ended = performance.now();
  air.window.end();
  assert.deepEqual([(await part).status, (await part).headers['cache-control']], [404, 'no-store']);
  const last = await waiting;
  assert.ok(performance.now() - ended < 1000);
  const playlist = parseMediaPlaylist(last.body.toString());
  assert.equal(playlist.endList, true);
  assert.deepEqual([playlist.segments.length, playlist.preloadHint, playlist.renditionReports], [3, null, []]);
  assert.ok(playlist.segments.every((segment) => segment.uri && segment.parts.length === 0));
  for (const query of ['', '?_HLS_msn=999999999999', '?_HLS_part=3', '?_HLS_msn=x', '?_HLS_skip=YES']) {
    const answer = await air.get(`${HLS}/main.m3u8${query}`);
    assert.deepEqual([answer.status, answer.body], [200, last.body], query);
    assert.equal(answer.headers['cache-control'], 'public, max-age=1');
  }
});

test('D09 H52 H53 F17 every delta of a run, merged onto the full playlist before it, is the full playlist', async (t) => {
  const air = await onAir(t, { minWindowMs: 40_000 });
  air.begin();
  air.segments(1);
  let known = await air.playlist();
  let skips = 0;
  for (let step = 0; step < 240; step++) {
    if (step % 50 === 49) {
      air.window.pause();
      air.run();
    }
    air.parts(1);
    if (air.window.inProgress!.parts.length === 6) air.window.closeSegment();
    const full = await air.playlist();
    assert.equal((await air.playlist('', 'audio')).discontinuitySequence, full.discontinuitySequence);
    const delta = await air.playlist('_HLS_skip=YES');
    const skippedUs = full.segments.slice(delta.skippedSegments).reduce((sum, segment) => sum + segment.durationUs, 0);
    if (delta.skippedSegments > 0) {
      skips++;
      assert.ok(
        skippedUs > 12e6 && skippedUs - full.segments[delta.skippedSegments].durationUs <= 12e6,
        'at the boundary',
      );
    }
    const from = full.mediaSequence - known.mediaSequence;
    const kept = known.segments.slice(from, from + delta.skippedSegments).map((segment) => ({ ...segment, parts: [] }));
    assert.deepEqual({ ...delta, segments: [...kept, ...delta.segments], skippedSegments: 0 }, full);
    known = full;
  }
  assert.ok(skips > 150, `${skips} deltas`);
  assert.ok(known.discontinuitySequence > 8, 'breaks that left the window are counted');
  assert.equal((await air.playlist('_HLS_skip=v2')).skippedSegments, 0, 'only with CAN-SKIP-DATERANGES');
  assert.equal((await air.playlist('_HLS_skip=no')).skippedSegments, 0);
});

test('F15 the first playlists are held until there is enough to play', async (t) => {
  const air = await onAir(t);
  const window = air.shelf.open({
    broadcastId: BROADCAST_ID,
    playbackId: HLS.slice(5),
    userId: USER_ID,
    discontinuitySequence: 8,
  });
  air.window = window;
  const master = air.get(`${HLS}/index.m3u8`);
  await air.waiting(1);
  const media = [air.get(`${HLS}/main.m3u8`), air.get(`${HLS}/audio.m3u8`)];
  await air.waiting(3);
  window.open({ targetDurationS: 2, partTargetUs: PART_US });
  air.run();
  air.parts(2);
  await new Promise(setImmediate);
  assert.equal(window.waiters, 3);
  air.parts(1);
  assert.equal((await master).status, 200, 'three parts tell what the stream is');
  // hls.js and ffmpeg refuse a playlist that has parts but no segment.
  assert.equal(window.waiters, 2);
  air.parts(3);
  window.closeSegment();
  for (const answer of await Promise.all(media)) {
    const { mediaSequence, segments } = parseMediaPlaylist(answer.body.toString());
    assert.deepEqual([mediaSequence, segments.length, segments[0].discontinuity], [window.firstMsn, 1, true]);
  }

  // Paused before anything came: nothing to play, and no reason to hold on.
  air.begin('3'.repeat(24));
  const held = air.get(`${HLS}/main.m3u8`);
  await air.waiting(1);
  air.window.pause();
  assert.equal((await held).status, 404);
});
