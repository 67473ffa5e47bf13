import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** What all threads of a process together have had of the CPU, and waited for it while they could have run; in ms. */
function schedule(pid: number): { ranMs: number; waitedMs: number } {
  let [ranMs, waitedMs] = [0, 0];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const [ran, waited] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
      ranMs += Number(ran) / 1e6;
      waitedMs += Number(waited) / 1e6;
    } catch {
      // The thread ended between the two reads.
    }
  }
  return { ranMs, waitedMs };
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

const cores = cpus().length;
const pinned = cores > 1 && spawnSync('taskset', ['--version']).status === 0;

/** Core of the process under test and core of everything that loads it. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

/** Keeps a process with all its threads on one core; does nothing where there is one core only, or no taskset. */
export function pin(pid: number, core: number): void {
  if (pinned) spawnSync('taskset', ['-a', '-p', '-c', String(core), String(pid)]);
}

/** Lets a process run on all cores again. */
export function unpin(pid: number): void {
  if (pinned) spawnSync('taskset', ['-a', '-p', '-c', `0-${cores - 1}`, String(pid)]);
}

/** The value below which the share `p` (0 to 1) of `values` lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

/**
 * Runs `work` and says how much CPU time the process `pid` used meanwhile, and how long it took; both in ms, from the
 * scheduler's own count of nanoseconds (Linux only). Warns when other programs disturbed the measurement.
 */
export async function during(pid: number, work: () => Promise<unknown>): Promise<{ cpuMs: number; wallMs: number }> {
  const began = performance.now();
  const [before, ownBefore] = [schedule(pid), schedule(process.pid)];
  await work();
  const [after, ownAfter] = [schedule(pid), schedule(process.pid)];
  const wallMs = performance.now() - began;
  const share = (from: number, to: number) => ((to - from) / wallMs) * 100;
  const waited = [share(before.waitedMs, after.waitedMs), share(ownBefore.waitedMs, ownAfter.waitedMs)];
  if (Math.max(...waited) > 10)
    console.error(
      `  disturbed: the server waited for its core ${waited[0]!.toFixed(0)} % of the time, the load ${waited[1]!.toFixed(0)} %: repeat this one`,
    );
  return { cpuMs: after.ranMs - before.ranMs, wallMs };
}
