import { monotonicMs } from '../base/index.ts';
import type { FeedCursor, FeedOptions, Metadata } from './feed.ts';
import type { FeedBatch } from './feed-batch.ts';
import { type FeedRing, MAX_MS } from './feed-ring.ts';
import type { FormWriter } from './feed-writer.ts';

/**
 * So long without a loss, and a consumer is taken to have caught up. One that takes five sixths of the bit rate is 20 s behind again
 * only after two minutes, so it must be more than that.
 */
const CALM_MS = 150_000;
/** Losses in a row that are no accident. */
const LOSSES = 3;

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
  /** Where the group of frames begins that its place is in. */
  #group: number;
  #losses = 0;
  #droppingSinceMs = Number.NaN;
  #lastDropMs = Number.NaN;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(feed: CursorFeed, options: FeedOptions) {
    this.#feed = feed;
    this.#onMore = options.onMore;
    this.delayMs = options.delayMs ?? 0;
    this.#next = feed.ring.beginning(this.delayMs, monotonicMs());
    this.#group = this.#next;
  }

  /** The number of the oldest batch that it needs. */
  get place(): number {
    return this.delayMs > 0 ? this.#group : this.#next;
  }

  get held(): FeedRing {
    return this.#feed.ring;
  }

  get ended(): boolean {
    return this.#feed.over && this.#next >= this.#feed.ring.end;
  }

  next(): FeedBatch | null {
    const batch = this.#find();
    if (batch === null || (this.delayMs > 0 && this.#waits(batch))) return null;
    if (batch.key) this.#group = this.#next;
    this.#next++;
    this.restarts = this.#seeking;
    if (this.#seeking) this.#restart(batch);
    this.#frames = batch.framesAfter;
    this.#batch = batch;
    return batch;
  }

  dueInMs(): number | null {
    const batch = this.#find();
    return batch && Math.max(0, batch.madeMs + this.delayMs - monotonicMs());
  }

  rewind(): void {
    this.#next = this.#group;
    this.#seeking = true;
    this.#frames = Number.NaN;
    this.#losses = 0;
  }

  /** The batch at its place, or after it where it can begin. */
  #find(): FeedBatch | null {
    const { ring } = this.#feed;
    let batch = ring.at(this.#next);
    // The newest batch has nothing newer that could take its place: who keeps up asks for no time.
    const isNewest = this.#next === ring.end - 1;
    if (this.#next < ring.first || (batch && !isNewest && monotonicMs() - batch.madeMs > MAX_MS + this.delayMs)) {
      const beginning = ring.beginning(this.delayMs, monotonicMs());
      if (beginning > this.#next) {
        this.#next = this.#group = beginning;
        this.#seeking = true;
        batch = ring.at(beginning);
      }
    }
    while (this.#seeking && batch && !batch.key) batch = ring.at(++this.#next);
    return batch ?? null;
  }

  head(): Buffer {
    return this.#batch!.head(this.#feed.writer);
  }

  metadata(): Metadata {
    return this.#batch!.metadata();
  }

  droppingMs(nowMs: number): number {
    return this.#losses >= LOSSES && nowMs - this.#lastDropMs < CALM_MS ? this.#lastDropMs - this.#droppingSinceMs : 0;
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
    if (this.#losses === 0 || now - this.#lastDropMs >= CALM_MS) {
      this.#losses = 0;
      this.#droppingSinceMs = now;
    }
    this.#losses++;
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
