import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** Beyond what was asked for, nobody waits longer than this. */
const MOST_MORE_MS = 120_000;

/** What waits for something that has to come, and judges no time, waits so many times as long: others may need the machine. */
export const patience = (): number => Math.ceil(2 * Math.min(6, Math.max(1, loadavg()[0]! / availableParallelism())));

/**
 * Asks again and again until `question` answers something other than undefined, null or false. For what can only be seen
 * from outside; where an event exists, wait for the event.
 * @throws when `timeoutMs` have passed, more on a busy machine, naming `what` and the last error.
 */
export async function until<T>(
  what: string,
  timeoutMs: number,
  question: () => T | Promise<T>,
  everyMs = 50,
): Promise<NonNullable<Exclude<T, false>>> {
  const startedMs = performance.now();
  let last: unknown;
  for (;;) {
    try {
      const answer = await question();
      if (answer !== undefined && answer !== null && answer !== false) return answer as NonNullable<Exclude<T, false>>;
    } catch (error) {
      last = error;
    }
    const waitedMs = performance.now() - startedMs;
    if (waitedMs > Math.min(timeoutMs * patience(), timeoutMs + MOST_MORE_MS))
      throw new Error(`${what}: not within ${Math.round(waitedMs)} ms${last ? ` (${String(last)})` : ''}`);
    await delay(everyMs);
  }
}
