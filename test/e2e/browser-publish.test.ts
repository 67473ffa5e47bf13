// Chromium's own camera and microphone go live from the page, and viewers see and hear them.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Browser } from 'playwright-core';
import type { Stats } from '../../src/contract/index.ts';
import { ask, closeConnections } from '../conformance/index.ts';
import { runChild } from '../support/child.ts';
import { FAKE_DEVICES, launchChromium } from '../support/chromium.ts';
import { type LiveStream, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

/** Streams of the first seconds that a viewer gets, decoded by ffmpeg: what is not black and not silent has frames. */
async function watch(url: string): Promise<{ codec_name: string; width?: number; nb_read_frames: string }[]> {
  const args = ['-v', 'error', '-live_start_index', '0', '-read_intervals', '%+4', '-count_frames', '-show_streams'];
  const probed = JSON.parse(await runChild('ffprobe', [...args, '-of', 'json', url])) as { streams: never[] };
  return probed.streams;
}

suite('publishing from the browser', { timeout: 120_000 }, () => {
  let server: TestServer;
  let browser: Browser;
  before(async () => {
    server = await startServer();
    browser = await launchChromium(FAKE_DEVICES);
  });
  after(async () => {
    await browser.close();
    closeConnections();
    await server.close();
  });

  test('camera and microphone go live with the key behind #, play as H.264 and Opus, come back to a server that was away, and leave when they are refused or stopped', async () => {
    const stream = await server.createLiveStream();
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      // Chromium itself writes a line for each attempt while the server is away.
      if (message.type() === 'error' && !/^WebSocket connection/.test(message.text())) errors.push(message.text());
    });
    const inState = (state: string) => page.waitForSelector(`[data-state=${state}]`, { timeout: 30_000 });
    await page.goto(`${server.publicUrl}/dashboard/publish#${encodeURIComponent(stream.ingest.key)}`);
    await inState('idle');
    assert.ok(!page.url().includes('#'), 'the key does not stay in the address');
    await page.selectOption('[name=quality]', { label: '360p, 0.6 Mbit/s' });
    await page.click('[name=preview]');
    await inState('preview');
    await page.click('[name=start]');
    await inState('live');
    await server.untilStatus(stream._id, 'online');

    const { hls_url } = stream.playback;
    const multivariant = await until('there is something to play', 30_000, async () => {
      const { status, body } = await ask(hls_url);
      return status === 200 && body.toString();
    });
    assert.match(multivariant, /CODECS="avc1\.[0-9A-F]{6},opus"/i);
    const [video, audio] = await watch(hls_url);
    assert.deepEqual([video?.codec_name, audio?.codec_name], ['h264', 'opus']);
    assert.ok(video!.width! <= 640 && Number(video!.nb_read_frames) > 10, JSON.stringify(video));
    assert.ok(Number(audio!.nb_read_frames) > 100, JSON.stringify(audio));
    const stats = await server.api<Stats>('GET', `/live_streams/${stream._id}/stats`);
    assert.equal(stats.published_via, 'browser');
    assert.deepEqual(
      stats.media_info.tracks.map(({ codec }) => codec),
      ['h264', 'opus'],
    );

    const viewer = await browser.newPage();
    await viewer.goto(stream.playback.embed_url);
    await until('the player page plays it', 30_000, () =>
      viewer.evaluate<boolean>(
        "document.querySelector('video')?.currentTime > 0 && document.querySelector('video').videoWidth > 0",
      ),
    );
    await viewer.close();

    await server.stop();
    await inState('waiting');
    await server.restart();
    await inState('live');
    await server.untilStatus(stream._id, 'online');

    await server.api<LiveStream>('PATCH', `/live_streams/${stream._id}`, { enabled: false });
    await inState('refused');
    assert.match((await page.textContent('[role=status]')) ?? '', /disabled/);
    await server.api<LiveStream>('PATCH', `/live_streams/${stream._id}`, { enabled: true });
    await page.click('[name=start]');
    await inState('live');
    await page.click('[name=stop]');
    await inState('preview');
    await server.untilStatus(stream._id, 'offline');
    assert.deepEqual(errors, []);
  });
});
