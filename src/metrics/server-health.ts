import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { monotonicMs } from '../base/index.ts';

export interface ServerHealthReading {
  /** Bytes where the data folder is; null where the system does not say. */
  readonly disk: { readonly free: number; readonly total: number } | null;
  /** The version of ffmpeg; null where there is none. */
  readonly ffmpeg: string | null;
  /** Bytes. */
  readonly rss: number;
  /** By how much timers came late, in ms, over a minute or two. */
  readonly eventLoopP99Ms: number;
}

/** Each look wakes the process. */
const RESOLUTION_MS = 100;
const WINDOW_MS = 60_000;
const ASK_FFMPEG_MS = 60_000;
const FFMPEG_WITHIN_MS = 3000;

/** How the process and its machine are. Counts the event loop's delays all the time; all else is looked at when somebody asks. */
export class ServerHealth {
  readonly #dataDir: string;
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #p99BeforeMs = 0;
  #ffmpeg: { readonly atMs: number; readonly version: Promise<string | null> } | null = null;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#delay.enable();
    this.#timer = setInterval(() => {
      this.#p99BeforeMs = this.#p99Ms();
      this.#delay.reset();
    }, WINDOW_MS).unref();
  }

  async read(): Promise<ServerHealthReading> {
    const [disk, ffmpeg] = await Promise.all([this.#disk(), this.#ffmpegVersion()]);
    const eventLoopP99Ms = Math.max(this.#p99BeforeMs, this.#p99Ms());
    return { disk, ffmpeg, rss: process.memoryUsage.rss(), eventLoopP99Ms };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#delay.disable();
  }

  /** The histogram holds the distance of its own ticks. */
  #p99Ms(): number {
    const ms = this.#delay.count > 0 ? this.#delay.percentile(99) / 1e6 - RESOLUTION_MS : 0;
    return Math.round(Math.max(0, ms) * 10) / 10;
  }

  async #disk(): Promise<ServerHealthReading['disk']> {
    try {
      const { bavail, blocks, bsize } = await statfs(this.#dataDir);
      return { free: bavail * bsize, total: blocks * bsize };
    } catch {
      return null;
    }
  }

  #ffmpegVersion(): Promise<string | null> {
    const now = monotonicMs();
    if (!this.#ffmpeg || now - this.#ffmpeg.atMs > ASK_FFMPEG_MS) this.#ffmpeg = { atMs: now, version: askFfmpeg() };
    return this.#ffmpeg.version;
  }
}

async function askFfmpeg(): Promise<string | null> {
  const options = { timeout: FFMPEG_WITHIN_MS, maxBuffer: 64 * 1024, env: { PATH: process.env.PATH } };
  try {
    const { stdout } = await promisify(execFile)('ffmpeg', ['-version'], options);
    return /^ffmpeg version (\S{1,80})/.exec(stdout)?.[1] ?? null;
  } catch {
    return null;
  }
}
