import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Part } from '../../src/segments/index.ts';
import { BROADCAST_ID, HLS, onAir, PLAYBACK_ID, USER_ID } from './on-air.ts';

test('H70 H72 H73 H77 F25 types, lengths, caching, Date; HEAD agrees with GET', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(2);
  air.parts(1);
  const { firstMsn } = air.window;
  const kinds: [path: string, type: string, caching: RegExp][] = [
    ['index.m3u8?_session=none', 'application/vnd.apple.mpegurl', /^public, max-age=1$/],
    ['index.m3u8', 'application/vnd.apple.mpegurl', /^no-store$/],
    ['main.m3u8', 'application/vnd.apple.mpegurl', /^public, max-age=1$/],
    ['audio.m3u8', 'application/vnd.apple.mpegurl', /^public, max-age=1$/],
    [`main.m3u8?_HLS_msn=${air.window.nextMsn}&_HLS_part=0`, 'application/vnd.apple.mpegurl', /^public, max-age=12$/],
    [`${BROADCAST_ID}/init-0.mp4`, 'video/mp4', /max-age=86400, immutable/],
    [`${BROADCAST_ID}/audio-init-0.mp4`, 'audio/mp4', /immutable/],
    [`${BROADCAST_ID}/${firstMsn}.m4s`, 'video/mp4', /immutable/],
    [`${BROADCAST_ID}/${firstMsn}.3.m4s`, 'video/mp4', /immutable/],
    [`${BROADCAST_ID}/audio-${firstMsn}.m4s`, 'audio/mp4', /immutable/],
    [`${BROADCAST_ID}/audio-${firstMsn}.3.m4s`, 'audio/mp4', /immutable/],
  ];
  const etags = new Set<string>();
  for (const [path, type, caching] of kinds) {
    const got = await air.get(`${HLS}/${path}`);
    assert.deepEqual([got.status, got.headers['content-type']], [200, type], path);
    assert.equal(Number(got.headers['content-length']), got.body.length);
    assert.match(got.headers['cache-control']!, caching);
    assert.ok(Math.abs(Date.parse(got.headers.date!) - Date.now()) < 2000);
    assert.equal(got.headers.server, undefined);
    assert.equal(got.headers['set-cookie'], undefined);
    const head = await air.get(`${HLS}/${path}`, {}, 'HEAD');
    assert.equal(head.body.length, 0);
    assert.deepEqual({ ...head.headers, date: '' }, { ...got.headers, date: '' });
    etags.add(got.headers.etag!);
    for (const condition of [got.headers.etag!, `"other", ${got.headers.etag}`, '*']) {
      const fresh = await air.get(`${HLS}/${path}`, { 'if-none-match': condition });
      assert.deepEqual([fresh.status, fresh.body.length, fresh.headers.etag], [304, 0, got.headers.etag], path);
      assert.equal(fresh.headers['access-control-allow-origin'], '*');
    }
    assert.equal((await air.get(`${HLS}/${path}`, { 'if-none-match': '"other"' })).status, 200);
  }
  // The plain playlist and the one with directives are one text here, and one viewer's index.m3u8 is as good as another's.
  assert.equal(etags.size, kinds.length - 2);
  const before = (await air.get(`${HLS}/main.m3u8`)).headers.etag!;
  air.parts(1);
  assert.equal((await air.get(`${HLS}/main.m3u8`, { 'if-none-match': before })).status, 200);
});

test('H71 playlists are compressed for who accepts it, media never', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(2);
  const plain = await air.get(`${HLS}/main.m3u8`);
  assert.deepEqual([plain.headers['content-encoding'], plain.headers.vary], [undefined, 'Accept-Encoding']);
  for (const accept of ['gzip', 'gzip, deflate, br', 'br;q=1.0, GZIP;q=0.8', 'deflate,gzip;q=1']) {
    const packed = await air.get(`${HLS}/main.m3u8`, { 'accept-encoding': accept });
    assert.deepEqual([packed.headers['content-encoding'], packed.headers.vary], ['gzip', 'Accept-Encoding'], accept);
    assert.equal(Number(packed.headers['content-length']), packed.body.length);
    assert.deepEqual(gunzipSync(packed.body), plain.body);
  }
  for (const refuse of ['identity', 'gzip;q=0', 'gzip;q=0.000, br', 'br', 'notgzip', '']) {
    const answer = await air.get(`${HLS}/main.m3u8`, { 'accept-encoding': refuse });
    assert.equal(answer.headers['content-encoding'], undefined, refuse);
  }
  const media = await air.get(`${HLS}/${BROADCAST_ID}/${air.window.firstMsn}.m4s`, { 'accept-encoding': 'gzip' });
  assert.equal(media.headers['content-encoding'], undefined);
});

