import { HEAP_FLAGS } from '../../src/cli/heap-flags.ts';
import { createStreams, startBenchServer, startFloor } from './bench-server.ts';
import { type Clip, loadClip } from './clip.ts';
import { during, median, percentile, residentBytes } from './measure.ts';
import { hasNginxRtmp, startNginxRtmp } from './nginx.ts';
import { type PublisherTarget, pause, startLoad } from './publisher.ts';
import type { Effort, Row } from './table.ts';

const WARM_MS = 2500;
/** For nginx's folders of segments to be as full as they get. */
const NGINX_WARM_MS = 45_000;
/** A live window that fills touches new memory all the time; one that is full uses it again. It is full when this has passed ... */
const FLAT_MS = 6000;
/** ... and the process has grown by less than this share; or when this time is over. */
const FLAT_SHARE = 0.02;
const FULL_AFTER_MS = 100_000;

const BAR_HLS = 1.6;
const BAR_HLS_NGINX = 0.75;
const BAR_ALONE = 1.2;

/** CPU ms of the server for one second of one stream, window by window, and the generator's lateness in ms (99th percentile). */
interface Cost {
  readonly perStreamSecond: readonly number[];
  readonly lateMs: number;
}

type Warm = (pid: number) => Promise<void>;
const warmUp: Warm = () => pause(WARM_MS);

/** Waits until the live windows are full and their memory is used again. */
async function untilFull(pid: number): Promise<void> {
  const until = performance.now() + FULL_AFTER_MS;
  let before = 0;
  for (
    let now = residentBytes(pid);
    now > before * (1 + FLAT_SHARE) && performance.now() < until;
    now = residentBytes(pid)
  ) {
    before = now;
    await pause(FLAT_MS);
  }
}

/** Windows one after the other: what a server is asked to warm up for, once, is measured more than once. */
async function cost(
  pid: number,
  targets: readonly PublisherTarget[],
  clip: Clip,
  { seconds, rounds }: Effort,
  warm: Warm,
): Promise<Cost> {
  const load = await startLoad(targets, clip);
  try {
    await warm(pid);
    load.lateness();
    const perStreamSecond: number[] = [];
    while (perStreamSecond.length < rounds) {
      const { cpuMs, wallMs } = await during(pid, () => pause(seconds * 1000));
      perStreamSecond.push(cpuMs / (wallMs / 1000) / targets.length);
    }
    const lost = load.publishers.filter((publisher) => !publisher.open).length;
    if (lost > 0) throw new Error(`${lost} of ${targets.length} publishers were cut`);
    return { perStreamSecond, lateMs: percentile(load.lateness(), 0.99) };
  } finally {
    await load.close();
  }
}

const benchKey = (i: number) => `lv_${i.toString(16).padStart(32, '0')}?password=00000000`;

/** One kind of server with `count` publishers. */
type Contender = (count: number, clip: Clip, effort: Effort, warm: Warm) => Promise<Cost>;

const ours: Contender = async (count, clip, effort, warm) => {
  const server = await startBenchServer();
  try {
    const streams = await createStreams(server, count);
    const targets = streams.map((stream) => ({ port: server.rtmpPort, key: stream.ingest.key }));
    return await cost(server.pid, targets, clip, effort, warm);
  } finally {
    await server.close();
  }
};

const alone: Contender = async (count, clip, effort, warm) => {
  const { port, child } = await startFloor('ingest-alone.ts', [], HEAP_FLAGS);
  try {
    const targets = Array.from({ length: count }, (_, i) => ({ port, key: benchKey(i) }));
    return await cost(child.pid, targets, clip, effort, warm);
  } finally {
    await child.stop();
  }
};

const bare: Contender = async (count, clip, effort, warm) => {
  const { port, child } = await startFloor('bare-parser.ts');
  try {
    return await cost(child.pid, Array<PublisherTarget>(count).fill({ port }), clip, effort, warm);
  } finally {
    await child.stop();
  }
};

