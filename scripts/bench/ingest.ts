import { createStreams, startBenchServer, startFloor } from './bench-server.ts';
import { type Clip, loadClip } from './clip.ts';
import { during, median, percentile } from './measure.ts';
import { type PublisherTarget, pause, startLoad } from './publisher.ts';
import type { Effort, Row } from './table.ts';

const COUNTS = [1, 10, 100];
const WARM_MS = 2500;
const BAR = 1.6;

interface Cost {
  /** CPU ms of the server for one second of one stream. */
  readonly perStreamSecond: number;
  /** 99th percentile of how late the generator was, in ms. */
  readonly lateMs: number;
}

async function cost(pid: number, targets: readonly PublisherTarget[], clip: Clip, seconds: number): Promise<Cost> {
  const load = await startLoad(targets, clip);
  try {
    await pause(WARM_MS);
    load.lateness();
    const { cpuMs, wallMs } = await during(pid, () => pause(seconds * 1000));
    const lost = load.publishers.filter((publisher) => !publisher.open).length;
    if (lost > 0) throw new Error(`${lost} of ${targets.length} publishers were cut`);
    return { perStreamSecond: cpuMs / (wallMs / 1000) / targets.length, lateMs: percentile(load.lateness(), 0.99) };
  } finally {
    await load.close();
  }
}

async function ours(count: number, clip: Clip, seconds: number): Promise<Cost> {
  const server = await startBenchServer();
  try {
    const streams = await createStreams(server, count);
    const targets = streams.map((stream) => ({ port: server.rtmpPort, key: stream.ingest.key }));
    return await cost(server.pid, targets, clip, seconds);
  } finally {
    await server.close();
  }
}

async function bare(count: number, clip: Clip, seconds: number): Promise<Cost> {
  const { port, child } = await startFloor('bare-parser.ts');
  try {
    return await cost(child.pid, Array<PublisherTarget>(count).fill({ port }), clip, seconds);
  } finally {
    await child.stop();
  }
}

/** CPU of ingest with low-latency HLS on and nobody watching, beside a process that only parses the same bytes. */
export async function ingest({ seconds, rounds }: Effort): Promise<Row[]> {
  const clip = await loadClip('1280x720', 2500);
  const rows: Row[] = [];
  for (const count of COUNTS) {
    const [mine, floor]: [Cost[], Cost[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      // Turn about, so that neither always has the warmer machine.
      if (round % 2) floor.push(await bare(count, clip, seconds));
      mine.push(await ours(count, clip, seconds));
      if (round % 2 === 0) floor.push(await bare(count, clip, seconds));
    }
    const ratio = median(mine.map((cost, round) => cost.perStreamSecond / floor[round]!.perStreamSecond));
    const figure = (costs: readonly Cost[]) => median(costs.map((cost) => cost.perStreamSecond)).toFixed(2);
    const lateMs = Math.max(...[...mine, ...floor].map((cost) => cost.lateMs));
    rows.push({
      what: `ingest and LL-HLS, ${count} publisher${count > 1 ? 's' : ''} of ${(clip.bitRate / 1e6).toFixed(1)} Mbit/s`,
      measured: `${figure(mine)} CPU ms per stream-second${lateMs > 30 ? ` (load ${lateMs.toFixed(0)} ms late)` : ''}`,
      beside: `bare parser ${figure(floor)}`,
      ratio: ratio.toFixed(2),
      // The cost of a stream falls with their number; the bar is set where it matters.
      ...(count === 100 ? { bar: `≤ ${BAR} × bare parser`, met: ratio <= BAR } : {}),
    });
  }
  return rows;
}
