import net from 'node:net';
import { ClientSession } from '../../src/formats/rtmp/index.ts';
import { CHUNK_SIZE, type Clip } from './clip.ts';

/** How often due messages are sent. A generator that spins instead would cost the server 1.5 to 2.3 times as much. */
const TICK_MS = 3;

export interface PublisherTarget {
  readonly port: number;
  /** Absent: the bare chunks, with no dialogue before them. */
  readonly key?: string;
}

/** One encoder of the load: the dialogue by our own client, then the clip's ready bytes in real time. */
export class Publisher {
  readonly #clip: Clip;
  readonly #socket: net.Socket;
  /** Resolves when media may be sent; rejects when the server refuses or hangs up before. */
  readonly accepted: Promise<void>;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  #beganMs = Number.NaN;
  #next = 0;
  #round = 0;
  /** Is told the media time and the clock's time of each video frame as it is written. */
  onVideo: ((mediaMs: number, nowMs: number) => void) | null = null;

  constructor(target: PublisherTarget, clip: Clip) {
    this.#clip = clip;
    const socket = net.connect({ port: target.port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    this.accepted = new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.once('close', () => reject(new Error('the server closed the connection')));
      if (target.key === undefined) {
        socket.once('connect', resolve);
        return;
      }
      const tcUrl = `rtmp://127.0.0.1:${target.port}/static`;
      const session = new ClientSession(
        { app: 'static', tcUrl, streamName: target.key, chunkSize: CHUNK_SIZE },
        {
          send: (bytes) => socket.write(bytes),
          published: resolve,
          refused: (code) => reject(new Error(`refused: ${code}`)),
        },
      );
      socket.once('connect', () => session.start());
      socket.on('data', (bytes) => session.receive(bytes));
    });
    this.accepted.catch(() => {}); // whoever awaits it is told; a publisher that is cut on purpose is nobody's error
  }

  get open(): boolean {
    return !this.#socket.destroyed;
  }

  /** Starts the media clock and sends the configurations. */
  begin(nowMs: number): void {
    this.#beganMs = nowMs;
    this.#socket.write(this.#clip.head);
  }

  /** Sends what is due; returns by how many ms the oldest of it is late. */
  pump(nowMs: number): number {
    const clip = this.#clip;
    const due = nowMs - this.#beganMs;
    let late = 0;
    for (;;) {
      const mediaMs = this.#round * clip.loopMs + clip.timesMs[this.#next]!;
      if (mediaMs > due || this.#socket.destroyed) return late;
      late = Math.max(late, due - mediaMs);
      this.#socket.write((this.#round === 0 ? clip.firstRound : clip.laterRounds)[this.#next]!);
      if (this.onVideo && clip.isVideo[this.#next]) this.onVideo(mediaMs, nowMs);
      if (++this.#next === clip.timesMs.length) {
        this.#next = 0;
        this.#round++;
      }
    }
  }

  /** Sends all media up to `mediaMs` at once, and resolves when the kernel has it. */
  sendUpTo(mediaMs: number): Promise<void> {
    this.begin(0);
    this.pump(mediaMs);
    return new Promise((resolve) => this.#socket.write(Buffer.alloc(0), () => resolve()));
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Publishers that send in real time until they are closed. */
export interface Load {
  readonly publishers: readonly Publisher[];
  /** The worst lateness of each tick since the last call, in ms: a generator that is tens of ms late spoils a measurement. */
  lateness(): number[];
  close(): Promise<void>;
}

/** Connects all targets, at most 50 a second so that their key frames are spread, and keeps them sending. */
export async function startLoad(targets: readonly PublisherTarget[], clip: Clip): Promise<Load> {
  const publishers: Publisher[] = [];
  let late: number[] = [];
  const timer = setInterval(() => {
    const nowMs = performance.now();
    let worst = 0;
    for (const publisher of publishers) worst = Math.max(worst, publisher.pump(nowMs));
    late.push(worst);
  }, TICK_MS);
  const close = async () => {
    clearInterval(timer);
    for (const publisher of publishers) publisher.close();
    await Promise.all(publishers.map((publisher) => publisher.closed));
  };
  try {
    for (const target of targets) {
      const publisher = new Publisher(target, clip);
      await publisher.accepted;
      publisher.begin(performance.now());
      publishers.push(publisher);
      if (targets.length > 1) await pause(20);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const lateness = () => {
    const taken = late;
    late = [];
    return taken;
  };
  return { publishers, lateness, close };
}

/** A stretch of time in which the load runs: the thing measured, not a wait for something. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