test('H72 ranges over a segment of several parts', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(1);
  const path = `${HLS}/${BROADCAST_ID}/${air.window.firstMsn}.m4s`;
  const whole = await air.get(path);
  assert.deepEqual([whole.body.length, whole.headers['accept-ranges']], [30_000, 'bytes']);
  const ranges: [range: string, from: number, to: number][] = [
    ['bytes=0-0', 0, 1],
    ['bytes=4990-5009', 4990, 5010],
    ['bytes=5000-9999', 5000, 10_000],
    ['bytes=29999-', 29_999, 30_000],
    ['bytes=100-999999', 100, 30_000],
    ['bytes=-7', 29_993, 30_000],
    ['bytes=-99999', 0, 30_000],
  ];
  for (const [range, from, to] of ranges) {
    const part = await air.get(path, { range });
    assert.deepEqual([part.status, part.headers['content-range']], [206, `bytes ${from}-${to - 1}/30000`], range);
    assert.equal(Number(part.headers['content-length']), to - from);
    assert.deepEqual(part.body, whole.body.subarray(from, to));
  }
  for (const range of ['bytes=30000-', 'bytes=99999-100000', 'bytes=-0']) {
    const none = await air.get(path, { range });
    assert.deepEqual(
      [none.status, none.headers['content-range'], none.headers['cache-control']],
      [416, 'bytes */30000', 'no-store'],
    );
  }
  for (const range of ['bytes=5-4', 'bytes=-', 'lines=0-1', 'bytes=0-1,4-5', 'bytes=x', `bytes=${'9'.repeat(40)}-`]) {
    assert.equal((await air.get(path, { range })).status, 200, range);
  }
  assert.equal((await air.get(path, { range: 'bytes=0-1', 'if-range': '"old"' })).status, 200);
  assert.equal((await air.get(path, { range: 'bytes=0-1', 'if-range': whole.headers.etag! })).status, 206);
});

test('H74 H75 F24 CORS and no-store on every error; OPTIONS 204; odd methods 405; long URLs 414', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(1);
  const msn = air.window.nextMsn;
  const cases: [status: number, path: string, method?: string][] = [
    [404, `${HLS}/${BROADCAST_ID}/${msn}.5.m4s`],
    [404, `${HLS}/${BROADCAST_ID}/${msn}.m4s`],
    [404, `${HLS}/${BROADCAST_ID}/init-7.mp4`],
    [404, `/hls/lv_${'f'.repeat(32)}/index.m3u8`],
    [404, `/hls/${'0'.repeat(24)}/${PLAYBACK_ID}/index.m3u8`],
    [404, `${HLS}/${'9'.repeat(24)}/${air.window.firstMsn}.m4s`],
    [400, `${HLS}/main.m3u8?_HLS_part=1`],
    [405, `${HLS}/main.m3u8`, 'POST'],
    [405, `${HLS}/main.m3u8`, 'DELETE'],
    [414, `${HLS}/main.m3u8?${'x'.repeat(9000)}`],
    [503, `/embed/${PLAYBACK_ID}`],
  ];
  for (const [status, path, method] of cases) {
    const answer = await air.get(path, { origin: 'https://elsewhere.example' }, method);
    assert.equal(answer.status, status, path);
    assert.deepEqual(
      [
        answer.headers['access-control-allow-origin'],
        answer.headers['timing-allow-origin'],
        answer.headers['cache-control'],
      ],
      ['*', '*', 'no-store'],
    );
    assert.equal(answer.headers['access-control-allow-credentials'], undefined);
  }
  const preflight = await air.get(`${HLS}/main.m3u8`, { 'access-control-request-headers': 'range' }, 'OPTIONS');
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers['access-control-allow-headers']!, /Authorization.*Range/);
  assert.equal(
    (await air.get(`${HLS}/${BROADCAST_ID}/${air.window.firstMsn}.m4s`)).headers['timing-allow-origin'],
    '*',
  );
});

test('H79 F28 unknown, offline and foreign names look the same', async (t) => {
  const air = await onAir(t);
  air.begin();
  const unknown = await air.get(`/hls/lv_${'f'.repeat(32)}/main.m3u8`);
  air.window.pause();
  air.window.end();
  const offline = await air.get(`${HLS}/main.m3u8`);
  const foreign = await air.get(`/hls/${'0'.repeat(24)}/${PLAYBACK_ID}/main.m3u8`);
  for (const answer of [offline, foreign]) {
    assert.deepEqual([answer.status, answer.body], [unknown.status, unknown.body]);
    assert.deepEqual({ ...answer.headers, date: '' }, { ...unknown.headers, date: '' });
  }
  assert.equal(air.shelf.size, 1);
});

