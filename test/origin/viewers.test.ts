import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { test } from 'node:test';
import { parseMultivariant } from '../../src/formats/m3u8/index.ts';
import { Viewers } from '../../src/origin/viewers.ts';
import type { LiveWindow } from '../../src/segments/index.ts';
import { BROADCAST_ID, HLS, type OnAir, onAir, PLAYBACK_ID, USER_ID } from './on-air.ts';

/** A broadcast with a clock that the test moves. */
async function watched(t: Parameters<typeof onAir>[0], options: { maxSessions?: number } = {}) {
  let nowMs = 5_000_000;
  const air = await onAir(t, { ...options, clock: () => nowMs });
  air.begin();
  air.segments(3);
  return {
    air,
    pass: (seconds: number) => {
      nowMs += seconds * 1000;
    },
    viewers: () => air.origin.audience(PLAYBACK_ID)!.viewers,
  };
}

/** What a player does first: reads the multivariant playlist. The address of its media playlist. */
async function tune(air: OnAir, query = '', path = HLS): Promise<string> {
  const { body } = await air.get(`${path}/index.m3u8${query}`);
  return `${path}/${parseMultivariant(body.toString()).variants[0]!.uri}`;
}

test('F27 viewers are sessions: seen at once, gone within 15 s, one with many connections is one', async (t) => {
  const { air, pass, viewers } = await watched(t);
  assert.equal(viewers(), 0);
  const urls = await Promise.all(Array.from({ length: 30 }, () => tune(air)));
  assert.equal(new Set(urls).size, 30, 'each reader of index.m3u8 has a session of its own');
  assert.equal(viewers(), 0, 'who reads index.m3u8 alone watches nothing');
  for (const url of urls) await air.get(`${url}&_HLS_msn=${air.window.nextMsn - 1}&_HLS_part=0`);
  assert.equal(viewers(), 30);
  assert.equal(air.origin.viewers, 30);

  // One of them asks over forty connections, with and without directives: still one.
  const agent = new Agent({ keepAlive: false });
  await Promise.all(
    Array.from({ length: 40 }, (_, i) => {
      const path = i % 2 ? urls[0]! : `${urls[0]}&_HLS_msn=${air.window.nextMsn - 1}&_HLS_skip=YES`;
      return new Promise((resolve) =>
        request({ host: '127.0.0.1', port: air.port, path, agent }, (res) => res.resume().on('end', resolve)).end(),
      );
    }),
  );
  assert.equal(viewers(), 30);

  // Ten go on; the others are silent.
  for (let s = 0; s < 12; s += 2) {
    pass(2);
    for (const url of urls.slice(0, 10)) await air.get(url);
    assert.equal(viewers(), 30, 'a pause between two reloads is no departure');
  }
  pass(2);
  for (const url of urls.slice(0, 10)) await air.get(url);
  assert.equal(viewers(), 10);
  pass(13);
  assert.equal(viewers(), 0);
  assert.equal(air.origin.viewers, 0);
  // Back again, by the path with the owner.
  await air.get(urls[0]!.replace(HLS, `/hls/${USER_ID}/${PLAYBACK_ID}`));
  assert.equal(viewers(), 1);
});

test('H10 a player that names its session in a header keeps its variants, and is one viewer', async (t) => {
  const { air, viewers } = await watched(t);
  const headers = { 'x-playback-session-id': '7DB2F3A0-11C4-4E0E-9B7F-2A2F0C6D9E51' };
  const first = (await air.get(`${HLS}/index.m3u8`, headers)).body.toString();
  assert.match(first, /^main\.m3u8\?_session=7DB2F3A0-11C4-4E0E-9B7F-2A2F0C6D9E51$/m);
  assert.equal((await air.get(`${HLS}/index.m3u8`, headers)).body.toString(), first);
  await air.get(`${HLS}/${/^main\.m3u8.*$/m.exec(first)![0]}`, headers);
  assert.equal(viewers(), 1);
  const odd = (await air.get(`${HLS}/index.m3u8`, { 'x-playback-session-id': 'a b\tc' })).body.toString();
  assert.match(odd, /^main\.m3u8\?_session=[0-9a-f]{16}$/m);
});

test('parts and shared playlists count nobody; pages report, and their playlists stay shared', async (t) => {
  const { air, pass, viewers } = await watched(t);
  const shared = await tune(air, '?_session=none');
  assert.equal(shared, `${HLS}/main.m3u8`);
  for (const name of [
    'index.m3u8?_session=none',
    'main.m3u8',
    'main.m3u8?_session=none',
    `${BROADCAST_ID}/${air.window.firstMsn}.0.m4s`,
  ])
    await air.get(`${HLS}/${name}`);
  assert.equal(viewers(), 0);
  const report = await air.get(`${HLS}/viewer?_session=page-0123`);
  assert.deepEqual([report.status, report.body.length, report.headers['cache-control']], [204, 0, 'no-store']);
  assert.equal(report.headers['access-control-allow-origin'], '*');
  assert.equal(viewers(), 1);
  pass(5);
  await air.get(`${HLS}/viewer?_session=page-0123`);
  pass(10);
  assert.equal(viewers(), 1);
  pass(3);
  assert.equal(viewers(), 0);
  for (const query of [
    '',
    '?_session=',
    '?_session=none',
    '?_session=a',
    `?_session=${'x'.repeat(65)}`,
    '?_session=a%20b%20c',
  ])
    assert.equal((await air.get(`${HLS}/viewer${query}`)).status, 400, query);
  assert.equal((await air.get(`/hls/lv_${'f'.repeat(32)}/viewer?_session=page-0123`)).status, 404);
  assert.equal(viewers(), 0);
  // A client may bring its own id, and odd ones are replaced.
  assert.equal(await tune(air, '?_session=my-player_1'), `${HLS}/main.m3u8?_session=my-player_1`);
  assert.match(await tune(air, '?_session=%22%0a'), /_session=[0-9a-f]{16}$/);
  assert.equal(parseMultivariant((await air.get(`${HLS}/index.m3u8`)).body.toString()).variants.length, 1);
});

