import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { build } from 'vite';
import { launchChromium, screenshot } from '../support/chromium.ts';
import { until } from '../support/until.ts';
import { Station } from './station.ts';

const web = fileURLToPath(new URL('../../web', import.meta.url));
const webRoot = mkdtempSync(join(tmpdir(), 'web-'));
const targetLatencyS = 1.2;
const desktop = { viewport: { width: 1280, height: 720 } };

let browser: Browser;

before(async () => {
  await build({ root: web, logLevel: 'warn', build: { outDir: webRoot } });
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  rmSync(webRoot, { recursive: true, force: true });
});

interface Seat {
  readonly station: Station;
  readonly page: Page;
}

/** Opens a page of a fresh station, and fails if the page ever complains of more than a playlist that is not there. */
async function watch(
  options: BrowserContextOptions,
  query: string,
  scene: (seat: Seat) => Promise<void>,
  script?: string,
) {
  const station = new Station(webRoot);
  await station.start();
  const context = await browser.newContext(options);
  const complaints: string[] = [];
  try {
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() !== 'error' && message.type() !== 'warning') return;
      if (!message.text().startsWith('Failed to load resource')) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    if (script) await page.addInitScript({ content: script });
    await page.goto(station.page(query));
    await scene({ station, page });
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
    await station.close();
  }
}

/** Code for the page comes as text: the tests' own types know no `document`. */
const ask = <T>(page: Page, expression: string) => page.evaluate<T>(expression);
/** Not Playwright's own waiting: it evaluates text inside of the page, which the page's security policy forbids. */
const comesTrue = (page: Page, expression: string, timeoutMs = 10_000) =>
  until(expression, timeoutMs, () => ask<boolean>(page, expression));
const source = (page: Page) => ask<string>(page, "document.querySelector('video, audio').src");
const muted = (page: Page) => ask<boolean>(page, "document.querySelector('video, audio').muted");

async function reach(page: Page, state: string, timeoutMs = 15_000): Promise<void> {
  try {
    await page.waitForSelector(`liveapi-player[data-state="${state}"]`, { timeout: timeoutMs });
  } catch {
    const now = await page.locator('liveapi-player').getAttribute('data-state');
    assert.fail(`the page is in state "${now}", not in "${state}" after ${timeoutMs} ms`);
  }
}

/** The picture (or the sound) itself goes on: `seconds` of media pass, and not more slowly than they should. */
async function movesOn(page: Page, seconds: number): Promise<void> {
  await ask(
    page,
    `new Promise((resolve, reject) => {
      const media = document.querySelector('video, audio');
      const from = media.currentTime;
      const late = setTimeout(() => reject(new Error((media.currentTime - from) + ' s passed')), ${1000 * seconds + 2500});
      media.addEventListener('timeupdate', () => {
        if (media.currentTime < from + ${seconds}) return;
        clearTimeout(late);
        resolve();
      });
    })`,
  );
}

/** Waits until the latency that the page reports is at most `mostS`. */
const latencyBelow = (page: Page, mostS: number, timeoutMs: number) =>
  comesTrue(page, `Number(document.querySelector('liveapi-player').dataset.latency ?? 99) <= ${mostS}`, timeoutMs);

/** Marks the document: a page that reloads loses the mark. */
const mark = (page: Page) => ask(page, "document.documentElement.setAttribute('data-mark', '')");
const marked = (page: Page) => ask<boolean>(page, "document.documentElement.hasAttribute('data-mark')");