test('H80 F29 path games: only the canonical path of a resource has an answer', async (t) => {
  const air = await onAir(t, { webRoot: import.meta.dirname });
  air.begin();
  air.segments(1);
  const file = `${BROADCAST_ID}/${air.window.firstMsn}.m4s`;
  assert.equal((await air.get(`${HLS}/${file}`)).status, 200);
  assert.equal((await air.get(`/hls/${USER_ID}/${PLAYBACK_ID}/${file}`)).status, 200);
  const games = [
    `${HLS}/../${PLAYBACK_ID}/main.m3u8`,
    `${HLS}/%2e%2e/%2e%2e/etc/passwd`,
    `${HLS}/..%2f..%2fetc%2fpasswd`,
    `${HLS}/..\\..\\etc\\passwd`,
    `${HLS}/main.m3u8%00`,
    `${HLS}/main.m3u8/`,
    `${HLS}//main.m3u8`,
    `//hls/${PLAYBACK_ID}/main.m3u8`,
    `${HLS}/MAIN.m3u8`,
    `${HLS.toUpperCase()}/main.m3u8`,
    `${HLS}/${BROADCAST_ID}/0${air.window.firstMsn}.m4s`,
    `${HLS}/${BROADCAST_ID}/${air.window.firstMsn}.00.m4s`,
    `${HLS}/${BROADCAST_ID}/-1.m4s`,
    `${HLS}/${BROADCAST_ID}/${'9'.repeat(30)}.m4s`,
    `${HLS}/${BROADCAST_ID}/audio-audio-1.m4s`,
    `${HLS}/__proto__/constructor`,
    `/embed/assets/../on-air.ts`,
    `/embed/assets/..%2fon-air.ts`,
    '/embed/assets/.hidden',
    '/embed/assets/',
    '/embed/constructor',
    '/embed/',
    '/hls/',
    `/hls/${'x'.repeat(7000)}`,
    `http://127.0.0.1${HLS}/main.m3u8`,
  ];
  for (const game of games) {
    const answer = await air.raw(`GET ${game} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 404 /, game);
    assert.ok(answer.endsWith('\r\n\r\nNot found\n'), game);
  }
  for (const malformed of [`${HLS}/%`, `${HLS}/%zz/main.m3u8`, '/embed/%c']) {
    assert.match(
      await air.raw(`GET ${malformed} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      /^HTTP\/1\.1 400 /,
    );
  }
});

test('H76 F26 behind a proxy with a path of its own, that is handed on or not', async (t) => {
  const air = await onAir(t, { publicUrl: 'https://example.net/video/' });
  air.begin();
  air.segments(1);
  const bare = await air.get(`${HLS}/main.m3u8`);
  assert.deepEqual((await air.get(`/video${HLS}/main.m3u8`)).body, bare.body);
  const mine = [`${HLS}/main.m3u8`, `/video${HLS}/x`, '/embed/x', '/video/embed/assets/a.js', '/hls/..'];
  const others = ['/live_streams', '/', '*', '/hls', '/hlsx/', '/videohls/', '/video', 'http://x/hls/', '//hls/'];
  for (const url of mine) assert.equal(air.origin.handles(url), true, url);
  for (const url of others) assert.equal(air.origin.handles(url), false, url);
});

test('requests on one connection are answered in their order, a blocked one first', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(1);
  const blocked = `GET ${HLS}/main.m3u8?${air.next()} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const init = `GET ${HLS}/${BROADCAST_ID}/init-0.mp4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  const answer = air.raw(blocked + init);
  await air.waiting(1);
  air.parts(1);
  const text = await answer;
  assert.ok(text.indexOf('#EXTM3U') > 0 && text.indexOf('#EXTM3U') < text.indexOf('init of main'));
});

test('a slow reader costs no copy of what it has not read', async (t) => {
  const air = await onAir(t);
  air.begin();
  const big = Buffer.alloc(8 << 20, 'x');
  air.window.addPart(new Part({ durationUs: 300_000, independent: true, main: big, audio: null }));
  air.window.closeSegment();
  const head = `GET ${HLS}/${BROADCAST_ID}/${air.window.firstMsn}.m4s HTTP/1.1\r\nHost: x\r\n\r\n`;
  const before = process.memoryUsage().arrayBuffers;
  const closed: Promise<unknown>[] = [];
  const server: Socket[] = [];
  air.server.on('connection', (socket) => {
    server.push(socket);
    closed.push(new Promise((resolve) => socket.on('close', resolve)));
  });
  const readers = Array.from({ length: 20 }, () => connect(air.port, '127.0.0.1').on('error', () => {}));
  for (const reader of readers) {
    reader.pause();
    reader.write(head);
  }
  while (server.length < 20 || server.some((socket) => socket.writableLength === 0))
    await new Promise((resolve) => setTimeout(resolve, 2));
  assert.ok(process.memoryUsage().arrayBuffers - before < big.length, 'twenty answers of 8 MiB');
  // Node closes a socket whose write makes no progress for this long.
  assert.ok(server.every((socket) => socket.timeout === 20_000));
  for (const reader of readers) reader.destroy();
  await Promise.all(closed);
});

test('closed: requests are turned away, waiting ones are answered when the shelf closes', async (t) => {
  const air = await onAir(t);
  air.begin();
  air.segments(1);
  const waiting = air.get(`${HLS}/main.m3u8?${air.next()}`);
  await air.waiting(1);
  air.origin.close();
  assert.equal((await air.get(`${HLS}/main.m3u8`)).status, 503);
  air.shelf.close();
  assert.match((await waiting).body.toString(), /#EXT-X-ENDLIST\n$/);
});
