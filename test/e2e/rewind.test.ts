// Going back in a live stream, on a real server with a real browser: what is watched comes from the disk.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { ask } from '../conformance/http.ts';
import { type MediaPlaylist, readPlaylist } from '../conformance/playlist.ts';
import { launchChromium, screenshot } from '../support/chromium.ts';
import { makeFlv } from '../support/encoder.ts';
import { readFlvTags } from '../support/flv-frames.ts';
import { ingestUrl, startServer, type TestServer } from '../support/server.ts';
import { publishTags, type SessionPublisher } from '../support/session-publisher.ts';
import { until } from '../support/until.ts';

/** Enough for the player to offer going back. */
const HEAD_START_MS = 80_000;
const PLAYER = "document.querySelector('liveapi-player')";

const comesTrue = (page: Page, condition: string) =>
  until(condition, 20_000, () => page.evaluate<boolean>(`Boolean(${condition})`));

suite('going back in a live stream', { timeout: 180_000 }, () => {
  let server: TestServer;
  let browser: Browser;
  let encoder: SessionPublisher | undefined;
  before(async () => {
    // A short window, so that what was sent a minute ago is not in memory.
    const env = { LIVEAPI_LIVE_WINDOW_S: '6', LIVEAPI_SEGMENT_MS: '1000', LIVEAPI_DVR_MIN_FREE_BYTES: '0' };
    server = await startServer({ env });
    browser = await launchChromium();
  });
  after(async () => {
    await encoder?.stop();
    await browser?.close();
    await server?.close();
  });

  test('F31 F32 a minute back, from the disk, and to the live edge again; a kill leaves nothing', async () => {
    const stream = await server.createLiveStream({ settings: { varying_rewind: 3600 } });
    const tags = readFlvTags(
      await makeFlv({ seconds: 10, video: { gopS: 1, kbps: 300 }, audio: { rate: 48_000, channels: 2 } }),
    );
    encoder = publishTags(tags, ingestUrl(stream), { loop: true, headStartMs: HEAD_START_MS });
    await encoder.accepted;
    const url = stream.playback.hls_url.replace('index.m3u8', 'main.m3u8');
    const playlist = async () => readPlaylist((await ask(url, { headers: {} })).body.toString()) as MediaPlaylist;
    const listed = await until('a minute is listed', 30_000, async () => {
      const { segments } = await playlist();
      return segments.length > 60 && segments;
    });
    const folder = join(server.dataDir, 'dvr');
    assert.equal((await readdir(folder)).length, 1);
    const inMemory = async () => {
      const { body } = await ask(`${server.publicUrl}/metrics`, { headers: {} });
      return Number(/^liveapi_window_bytes (\d+)/m.exec(body.toString())?.[1]);
    };
    const secondBytes = (300_000 + 96_000) / 8;
    await until('memory has let go of it', 60_000, async () => (await inMemory()) < 40 * secondBytes);
    const oldest = await ask(new URL(listed[0]!.uri, url).href, { headers: {} });
    assert.equal(oldest.status, 200);

    const page = await browser.newPage({ viewport: { width: 960, height: 540 } });
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(stream.playback.embed_url);
    await page.waitForSelector('liveapi-player[data-state="playing"]', { state: 'attached', timeout: 30_000 });
    await comesTrue(page, `${PLAYER}.window && ${PLAYER}.atLiveEdge`);
    await page.evaluate(`${PLAYER}.seek(${PLAYER}.window.endS - 60)`);
    await comesTrue(page, `!${PLAYER}.atLiveEdge`);
    const from = await page.evaluate<number>(`${PLAYER}.media.currentTime`);
    await comesTrue(page, `${PLAYER}.media.currentTime > ${from} + 2`);
    const behind = await page.evaluate<number>(`${PLAYER}.window.endS - ${PLAYER}.media.currentTime`);
    assert.ok(behind > 50, `${behind} s behind the end: nothing pulls a viewer back to the present`);
    await page.mouse.move(200, 200);
    await comesTrue(page, `!${PLAYER}.shadowRoot.querySelector('.timeline').hidden`);
    await screenshot(page, 'live-rewind');
    await page.locator('.go-live').click();
    await comesTrue(page, `${PLAYER}.atLiveEdge`);
    assert.deepEqual(errors, []);
    await page.close();

    await server.kill9();
    await encoder.closed;
    await server.restart();
    await until('what the kill left is deleted', 10_000, async () => (await readdir(folder)).length === 0);
  });
});