// Most of their time they wait: each has a station and a page of its own.
suite('the pages', { concurrency: 2 }, () => {
  test('script of the video page stays within 190 kB, of the audio page within 150 kB', () => {
    const scripts = (html: string) => {
      const names = [...readFileSync(join(webRoot, html), 'utf8').matchAll(/assets\/([\w.-]+\.js)/g)].map(
        ([, name]) => name,
      );
      assert.ok(names.length > 0, `${html} names no script`);
      // hls.js is asked for by name once the page runs.
      names.push(...readdirSync(join(webRoot, 'assets')).filter((name) => /^hls\.light-.*js$/.test(name)));
      return names.reduce((sum, name) => sum + gzipSync(readFileSync(join(webRoot, 'assets', name))).length, 0) / 1000;
    };
    const video = scripts('player.html');
    const audio = scripts('audio.html');
    console.log(`script, gzipped: video page ${video.toFixed(1)} kB, audio page ${audio.toFixed(1)} kB`);
    assert.ok(video <= 190 && audio <= 150);
    for (const name of readdirSync(join(webRoot, 'assets')))
      assert.match(name, /-[\w-]{8}\.(js|css)$/, 'assets carry their hash');
  });

  test('H81 H82 H83 waits, begins by itself, and survives away, end, a new broadcast and a restarted server', () =>
    watch(desktop, '', async ({ station, page }) => {
      await reach(page, 'waiting');
      await page.getByText('The stream has not started yet').waitFor();
      const html = await page.content();
      assert.match(
        html,
        /<link rel="alternate"[^>]+href="http:\/\/127.0.0.1:\d+\/sub\/hls\/lv_[0-9a-f]{32}\/index.m3u8"/,
      );
      await mark(page);

      station.publish();
      await reach(page, 'playing');
      await movesOn(page, 2);
      await latencyBelow(page, targetLatencyS + 0.5, 10_000);
      assert.match(await source(page), /^blob:/, 'H83: not the native player');
      await page.waitForSelector('liveapi-player[data-edge]');
      await page.mouse.move(640, 400);
      await comesTrue(
        page,
        "getComputedStyle(document.querySelector('liveapi-player').shadowRoot.querySelector('media-control-bar')).opacity === '1'",
      );
      await screenshot(page, 'web-player');

      station.pause();
      await reach(page, 'away');
      await page.getByText('Back in a moment').waitFor();
      const engine = await source(page);
      station.publish();
      await reach(page, 'playing');
      await movesOn(page, 2);
      await latencyBelow(page, 2 * targetLatencyS, 10_000);
      assert.equal(await source(page), engine, 'a reconnect needs no new start');

      station.end();
      await reach(page, 'ended');
      station.clear();
      await reach(page, 'waiting');
      station.publish();
      await reach(page, 'playing');
      await movesOn(page, 1);

      // Killed and started again: refused for a while, unknown for a while, then other numbers under the same address.
      station.refuse(true);
      station.clear();
      await reach(page, 'away');
      station.refuse(false);
      station.publish();
      await reach(page, 'playing');
      await movesOn(page, 2);
      await latencyBelow(page, 2 * targetLatencyS, 10_000);
      assert.ok(await marked(page), 'the page has reloaded');
    }));

  test('H57 ten reconnects in one session: plays on after each, without a new start', () =>
    watch(desktop, '', async ({ station, page }) => {
      station.publish();
      await reach(page, 'playing');
      await movesOn(page, 1);
      const engine = await source(page);
      for (let i = 0; i < 10; i++) {
        station.publish();
        await movesOn(page, 1.2);
      }
      assert.equal(await source(page), engine);
      await latencyBelow(page, 2 * targetLatencyS, 15_000);
    }));

  test('H82 F33 returns to the live edge after a network cut, a frozen tab and a pause', () =>
    watch(desktop, '', async ({ station, page }) => {
      station.publish();
      await reach(page, 'playing');
      await movesOn(page, 1);
      await mark(page);

      await page.context().setOffline(true);
      await page.waitForSelector('liveapi-player:not([data-state="playing"])');
      await page.context().setOffline(false);
      await reach(page, 'playing');
      await latencyBelow(page, 2 * targetLatencyS, 10_000);
      await movesOn(page, 1);

      // A tab that nobody sees may be stopped whole: no script runs, the buffer plays out.
      const cdp = await page.context().newCDPSession(page);
      await cdp.send('Debugger.enable');
      const stopped = new Promise((resolve) => cdp.once('Debugger.paused', resolve));
      await cdp.send('Debugger.pause');
      await stopped;
      const before = station.requests.length;
      await new Promise((resolve) => setTimeout(resolve, 8_000)); // the time that is lost is what is tested
      assert.ok(station.requests.length - before <= 3, 'the tab was not stopped');
      await cdp.send('Debugger.resume');
      await cdp.send('Debugger.disable');
      await latencyBelow(page, 2 * targetLatencyS, 10_000);
      await movesOn(page, 1);

      await ask(page, "document.querySelector('video').pause()");
      await comesTrue(page, "document.querySelector('liveapi-player').latency > 5");
      await page.locator('.start').click();
      await latencyBelow(page, 2 * targetLatencyS, 3_000);
      await movesOn(page, 1);
      assert.ok(await marked(page));
    }));

  test('S43 embed options: offline text is text, no autoplay costs no media, no controls shows none, sound is offered', async () => {
    const hostile = '<img src=x onerror=alert(1)>"\'<script>alert(2)</script>';
    const query = `?autoplay=0&controls=0&offlineText=${encodeURIComponent(hostile)}`;
    await watch({ viewport: { width: 390, height: 220 } }, query, async ({ station, page }) => {
      await page.getByText(hostile).waitFor();
      station.publish();
      await reach(page, 'playing');
      assert.ok(!station.requests.some((url) => url.includes('.m4s')), 'media was fetched before anybody asked for it');
      await page.locator('.start').click();
      await movesOn(page, 1);
      assert.ok(await page.locator('media-control-bar').isHidden());
    });
    await watch(
      { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
      '?offlineText=We%will%be%back',
      async (seat) => {
        const { station, page } = seat;
        await page.getByText('We will be back').waitFor();
        station.publish();
        await reach(page, 'playing');
        assert.ok(await muted(page));
        await page.getByText('Tap to unmute').click();
        assert.ok(!(await muted(page)));
        await page.getByText('Tap to unmute').waitFor({ state: 'hidden' });
        await movesOn(page, 1);
      },
    );
    await watch({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }, '', async ({ page }) => {
      await page.getByText('The stream has not started yet').waitFor();
      await screenshot(page, 'web-player-waiting-phone');
    });
  });

  test('audio page: waits, plays with sound, shows its level, comes back after the encoder was away', () =>
    watch({ viewport: { width: 640, height: 480 } }, '?onlyAudio=true', async ({ station, page }) => {
      await reach(page, 'waiting');
      station.publish();
      await reach(page, 'playing');
      await movesOn(page, 2);
      assert.ok(!(await muted(page)));
      assert.ok(!station.requests.some((url) => /\/\d+\.\d+\.m4s/.test(url)), 'the audio page fetched video');
      // The bars rise: at rest they are a thin line.
      await comesTrue(
        page,
        `(() => {
        const canvas = document.querySelector('liveapi-player').shadowRoot.querySelector('canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let ink = 0;
        for (let i = 3; i < pixels.length; i += 4) ink += pixels[i];
        return ink > 0.06 * 255 * canvas.width * canvas.height;
      })()`,
      );
      await screenshot(page, 'web-audio');
      await page.setViewportSize({ width: 320, height: 96 });
      await screenshot(page, 'web-audio-small');
      station.pause();
      await reach(page, 'away');
      station.publish();
      await reach(page, 'playing');
      await movesOn(page, 1);
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.getByRole('button', { name: 'Play' }).waitFor();
    }));

  test('where there is no Media Source the browser plays HLS itself, and the next broadcast begins by itself too', () =>
    watch(
      desktop,
      '',
      async ({ station, page }) => {
        station.publish();
        await reach(page, 'playing', 30_000);
        assert.match(await source(page), /index\.m3u8\?_session=none$/);
        await movesOn(page, 2);
        station.end();
        await reach(page, 'ended', 30_000);
        station.clear();
        station.publish();
        await reach(page, 'playing', 30_000);
        await movesOn(page, 1);
      },
      "for (const name of ['MediaSource', 'ManagedMediaSource', 'WebKitMediaSource']) delete globalThis[name];",
    ));

  test('a browser that can play neither way is told so, and the station is left alone', () =>
    watch(
      desktop,
      '',
      async ({ station, page }) => {
        await reach(page, 'error');
        await page.getByText('This stream cannot be played here').waitFor();
        assert.deepEqual(station.requests, []);
      },
      "for (const name of ['MediaSource', 'ManagedMediaSource', 'WebKitMediaSource']) delete globalThis[name];" +
        "HTMLMediaElement.prototype.canPlayType = () => '';",
    ));
});
