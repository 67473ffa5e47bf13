import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { onAir, PLAYBACK_ID } from './on-air.ts';

/** A folder as the page build leaves it. */
function builtPages(t: { after(done: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'liveapi-pages-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'assets'));
  const page = (name: string): string =>
    `<!doctype html><title>${name} %PLAYBACK_ID%</title><body data-src="%HLS_URL%"><script type="module" src="./assets/player-1a2b.js"></script>`;
  writeFileSync(join(folder, 'player.html'), page('video'));
  writeFileSync(join(folder, 'audio.html'), page('audio'));
  writeFileSync(join(folder, 'assets', 'player-1a2b.js'), 'console.log("player");\n'.repeat(100));
  writeFileSync(join(folder, 'assets', 'player-3c4d.css'), 'body{}');
  writeFileSync(join(folder, 'assets', 'cover.png'), Buffer.from([0x89, 0x50]));
  writeFileSync(join(folder, 'secret.txt'), 'secret');
  return folder;
}

test('H79 the player page: same answer for known and unknown names, own policy, the stream it plays', async (t) => {
  const air = await onAir(t, { webRoot: builtPages(t), publicUrl: 'https://live.example.net/a&b' });
  air.begin();
  const known = await air.get(`/embed/${PLAYBACK_ID}`);
  assert.equal(known.status, 200);
  assert.equal(
    known.body.toString(),
    `<!doctype html><title>video ${PLAYBACK_ID}</title><body data-src="https://live.example.net/a&#38;b/hls/${PLAYBACK_ID}/index.m3u8"><script type="module" src="./assets/player-1a2b.js"></script>`,
  );
  const other = PLAYBACK_ID.replace('0123', '9999');
  const unknown = await air.get(`/embed/${other}`);
  assert.equal(unknown.body.toString().replaceAll(other, PLAYBACK_ID), known.body.toString());
  assert.deepEqual({ ...unknown.headers, etag: '', date: '' }, { ...known.headers, etag: '', date: '' });
  const audio = (await air.get(`/embed/${PLAYBACK_ID}?x=1&onlyAudio=true`)).body.toString();
  assert.match(audio, /<title>audio lv_.*\/audio\.m3u8"/);
  assert.match((await air.get(`/embed/${PLAYBACK_ID}?onlyAudio=false`)).body.toString(), /<title>video/);
  assert.equal((await air.get(`/embed/live_${'a'.repeat(32)}`)).status, 200);

  const policy = String(known.headers['content-security-policy']);
  for (const rule of [
    "default-src 'none'",
    "script-src 'self'",
    'frame-ancestors *',
    "connect-src 'self' https://live.example.net;",
    "media-src 'self' blob:",
    "worker-src 'self' blob:",
  ]) {
    assert.ok(policy.includes(rule), rule);
  }
  assert.ok(!/script-src[^;]*unsafe/.test(policy));
  assert.equal(known.headers['x-content-type-options'], 'nosniff');
  assert.equal(known.headers['set-cookie'], undefined);
  assert.equal(known.headers['x-frame-options'], undefined);
  assert.equal((await air.get(`/embed/${PLAYBACK_ID}`, { 'if-none-match': known.headers.etag! })).status, 304);
});

test('assets: right types, long caching, gzip, nothing else of the folder', async (t) => {
  const air = await onAir(t, { webRoot: builtPages(t) });
  const plain = await air.get('/embed/assets/player-1a2b.js');
  assert.deepEqual([plain.status, plain.headers['content-type']], [200, 'text/javascript; charset=utf-8']);
  assert.match(plain.headers['cache-control']!, /immutable/);
  const packed = await air.get('/embed/assets/player-1a2b.js', { 'accept-encoding': 'gzip' });
  assert.deepEqual([packed.headers['content-encoding'], packed.headers.vary], ['gzip', 'Accept-Encoding']);
  assert.deepEqual(gunzipSync(packed.body), plain.body);
  assert.equal((await air.get('/embed/assets/player-1a2b.js', { 'if-none-match': plain.headers.etag! })).status, 304);
  assert.equal((await air.get('/embed/assets/player-3c4d.css')).headers['content-type'], 'text/css; charset=utf-8');
  const image = await air.get('/embed/assets/cover.png', { 'accept-encoding': 'gzip' });
  assert.deepEqual([image.headers['content-type'], image.headers['content-encoding']], ['image/png', undefined]);
  for (const path of ['/embed/assets/secret.txt', '/embed/secret.txt', '/embed/player.html', '/embed/assets/assets']) {
    assert.equal((await air.get(path)).status, 404, path);
  }
});
