// The element in pages of other people, and everything that a page or an address may ask of it.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { build } from 'vite';
import { launchChromium, screenshot } from '../support/chromium.ts';
import { until } from '../support/until.ts';
import { makeRecording } from './recording.ts';
import { Station } from './station.ts';

const web = fileURLToPath(new URL('../../web', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'embed-'));
const webRoot = join(folder, 'web');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const desktop = { viewport: { width: 1280, height: 720 } };
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };

let browser: Browser;
let shelf: (name: string) => string | Buffer | null;

before(async () => {
  await build({ root: web, logLevel: 'warn', build: { outDir: webRoot } });
  shelf = makeRecording(mkdtempSync(join(folder, 'media-')));
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Seat {
  readonly station: Station;
  readonly page: Page;
}

/** A fresh station and a page; fails if any page ever complains of more than a resource that is not there. */
async function visit(options: BrowserContextOptions, scene: (seat: Seat) => Promise<void>): Promise<void> {
  const station = new Station(webRoot, shelf);
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
    await scene({ station, page });
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
    await station.close();
  }
}

const ask = <T>(page: Page, expression: string) => page.evaluate<T>(expression);
const comesTrue = (page: Page, expression: string, timeoutMs = 10_000) =>
  until(expression, timeoutMs, () => ask<boolean>(page, expression));
const reach = (page: Page, state: string) =>
  page.waitForSelector(`liveapi-player[data-state="${state}"]`, { state: 'attached', timeout: 40_000 });
/** Of the element's shadow tree. */
const shows = (page: Page, selector: string) => page.locator(`liveapi-player ${selector}`).first().isVisible();
const player = "document.querySelector('liveapi-player')";

/** Loaded by the debugger, as the pages' own policy forbids what is not theirs. */
async function accessible(page: Page): Promise<void> {
  const violations = await ask<string[]>(
    page,
    `(async () => {
      if (!globalThis.axe) { ${axe} }
      const { violations } = await axe.run(document, { resultTypes: ['violations'] });
      return violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' '));
    })()`,
  );
  assert.deepEqual(violations, []);
}

const host = (body: string) =>
  `<!doctype html><html lang="en"><title>Host</title><body style="margin:0">${body}</body></html>`;

suite('the embedded player', { concurrency: 2 }, () => {
  test('S42 the element in a foreign page: plays, tells by events, messages and beacons; takes orders of its own page only', () =>
    visit(desktop, async ({ station, page }) => {
      const script = `<script type="module" src="${station.root}/embed/player.js"></script>`;
      const frame = `<iframe src="${station.page('?iframeMsg=true')}" width="400" height="225" allow="autoplay" title="Player"></iframe>`;
      station.host = host(`<script>
        told = []; messages = []; tagged = [];
        gtag = (...values) => tagged.push(values);
        addEventListener('message', ({ data, origin }) => messages.push({ ...data, origin }));
        for (const name of ['statechange', 'playstart', 'stall', 'playerror', 'playend'])
          document.addEventListener(name, ({ detail }) => told.push([name, detail]), true);
        </script><main style="width:480px"><h1>Host</h1>
        <liveapi-player playback-id="${station.playbackId}" autoplay ga stream-title="Evening" color="#08f"></liveapi-player>
        </main>${frame}${script}`);
      station.publish();
      await page.goto(station.hostUrl);
      await reach(page, 'playing');
      await comesTrue(page, `${player}.media.currentTime > 0.5 && told.some(([name]) => name === 'playstart')`);
      assert.equal(await ask(page, `${player}.getBoundingClientRect().height`), 270, 'a frame of its own shape');
      const startup = await ask<{ startup_ms: number }>(page, "told.find(([name]) => name === 'playstart')[1]");
      assert.ok(startup.startup_ms >= 0 && startup.startup_ms < 60_000);
      assert.equal(await ask(page, 'tagged[0][1]'), 'liveapi_playstart');
      await comesTrue(page, "messages.some(({ event }) => event === 'playstart')");
      const origin = new URL(station.root).origin;
      assert.deepEqual(await ask(page, "messages.filter((m) => m.liveapi !== 1 || m.origin !== '" + origin + "')"), []);

      const inner = page.frames().find((child) => child !== page.mainFrame())!;
      const paused = () => inner.evaluate<boolean>("document.querySelector('video').paused");
      const order = (command: string) => ask(page, `frames[0].postMessage(${command}, '${origin}')`);
      for (const nonsense of ["'pause'", 'null', "{ command: 'pause' }", "{ liveapi: 1, command: 'constructor' }"])
        await order(nonsense);
      // Not from the page around, but from the frame itself.
      await inner.evaluate("postMessage({ liveapi: 1, command: 'pause' }, '*')");
      await order("{ liveapi: 1, command: 'hello' }");
      await comesTrue(page, "messages.filter(({ event }) => event === 'ready').length >= 1");
      assert.equal(await paused(), false);
      await order("{ liveapi: 1, command: 'pause' }");
      await until('the order is obeyed', 5_000, paused);
      await page.mouse.move(240, 200);
      await screenshot(page, 'embed-element');
      await accessible(page);
      const id = await ask<string>(page, `${player}.playbackId`);
      await ask(page, `${player}.remove()`);
      await until('the end is reported', 5_000, async () =>
        station.beacons.some((text) => JSON.parse(text).event === 'end'),
      );
      const reports = station.beacons.map((text) => JSON.parse(text));
      assert.ok(reports.some(({ event, startup_ms }) => event === 'play' && startup_ms >= 0));
      for (const report of reports) {
        assert.equal(report.playback_id, id);
        assert.match(report.play_id, /^[0-9a-f]{32}$/);
      }
      assert.equal(new Set(reports.map(({ play_id }) => play_id)).size, 2, 'one id for each play');
    }));

  test('S42 a sandboxed frame without an origin plays too, and keeps nothing', () =>
    visit(desktop, async ({ station, page }) => {
      station.host = host(`<iframe sandbox="allow-scripts" src="${station.page()}" width="640" height="360"></iframe>`);
      station.publish();
      await page.goto(station.hostUrl);
      const frame = page.frames()[1];
      await frame.waitForSelector('liveapi-player[data-state="playing"]', { timeout: 40_000 });
      await until('it moves', 10_000, () => frame.evaluate<boolean>("document.querySelector('video').currentTime > 1"));
      assert.equal(await frame.evaluate('origin'), 'null');
    }));

  test('a recording in two qualities with two sounds and captions: menus, time line, speed, end, again', () =>
    visit(desktop, async ({ station, page }) => {
      const script = `<script type="module" src="${station.root}/embed/player.js"></script>`;
      station.host = host(
        `<main><h1>Host</h1><liveapi-player src="${station.root}/rec/master.m3u8" autoplay muted seek-to="5" tracks="Original" cc-font-color="yellow" cc-font-size="1.5"></liveapi-player></main>${script}`,
      );
      await page.goto(station.hostUrl);
      await reach(page, 'playing');
      await comesTrue(page, `${player}.media.currentTime > 5.2 && ${player}.isRecording`);
      assert.ok(!(await shows(page, '.go-live')));
      await page.mouse.move(600, 300);
      await page.locator('.gear').click();
      const items = () => page.getByRole('menuitemradio').allTextContents();
      assert.deepEqual(
        await items(),
        'Automatic,180p,360p,Original,Deutsch,Off,English captions,0.5×,0.75×,1×,1.25×,1.5×,2×'.split(','),
      );
      await page.getByRole('menuitemradio', { name: '180p' }).click();
      await page.getByRole('menuitemradio', { name: 'Deutsch' }).click();
      await page.getByRole('menuitemradio', { name: 'English captions' }).click();
      await page.getByRole('menuitemradio', { name: '2×', exact: true }).click();
      await comesTrue(page, `${player}.media.playbackRate === 2 && ${player}.choice('audio').chosen === 1`);
      await comesTrue(
        page,
        `[...${player}.media.textTracks].some((track) => track.mode === 'showing' && track.activeCues?.length)`,
      );
      await comesTrue(page, `${player}.media.videoHeight === 180`, 20_000);
      await until('the other sound is fetched', 10_000, async () =>
        station.requests.some((url) => url.includes('a1-')),
      );
      await screenshot(page, 'embed-menu');
      await accessible(page);
      await page.keyboard.press('Escape');
      await page.getByRole('menu').waitFor({ state: 'hidden' });
      await page.locator('.timeline').focus();
      await page.keyboard.press('End');
      await reach(page, 'ended');
      await page.getByText('That was all').waitFor();
      await ask(page, `void ${player}.media.addEventListener('playing', ({ target }) => (again = target.currentTime))`);
      await page.locator('.start').click();
      await reach(page, 'playing');
      await comesTrue(page, 'globalThis.again < 60');
    }));

  test('an event that keeps its past: back by the bar and the keys, forth by the live button', () =>
    visit(phone, async ({ station, page }) => {
      const script = `<script type="module" src="${station.root}/embed/player.js"></script>`;
      station.host = host(
        `<main><h1>Host</h1><liveapi-player src="${station.root}/rec/event.m3u8" autoplay muted></liveapi-player></main>${script}`,
      );
      await page.goto(station.hostUrl);
      await reach(page, 'playing');
      await page.waitForSelector('liveapi-player[data-edge]');
      await ask(page, `${player}.seek(3)`);
      await page.waitForSelector('liveapi-player:not([data-edge])');
      await comesTrue(page, `${player}.media.currentTime > 3.4`);
      assert.ok(
        (await ask<number>(page, `${player}.media.currentTime`)) < 12,
        'nothing pulls a viewer back to the present',
      );
      await page.mouse.move(200, 100);
      await comesTrue(page, `/^-/.test(${player}.shadowRoot.querySelector('.clock').textContent)`);
      await screenshot(page, 'embed-dvr-phone');
      await page.locator('.go-live').click();
      await page.waitForSelector('liveapi-player[data-edge]');
    }));

  test('S43 options × states: each is seen where it should be, nonsense is ignored, hostile text stays text', async () => {
    const hostile = '<img src=x onerror=alert(1)>';
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    const dot = encodeURIComponent("data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>");
    const waiting: [query: string, check: string][] = [
      [
        `offlineText=${encodeURIComponent(hostile)}&title=${encodeURIComponent(hostile)}`,
        `root.querySelector('.message-title').textContent === '${hostile}' && document.title === '${hostile}'`,
      ],
      [`start=${soon}`, "/^Starts in (59|1:00):/.test(root.querySelector('.countdown').textContent)"],
      [
        `start=${soon}&lang=de`,
        "/^Beginnt in /.test(root.querySelector('.countdown').textContent) && document.documentElement.lang === 'de'",
      ],
      [
        'start=tomorrow&latency=x&ccFontColor=javascript&range=a-b&color=url(x)',
        "!root.querySelector('.countdown').textContent && player.options.range === null && player.options.color === null",
      ],
      [`poster=${dot}&logo=${dot}`, "!root.querySelector('.poster').hidden && !root.querySelector('.logo').hidden"],
      [
        'poster=javascript:alert(1)&logo=x%3Ay',
        "root.querySelector('.poster').hidden && root.querySelector('.logo').hidden",
      ],
      ['color=00ff88', "getComputedStyle(root.querySelector('.start')).backgroundColor === 'rgb(0, 255, 136)'"],
      [
        'pip=0&fullscreen=off&cast=0&airplay=0',
        "['pip', 'fullscreen', 'cast', 'airplay'].every((name) => root.querySelector('media-' + name + '-button').hidden)",
      ],
      [
        'buttons=false&hideControlbarPlayButton=true',
        "root.querySelector('media-fullscreen-button').hidden && root.querySelector('media-play-button').hidden",
      ],
      ['click=0', "root.querySelector('media-controller').hasAttribute('gesturesdisabled')"],
      [
        'track=v2a3&abr=false&pp=true&loop=1&speed=false&seekTo=9&latency=3',
        'JSON.stringify([player.options.videoTrack, player.options.audioTrack, player.options.bestQuality, player.options.onlyWhileSeen, player.options.loop, player.options.speed, player.options.seekToS, player.options.latencyS]) === "[1,2,true,true,true,false,9,3]"',
      ],
      ['unknown=1&h265=true&namedHls=true&store=R&__proto__=1', "player.dataset.state === 'waiting'"],
    ];
    await visit(desktop, async ({ station, page }) => {
      for (const [query, check] of waiting) {
        await page.goto(station.page(`?${query}`));
        await reach(page, 'waiting');
        await comesTrue(
          page,
          `(() => { const player = ${player}; const root = player.shadowRoot; return ${check}; })()`,
          5_000,
        );
      }
      await page.goto(station.page(`?start=${soon}&title=Evening%20news`));
      await page.locator('.countdown').waitFor();
      await accessible(page);
      await screenshot(page, 'embed-countdown');
      for (const [status, code, words] of [
        [401, 'password_wrong', 'This stream asks for a password'],
        [403, 'domain_blocked', 'This stream is not shown on this site'],
        [403, 'token_expired', 'This link has expired'],
        [410, '', 'This link has expired'],
        [403, 'who knows', 'You may not watch this stream'],
      ] as const) {
        station.deny(status, code);
        await page.goto(station.page());
        await reach(page, 'refused');
        await page.getByText(words).waitFor();
      }
      await accessible(page);
      await page.setViewportSize(phone.viewport);
      await screenshot(page, 'embed-refused-phone');
      // What was refused and is not any more begins by itself.
      station.deny(200);
      station.publish();
      await reach(page, 'playing');
      await accessible(page);
    });
  });

  test('the radio: title, cover and words in the visitor’s language, on the lock screen too', () =>
    visit({ viewport: { width: 390, height: 844 }, locale: 'fr-FR' }, async ({ station, page }) => {
      const cover = encodeURIComponent(
        "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><rect width='9' height='9' fill='teal'/></svg>",
      );
      await page.goto(station.page(`?onlyAudio=true&title=Radio%20Nord&poster=${cover}`));
      await page.getByText('Le direct n’a pas encore commencé').waitFor();
      await accessible(page);
      station.publish();
      await reach(page, 'playing');
      await page.locator('.on-air', { hasText: 'Radio Nord' }).waitFor();
      await page.getByRole('button', { name: 'Pause' }).waitFor();
      assert.equal(await ask(page, 'navigator.mediaSession.metadata.title'), 'Radio Nord');
      await page.getByRole('slider', { name: 'Volume' }).fill('0.4');
      await screenshot(page, 'embed-radio-phone');
      await accessible(page);
      await page.reload();
      await reach(page, 'playing');
      assert.equal(await ask(page, "document.querySelector('audio').volume"), 0.4, 'the volume is remembered');
    }));
});
