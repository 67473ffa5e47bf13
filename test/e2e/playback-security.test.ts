// Who may watch, on a real server with a real encoder: request by request, in Chromium, and with other players.
import assert from 'node:assert/strict';
import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { parseMediaPlaylist, parseMultivariant } from '../../src/formats/m3u8/index.ts';
import { ask } from '../conformance/http.ts';
import { type Child, startChild } from '../support/child.ts';
import { launchChromium, screenshot } from '../support/chromium.ts';
import { makeFlv, publishFile } from '../support/encoder.ts';
import { ingestUrl, type LiveStream, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const inState = (page: Page, state: string) =>
  page.waitForSelector(`liveapi-player[data-state="${state}"]`, { state: 'attached', timeout: 30_000 });

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** As a customer's own software does it, with nothing but the key. */
function viewingToken(key: KeyObject, kid: string, sub: string): string {
  const claims = { sub, aud: 'v', exp: Math.floor(Date.now() / 1000) + 600 };
  const signed = `${encode({ alg: 'EdDSA', typ: 'JWT', kid })}.${encode(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
}

const withToken = (url: string, token: string) => {
  const address = new URL(url);
  address.searchParams.set('token', token);
  return address.href;
};

const playbackIdOf = (stream: LiveStream) => new URL(stream.playback.embed_url).pathname.split('/').at(-1)!;

suite('who may watch', { timeout: 240_000 }, () => {
  let server: TestServer;
  let browser: Browser;
  let flv: string;
  const encoders: Child[] = [];
  before(async () => {
    // Chromium and the tests stand where a proxy would.
    server = await startServer({
      env: { LIVEAPI_TRUSTED_PROXIES: '127.0.0.0/8', LIVEAPI_COUNTRY_HEADER: 'X-Country' },
    });
    browser = await launchChromium();
    flv = await makeFlv({ seconds: 12, video: { gopS: 1 }, audio: { rate: 48_000, channels: 2 } });
  });
  after(async () => {
    await Promise.all(encoders.map((encoder) => encoder.stop()));
    await browser?.close();
    await server?.close();
  });

  async function onAir(settings: object): Promise<LiveStream> {
    const stream = await server.createLiveStream({ settings });
    encoders.push(publishFile(flv, ingestUrl(stream), { loop: true }));
    await server.untilStatus(stream._id, 'online');
    return stream;
  }

  const get = async (url: string, headers: Record<string, string> = {}) => {
    const answer = await ask(url, { headers });
    const code = answer.status < 400 ? null : (JSON.parse(answer.body.toString()).code as string);
    return { ...answer, code, text: answer.body.toString() };
  };

  test('S23 S25 S26 H11 H78 F18 signed playback: every playlist, part, segment and init asks for the token, and the playlists carry it on', async () => {
    type Key = { readonly _id: string; readonly private_key: string };
    const key = await server.api<Key>('POST', '/signing_keys', { algorithm: 'EdDSA' });
    const privateKey = createPrivateKey(Buffer.from(key.private_key, 'base64'));
    const stream = await onAir({ playback_policy: 'signed' });
    const other = await server.createLiveStream({ settings: { playback_policy: 'signed' } });
    const id = playbackIdOf(stream);
    const token = viewingToken(privateKey, key._id, id);
    const { hls_url } = stream.playback;

    await until('the first playlist', 20_000, async () => (await get(`${hls_url}?token=${token}`)).status === 302);
    const first = await get(`${hls_url}?token=${token}`);
    const master = new URL(first.headers.location!, hls_url).href;
    assert.equal(first.headers['cache-control'], 'no-store');
    const { variants } = parseMultivariant((await get(master)).text);
    const main = new URL(variants[0]!.uri, master).href;
    const playlist = await until('a whole segment', 20_000, async () => {
      const { segments } = parseMediaPlaylist((await get(main)).text);
      return segments.some(({ uri }) => uri) && segments.some(({ parts }) => parts.length > 0) ? segments : null;
    });
    const segment = playlist.find(({ uri }) => uri)!;
    const part = playlist.flatMap(({ parts }) => parts)[0]!;
    const urls = [
      master,
      main,
      ...[segment.map!, segment.uri!, part.uri].map((uri) => new URL(uri, main).href),
      new URL('audio.m3u8', main).href,
    ];
    const foreign = viewingToken(privateKey, key._id, playbackIdOf(other));
    const own = /\/~([\w-]+)\//.exec(master)![1]!;
    const { token: othersToken } = await server.api<{ token: string }>(
      'POST',
      `/live_streams/${other._id}/playback_tokens`,
    );
    for (const url of urls) {
      const bare = url.replace(`/~${own}`, '');
      assert.notEqual(bare, url);
      const answer = await get(url);
      assert.equal(answer.status, 200, url);
      assert.match(answer.headers['cache-control']!, /no-store|^private/, url);
      assert.deepEqual([(await get(bare)).status, (await get(bare)).code], [401, 'token_required'], bare);
      assert.equal((await get(url.replace(own, othersToken))).code, 'token_invalid');
      assert.equal((await get(withToken(bare, foreign))).code, 'token_invalid');
      // No way around by the path.
      for (const path of [`/hls/${playbackIdOf(other)}/~${own}/../${id}/index.m3u8`, `/hls/~${own}/${id}/index.m3u8`])
        assert.notEqual((await ask(server.publicUrl + path)).status, 200);
      assert.equal((await get(withToken(bare, token))).status < 400, true);
    }
    // Viewers' tokens are none of the API's, and its own are never taken from a query.
    for (const credential of [token, own]) {
      const authorization = `Basic ${Buffer.from(`${key._id}:${credential}`).toString('base64')}`;
      for (const headers of [{ authorization }, { authorization: `Bearer ${credential}` }])
        assert.equal((await ask(`${server.publicUrl}/live_streams`, { headers })).status, 401);
    }
    const query = `token=${server.tokenId}:${server.secret}`;
    assert.equal((await ask(`${server.publicUrl}/live_streams?${query}`)).status, 401);
    assert.equal((await get(`${hls_url}?${query}`)).code, 'token_invalid');

    // Other players: by HLS, HTTP-FLV and RTMP.
    const probe = startChild('ffprobe', [
      '-v',
      'error',
      '-show_entries',
      'stream=codec_name',
      '-of',
      'csv=p=0',
      `${hls_url}?token=${token}`,
    ]);
    assert.equal((await probe.ended).code, 0, probe.stderr());
    assert.match(probe.stdout(), /h264[\s\S]*aac|aac[\s\S]*h264/);
    const live = `${server.publicUrl}/live/${id}.flv`;
    assert.equal((await ask(live)).status, 403);
    assert.equal((await ask(`${live}?token=${own}`, { method: 'HEAD' })).status, 200);
    const rtmp = (query: string) =>
      startChild('ffprobe', [
        '-v',
        'error',
        '-show_entries',
        'stream=codec_name',
        '-of',
        'csv=p=0',
        `rtmp://127.0.0.1:${server.rtmpPort}/static/${id}${query}`,
      ]);
    const [refused, played] = [rtmp(''), rtmp(`?token=${own}`)];
    assert.notEqual((await refused.ended).code, 0);
    assert.equal((await played.ended).code, 0, played.stderr());

    const page = await browser.newPage();
    await page.goto(`${stream.playback.embed_url}?autoplay=1&token=${token}`);
    await inState(page, 'playing');
    await page.goto(stream.playback.embed_url);
    await inState(page, 'refused');
    const issued = await server.api<{ embed_url: string }>('POST', `/live_streams/${stream._id}/playback_tokens`, {});
    await page.goto(`${issued.embed_url}&autoplay=1`);
    await inState(page, 'playing');
    await page.close();

    // A deleted key takes with it what it has let in.
    await server.api('DELETE', `/signing_keys/${key._id}`);
    assert.equal((await get(main)).code, 'token_invalid');
    assert.equal((await get(`${hls_url}?token=${token}`)).code, 'token_invalid');
    // And everybody may watch from the change on.
    await server.api('PATCH', `/live_streams/${stream._id}`, { settings: { playback_policy: 'public' } });
    assert.equal((await get(hls_url)).status, 200);
    assert.match(
      (await get(new URL(part.uri, new URL('main.m3u8', hls_url)).href)).headers['cache-control']!,
      /^public/,
    );
  });

  test('S27 a password: the player asks for it, a wrong one is refused, a reload does not ask again, a new one does', async () => {
    const stream = await onAir({ embed_password: 'open sesame' });
    const page = await browser.newPage({ viewport: { width: 960, height: 540 } });
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(`${stream.playback.embed_url}?autoplay=1`);
    const input = page.locator('liveapi-player input[type=password]');
    await input.waitFor({ timeout: 20_000 });
    await screenshot(page, 'embed-password');
    await input.fill('open sesam');
    await page.keyboard.press('Enter');
    await page.locator('liveapi-player .password-wrong:not(:empty)').waitFor();
    // `m` and `k` are keys of the player elsewhere.
    await input.fill('');
    await input.pressSequentially('open sesame');
    await page.keyboard.press('Enter');
    await inState(page, 'playing');
    assert.equal(await input.isVisible(), false);
    await page.reload();
    await inState(page, 'playing');
    assert.equal((await get(stream.playback.hls_url)).code, 'password_required');
    await server.api('PATCH', `/live_streams/${stream._id}`, { settings: { embed_password: 'another' } });
    await input.waitFor({ timeout: 30_000 });
    assert.deepEqual(errors, []);
    await page.close();
  });

  test('S27 S42 domains and countries: only the pages of the list frame the player, only the countries watch, nothing where it is not known', async () => {
    const stream = await onAir({ domain_whitelist: ['https://localhost/'], country_block: ['at'] });
    const { hls_url, embed_url } = stream.playback;
    // Nobody who comes to Chromium says from where: it has that said by a proxy.
    const context = await browser.newContext({ extraHTTPHeaders: { 'X-Country': 'DE' } });
    const host = createServer((_, res) => {
      res
        .setHeader('content-type', 'text/html')
        .end(`<iframe src="${embed_url}?autoplay=1" width="640" height="360"></iframe>`);
    });
    await once(host.listen(0, '127.0.0.1'), 'listening');
    const { port } = host.address() as AddressInfo;
    try {
      const allowed = await context.newPage();
      await allowed.goto(`http://localhost:${port}/`);
      await allowed
        .frameLocator('iframe')
        .locator('liveapi-player[data-state="playing"]')
        .waitFor({ state: 'attached', timeout: 30_000 });
      await allowed.close();
      const foreign = await context.newPage();
      const blocked = until('the frame is refused', 10_000, async () => violations.length > 0);
      const violations: string[] = [];
      foreign.on('console', (message) => {
        if (/frame-ancestors/.test(message.text())) violations.push(message.text());
      });
      await foreign.goto(`http://127.0.0.1:${port}/`);
      await blocked;
      await foreign.goto(embed_url);
      await inState(foreign, 'refused');
      await screenshot(foreign, 'embed-domain');
    } finally {
      host.closeAllConnections();
      host.close();
      await context.close();
    }
    const from = (headers: Record<string, string>) => get(hls_url, headers).then(({ code }) => code);
    const site = { referer: 'http://localhost:8000/page' };
    assert.equal(await from({ ...site, 'x-country': 'de' }), null);
    assert.equal(await from({ ...site, 'x-country': 'AT' }), 'country_blocked');
    assert.equal(await from(site), 'country_blocked');
    assert.equal(await from({ 'x-country': 'de' }), 'domain_blocked');
    assert.equal(await from({ origin: 'https://evil.test', 'x-country': 'de' }), 'domain_blocked');
  });
});
