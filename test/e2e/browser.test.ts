// The pages in Chromium, on a picture that shows its own time.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import type { Child } from '../support/child.ts';
import { launchChromium, screenshot } from '../support/chromium.ts';
import { makeFlv, publishFile } from '../support/encoder.ts';
import { publishClock, READ_CLOCK } from '../support/picture-clock.ts';
import { ingestUrl, type LiveStream, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const state = (page: Page) => page.locator('[data-state]').first();
const inState = (page: Page, name: string, timeoutMs = 20_000) =>
  page.waitForSelector(`[data-state="${name}"]`, { state: 'attached', timeout: timeoutMs });

/** Milliseconds from the drawing of a frame to its showing, for every frame shown in `forMs`. */
const latencies = (page: Page, forMs: number) =>
  page.evaluate<number[]>(`new Promise((resolve) => {
    const read = ${READ_CLOCK};
    const video = document.querySelector('video');
    const samples = [];
    const step = () => {
      const latency = read(video);
      if (latency !== null) samples.push(latency);
      video.requestVideoFrameCallback(step);
    };
    video.requestVideoFrameCallback(step);
    setTimeout(() => resolve(samples), ${forMs});
  })`);

/** Waits until the picture's own clock goes on: a frame drawn later than now is shown. Answers how late it is. */
async function showsNow(page: Page, timeoutMs: number): Promise<number> {
  const sinceMs = Date.now();
  // Asked from here again and again: the page's own policy lets no function be made from text inside it.
  return until('the picture shows the present', timeoutMs, async () => {
    const latencyMs = await page.evaluate<number | null>(`(${READ_CLOCK})(document.querySelector('video'))`);
    return latencyMs !== null && Date.now() - latencyMs > sinceMs ? Math.max(1, latencyMs) : null;
  });
}

const at = (sorted: readonly number[], share: number): number => sorted[Math.floor((sorted.length - 1) * share)]!;

suite('the pages in Chromium', { timeout: 240_000 }, () => {
  let server: TestServer;
  let browser: Browser;
  before(async () => {
    server = await startServer({ env: { LIVEAPI_RECONNECT_WINDOW_S: '40' } });
    browser = await launchChromium();
  });
  after(async () => {
    await browser.close();
    await server.close();
  });

  /** A page that reports what goes wrong inside it: scripts that throw, and what its own policy forbids. */
  async function open(url: string, width: number, height: number): Promise<{ page: Page; errors: string[] }> {
    const page = await browser.newPage({ viewport: { width, height } });
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      // Chromium itself writes a line for each 404: a stream that has not begun is one.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) errors.push(message.text());
    });
    await page.goto(url);
    return { page, errors };
  }

  test('the video page begins by itself, shows the present, survives 2 s and 20 s without encoder, and an end by API', async (t) => {
    const stream = await server.createLiveStream();
    const { page, errors } = await open(stream.playback.embed_url, 1280, 720);
    const encoders: Child[] = [];
    const push = () => {
      const encoder = publishClock(ingestUrl(stream));
      encoders.push(encoder);
      return encoder;
    };
    t.after(() => Promise.all(encoders.map((encoder) => encoder.stop('SIGKILL'))));
    await page.evaluate('window.sameDocument = true');

    await t.test('an offline page waits, and begins by itself', async (s) => {
      await inState(page, 'waiting');
      const startMs = performance.now();
      push();
      await inState(page, 'playing');
      const latencyMs = await showsNow(page, 20_000);
      s.diagnostic(
        `the picture is there ${((performance.now() - startMs) / 1000).toFixed(1)} s after the encoder was started, ${latencyMs} ms late`,
      );
    });

    await t.test('the clock in the picture advances; latency measured from it', async (s) => {
      const samples = (await latencies(page, 20_000)).sort((a, b) => a - b);
      s.diagnostic(
        `glass to glass over ${samples.length} frames: median ${at(samples, 0.5)} ms, p95 ${at(samples, 0.95)} ms, best ${samples[0]} ms`,
      );
      assert.ok(samples.length > 200, `only ${samples.length} frames shown in 20 s`);
      assert.ok(at(samples, 0.95) < 10_000);
      const { dropped, total } = await page.evaluate<{ dropped: number; total: number }>(`(() => {
        const quality = document.querySelector('video').getVideoPlaybackQuality();
        return { dropped: quality.droppedVideoFrames, total: quality.totalVideoFrames };
      })()`);
      s.diagnostic(`${dropped} of ${total} frames dropped by the browser`);
    });

    for (const [awayS, signal] of [
      [2, 'SIGKILL'],
      [20, 'SIGTERM'],
    ] as const) {
      await t.test(`back after ${awayS} s without a reload`, async (s) => {
        await encoders.at(-1)!.stop(signal);
        if (awayS > 10) await inState(page, 'away');
        await delay(awayS * 1000); // this is how long the encoder is away
        const startMs = performance.now();
        push();
        const latencyMs = await showsNow(page, 30_000);
        await inState(page, 'playing');
        s.diagnostic(
          `the picture goes on ${((performance.now() - startMs) / 1000).toFixed(1)} s after the encoder was started, ${latencyMs} ms late`,
        );
        assert.equal(await page.evaluate('window.sameDocument'), true, 'the page was not loaded again');
      });
    }

    await t.test('stopped by API: the page says so, and begins again when the stream returns', async (s) => {
      const startMs = performance.now();
      await server.api('PATCH', `/live_streams/${stream._id}`, { enabled: false });
      await encoders.at(-1)!.ended;
      await page.waitForSelector('[data-state="ended"], [data-state="waiting"]', {
        state: 'attached',
        timeout: 15_000,
      });
      s.diagnostic(
        `the page says ${await state(page).getAttribute('data-state')} ${Math.round(performance.now() - startMs)} ms after the request`,
      );
      await screenshot(page, 'ended');
      await server.api('PATCH', `/live_streams/${stream._id}`, { enabled: true });
      push();
      await showsNow(page, 30_000);
      assert.equal(await page.evaluate('window.sameDocument'), true);
    });
    assert.deepEqual(errors, []);
    await page.close();
  });

  /** Waits until the media element itself has moved on by a second. */
  async function plays(page: Page): Promise<void> {
    const position = () => page.evaluate<number>("document.querySelector('video, audio').currentTime");
    const from = await until('the media element has begun', 20_000, position);
    await until('it moves on', 20_000, async () => (await position()) > from + 1);
  }

  test('the audio page plays, of a stream with video and of one without', async (t) => {
    const flv = await makeFlv({ seconds: 10, audio: { rate: 44_100, channels: 2 } });
    const radio = await server.createLiveStream();
    const encoder = publishFile(flv, ingestUrl(radio), { loop: true });
    t.after(() => encoder.stop());
    const { page, errors } = await open(radio.playback.embed_audio_url, 480, 120);
    await inState(page, 'playing');
    await plays(page);
    await screenshot(page, 'audio');
    assert.equal(await page.locator('video').count(), 0);
    assert.deepEqual(errors, []);
    // The page of an audio-only stream that was opened as video plays it as well.
    const asVideo = await open(radio.playback.embed_url, 640, 360);
    await plays(asVideo.page);
    assert.deepEqual(asVideo.errors, []);
    await Promise.all([page.close(), asVideo.page.close()]);
  });

  test('pictures of the pages', async (t) => {
    const stream: LiveStream = await server.createLiveStream();
    const { page: phone } = await open(stream.playback.embed_url, 390, 844);
    await inState(phone, 'waiting');
    await screenshot(phone, 'phone-waiting');
    const encoder = publishFile('src/cli/clip/demo.flv', ingestUrl(stream), { loop: true });
    t.after(() => encoder.stop());
    const { page: desktop } = await open(stream.playback.embed_url, 1280, 720);
    const { page: audio } = await open(stream.playback.embed_audio_url, 480, 120);
    for (const [page, name] of [
      [desktop, 'player'],
      [phone, 'phone'],
      [audio, 'audio-of-video'],
    ] as const) {
      await plays(page);
      await inState(page, 'playing');
      if (name === 'player') await page.mouse.move(640, 360);
      await screenshot(page, name);
      await page.close();
    }
  });
});
