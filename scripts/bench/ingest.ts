import { HEAP_FLAGS } from '../../src/cli/heap-flags.ts';
import { createStreams, startBenchServer, startFloor } from './bench-server.ts';
import { type Clip, loadClip } from './clip.ts';
import { during, median, percentile, residentBytes } from './measure.ts';
import { hasNginxRtmp, startNginxRtmp } from './nginx.ts';
import { type PublisherTarget, pause, startLoad } from './publisher.ts';
import type { Effort, Row } from './table.ts';

const WARM_MS = 2500;
/** A live window that fills touches new memory all the time; one that is full uses it again. It is full when this has passed ... */
const FLAT_MS = 6000;
/** ... and the process has grown by less than this share; or when this time is over. */
const FLAT_SHARE = 0.005;
const FULL_AFTER_MS = 120_000;

const BAR_HLS = 1.6;
const BAR_HLS_NGINX = 0.75;
const BAR_ALONE = 1.2;

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

/** A server that runs, and where `count` publishers find it. */
interface Contender {
  readonly pid: number;
  readonly targets: readonly PublisherTarget[];
  close(): Promise<unknown>;
}

const benchKey = (i: number) => `lv_${i.toString(16).padStart(32, '0')}?password=00000000`;
const withKeys = (port: number, count: number): PublisherTarget[] =>
  Array.from({ length: count }, (_, i) => ({ port, key: benchKey(i) }));

async function ours(count: number): Promise<Contender> {
  const server = await startBenchServer();
  try {
    const streams = await createStreams(server, count);
    const targets = streams.map((stream) => ({ port: server.rtmpPort, key: stream.ingest.key }));
    return { pid: server.pid, targets, close: () => server.close() };
  } catch (error) {
    await server.close();
    throw error;
  }
}

async function alone(count: number): Promise<Contender> {
  const { port, child } = await startFloor('ingest-alone.ts', [], HEAP_FLAGS);
  return { pid: child.pid, targets: withKeys(port, count), close: () => child.stop() };
}

async function bare(count: number): Promise<Contender> {
  const { port, child } = await startFloor('bare-parser.ts');
  return { pid: child.pid, targets: Array<PublisherTarget>(count).fill({ port }), close: () => child.stop() };
}

async function nginx(hls: boolean, count: number): Promise<Contender> {
  const server = await startNginxRtmp({ hls });
  return { pid: server.workerPid, targets: withKeys(server.port, count), close: () => server.close() };
}

/** Windows one after the other: CPU ms for one second of one stream, and how late the generator was (ms, 99th percentile). */
async function cost({ pid, targets }: Contender, clip: Clip, seconds: number, warm: Warm, windows: number) {
  const load = await startLoad(targets, clip);
  try {
    await warm(pid);
    load.lateness();
    const perStreamSecond: number[] = [];
    while (perStreamSecond.length < windows) {
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

interface Comparison {
  readonly what: string;
  readonly count: number;
  readonly server: (count: number) => Promise<Contender>;
  /** Before the first window; the others begin after a moment, as what is warm stays so. */
  readonly warm: Warm;
  /** All its windows in a row, between the others' first and last: what it needs to be warm is gone when its publishers are. */
  readonly inARow?: boolean;
  /** The bare parser's, where it is to be as warm as the server. */
  readonly warmFloor?: Warm;
  readonly bar?: number;
  /** nginx-rtmp beside it, and the bar towards it. */
  readonly nginx?: { readonly hls: boolean; readonly bar?: number };
}

/**
 * One contender beside the bare parser, and nginx-rtmp where that is installed: all run from the first round to the last, and take
 * turns at the load, so that each ratio is of two windows seconds apart: a neighbour on the machine is a neighbour to both.
 */
async function compare(comparison: Comparison, clip: Clip, all: Effort): Promise<Row[]> {
  const { what, count, server, warm, inARow, warmFloor = warmUp, bar } = comparison;
  // What is not judged need not be as exact.
  const { seconds, rounds } =
    bar === undefined ? { seconds: count < 100 ? all.seconds / 2 : all.seconds, rounds: 1 } : all;
  const beside = hasNginxRtmp() ? comparison.nginx : undefined;
  const contenders: { name: string; it: Contender; warm: Warm; bar?: number | undefined; windows: number[] }[] = [];
  let late = 0;
  try {
    contenders.push({ name: 'bare parser', it: await bare(count), warm: warmFloor, bar, windows: [] });
    if (beside) {
      const { hls, bar } = beside;
      // What it costs is the same in its first seconds and after a minute.
      contenders.push({ name: 'nginx-rtmp', it: await nginx(hls, count), warm: warmUp, bar, windows: [] });
    }
    contenders.push({ name: 'ours', it: await server(count), warm, windows: [] });
    for (let round = 0; round < rounds; round++)
      for (const { name, it, warm, windows } of contenders) {
        const all = inARow && name === 'ours';
        if (all && round > 0) continue;
        const first = round === 0 ? warm : warmUp;
        const { perStreamSecond, lateMs } = await cost(it, clip, seconds, first, all ? rounds : 1);
        windows.push(...perStreamSecond);
        late = Math.max(late, lateMs);
      }
  } finally {
    for (const { it } of contenders) await it.close();
  }
  const mine = contenders.at(-1)!;
  const measured = `${median(mine.windows).toFixed(2)} CPU ms per stream-second${late > 30 ? ` (load ${late.toFixed(0)} ms late)` : ''}`;
  return contenders.slice(0, -1).map(({ name, bar, windows }) => {
    const ratio = inARow
      ? median(mine.windows) / median(windows)
      : median(mine.windows.map((own, round) => own / windows[round]!));
    const judged = bar === undefined ? {} : { bar: `≤ ${bar} × ${name}`, met: ratio <= bar };
    return { what, measured, beside: `${name} ${median(windows).toFixed(2)}`, ratio: ratio.toFixed(2), ...judged };
  });
}

/** CPU of ingest, with low-latency HLS and nobody watching, and alone. */
export async function ingest(effort: Effort): Promise<Row[]> {
  const clip = await loadClip('1280x720', 2500);
  const rate = `of ${(clip.bitRate / 1e6).toFixed(1)} Mbit/s`;
  const hls = { hls: true, bar: BAR_HLS_NGINX };
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
      inARow: true,
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
      nginx: { hls: false },
    },
  ];
  const rows: Row[] = [];
  for (const comparison of comparisons) rows.push(...(await compare(comparison, clip, effort)));
  return rows;
}
