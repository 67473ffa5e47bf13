import { createStreams, startBenchServer } from './bench-server.ts';
import { loadClip } from './clip.ts';
import { median, percentile } from './measure.ts';
import { Publisher } from './publisher.ts';
import type { Row } from './table.ts';

const TIMES = 200;
const BAR_MS = 50;

/** From the moment `enabled: false` is sent to the moment the encoder sees its connection closed. */
export async function stop(): Promise<Row[]> {
  const clip = await loadClip('640x360', 500);
  const server = await startBenchServer({ LIVEAPI_RECONNECT_WINDOW_S: '0' });
  try {
    const [stream] = await createStreams(server, 1);
    const path = `/live_streams/${stream!._id}`;
    const times: number[] = [];
    for (let i = 0; i < TIMES; i++) {
      await server.api('PATCH', path, { enabled: true });
      const publisher = new Publisher({ port: server.rtmpPort, key: stream!.ingest.key }, clip);
      await publisher.accepted;
      await publisher.sendUpTo(500);
      const sent = performance.now();
      const patched = server.api('PATCH', path, { enabled: false });
      await publisher.closed;
      times.push(performance.now() - sent);
      await patched;
    }
    return [
      {
        what: 'enabled: false to the encoder cut',
        measured: `p50 ${median(times).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms of ${TIMES}`,
        bar: `p99 ≤ ${BAR_MS} ms`,
        met: percentile(times, 0.99) <= BAR_MS,
      },
    ];
  } finally {
    await server.close();
  }
}
