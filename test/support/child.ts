import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A child process whose output is kept, and which never outlives the test process. */
export interface Child {
  readonly pid: number;
  readonly process: ChildProcess;
  /** What it has written so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves when it has ended and its output is complete; never rejects. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly running: boolean;
  /** Asks it to end, and makes it end when it has not after `graceMs`. */
  stop(signal?: NodeJS.Signals, graceMs?: number): Promise<void>;
}

const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Starts a program. Its standard input is closed unless `options.stdio` says otherwise. */
export function startChild(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  alive.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('error', (error) => {
      stderr += `${error.message}\n`;
      alive.delete(child);
      resolve({ code: -1, signal: null });
    });
    child.once('close', (code, signal) => {
      alive.delete(child);
      resolve({ code, signal });
    });
  });
  return {
    pid: child.pid ?? -1,
    process: child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    get running() {
      return child.exitCode === null && child.signalCode === null && child.pid !== undefined;
    },
    async stop(signal = 'SIGTERM', graceMs = 5000) {
      if (!this.running) return;
      child.kill(signal);
      child.kill('SIGCONT');
      const killer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await ended;
      clearTimeout(killer);
    },
  };
}

/** Runs a program to its end and returns what it printed. Throws with its error output when it fails. */
export async function runChild(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const child = startChild(command, args, options);
  const { code, signal } = await child.ended;
  if (code !== 0) throw new Error(`${command} ended with ${code ?? signal}: ${child.stderr().slice(-2000)}`);
  return child.stdout();
}

/** As `runChild`, with `input` on its standard input and its standard output as bytes. */
export async function pipeThrough(
  command: string,
  args: readonly string[],
  input: readonly Uint8Array[],
): Promise<{ code: number | null; stdout: Buffer; stderr: string }> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  alive.add(child);
  const out: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => {}); // it may end before it has read everything; its exit code tells
  for (const bytes of input) child.stdin.write(bytes);
  child.stdin.end();
  const [code] = (await once(child, 'close')) as [number | null];
  alive.delete(child);
  return { code, stdout: Buffer.concat(out), stderr };
}
