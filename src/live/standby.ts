import { monotonicMs } from '../base/index.ts';
import type { Packet } from '../media/index.ts';
import type { EventPublisher } from './ports.ts';
import type { Publisher } from './publisher.ts';

/** What a publisher that stands by may make us hold: whichever is reached first. Beyond it, it begins at its next key frame. */
const MAX_BYTES = 16 << 20;
const MAX_PACKETS = 5000;

export interface StandbyOptions {
  /** Sound that comes first may have a picture after it; so long without one, and there is none. */
  readonly soundAloneMs: number;
  /** It is steady as long as it is never silent for so long. */
  readonly gapMs: number;
  /** Told, from within `take`, that a decoder could begin with what has just come. */
  readonly onStart: () => void;
}

/**
 * An encoder that stands by: connected and accepted, but not on air. What it has sent since its last key frame is kept, so that it
 * can take over without waiting for the next one.
 */
export class Standby {
  readonly publisher: Publisher;
  readonly priority: 0 | 1;
  /** Milliseconds since 1970. */
  readonly sinceMs = Date.now();
  readonly #options: StandbyOptions;
  #packets: Packet[] = [];
  #bytes = 0;
  #hasVideo = false;
  /** When its first packet came, and the first of those that are kept, by `monotonicMs`. */
  #firstMs = Number.NaN;
  #startedMs = 0;
  /** When its latest packet came, and since when they have come without a gap; NaN before the first. */
  #latestMs = Number.NaN;
  #steadySinceMs = Number.NaN;

  constructor(publisher: Publisher, priority: 0 | 1, options: StandbyOptions) {
    this.publisher = publisher;
    this.priority = priority;
    this.#options = options;
  }

  /** It could take over in this moment. */
  get ready(): boolean {
    return this.#packets.length > 0;
  }

  /** For how long its packets have come without a gap. */
  get steadyMs(): number {
    return this.#latestMs - this.#steadySinceMs;
  }

  /** Packets have come from it within `ms`. */
  isAlive(ms: number): boolean {
    return monotonicMs() - this.#latestMs < ms;
  }

  /** Takes a packet that is not on air. */
  take(packet: Packet): void {
    const now = monotonicMs();
    if (Number.isNaN(this.#firstMs)) this.#firstMs = now;
    if (!(now - this.#latestMs < this.#options.gapMs)) this.#steadySinceMs = now;
    this.#latestMs = now;
    const video = packet.track.kind === 'video';
    if (video && !this.#hasVideo) {
      this.#hasVideo = true;
      this.#clear();
    }
    if (video ? packet.key : !this.#hasVideo && now - this.#firstMs >= this.#options.soundAloneMs) {
      this.#clear();
      this.#keep(packet);
      this.#startedMs = now;
      this.#options.onStart();
    } else if (this.#packets.length > 0) {
      this.#keep(packet);
      if (this.#bytes > MAX_BYTES || this.#packets.length > MAX_PACKETS) this.#clear();
    }
  }

  /** Gives away what is kept, and says how long ago (ms) its first packet came. */
  release(): { readonly packets: readonly Packet[]; readonly ageMs: number } {
    const packets = this.#packets;
    this.#clear();
    return { packets, ageMs: packets.length > 0 ? monotonicMs() - this.#startedMs : 0 };
  }

  #keep(packet: Packet): void {
    this.#packets.push(packet);
    this.#bytes += packet.data.length;
  }

  #clear(): void {
    this.#packets = [];
    this.#bytes = 0;
  }
}

/** A publisher as events, statistics and logs name it. */
export function describePublisher({ id, protocol, remoteAddress }: Publisher): EventPublisher {
  return { id, protocol, address: remoteAddress };
}
