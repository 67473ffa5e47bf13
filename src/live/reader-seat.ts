import { monotonicMs } from '../base/index.ts';
import { type Packet, toMs } from '../media/index.ts';
import type { Reader, Run } from './reader.ts';

/** What a paused reader may leave waiting: whichever is reached first. */
export interface ReaderLimits {
  readonly maxBytes: number;
  readonly maxMs: number;
  /** A reader that has lost packets again and again for so long is dismissed. Absent: never. */
  readonly maxDroppingMs?: number;
}

/** So long without a loss, and a reader is taken to have caught up. Above what an empty queue takes to fill again. */
const CALM_MS = 30_000;

type Item = { readonly run: Run } | { readonly packet: Packet } | 'pause' | 'end';

/**
 * A reader's place at a broadcast: between the publisher, which never waits, and a reader that may be slow. A reader that is
 * not paused gets every packet in the publisher's own tick. While it is paused its packets wait here within limits; past
 * them all that waits is dropped up to the next key frame, and counted: a slow reader hurts only itself.
 */
export class ReaderSeat {
  readonly reader: Reader;
  readonly #limits: ReaderLimits;
  readonly #onError: (error: unknown) => void;
  readonly #onTooSlow: (seat: ReaderSeat) => void;
  #queue: Item[] = [];
  #queuedBytes = 0;
  #oldestMs = Number.NaN;
  #paused = false;
  #awaitingKey = false;
  #hasVideo = false;
  #dropped = 0;
  #droppingSinceMs = Number.NaN;
  #lastDropMs = Number.NaN;

  /** `onTooSlow` is told, from within `onPacket`, when the reader is to be dismissed. */
  constructor(
    reader: Reader,
    limits: ReaderLimits,
    onError: (error: unknown) => void,
    onTooSlow: (seat: ReaderSeat) => void,
  ) {
    this.reader = reader;
    this.#limits = limits;
    this.#onError = onError;
    this.#onTooSlow = onTooSlow;
  }

  /** Packets that this reader was too slow for. */
  get dropped(): number {
    return this.#dropped;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** The reader cannot take more for now (its socket is full, say). */
  pause(): void {
    this.#paused = true;
  }

  /** The reader can take more: it gets what waited, in order, before this returns (unless it pauses again). */
  resume(): void {
    this.#paused = false;
    let taken = 0;
    while (!this.#paused && taken < this.#queue.length) this.#deliver(this.#queue[taken++]!);
    this.#queue.splice(0, taken);
    this.#measure();
  }

  onRun(run: Run): void {
    if (!this.#paused) {
      this.#deliver({ run });
      return;
    }
    // A run without packets says nothing: the next one takes its place, so that a jumping publisher fills no queue.
    const last = this.#queue.at(-1);
    if (last && typeof last !== 'string' && 'run' in last) this.#queue.pop();
    this.#queue.push({ run });
  }

  onPacket(packet: Packet): void {
    if (packet.track.kind === 'video') this.#hasVideo = true;
    if (this.#awaitingKey) {
      // A decoder begins at an IDR; audio beside video waits for the video.
      const begins = packet.track.kind === 'video' ? packet.key : !this.#hasVideo;
      if (!begins) {
        this.#dropped++;
        return;
      }
      this.#awaitingKey = false;
    }
    if (!this.#paused) {
      try {
        this.reader.onPacket(packet);
      } catch (error) {
        this.#onError(error);
      }
      return;
    }
    const ms = toMs(packet.dts, packet.track.timescale);
    if (Number.isNaN(this.#oldestMs)) this.#oldestMs = ms;
    this.#queue.push({ packet });
    this.#queuedBytes += packet.data.length;
    if (this.#queuedBytes > this.#limits.maxBytes || ms - this.#oldestMs > this.#limits.maxMs) this.#drop();
  }

  onPause(): void {
    if (this.#paused) this.#queue.push('pause');
    else this.#deliver('pause');
  }

  onEnd(): void {
    if (this.#paused) this.#queue.push('end');
    else this.#deliver('end');
  }

  /** The reader's place is taken away: what waited is dropped, and for this reader the broadcast is over. */
  dismiss(): void {
    this.#queue = [];
    this.#measure();
    this.#paused = false;
    this.#deliver('end');
  }

  /** Runs, pauses and the end stay in the queue: only packets can be missed without the reader losing its place. */
  #drop(): void {
    const kept = this.#queue.filter((item) => typeof item === 'string' || 'run' in item);
    this.#dropped += this.#queue.length - kept.length;
    this.#queue = kept;
    this.#awaitingKey = true;
    this.#measure();
    const now = monotonicMs();
    if (!(now - this.#lastDropMs < CALM_MS)) this.#droppingSinceMs = now;
    this.#lastDropMs = now;
    if (now - this.#droppingSinceMs >= (this.#limits.maxDroppingMs ?? Number.POSITIVE_INFINITY)) this.#onTooSlow(this);
  }

  #measure(): void {
    this.#queuedBytes = 0;
    this.#oldestMs = Number.NaN;
    for (const item of this.#queue) {
      if (typeof item === 'string' || 'run' in item) continue;
      if (this.#queuedBytes === 0) this.#oldestMs = toMs(item.packet.dts, item.packet.track.timescale);
      this.#queuedBytes += item.packet.data.length;
    }
  }

  /** A reader that throws loses that call, not its neighbours theirs. */
  #deliver(item: Item): void {
    try {
      if (item === 'pause') this.reader.onPause();
      else if (item === 'end') this.reader.onEnd();
      else if ('run' in item) this.reader.onRun(item.run);
      else this.reader.onPacket(item.packet);
    } catch (error) {
      this.#onError(error);
    }
  }
}
