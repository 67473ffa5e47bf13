import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { CodedError, type Logger, monotonicMs } from '../../base/index.ts';

export interface FfmpegJob {
  /** What ffmpeg may open: protocol names of its own. */
  readonly protocols: readonly string[];
  /** Its options up to and with the input: the demuxer is forced, and each value of a stranger follows an option of ours. */
  readonly input: readonly string[];
}

/** How ffmpeg went. */
export interface FfmpegExit {
  /** By itself at the end of its input; by a failure, a signal or a limit; or by us, as it computed instead of copying. */
  readonly how: 'finished' | 'failed' | 'too_busy';
  /** The end of what it complained of, for telling one cause from another; a stranger's, may hold secrets. */
  readonly words: string;
}

export interface FfmpegEvents {
  /** An MPEG transport stream, as ffmpeg writes it. */
  data(bytes: Buffer): void;
  /** It is gone. */
  ended(exit: FfmpegExit): void;
}

/** One running ffmpeg. */
export interface FfmpegProcess {
  readonly pid: number;
  /** Kills it, with all that it may have started. `ended` is not told. */
  kill(): void;
}

/** For each process (S74). A copy of 20 Mbit/s takes a twentieth of a core and 60 MB. */
const LIMITS = ['--as=1610612736', '--nofile=64', '--fsize=0', '--core=0', '--cpu=86400'];
const WATCH_MS = 15_000;
/** More than this of a core, twice in a row, is no copying. */
const MAX_LOAD = 0.6;
/** What the kernel counts processor time in. */
const TICKS_PER_S = 100;
const LOOK_UP_MS = 10_000;
const MAX_WORDS = 4096;

/** Runs ffmpeg: so many at a time, each with limits, none longer than we live. It copies to MPEG-TS on its standard output, and decodes nothing. */
export class Ffmpeg {
  readonly #max: number;
  readonly #log: Logger;
  readonly #running = new Map<ChildProcess, Promise<void>>();
  #found: { readonly atMs: number; readonly tools: Promise<Tools> } | null = null;

  constructor({ max, log }: { readonly max: number; readonly log: Logger }) {
    this.#max = max;
    this.#log = log;
  }

