import { totalmem } from 'node:os';

/**
 * V8 sizes its heap for programs that hold little. A hundred publishers bring 70 MB of buffers a second, which the live
 * windows keep: by default it would search the whole heap twice a second for what is not there (a quarter of all CPU time).
 * The first flag lets its limit follow what is really held. Below twice the second it never searches; above that each time that a
 * tenth has been added (the third), as by its own measure it would let what has left the windows grow to as much as they hold. The
 * others give the young objects room.
 */
export const HEAP_FLAGS = [
  '--external-memory-accounted-in-global-limit',
  `--initial-old-space-size=${Math.min(256, Math.floor(totalmem() / 16 / 2 ** 20))}`,
  '--heap-growing-percent=10',
  '--min-semi-space-size=16',
  '--max-semi-space-size=32',
];

/** These flags count from the first byte of the heap only: a process without them becomes itself again, with them. */
export function takeHeapFlags(): void {
  if (!process.execve || HEAP_FLAGS.every((flag) => process.execArgv.includes(flag))) return;
  const { execPath, execArgv, argv, env } = process;
  process.execve(execPath, [execPath, ...HEAP_FLAGS, ...execArgv, ...argv.slice(1)], env);
}
