import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../test/support/server.ts';
import { createStreams, startBenchServer, startFloor } from './bench-server.ts';
import { type Clip, loadClip } from './clip.ts';
import { during, median, percentile } from './measure.ts';
import { hasNginxRtmp, startNginxRtmp } from './nginx.ts';
import { CountingPlayer } from './player.ts';
import { type PublisherTarget, pause, startLoad } from './publisher.ts';
import type { Effort, Row } from './table.ts';

const PLAYERS = 200;
/** So few that the delay is the server's, and not that of a load that reads 200 sockets in turn. */
const DELAY_PLAYERS = 5;
const WARM_MS = 2500;

const BAR_IMMEDIATE = 1.2;
const BAR_DELAY_MS = 1;
const BAR_MERGED = 1;

/** One kind of server, on air: where to publish and to play, and whom to measure. */
interface Contender {
  readonly pid: number;
  /** Player and publisher name the same stream. */
  readonly publish: PublisherTarget;
  readonly playKey?: string;
  close(): Promise<unknown>;
}

const ours = (mergeMs: number) => async (): Promise<Contender> => {
  const server = await startBenchServer({ LIVEAPI_RTMP_PLAY_MERGE_MS: String(mergeMs) });
  const [stream] = await createStreams(server, 1);
  const { key } = stream!.ingest;
  const publish = { port: server.rtmpPort, key };
  return { pid: server.pid, publish, playKey: key.replace(/\?.*/, ''), close: () => server.close() };
};

const relay = (mergeMs: number) => async (): Promise<Contender> => {
  const { port, child } = await startFloor('bare-relay.ts', [String(mergeMs)]);
  return { pid: child.pid, publish: { port }, close: () => child.stop() };
};

const nginx = async (): Promise<Contender> => {
  const server = await startNginxRtmp({ hls: false });
  const publish = { port: server.port, key: 'bench' };
  return { pid: server.workerPid, publish, playKey: 'bench', close: () => server.close() };
};

const nodeMediaServer = async (): Promise<Contender> => {
  const folder = await mkdtemp(join(tmpdir(), 'bench-nms-'));
  const [free] = (await freePorts(1)) as [number];
  const { port, child } = await startFloor('node-media-server.ts', [String(free), folder]);
  const close = () => child.stop().finally(() => rm(folder, { recursive: true, force: true }));
  return { pid: child.pid, publish: { port, key: 'bench' }, playKey: 'bench', close };
};

/** Starts a server with one publisher and hands it on; ends both. */
async function onAir<T>(
  start: () => Promise<Contender>,
  clip: Clip,
  work: (contender: Contender, load: Awaited<ReturnType<typeof startLoad>>) => Promise<T>,
): Promise<T> {
  const contender = await start();
  try {
    const load = await startLoad([contender.publish], clip);
    try {
      return await work(contender, load);
    } finally {
      await load.close();
    }
  } finally {
    await contender.close();
  }
}

const targetOf = ({ publish, playKey }: Contender) => ({
  port: publish.port,
  ...(playKey !== undefined && { key: playKey }),
});

/** CPU ms of the server for one second of one player. */
function cost(start: () => Promise<Contender>, clip: Clip, seconds: number): Promise<number> {
  return onAir(start, clip, async (contender) => {
    const players: CountingPlayer[] = [];
    try {
      for (let i = 0; i < PLAYERS; i++) {
        const player = new CountingPlayer(targetOf(contender));
        players.push(player);
        await player.playing;
      }
      await pause(WARM_MS);
      const before = players.map(({ bytes }) => bytes);
      const { cpuMs, wallMs } = await during(contender.pid, () => pause(seconds * 1000));
      const expected = ((clip.bitRate / 8) * wallMs) / 1000;
      const behind = players.filter(({ bytes, open }, i) => !open || bytes - before[i]! < 0.8 * expected).length;
      if (behind > 0) throw new Error(`${behind} of ${PLAYERS} players did not get the stream`);
      return cpuMs / (wallMs / 1000) / PLAYERS;
    } finally {
      for (const player of players) player.close();
    }
  });
}

