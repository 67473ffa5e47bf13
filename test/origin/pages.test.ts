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
  writeFileSync(join(folder, 'dashboard.html'), '<script type="module" src="./assets/dashboard-5e6f.js"></script>');
  writeFileSync(join(folder, 'assets', 'player-1a2b.js'), 'console.log("player");\n'.repeat(100));
  writeFileSync(join(folder, 'assets', 'player-3c4d.css'), 'body{}');
  writeFileSync(join(folder, 'assets', 'cover.png'), Buffer.from([0x89, 0x50]));
  writeFileSync(join(folder, 'player.js'), 'import "./assets/player-1a2b.js";\n');
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
  // Its name stays over versions, and pages of other origins load it as a module.
  const script = await air.get('/embed/player.js');
  assert.deepEqual([script.status, script.headers['access-control-allow-origin']], [200, '*']);
  assert.match(script.headers['cache-control']!, /max-age=60$/);
  for (const path of ['/embed/assets/secret.txt', '/embed/secret.txt', '/embed/player.html', '/embed/assets/assets']) {
    assert.equal((await air.get(path)).status, 404, path);
  }
});

test('S41 the dashboard: one page for all of its paths, its files named from the top, framed by nobody', async (t) => {
  const air = await onAir(t, { webRoot: builtPages(t), publicUrl: 'https://live.example.net/a&b' });
  const page = await air.get('/dashboard');
  assert.equal(page.status, 200);
  assert.equal(
    page.body.toString(),
    '<script type="module" src="/a&#38;b/dashboard/assets/dashboard-5e6f.js"></script>',
  );
  for (const path of [
    '/dashboard/',
    '/dashboard/streams/64ff',
    '/dashboard?x=1',
    '/a&b/dashboard/streams/64ff/health',
  ]) {
    assert.deepEqual((await air.get(path)).body, page.body, path);
  }
  assert.equal((await air.get('/dashboard/assets/player-1a2b.js')).status, 200);
  assert.equal((await air.get('/dashboard/assets/missing.js')).status, 404);
  const policy = String(page.headers['content-security-policy']);
  assert.match(policy, /default-src 'none'; script-src 'self';/);
  assert.match(policy, /connect-src 'self' https:\/\/live\.example\.net wss:\/\/live\.example\.net;/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.ok(!/script-src[^;]*unsafe/.test(policy));
  assert.equal(page.headers['cross-origin-opener-policy'], 'same-origin');
});
