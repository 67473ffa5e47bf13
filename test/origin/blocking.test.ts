import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { parseMediaPlaylist } from '../../src/formats/m3u8/index.ts';
import { patience } from '../support/until.ts';
import { type Answer, BROADCAST_ID, HLS, type OnAir, onAir } from './on-air.ts';

const reload = (air: OnAir, query: string): Promise<Answer> => air.get(`${HLS}/main.m3u8?${query}`);
const lastPart = (answer: Answer): string | undefined =>
  parseMediaPlaylist(answer.body.toString()).segments.at(-1)?.parts.at(-1)?.uri;

test('H45 F10 a reload returns at once for what is listed, and blocks for the two segments to come', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(8);
  air.parts(2);
  const { nextMsn } = air.window;
  for (const query of [
    `_HLS_msn=${nextMsn}`,
    `_HLS_msn=${nextMsn}&_HLS_part=1`,
    `_HLS_msn=${nextMsn - 1}&_HLS_part=0`,
  ]) {
    assert.equal((await reload(air, query)).status, 200, query);
  }
  const part = reload(air, `_HLS_msn=${nextMsn}&_HLS_part=2`);
  const next = reload(air, `_HLS_msn=${nextMsn + 1}`);
  const nextPart = reload(air, `_HLS_part=1&x=y&_HLS_msn=${nextMsn + 1}`);
  await air.waiting(3);
  const ready = performance.now();
  air.parts(1);
  assert.equal(lastPart(await part), `${BROADCAST_ID}/${nextMsn}.2.m4s`);
  assert.ok(performance.now() - ready < 300);
  assert.equal((await part).headers['cache-control'], 'public, max-age=12');
  air.parts(3);
  air.window.closeSegment();
  await new Promise(setImmediate);
  assert.equal(air.window.waiters, 2, 'a complete segment is not part 0 of the next');
  air.parts(1);
  assert.equal(lastPart(await next), `${BROADCAST_ID}/${nextMsn + 1}.0.m4s`);
  air.parts(1);
  assert.equal(lastPart(await nextPart), `${BROADCAST_ID}/${nextMsn + 1}.1.m4s`);
});

test('H46 H55 a part beyond the end of its segment is part 0 of the next', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(2);
  const { nextMsn } = air.window;
  const finished = reload(air, `_HLS_msn=${nextMsn - 1}&_HLS_part=6`);
  // A player without low latency asks for the last part of the next segment; this one turns out shorter.
  const relaxed = reload(air, `_HLS_msn=${nextMsn}&_HLS_part=5`);
  await air.waiting(2);
  air.parts(1);
  assert.equal(lastPart(await finished), `${BROADCAST_ID}/${nextMsn}.0.m4s`);
  air.parts(2);
  air.window.closeSegment();
  await new Promise(setImmediate);
  assert.equal(air.window.waiters, 1);
  air.parts(1);
  assert.equal(lastPart(await relaxed), `${BROADCAST_ID}/${nextMsn + 1}.0.m4s`);
});

test('H47 H48 H54 what cannot be meant is 400, at once and never 500; what is no directive is ignored', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(3);
  air.parts(2);
  const { nextMsn } = air.window;
  // The advance limit of parts of 333 ms is ten; the last part listed has index 1.
  const bad = [
    `_HLS_msn=${nextMsn + 2}`,
    `_HLS_msn=${nextMsn}&_HLS_part=12`,
    `_HLS_msn=${nextMsn + 1}&_HLS_part=12`,
    '_HLS_part=0',
    '_HLS_msn=',
    '_HLS_msn=-1',
    '_HLS_msn=1.5',
    '_HLS_msn=abc',
    '_HLS_msn=%31',
    '_HLS_msn=%zz',
    '_HLS_msn=9007199254740992',
    `_HLS_msn=${'9'.repeat(30)}`,
    `_HLS_msn=${nextMsn}&_HLS_msn=${nextMsn}`,
    `_HLS_msn=${nextMsn}&_HLS_part=0&_HLS_part=0`,
    `_HLS_msn=${nextMsn}&_HLS_part=x`,
    '_HLS_skip=YES&_HLS_skip=YES',
  ];
  for (const query of bad) {
    const answer = await reload(air, query);
    assert.deepEqual([answer.status, answer.headers['cache-control']], [400, 'no-store'], query);
  }
  const plain = (await air.get(`${HLS}/main.m3u8`)).body;
  for (const query of ['_HLS_future=1', 'a=b&&=&x', '_HLS_skip=later', `x=1&_HLS_msn=${nextMsn}&y=%zz&_HLS_part=1`]) {
    const answer = await reload(air, query);
    assert.deepEqual([answer.status, answer.body], [200, plain], query);
  }
  const edge = reload(air, `_HLS_msn=${nextMsn}&_HLS_part=11`);
  await air.waiting(1);
  air.parts(10);
  assert.equal((await edge).status, 200);
});

test('H55 the last part of a long segment is not too far for a player that follows whole segments', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.parts(20);
  air.window.closeSegment();
  air.parts(1);
  const relaxed = reload(air, `_HLS_msn=${air.window.nextMsn}&_HLS_part=19`);
  assert.equal((await reload(air, `_HLS_msn=${air.window.nextMsn}&_HLS_part=20`)).status, 400);
  air.parts(19);
  assert.equal((await relaxed).status, 200);
});

