import { createStreams, startBenchServer } from './bench-server.ts';
import { loadClip } from './clip.ts';
import { median, percentile } from './measure.ts';
import { pause, startLoad } from './publisher.ts';
import type { Row } from './table.ts';

const TIMES = 10;
const BAR_MS = 1200;
const GIVE_UP_MS = 10_000;

/** Asks for a playlist until it is one; an encoder that has only just connected may not be known on air yet. */
async function playable(url: string): Promise<void> {
  for (const deadline = performance.now() + GIVE_UP_MS; performance.now() < deadline; await pause(5)) {
    const answer = await fetch(url);
    const text = await answer.text();
    if (answer.ok && text.includes('#EXT-X-PART:')) return;
  }
  throw new Error(`no playable playlist within ${GIVE_UP_MS} ms`);
}

/** From the first media byte, which is the first key frame's, to a playlist that a player can begin with. */
export async function start(): Promise<Row[]> {
  const clip = await loadClip('1280x720', 2500);
  const server = await startBenchServer();
  try {
    const times: number[] = [];
    for (const stream of await createStreams(server, TIMES)) {
      const load = await startLoad([{ port: server.rtmpPort, key: stream.ingest.key }], clip);
      const began = performance.now();
      await playable(stream.playback.hls_url.replace('index.m3u8', 'main.m3u8'));
      times.push(performance.now() - began);
      await load.close();
    }
    return [
      {
        what: 'first key frame to playable playlist',
        measured: `p50 ${median(times).toFixed(0)} ms, worst of ${TIMES} ${percentile(times, 1).toFixed(0)} ms`,
        bar: `p50 ≤ ${BAR_MS} ms`,
        met: median(times) <= BAR_MS,
      },
    ];
  } finally {
    await server.close();
  }
}
