import { monotonicMs } from '../base/index.ts';

/** A primary that has lost its place so soon after it was given back is not given it back at once. */
const RELAPSE_MS = 60_000;
const FIRST_MS = 10_000;
const LONGEST_MS = 300_000;

/**
 * How long a primary must have sent without a gap before it gets its live stream back: not at all the first time, and longer with each
 * quick relapse, as every switch is a discontinuity for viewers and news for webhooks.
 */
export class Patience {
  #neededMs = 0;
  #givenBackMs = Number.NEGATIVE_INFINITY;

  /** Whether it has shown enough. */
  enough(steadyMs: number): boolean {
    return steadyMs >= this.#neededMs;
  }

  gaveBack(): void {
    this.#givenBackMs = monotonicMs();
  }

  /** The primary has lost its place. */
  lost(): void {
    const relapse = monotonicMs() - this.#givenBackMs < RELAPSE_MS;
    this.#neededMs = relapse ? Math.min(LONGEST_MS, Math.max(FIRST_MS, 2 * this.#neededMs)) : 0;
  }
}