test('H49 a reload for what left the window gets the current playlist at once', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(20);
  const plain = (await air.get(`${HLS}/main.m3u8`)).body;
  for (const query of ['_HLS_msn=0', `_HLS_msn=${air.window.firstMsn}&_HLS_part=900`]) {
    const answer = await reload(air, query);
    assert.deepEqual([answer.status, answer.body, answer.headers['cache-control']], [200, plain, 'public, max-age=1']);
  }
});

test('H50 waiting longer than three target durations ends with 503', async (t) => {
  const air = await onAir(t);
  air.begin(BROADCAST_ID, {}, 1);
  air.segments(1);
  const asked = performance.now();
  const [playlist, part] = await Promise.all([
    reload(air, air.next()),
    air.get(`${HLS}/${BROADCAST_ID}/${air.window.nextMsn}.0.m4s`),
  ]);
  const tookMs = performance.now() - asked;
  assert.deepEqual([playlist.status, part.status, playlist.headers['cache-control']], [503, 503, 'no-store']);
  assert.ok(tookMs >= 2990 && tookMs < 3000 + 1000 * patience(), `${tookMs} ms`);
  assert.equal(air.window.waiters, 0);
});

test('H50 H82 the publisher is away: who waits is answered, who asks again is held for most of a second', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(2);
  air.parts(1);
  const waiting = reload(air, air.next());
  const hinted = air.get(`${HLS}/${BROADCAST_ID}/${air.window.nextMsn}.1.m4s`);
  await air.waiting(2);
  air.window.pause();
  const answer = await waiting;
  assert.deepEqual([answer.status, answer.headers['cache-control']], [200, 'no-store']);
  assert.equal(parseMediaPlaylist(answer.body.toString()).segments.length, 3);
  assert.deepEqual([(await hinted).status, (await hinted).headers['cache-control']], [404, 'no-store']);
  const asked = performance.now();
  const again = await reload(air, `_HLS_msn=${air.window.nextMsn}&_HLS_part=0`);
  const tookMs = performance.now() - asked;
  assert.deepEqual([again.status, again.body], [200, answer.body]);
  assert.ok(tookMs > 500 && tookMs < 500 + 500 * patience(), `${tookMs} ms`);
  const back = reload(air, `_HLS_msn=${air.window.nextMsn}&_HLS_part=0`);
  await air.waiting(1);
  air.run();
  air.parts(1);
  assert.equal(parseMediaPlaylist((await back).body.toString()).segments.at(-1)!.discontinuity, true);
});

test('H42 H43 F13 a hinted part blocks, then comes whole and at once; others are not found', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(1);
  air.parts(2);
  const { nextMsn } = air.window;
  const hint = (await air.playlist()).preloadHint!;
  const hinted = air.get(`${HLS}/${hint}`);
  const audio = air.get(`${HLS}/${BROADCAST_ID}/audio-${nextMsn}.2.m4s`);
  await air.waiting(2);
  for (const name of [`${nextMsn}.3`, `${nextMsn + 1}.0`, `${nextMsn}`, `${nextMsn - 1}.6`]) {
    const answer = await air.get(`${HLS}/${BROADCAST_ID}/${name}.m4s`);
    assert.deepEqual([answer.status, answer.headers['cache-control']], [404, 'no-store'], name);
  }
  const ready = performance.now();
  air.parts(1);
  assert.deepEqual([(await hinted).status, (await hinted).body.length], [200, 5000]);
  assert.ok(performance.now() - ready < 300);
  assert.match((await hinted).headers['cache-control']!, /immutable/);
  assert.equal((await audio).body.toString().slice(0, 5), 'audio');
  // The segment ends earlier than was hinted: that part will not be.
  const withdrawn = air.get(`${HLS}/${BROADCAST_ID}/${nextMsn}.3.m4s`);
  await air.waiting(1);
  air.window.closeSegment();
  assert.equal((await withdrawn).status, 404);
});

test('H51 F11 clients that hang up free their waiters; a thousand that stay cost one playlist a part', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(2);
  const ask = (): string => `GET ${HLS}/main.m3u8?${air.next()} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const sockets = Array.from({ length: 300 }, () => connect(air.port, '127.0.0.1').on('error', () => {}));
  for (const socket of sockets) socket.write(ask());
  await air.waiting(300);
  for (const socket of sockets) socket.destroy();
  await air.waiting(0);

  const viewers = Array.from({ length: 1000 }, () => connect(air.port, '127.0.0.1'));
  for (const viewer of viewers) viewer.write(ask());
  await air.waiting(1000);
  const before = air.origin.renders;
  const answered = viewers.map(async (viewer) => {
    const [data] = await once(viewer, 'data');
    return performance.now() - ready + (data.toString('latin1').startsWith('HTTP/1.1 200') ? 0 : Number.NaN);
  });
  const ready = performance.now();
  air.parts(1);
  const delays = (await Promise.all(answered)).sort((a, b) => a - b);
  assert.equal(air.origin.renders, before + 1);
  assert.ok(delays[999] < 500 * patience(), `slowest ${delays[999]} ms`);
  t.diagnostic(`1000 waiters: p50 ${delays[500].toFixed(1)} ms, p99 ${delays[990].toFixed(1)} ms`);
  for (const viewer of viewers) viewer.destroy();
});
