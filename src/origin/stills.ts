import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { delimiter, join } from 'node:path';
import { CodedError, monotonicMs } from '../base/index.ts';
import type { LiveWindow, Shelf } from '../segments/index.ts';

/** How long a picture is good enough. */
const KEEP_MS = 10_000;
const MAX_KEPT = 500;
const AT_ONCE = 2;
const MAX_WAITING = 100;
const MAX_WAITING_OF_ONE = 30;
const WITHIN_MS = 5000;
const MAX_BYTES = 1 << 20;
/** One picture takes a few hundred ms at most. */
const LIMITS = ['--as=1610612736', '--nofile=64', '--fsize=0', '--core=0', '--cpu=5'];
const READ = [
  '-nostdin',
  '-hide_banner',
  '-loglevel',
  'error',
  '-protocol_whitelist',
  'pipe',
  '-threads',
  '1',
  '-f',
  'mov',
  '-i',
  'pipe:0',
];
const WRITE = [
  '-map',
  '0:v:0',
  '-frames:v',
  '1',
  '-vf',
  "scale='min(640,iw)':-2",
  '-threads',
  '1',
  '-c:v',
  'mjpeg',
  '-q:v',
  '5',
  '-f',
  'mjpeg',
  'pipe:1',
];

/** Pictures of what is on air: the newest key frame, decoded by ffmpeg, two at a time. */
export class Stills {
  readonly #shelf: Pick<Shelf, 'get'>;
  /** By playback id, the oldest first. */
  readonly #kept = new Map<string, { readonly atMs: number; readonly jpeg: Promise<Buffer | null> }>();
  readonly #waiting: { readonly owner: string; readonly go: () => void }[] = [];
  #running = 0;

  constructor(shelf: Pick<Shelf, 'get'>) {
    this.#shelf = shelf;
  }

  /**
   * A JPEG, ten seconds old at most; null where nothing is on air, or no picture. Of all that wait `owner` may have some only.
   * @throws CodedError not_implemented without ffmpeg, too_many_requests when too many wait
   */
  async jpeg(playbackId: string, owner: string): Promise<Buffer | null> {
    const window = this.#shelf.get(playbackId);
    if (!window || window.ended || window.paused) return null;
    for (const [id, { atMs }] of this.#kept) {
      if (monotonicMs() - atMs < KEEP_MS && this.#kept.size < MAX_KEPT) break;
      this.#kept.delete(id);
    }
    const kept = this.#kept.get(playbackId);
    if (kept) return kept.jpeg;
    if (!newestKeyFrame(window)) return null;
    const jpeg = this.#decode(window, owner);
    this.#kept.set(playbackId, { atMs: monotonicMs(), jpeg });
    // What failed is tried again.
    jpeg.catch(() => this.#kept.delete(playbackId));
    return jpeg;
  }

  async #decode(window: LiveWindow, owner: string): Promise<Buffer | null> {
    const ffmpeg = find('ffmpeg');
    if (!ffmpeg)
      throw new CodedError('not_implemented', 'Pictures need ffmpeg, which is not installed on this server.');
    if (this.#running >= AT_ONCE) {
      const its = this.#waiting.filter((waiting) => waiting.owner === owner).length;
      if (its >= MAX_WAITING_OF_ONE || this.#waiting.length >= MAX_WAITING)
        throw new CodedError('too_many_requests', 'Too many pictures are asked for: try again in a moment.');
      // Whoever is done hands the place on.
      await new Promise<void>((go) => this.#waiting.push({ owner, go }));
    } else this.#running++;
    try {
      // Not before its turn: what waits holds no media.
      const source = newestKeyFrame(window);
      return source && (await run(ffmpeg, Buffer.concat(source)));
    } finally {
      const next = this.#waiting.shift();
      if (next) next.go();
      else this.#running--;
    }
  }
}

/** Initialization and one part. */
function newestKeyFrame(window: LiveWindow): Buffer[] | null {
  const segments = [window.inProgress, ...window.listed().toReversed()];
  for (const segment of segments) {
    const part = segment?.parts.findLast(({ independent }) => independent);
    const init = segment && window.init(segment.run, 'main');
    if (part && init) return window.start?.main.width ? [init, part.main] : null;
  }
  return null;
}

function run(ffmpeg: string, source: Buffer): Promise<Buffer | null> {
  const prlimit = find('prlimit');
  const [command, ...args] = [...(prlimit ? [prlimit, ...LIMITS, '--'] : []), ffmpeg, ...READ, ...WRITE];
  const child = spawn(command!, args, {
    stdio: ['pipe', 'pipe', 'ignore'],
    cwd: '/',
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    timeout: WITHIN_MS,
    killSignal: 'SIGKILL',
  });
  try {
    // What is on air goes first.
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It may have ended already.
  }
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    child.stdout?.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_BYTES) child.kill('SIGKILL');
    });
    // It may have its picture before it has read all.
    child.stdin?.on('error', () => {});
    child.stdin?.end(source);
    child.on('error', () => resolve(null));
    child.on('close', (code) => resolve(code === 0 && bytes > 0 ? Buffer.concat(chunks) : null));
  });
}

const find = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
