import { monotonicMs } from '../base/index.ts';
import type { FeedCursor, FeedOptions, Metadata } from './feed.ts';
import type { FeedBatch } from './feed-batch.ts';
import type { FeedRing } from './feed-ring.ts';
import type { FormWriter } from './feed-writer.ts';

/** So long without a loss, and a consumer is taken to have caught up: longer than what a ring holds takes to fill again. */
const CALM_MS = 30_000;

/** What a cursor needs of its feed. */
export interface CursorFeed {
  readonly ring: FeedRing;
  readonly writer: FormWriter;
  readonly over: boolean;
  leave(cursor: Cursor): void;
  failed(error: unknown): void;
}

/** A consumer's place in a feed's ring. */
export class Cursor implements FeedCursor {
  readonly delayMs: number;
  restarts = false;
  dropped = 0;
  readonly #feed: CursorFeed;
  readonly #onMore: () => void;
  #next: number;
  /** What is skipped until a batch that can be begun at. */
  #seeking = true;
  /** Frames of the feed up to the consumer's place; NaN before its first batch. */
  #frames = Number.NaN;
  #batch: FeedBatch | null = null;
  #droppingSinceMs = Number.NaN;
  #lastDropMs = Number.NaN;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(feed: CursorFeed, options: FeedOptions) {
    this.#feed = feed;
    this.#onMore = options.onMore;
    this.delayMs = options.delayMs ?? 0;
    this.#next = feed.ring.lastKey;
  }

  /** The number of the oldest batch that it has not read. */
  get place(): number {
    return this.#next;
  }

  get ended(): boolean {
    return this.#feed.over && this.#next >= this.#feed.ring.end;
  }

  next(): FeedBatch | null {
    const { ring } = this.#feed;
    if (this.#next < ring.first) {
      this.#next = ring.lastKey;
      this.#seeking = true;
    }
    for (let batch = ring.at(this.#next); batch; batch = ring.at(this.#next)) {
      if (this.#seeking && !batch.key) {
        this.#next++;
        continue;
      }
      if (this.delayMs > 0 && this.#waits(batch)) return null;
      this.#next++;
      this.restarts = this.#seeking;
      if (this.#seeking) this.#restart(batch);
      this.#frames = batch.framesAfter;
      this.#batch = batch;
      return batch;
    }
    return null;
  }

  head(): Buffer {
    return this.#batch!.head(this.#feed.writer);
  }

  metadata(): Metadata {
    return this.#batch!.metadata();
  }

  droppingMs(nowMs: number): number {
    return nowMs - this.#lastDropMs < CALM_MS ? nowMs - this.#droppingSinceMs : 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer ?? undefined);
    this.#feed.leave(this);
  }

  /** The feed has another batch, or is over. */
  wake(): void {
    if (this.#closed || (this.#timer && !this.ended)) return;
    try {
      this.#onMore();
    } catch (error) {
      this.#feed.failed(error);
    }
  }

  #restart(batch: FeedBatch): void {
    this.#seeking = false;
    if (Number.isNaN(this.#frames)) return;
    this.dropped += batch.framesBefore - this.#frames;
    const now = monotonicMs();
    if (!(now - this.#lastDropMs < CALM_MS)) this.#droppingSinceMs = now;
    this.#lastDropMs = now;
  }

  /** Whether the batch is not due yet; then `onMore` is called when it is. */
  #waits(batch: FeedBatch): boolean {
    const leftMs = batch.madeMs + this.delayMs - monotonicMs();
    if (leftMs <= 0) return false;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.wake();
    }, Math.ceil(leftMs));
    return true;
  }
}