const nginx =
  (hls: boolean): Contender =>
  async (count, clip, effort, warm) => {
    const server = await startNginxRtmp({ hls });
    try {
      const targets = Array.from({ length: count }, (_, i) => ({ port: server.port, key: benchKey(i) }));
      return await cost(server.workerPid, targets, clip, effort, warm);
    } finally {
      await server.close();
    }
  };

interface Comparison {
  readonly what: string;
  readonly count: number;
  readonly server: Contender;
  readonly warm: Warm;
  /** The bare parser's, where it is to be as warm as the server. */
  readonly warmFloor?: Warm;
  readonly bar?: number;
  /** nginx-rtmp beside it, and the bar towards it. */
  readonly nginx?: { readonly hls: boolean; readonly warmMs: number; readonly bar?: number };
}

/** One contender beside nginx-rtmp where that is installed, and the bare parser before and after both, so that it has neither the warmer machine nor the cooler one. */
async function compare(comparison: Comparison, clip: Clip, all: Effort): Promise<Row[]> {
  const { count, server, warm, bar } = comparison;
  // What is not judged need not be as exact.
  const effort = bar === undefined ? { seconds: count < 100 ? all.seconds / 2 : all.seconds, rounds: 1 } : all;
  const floor = () => bare(count, clip, effort, comparison.warmFloor ?? warmUp);
  const beside = comparison.nginx && hasNginxRtmp() ? comparison.nginx : undefined;
  const before = await floor();
  const mine = await server(count, clip, effort, warm);
  const peer = beside && (await nginx(beside.hls)(count, clip, effort, () => pause(beside.warmMs)));
  const floors = bar === undefined ? [before] : [before, await floor()];
  const figure = (...costs: readonly Cost[]) => median(costs.flatMap((cost) => cost.perStreamSecond));
  const late = Math.max(...[...floors, mine, ...(peer ? [peer] : [])].map((cost) => cost.lateMs));
  const measured = `${figure(mine).toFixed(2)} CPU ms per stream-second${late > 30 ? ` (load ${late.toFixed(0)} ms late)` : ''}`;
  const row = (name: string, other: number, most?: number): Row => {
    const ratio = figure(mine) / other;
    const judged = most === undefined ? {} : { bar: `≤ ${most} × ${name}`, met: ratio <= most };
    return {
      what: comparison.what,
      measured,
      beside: `${name} ${other.toFixed(2)}`,
      ratio: ratio.toFixed(2),
      ...judged,
    };
  };
  const rows = [row('bare parser', figure(...floors), bar)];
  if (peer) rows.push(row('nginx-rtmp', figure(peer), beside?.bar));
  return rows;
}

/** CPU of ingest, with low-latency HLS and nobody watching, and alone. */
export async function ingest(effort: Effort): Promise<Row[]> {
  const clip = await loadClip('1280x720', 2500);
  const rate = `of ${(clip.bitRate / 1e6).toFixed(1)} Mbit/s`;
  const hls = { hls: true, warmMs: NGINX_WARM_MS, bar: BAR_HLS_NGINX };
  const comparisons: Comparison[] = [
    // The cost of a stream falls with their number; the bars are set where it matters.
    { what: `ingest and LL-HLS, 1 publisher ${rate}`, count: 1, server: ours, warm: warmUp },
    { what: `ingest and LL-HLS, 10 publishers ${rate}`, count: 10, server: ours, warm: warmUp },
    { what: `ingest and LL-HLS, 100 publishers ${rate}, first 12 s`, count: 100, server: ours, warm: warmUp },
    {
      what: `ingest and LL-HLS, 100 publishers ${rate}, windows full`,
      count: 100,
      server: ours,
      warm: untilFull,
      bar: BAR_HLS,
      nginx: hls,
    },
    {
      what: `ingest alone, 100 publishers ${rate}`,
      count: 100,
      server: alone,
      // Compiling our code, and memory that is touched for the first time, cost a quarter more for the first quarter of a minute.
      warm: untilFull,
      warmFloor: untilFull,
      bar: BAR_ALONE,
      nginx: { hls: false, warmMs: WARM_MS },
    },
  ];
  const rows: Row[] = [];
  for (const comparison of comparisons) rows.push(...(await compare(comparison, clip, effort)));
  return rows;
}