test('playlists are rendered once for all sessions, and one text for all', async (t) => {
  const { air } = await watched(t);
  const urls = await Promise.all(Array.from({ length: 20 }, () => tune(air)));
  const before = air.origin.renders;
  const answers = await Promise.all(
    urls.map((url) => air.get(`${url}&_HLS_msn=${air.window.nextMsn - 1}&_HLS_part=0`)),
  );
  assert.equal(air.origin.renders - before, 1);
  assert.equal(new Set(answers.map(({ body }) => body.toString())).size, 1);
  assert.ok(!answers[0]!.body.includes('_session'), 'what everybody gets names nobody');
  assert.match(answers[0]!.headers['cache-control']!, /^public, max-age=\d+$/);
  for (const accept of ['gzip', 'identity']) {
    const index = await air.get(`${HLS}/index.m3u8`, { 'accept-encoding': accept });
    assert.deepEqual([index.status, index.headers['cache-control']], [200, 'no-store']);
    assert.equal(index.headers['content-encoding'], accept === 'gzip' ? 'gzip' : undefined);
  }
});

test('thousands of made-up sessions fill their bound and no more, and are forgotten', async (t) => {
  const { air, pass, viewers } = await watched(t, { maxSessions: 500 });
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  t.after(async () => agent.destroy());
  const ask = (session: string) =>
    new Promise((resolve) =>
      request({ host: '127.0.0.1', port: air.port, path: `${HLS}/viewer?_session=${session}`, agent }, (res) =>
        res.resume().on('end', resolve),
      ).end(),
    );
  await ask('honest-viewer');
  for (let i = 0; i < 2000; i += 50) await Promise.all(Array.from({ length: 50 }, (_, n) => ask(`made-up-${i + n}`)));
  assert.equal(viewers(), 500);
  pass(10);
  await ask('honest-viewer');
  pass(5);
  assert.equal(viewers(), 1, 'who was counted before stays');
  await Promise.all(Array.from({ length: 100 }, (_, n) => ask(`later-${n}`)));
  assert.equal(viewers(), 101);
});

test('bytes sent are counted: whole answers, ranges, compressed ones, and nothing for HEAD and 304', async (t) => {
  const { air, pass } = await watched(t);
  const sent = () => air.origin.audience(PLAYBACK_ID)!.bytesOut;
  let expected = 0;
  const part = `${HLS}/${BROADCAST_ID}/${air.window.firstMsn}.0.m4s`;
  const asks: [path: string, headers?: Record<string, string>, method?: string][] = [
    [part],
    [part, { range: 'bytes=100-199' }],
    [part, { range: 'bytes=9999-' }],
    [part, { 'if-none-match': '*' }],
    [part, {}, 'HEAD'],
    [`${HLS}/${BROADCAST_ID}/${air.window.firstMsn}.m4s`],
    [`${HLS}/${BROADCAST_ID}/init-0.mp4`],
    [`${HLS}/main.m3u8`],
    [`${HLS}/main.m3u8`, { 'accept-encoding': 'gzip' }],
    [`${HLS}/main.m3u8`, {}, 'HEAD'],
    [`${HLS}/index.m3u8`],
  ];
  for (const [path, headers, method] of asks) {
    expected += (await air.get(path, headers, method)).body.length;
    assert.equal(sent(), expected, `${method ?? 'GET'} ${path} ${JSON.stringify(headers)}`);
  }
  assert.equal(air.origin.bytesOut, expected);
  pass(1);
  assert.equal(Math.round(air.origin.audience(PLAYBACK_ID)!.outputBitrate * 1000), Math.round((expected * 8) / 10));
  pass(11);
  assert.equal(air.origin.audience(PLAYBACK_ID)!.outputBitrate, 0);
  assert.ok(Math.abs(air.origin.audience(PLAYBACK_ID)!.lastAccessMs! - Date.now()) < 5000);
  assert.equal(air.origin.audience(`lv_${'f'.repeat(32)}`), null);
  const { part: parts, segment, init, media, multivariant } = air.origin.requests;
  assert.deepEqual([parts, segment, init, media, multivariant], [5, 1, 1, 3, 1]);
});

test("made-up sessions of one live stream take no place from another's viewers", () => {
  let nowMs = 5_000_000;
  const viewers = new Viewers({ clock: () => nowMs, maxSessions: 100 });
  const [flooded, honest] = [{} as LiveWindow, {} as LiveWindow];
  for (let i = 0; i < 500; i++) viewers.seen(viewers.of(flooded), `made-up-${i}`);
  nowMs += 1000;
  for (let i = 0; i < 30; i++) viewers.seen(viewers.of(honest), `viewer-${i}`);
  for (let i = 500; i < 1000; i++) viewers.seen(viewers.of(flooded), `made-up-${i}`);
  const counts = () => [viewers.stats(honest).viewers, viewers.stats(flooded).viewers, viewers.total];
  assert.deepEqual(counts(), [30, 70, 100]);
  nowMs += 13_000;
  assert.deepEqual(counts(), [0, 0, 0]);
});
