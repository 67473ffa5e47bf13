import { monotonicMs } from './clock.ts';

const MINUTE_MS = 60_000;
const MAX_DELAY_MS = 5000;
const MAX_ADDRESSES = 10_000;

/**
 * Counts failed keys by address. From `perMinute` failures on, the answer to a further wrong key is held back for longer
 * and longer. Right keys are never delayed: many encoders share one address behind a router.
 */
export class FailureLimiter {
  readonly #perMinute: number;
  readonly #failures = new Map<string, { count: number; sinceMs: number }>();

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Counts a failure; returns for how many milliseconds to hold its answer back. */
  failed(address: string): number {
    const now = monotonicMs();
    let entry = this.#failures.get(address);
    if (!entry || now - entry.sinceMs > MINUTE_MS) {
      this.#failures.delete(address);
      // The map keeps the order of insertion: the first is the oldest.
      if (this.#failures.size >= MAX_ADDRESSES) this.#failures.delete(this.#failures.keys().next().value!);
      entry = { count: 0, sinceMs: now };
      this.#failures.set(address, entry);
    }
    const over = ++entry.count - this.#perMinute;
    return over <= 0 ? 0 : Math.min(100 * over, MAX_DELAY_MS);
  }
}