/** From the publisher's write of a frame to a player's whole reading of it, in ms. */
function delays(start: () => Promise<Contender>, clip: Clip, seconds: number): Promise<number[]> {
  return onAir(start, clip, async (contender, load) => {
    // Frames are known by how they begin.
    const frames = new Map<string, number>();
    const nameOf = (body: Buffer) => body.toString('latin1', 5, 69);
    for (const [i, chunk] of clip.laterRounds.entries())
      if (clip.isVideo[i]) frames.set(nameOf(chunk.subarray(8)), clip.timesMs[i]!);
    const written = new Map<number, number>();
    load.publishers[0]!.onVideo = (mediaMs) => written.set(mediaMs % clip.loopMs, performance.now());
    let measured: number[] = [];
    const players = Array.from(
      { length: DELAY_PLAYERS },
      () =>
        new CountingPlayer(targetOf(contender), (body) => {
          const writtenMs = written.get(frames.get(nameOf(body)) ?? -1);
          if (writtenMs !== undefined) measured.push(performance.now() - writtenMs);
        }),
    );
    try {
      await Promise.all(players.map(({ playing }) => playing));
      await pause(WARM_MS);
      measured = [];
      await pause(seconds * 1000);
      return measured;
    } finally {
      for (const player of players) player.close();
    }
  });
}

interface Beside {
  readonly name: string;
  readonly start: () => Promise<Contender>;
  readonly bar?: number;
}

/** Ours beside others, turn about, and the median of the paired ratios. */
async function compare(what: string, mergeMs: number, others: readonly Beside[], clip: Clip, effort: Effort) {
  const runs = [ours(mergeMs), ...others.map(({ start }) => start)].map((start) => ({ start, costs: [] as number[] }));
  for (let round = 0; round < effort.rounds; round++)
    for (const { start, costs } of round % 2 ? [...runs].reverse() : runs)
      costs.push(await cost(start, clip, effort.seconds));
  const mine = runs[0]!.costs;
  return others.map(({ name, bar }, i): Row => {
    const { costs } = runs[i + 1]!;
    const ratio = median(mine.map((each, round) => each / costs[round]!));
    return {
      what,
      measured: `${median(mine).toFixed(2)} CPU ms per player-second`,
      beside: `${name} ${median(costs).toFixed(2)}`,
      ratio: ratio.toFixed(2),
      ...(bar !== undefined && { bar: `≤ ${bar} × ${name}`, met: ratio <= bar }),
    };
  });
}

/** What players over RTMP cost, and how late they get a frame. */
export async function play(effort: Effort): Promise<Row[]> {
  const clip = await loadClip('1280x720', 2500);
  const peer: Beside[] = hasNginxRtmp() ? [{ name: 'nginx-rtmp', start: nginx }] : [];
  const what = `RTMP play, ${PLAYERS} players of ${(clip.bitRate / 1e6).toFixed(1)} Mbit/s`;
  const immediate: Beside[] = [
    { name: 'bare relay', start: relay(0), bar: BAR_IMMEDIATE },
    ...peer,
    { name: 'Node-Media-Server', start: nodeMediaServer },
  ];
  const merged = peer.map((beside) => ({ ...beside, bar: BAR_MERGED }));
  const late = await delays(ours(0), clip, effort.seconds);
  const lateMerged = await delays(ours(30), clip, effort.seconds);
  const p50 = percentile(late, 0.5);
  return [
    {
      what: `delay of a frame to ${DELAY_PLAYERS} players, each frame at once`,
      measured: `p50 ${p50.toFixed(2)} ms, p99 ${percentile(late, 0.99).toFixed(2)} ms`,
      beside: `merged over 30 ms: p50 ${percentile(lateMerged, 0.5).toFixed(1)} ms`,
      bar: `p50 ≤ ${BAR_DELAY_MS} ms`,
      met: p50 <= BAR_DELAY_MS,
    },
    ...(await compare(`${what}, each frame at once`, 0, immediate, clip, effort)),
    ...(await compare(`${what}, merged over 30 ms`, 30, merged, clip, effort)),
    ...(await compare(`${what}, merged over 350 ms`, 350, [{ name: 'bare relay', start: relay(350) }], clip, effort)),
  ];
}
