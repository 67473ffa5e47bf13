// The player behind a network that breaks, is slow, or has too little room: it goes on by itself, and comes back to the present.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BadNetwork } from '../support/bad-network.ts';
import { launchChromium } from '../support/chromium.ts';
import { makeFlv, publishFile } from '../support/encoder.ts';
import { ingestUrl, startServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const KBPS = 600;
const BAD_MS = 6000;
const BACK_MS = 40_000;
/** How far from where the player is meant to be it may stay. */
const NEAR_S = 2;

test('H81 a network that breaks, delays and throttles: the player recovers, its latency within 2 s of what it was', {
  timeout: 240_000,
}, async (t) => {
  const network = new BadNetwork();
  const port = await network.listen();
  const server = await startServer({ env: { LIVEAPI_PUBLIC_URL: `http://127.0.0.1:${port}` } });
  network.leadTo(server.httpPort);
  t.after(async () => {
    network.close();
    await server.close();
  });
  const browser = await launchChromium();
  t.after(() => browser.close());
  const stream = await server.createLiveStream();
  const flv = await makeFlv({ seconds: 12, video: { gopS: 1, kbps: KBPS }, audio: { rate: 48_000, channels: 2 } });
  const encoder = publishFile(flv, ingestUrl(stream), { loop: true });
  t.after(() => encoder.stop());
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`${stream.playback.embed_url}?autoplay=1`);
  await page.evaluate('globalThis.notReloaded = true');

  /** Seconds behind, where it plays; and that the picture moves. */
  const plays = async (what: string, atMostS: number): Promise<number> => {
    let timeS = Number.NaN;
    return until(what, BACK_MS, async () => {
      const now = await page.evaluate<[string, number, number]>(
        "(({ dataset, media }) => [dataset.state, Number(dataset.latency), media.currentTime])(document.querySelector('liveapi-player'))",
      );
      const [state, latencyS, mediaS] = now;
      const moves = mediaS > timeS;
      timeS = mediaS;
      return state === 'playing' && moves && latencyS > 0 && latencyS <= atMostS ? latencyS : null;
    });
  };
  const usualS = await plays('it plays', 4);
  const bad: Record<string, (on: boolean) => void> = {
    breaks: (on) => {
      network.down = on;
    },
    delays: (on) => {
      network.delayMs = on ? 400 : 0;
    },
    'has too little room': (on) => {
      network.bytesPerS = on ? (0.6 * KBPS * 1000) / 8 : Number.POSITIVE_INFINITY;
    },
  };
  for (const [what, make] of Object.entries(bad)) {
    make(true);
    await delay(BAD_MS);
    make(false);
    const latencyS = await plays(`it plays again after a network that ${what}`, usualS + NEAR_S);
    t.diagnostic(`a network that ${what}: ${latencyS.toFixed(1)} s behind afterwards, ${usualS.toFixed(1)} s before`);
  }
  assert.equal(await page.evaluate('globalThis.notReloaded'), true);
  assert.deepEqual(errors, []);
});
