// The embed page over a minute: whatever the player, the playlists and the parts do, the viewer's picture must not stand still.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchChromium } from '../support/chromium.ts';
import { makeFlv, publishFile } from '../support/encoder.ts';
import { ingestUrl, startServer } from '../support/server.ts';

const WATCH_S = 62;
/** As long as the picture may stand still: a viewer notices it, and no more. */
const LONGEST_MS = 1000;
const FPS = 30;

/** What a page saw. Times in ms on its own clock. */
interface Watched {
  /** How long each frame that was late had the one before it standing, and at which media time (s). */
  readonly stood: readonly { readonly ms: number; readonly atS: number }[];
  /** Steps of the picture's own time (s) that are no frame's length: something was left out, or shown again. */
  readonly jumps: readonly { readonly byS: number; readonly atS: number }[];
  readonly frames: number;
  /** Other states that the page showed. */
  readonly states: readonly string[];
  /** How often the media source was attached anew: what the player does after each fatal error of hls.js. */
  readonly restarts: number;
}

/**
 * Watches every frame as the browser puts it on the screen. Where the page's script was late, and several frames were shown
 * since, the time that those took is no standing still: `presentedFrames` counts them.
 */
const WATCH = `new Promise((resolve) => {
  const video = document.querySelector('video');
  const player = document.querySelector('liveapi-player');
  const watched = { stood: [], jumps: [], frames: 0, states: [], restarts: 0 };
  new MutationObserver(() => watched.states.push(player.dataset.state)).observe(player, { attributeFilter: ['data-state'] });
  video.addEventListener('emptied', () => watched.restarts++);
  const frameMs = ${1000 / FPS};
  let last = null;
  const look = (shownMs, mediaS, presented) => {
    if (last) {
      const count = presented - last.presented;
      const ms = shownMs - last.shownMs - Math.max(0, count - 1) * frameMs;
      if (ms > 4 * frameMs) watched.stood.push({ ms: Math.round(ms), atS: mediaS });
      const byS = mediaS - last.mediaS - (count * frameMs) / 1000;
      if (Math.abs(byS) > 0.2) watched.jumps.push({ byS, atS: mediaS });
    }
    last = { shownMs, mediaS, presented };
  };
  const step = (now, { presentationTime, mediaTime, presentedFrames }) => {
    watched.frames++;
    look(presentationTime, mediaTime, presentedFrames);
    video.requestVideoFrameCallback(step);
  };
  video.requestVideoFrameCallback(step);
  setTimeout(() => {
    // No frame may ever come again: the last one stands until now.
    if (last) look(performance.now(), last.mediaS, last.presented);
    resolve(watched);
  }, ${WATCH_S * 1000});
})`;

test('H81 the embed page for a minute: the picture never stands still for a second, and nothing begins anew', {
  timeout: 180_000,
}, async (t) => {
  const server = await startServer();
  t.after(() => server.close());
  const browser = await launchChromium();
  t.after(() => browser.close());
  const flv = await makeFlv({
    seconds: WATCH_S + 20,
    video: { fps: FPS, gopS: 2, bFrames: 2 },
    audio: { rate: 48_000, channels: 2 },
  });
  const stream = await server.createLiveStream();
  const encoder = publishFile(flv, ingestUrl(stream));
  t.after(() => encoder.stop());
  const page = await browser.newPage({ viewport: { width: 960, height: 540 } });
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(stream.playback.embed_url);
  await page.waitForSelector('liveapi-player[data-state="playing"]', { timeout: 30_000 });

  const { stood, jumps, frames, states, restarts } = await page.evaluate<Watched>(WATCH);
  const worst = stood.reduce((most, { ms }) => Math.max(most, ms), 0);
  t.diagnostic(
    `${frames} frames in ${WATCH_S} s; stood for more than four frames ${stood.length} times, at most ${worst} ms; left out or shown again ${jumps.length} times`,
  );
  assert.ok(frames > 0.5 * WATCH_S * FPS, `only ${frames} frames were seen`);
  assert.deepEqual(
    stood.filter(({ ms }) => ms > LONGEST_MS),
    [],
  );
  assert.deepEqual({ restarts, states, errors }, { restarts: 0, states: [], errors: [] });
});
