import { createStreams, startBenchServer } from './bench-server.ts';
import { loadClip } from './clip.ts';
import { during, median, percentile } from './measure.ts';
import { Publisher } from './publisher.ts';
import type { Row } from './table.ts';

const ALONE = 100;
const AT_ONCE = 64;
const TURNS = 16;
const BAR_MS = 1;
const BAR_CPU_MS = 0.3;

/** Connecting and being accepted as a publisher: the time of one alone, and the CPU of each when many come at once. */
export async function accept(): Promise<Row[]> {
  const clip = await loadClip('640x360', 500);
  const server = await startBenchServer({ LIVEAPI_RECONNECT_WINDOW_S: '0' });
  try {
    const keys = (await createStreams(server, AT_ONCE)).map((stream) => stream.ingest.key);
    const publish = async (key: string): Promise<number> => {
      const began = performance.now();
      const publisher = new Publisher({ port: server.rtmpPort, key }, clip);
      await publisher.accepted;
      const took = performance.now() - began;
      publisher.close();
      await publisher.closed;
      return took;
    };
    /** A live stream stays taken until the server has seen the last connection close: each key has its turn, then rests. */
    const alone: number[] = [];
    for (let i = 0; i < ALONE; i++) alone.push(await publish(keys[i % AT_ONCE]!));
    const many = await during(server.pid, async () => {
      for (let turn = 0; turn < TURNS; turn++) await Promise.all(keys.map(publish));
    });
    const each = many.cpuMs / (TURNS * AT_ONCE);
    return [
      {
        what: 'connect to publish accepted, one alone',
        measured: `p50 ${median(alone).toFixed(2)} ms, p99 ${percentile(alone, 0.99).toFixed(2)} ms`,
        bar: `p50 ≤ ${BAR_MS} ms`,
        met: median(alone) <= BAR_MS,
      },
      {
        what: `the same, ${AT_ONCE} at a time`,
        measured: `${each.toFixed(2)} CPU ms each`,
        bar: `≤ ${BAR_CPU_MS} CPU ms`,
        met: each <= BAR_CPU_MS,
      },
    ];
  } finally {
    await server.close();
  }
}
