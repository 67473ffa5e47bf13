import { launchChromium } from '../../test/support/chromium.ts';
import { publishClock, READ_CLOCK } from '../../test/support/picture-clock.ts';
import { ingestUrl } from '../../test/support/server.ts';
import { until } from '../../test/support/until.ts';
import { createStreams, startBenchServer } from './bench-server.ts';
import { median, percentile, unpin } from './measure.ts';
import { pause } from './publisher.ts';
import type { Row } from './table.ts';

const SETTLE_MS = 8000;
const WATCH_MS = 30_000;
const EVERY_MS = 100;
const BAR_MEDIAN_MS = 1500;
const BAR_P95_MS = 1800;

/**
 * Glass to glass: the time of day is drawn into each frame as it is made, encoded by ffmpeg, pushed over RTMP, and read from
 * the video element of the embed page in Chromium. Maker and viewer are one machine, so they read the same clock.
 */
export async function latency(): Promise<Row[]> {
  // An encoder and a browser on one core would measure each other.
  unpin(process.pid);
  const server = await startBenchServer();
  unpin(server.pid);
  const browser = await launchChromium();
  const [stream] = await createStreams(server, 1);
  const encoder = publishClock(ingestUrl(stream!));
  try {
    await server.untilStatus(stream!._id, 'online');
    const page = await browser.newPage();
    await page.goto(stream!.playback.embed_url);
    const read = () => page.evaluate<number | null>(`(${READ_CLOCK})(document.querySelector('video'))`);
    await until('the page shows the clock', 20_000, async () => (await read()) !== null);
    await pause(SETTLE_MS);
    const delays: number[] = [];
    for (const end = performance.now() + WATCH_MS; performance.now() < end; await pause(EVERY_MS)) {
      const delay = await read();
      if (delay !== null) delays.push(delay);
    }
    if (delays.length < 50) throw new Error(`the clock was read ${delays.length} times only`);
    const [middle, p95] = [median(delays), percentile(delays, 0.95)];
    return [
      {
        what: 'glass to glass in Chromium',
        measured: `median ${middle.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms of ${delays.length} readings`,
        bar: `≤ ${BAR_MEDIAN_MS} / ${BAR_P95_MS} ms`,
        met: middle <= BAR_MEDIAN_MS && p95 <= BAR_P95_MS,
      },
    ];
  } finally {
    await encoder.stop();
    await browser.close();
    await server.close();
  }
}
