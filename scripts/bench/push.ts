import net from 'node:net';
import { ServerSession } from '../../src/formats/rtmp/index.ts';
import { type Child, startChild } from '../../test/support/child.ts';
import type { LiveStream } from '../../test/support/server.ts';
import { until } from '../../test/support/until.ts';
import { createStreams, startBenchServer } from './bench-server.ts';
import { type Clip, loadClip } from './clip.ts';
import { during, median, pin, residentBytes, SERVER_CORE } from './measure.ts';
import { pause, startLoad } from './publisher.ts';
import type { Effort, Row } from './table.ts';

const PLATFORMS = 20;
/** ffmpeg processes cost alike, and twenty would not fit on one core with the server. */
const FFMPEGS = 5;
const WARM_MS = 3000;
const BAR_CPU = 1 / 5;
const BAR_MEMORY = 1 / 50;

/** A service that takes every push, and counts the bytes. */
class Receiver {
  readonly bytes: number[] = [];
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  constructor() {
    this.#server = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.setNoDelay(true).on('error', () => {});
      socket.once('close', () => this.#sockets.delete(socket));
      let place = -1;
      const session = new ServerSession({
        send: (bytes) => void socket.write(bytes),
        publish: () => {
          session.acceptPublish();
          place = this.bytes.push(0) - 1;
        },
        play: () => socket.destroy(),
        playStopped: () => {},
        media: () => {},
        metadata: () => {},
        unpublish: () => {},
      });
      socket.on('data', (bytes) => {
        if (place >= 0) this.bytes[place]! += bytes.length;
        else session.receive(bytes);
      });
    });
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as net.AddressInfo).port));
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

interface Cost {
  /** CPU ms for one second of one platform. */
  readonly cpuMs: number;
  readonly bytes: number;
}

/** CPU of several processes together while `work` runs. */
async function together(
  pids: readonly number[],
  work: () => Promise<unknown>,
): Promise<{ cpuMs: number; wallMs: number }> {
  const [pid, ...rest] = pids;
  if (rest.length === 0) return during(pid!, work);
  let others = 0;
  const { cpuMs, wallMs } = await during(pid!, async () => {
    others = (await together(rest, work)).cpuMs;
  });
  return { cpuMs: cpuMs + others, wallMs };
}

/** Fails unless every push gets the whole stream meanwhile. */
async function whole(
  receiver: Receiver,
  count: number,
  clip: Clip,
  work: () => Promise<{ cpuMs: number; wallMs: number }>,
) {
  const before = [...receiver.bytes];
  const result = await work();
  const expected = ((clip.bitRate / 8) * result.wallMs) / 1000;
  const good = receiver.bytes.filter((bytes, i) => bytes - (before[i] ?? 0) > 0.8 * expected).length;
  if (good !== count) throw new Error(`${good} of ${count} pushes sent the stream`);
  return result;
}

/** What `PLATFORMS` pushes add to the server's own cost, and what `FFMPEGS` processes cost that copy the stream to as many. */
async function round(clip: Clip, seconds: number): Promise<{ ours: Cost; ffmpeg: Cost }> {
  const server = await startBenchServer({ LIVEAPI_OUTBOUND_ALLOW: '127.0.0.0/8' });
  const receiver = new Receiver();
  const ffmpegs: Child[] = [];
  const [stream] = (await createStreams(server, 1)) as [LiveStream];
  const load = await startLoad([{ port: server.rtmpPort, key: stream.ingest.key }], clip);
  try {
    const port = await receiver.listen();
    const window = () => pause(seconds * 1000);
    await pause(WARM_MS);
    const alone = await during(server.pid, window);
    const memory = residentBytes(server.pid);
    for (let n = 0; n < PLATFORMS; n++)
      await server.api('POST', `/live_streams/${stream._id}/platforms`, {
        template: 'custom',
        server: `rtmp://127.0.0.1:${port}/app`,
        key: `key${n}`,
        enabled: true,
      });
    await until('all platforms are online', 15_000, () => receiver.bytes.length === PLATFORMS);
    await pause(WARM_MS);
    const pushing = await whole(receiver, PLATFORMS, clip, () => during(server.pid, window));
    const rate = ({ cpuMs, wallMs }: { cpuMs: number; wallMs: number }) => cpuMs / (wallMs / 1000);
    const ours = {
      cpuMs: Math.max(0, rate(pushing) - rate(alone)) / PLATFORMS,
      bytes: Math.max(0, residentBytes(server.pid) - memory) / PLATFORMS,
    };

    const playUrl = `rtmp://127.0.0.1:${server.rtmpPort}/${stream.ingest.key.replace(/\?.*/, '')}`;
    for (let n = 0; n < FFMPEGS; n++) {
      const output = ['-c', 'copy', '-f', 'flv', `rtmp://127.0.0.1:${port}/app/ffmpeg${n}`];
      const child = startChild('ffmpeg', ['-v', 'error', '-nostdin', '-i', playUrl, ...output]);
      pin(child.pid, SERVER_CORE);
      ffmpegs.push(child);
    }
    await until('all of ffmpeg publish', 30_000, () => receiver.bytes.length === PLATFORMS + FFMPEGS);
    await pause(WARM_MS);
    const pids = ffmpegs.map(({ pid }) => pid);
    const copying = await whole(receiver, PLATFORMS + FFMPEGS, clip, () => together(pids, window));
    const ffmpeg = {
      cpuMs: rate(copying) / FFMPEGS,
      bytes: pids.reduce((sum, pid) => sum + residentBytes(pid), 0) / FFMPEGS,
    };
    return { ours, ffmpeg };
  } finally {
    await Promise.all(ffmpegs.map((child) => child.stop('SIGKILL')));
    await load.close();
    await server.close();
    receiver.close();
  }
}

/** What a platform costs, beside an ffmpeg process that does the same. */
export async function push(effort: Effort): Promise<Row[]> {
  const clip = await loadClip('1280x720', 2500);
  const rounds: Awaited<ReturnType<typeof round>>[] = [];
  for (let n = 0; n < effort.rounds; n++) rounds.push(await round(clip, effort.seconds));
  const all = (pick: (each: (typeof rounds)[number]) => number) => median(rounds.map(pick));
  const cpu = all(({ ours, ffmpeg }) => ours.cpuMs / ffmpeg.cpuMs);
  const memory = all(({ ours, ffmpeg }) => ours.bytes / ffmpeg.bytes);
  const kB = (bytes: number) => `${(bytes / 1000).toFixed(0)} kB`;
  const what = `one of ${PLATFORMS} platforms, ${(clip.bitRate / 1e6).toFixed(1)} Mbit/s`;
  return [
    {
      what: `${what}: CPU`,
      measured: `${all(({ ours }) => ours.cpuMs).toFixed(2)} CPU ms per stream-second`,
      beside: `ffmpeg -c copy ${all(({ ffmpeg }) => ffmpeg.cpuMs).toFixed(2)}`,
      ratio: cpu.toFixed(3),
      bar: '≤ 1/5 of ffmpeg',
      met: cpu <= BAR_CPU,
    },
    {
      what: `${what}: memory`,
      measured: kB(all(({ ours }) => ours.bytes)),
      beside: `ffmpeg -c copy ${kB(all(({ ffmpeg }) => ffmpeg.bytes))}`,
      ratio: memory.toFixed(4),
      bar: '≤ 1/50 of ffmpeg',
      met: memory <= BAR_MEMORY,
    },
  ];
}
