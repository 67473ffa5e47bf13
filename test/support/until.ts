import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks again and again until `question` answers something other than undefined, null or false. For what can only be seen
 * from outside; where an event exists, wait for the event.
 * @throws when `timeoutMs` have passed, naming `what` and the last error.
 */
export async function until<T>(
  what: string,
  timeoutMs: number,
  question: () => T | Promise<T>,
  everyMs = 50,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await question();
      if (answer !== undefined && answer !== null && answer !== false) return answer as NonNullable<Exclude<T, false>>;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline)
      throw new Error(`${what}: not within ${timeoutMs} ms${last ? ` (${String(last)})` : ''}`);
    await delay(everyMs);
  }
}
