import type { FeedBatch } from './feed-batch.ts';

/** What a ring holds for consumers that are behind: whichever is reached first. */
export interface RingLimits {
  readonly maxBytes: number;
  readonly maxMs: number;
}

/** Unread media of a slow consumer, and the longest GOP that is kept for who comes. */
const MAX_BYTES = 32 << 20;
export const MAX_MS = 20_000;
/** What a delay may hold beside it: 50 Mbit/s. */
const DELAY_BYTES_PER_MS = 6250;

export const ringLimits = (delayMs: number): RingLimits => ({
  maxBytes: MAX_BYTES + delayMs * DELAY_BYTES_PER_MS,
  maxMs: MAX_MS + delayMs,
});

/**
 * The latest batches of a feed, numbered from 0 up. Holds what begins with the newest key frame and what the slowest consumer has
 * not read, within limits: past them the oldest go, whoever still needs them.
 */
export class FeedRing {
  #batches: FeedBatch[] = [];
  #first = 0;
  #bytes = 0;
  /** NaN: no batch that is held can be begun at. */
  #lastKey = Number.NaN;

  /** The number that the next batch will have. */
  get end(): number {
    return this.#first + this.#batches.length;
  }

  get first(): number {
    return this.#first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The newest batch that a consumer can begin at; `end` where there is none yet. */
  get lastKey(): number {
    return this.#lastKey >= this.#first ? this.#lastKey : this.end;
  }

  /**
   * Where a consumer begins that is to be so long behind: the newest batch to begin at that is due, and before the first is due the
   * oldest; `end` where there is none.
   */
  beginning(delayMs: number, nowMs: number): number {
    if (delayMs === 0) return this.lastKey;
    let beginning = this.end;
    for (let i = this.#batches.length - 1; i >= 0; i--) {
      const { key, madeMs } = this.#batches[i]!;
      if (!key) continue;
      beginning = this.#first + i;
      if (madeMs + delayMs <= nowMs) break;
    }
    return beginning;
  }

  /** Undefined for numbers that are gone or not there yet. */
  at(number: number): FeedBatch | undefined {
    return this.#batches[number - this.#first];
  }

  push(batch: FeedBatch): void {
    if (batch.key) this.#lastKey = this.end;
    this.#batches.push(batch);
    this.#bytes += batch.bytes.length;
  }

  /** Forgets what nobody needs: batches below `needed`, and those beyond the limits. */
  trim(needed: number, limits: RingLimits, nowMs: number): void {
    let drop = Math.max(0, Math.min(needed - this.#first, this.#batches.length));
    let bytes = this.#bytes;
    for (let i = 0; i < drop; i++) bytes -= this.#batches[i]!.bytes.length;
    while (
      drop < this.#batches.length &&
      (bytes > limits.maxBytes || nowMs - this.#batches[drop]!.madeMs > limits.maxMs)
    )
      bytes -= this.#batches[drop++]!.bytes.length;
    if (drop === 0) return;
    this.#batches.splice(0, drop);
    this.#first += drop;
    this.#bytes = bytes;
  }
}
