import { monotonicMs } from '../base/index.ts';
import type { FeedCursor, FeedOptions, Metadata } from './feed.ts';

/** Where a player's bytes go: its connection, in the words of its protocol. */
export interface PlayerSink {
  /** Its connection's, for logs. */
  readonly id: string;
  /** False: full until it says that it has drained. */
  write(bytes: Buffer): boolean;
  /** onMetaData, at time 0 wherever it stands: FFmpeg takes one with another time for a track of subtitles. */
  metadata(metadata: Metadata): Buffer;
  /** The broadcast is over. */
  end(): void;
  /** Cuts it in this tick, with what waits in it. */
  cut(reason: 'too_slow' | 'shutdown'): void;
}

/** Not all that was written has left in so long: the peer does not read, or hardly. */
const UNDRAINED_MS = 20_000;
/** It has lost frames again and again for so long: its line is too thin for the stream. */
const TOO_SLOW_MS = 60_000;

/** Why a player was cut. */
export type PlayerFailure = 'stalled' | 'too_slow';

/** One player: a place in a feed, and a connection that takes as much as it can. */
export class Player {
  bytesOut = 0;
  readonly #sink: PlayerSink;
  readonly #cursor: FeedCursor;
  readonly #onEnd: () => void;
  #fullSinceMs = Number.NaN;
  #full = false;
  #over = false;

  /** `onEnd`: the broadcast is over, and the player has been told. */
  constructor(sink: PlayerSink, open: (options: FeedOptions) => FeedCursor, onEnd: () => void) {
    this.#sink = sink;
    this.#onEnd = onEnd;
    this.#cursor = open({ onMore: () => this.pump() });
  }

  get id(): string {
    return this.#sink.id;
  }

  /** Frames that it was too slow for. */
  get dropped(): number {
    return this.#cursor.dropped;
  }

  /** The connection takes more. */
  drained(): void {
    this.#full = false;
    this.pump();
  }

  /** Sends what there is, until the connection is full. */
  pump(): void {
    if (this.#full || this.#over) return;
    const cursor = this.#cursor;
    for (let batch = cursor.next(); batch !== null; batch = cursor.next()) {
      if (cursor.restarts || batch.configs) {
        this.#send(this.#sink.metadata(cursor.metadata()));
        if (cursor.restarts) this.#send(cursor.head());
      }
      this.#send(batch.bytes);
      if (this.#full) return;
    }
    if (!cursor.ended) return;
    this.leave();
    this.#sink.end();
    this.#onEnd();
  }

  /** Why it is to be cut; null where it keeps up. */
  failure(nowMs: number): PlayerFailure | null {
    if (this.#full && nowMs - this.#fullSinceMs > UNDRAINED_MS) return 'stalled';
    return this.#cursor.droppingMs(nowMs) > TOO_SLOW_MS ? 'too_slow' : null;
  }

  /** Gives its place in the feed back. */
  leave(): void {
    this.#over = true;
    this.#cursor.close();
  }

  cut(reason: 'too_slow' | 'shutdown'): void {
    this.leave();
    this.#sink.cut(reason);
  }

  #send(bytes: Buffer): void {
    this.bytesOut += bytes.length;
    if (this.#sink.write(bytes) || this.#full) return;
    this.#full = true;
    this.#fullSinceMs = monotonicMs();
  }
}