  /** Whether ffmpeg is on the PATH. */
  async installed(): Promise<boolean> {
    return (await this.#tools()).ffmpeg !== null;
  }

  /**
   * Starts one, unless `signal` is aborted first; from then on aborting it does nothing.
   * @throws CodedError not_found when ffmpeg is not there, too_many_requests when all places are taken or the system has none
   */
  async start({ protocols, input }: FfmpegJob, events: FfmpegEvents, signal: AbortSignal): Promise<FfmpegProcess> {
    const { ffmpeg, prlimit, setpriv } = await this.#tools();
    signal.throwIfAborted();
    if (ffmpeg === null) throw new CodedError('not_found', FFMPEG_MISSING);
    if (this.#running.size >= this.#max)
      throw new CodedError('too_many_requests', `This server pulls ${this.#max} RTSP and SRT sources at a time.`);
    const command = [
      // It ends with us however we end, also while its source is silent and it has nothing to write into the broken pipe.
      ...(setpriv ? [setpriv, '--pdeathsig', 'KILL', '--no-new-privs', '--'] : []),
      ...(prlimit ? [prlimit, ...LIMITS, '--'] : []),
      ffmpeg,
      ...['-nostdin', '-hide_banner', '-loglevel', 'error', '-protocol_whitelist', protocols.join(',')],
      ...input,
      ...['-map', '0:v:0?', '-map', '0:a:0?', '-sn', '-dn', '-map_metadata', '-1', '-c', 'copy'],
      // A container that takes every codec: what we do not carry is left out by us, and named. One frame of sound a PES packet.
      ...['-flush_packets', '1', '-muxdelay', '0', '-pes_payload_size', '0', '-f', 'mpegts', 'pipe:1'],
    ];
    const child = spawn(command[0]!, command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, which is killed as one; nothing of our environment.
      detached: true,
      cwd: '/',
      env: { PATH: process.env.PATH, LC_ALL: 'C', AV_LOG_FORCE_NOCOLOR: '1' },
    });
    let words = '';
    let killed = false;
    // Before anything else: an error that nobody listens to ends the process.
    child.on('error', (error) => {
      words = error.message;
    });
    const { stdout, stderr } = child;
    // Without file descriptors for its pipes there is no child, and it has no streams, whatever the types say.
    if (!(stdout as typeof stdout | undefined) || !(stderr as typeof stderr | undefined)) throw NO_ROOM();
    const kill = () => {
      killed = true;
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killGroup(child.pid);
      stdout.destroy();
      stderr.destroy();
    };
    const watch = this.#watch(child, kill, () => events.ended({ how: 'too_busy', words }));
    stdout.on('data', (bytes: Buffer) => killed || events.data(bytes));
    stderr.on('data', (bytes: Buffer) => {
      words = (words + bytes.toString('latin1')).slice(-MAX_WORDS);
    });
    const gone = new Promise<void>((resolve) => {
      child.on('close', (code, signalName) => {
        clearInterval(watch);
        this.#running.delete(child);
        this.#log.debug({ pid: child.pid, code, signal: signalName }, 'ffmpeg ended');
        resolve();
        if (!killed) events.ended({ how: code === 0 ? 'finished' : 'failed', words });
      });
    });
    this.#running.set(child, gone);
    this.#log.debug({ pid: child.pid }, 'ffmpeg started');
    return { pid: child.pid ?? 0, kill };
  }

  /** Kills all that still run, and resolves when they are gone. */
  async close(): Promise<void> {
    for (const { pid } of this.#running.keys()) if (pid !== undefined) killGroup(pid);
    await Promise.all(this.#running.values());
  }

  /** Kills what computes instead of copying: an input made to keep a parser busy. */
  #watch(child: ChildProcess, kill: () => void, tell: () => void): NodeJS.Timeout {
    let [before, strikes] = [0, 0];
    return setInterval(async () => {
      const stat = await readFile(`/proc/${child.pid}/stat`, 'latin1').catch(() => '');
      // The name in parentheses may hold blanks; user and system time are the 12th and 13th after it.
      const [user, system] = stat
        .replace(/^.*\) /s, '')
        .split(' ')
        .slice(11, 13)
        .map(Number);
      if (user === undefined || system === undefined) return;
      const used = (user + system) / TICKS_PER_S;
      strikes = (used - before) * 1000 > MAX_LOAD * WATCH_MS ? strikes + 1 : 0;
      before = used;
      if (strikes < 2 || child.exitCode !== null) return;
      this.#log.warn({ pid: child.pid, seconds: used }, 'ffmpeg takes too much processor time: killed');
      kill();
      tell();
    }, WATCH_MS).unref();
  }

  /** Where the programs are; looked up anew now and then, as somebody may install them meanwhile. */
  #tools(): Promise<Tools> {
    const now = monotonicMs();
    if (!this.#found || now - this.#found.atMs > LOOK_UP_MS) this.#found = { atMs: now, tools: findTools() };
    return this.#found.tools;
  }
}

export const FFMPEG_MISSING =
  'RTSP and SRT need ffmpeg, which is not installed on this server: install it, or pull RTMP, HLS, MPEG-TS or FLV.';

const NO_ROOM = (): CodedError =>
  new CodedError('too_many_requests', 'This server cannot start ffmpeg now: it has no file descriptors left.');

interface Tools {
  readonly ffmpeg: string | null;
  /** Of util-linux, so on Linux only. */
  readonly prlimit: string | null;
  readonly setpriv: string | null;
}

async function findTools(): Promise<Tools> {
  const [ffmpeg, prlimit, setpriv] = await Promise.all(['ffmpeg', 'prlimit', 'setpriv'].map(find));
  return { ffmpeg: ffmpeg!, prlimit: prlimit!, setpriv: setpriv! };
}

async function find(name: string): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, name);
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return null;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It was quicker.
  }
}
