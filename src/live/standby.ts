import { monotonicMs } from '../base/index.ts';
import type { Packet } from '../media/index.ts';
import type { EventPublisher } from './ports.ts';
import type { Publisher } from './publisher.ts';

/** What a publisher that stands by may make us hold: whichever is reached first. Beyond it, it begins at its next key frame. */
const MAX_BYTES = 16 << 20;
const MAX_PACKETS = 5000;
/** Sound that comes first may have a picture after it; so long without one, and there is none. */
const SOUND_ALONE_MS = 1000;

/**
 * An encoder that stands by: connected and accepted, but not on air. What it has sent since its last key frame is kept, so that it
 * can take over without waiting for the next one.
 */
export class Standby {
  readonly publisher: Publisher;
  readonly priority: 0 | 1;
  /** Milliseconds since 1970. */
  readonly sinceMs = Date.now();
  readonly #onStart: () => void;
  #packets: Packet[] = [];
  #bytes = 0;
  #hasVideo = false;
  /** When its first packet came, and the first of those that are kept, by `monotonicMs`. */
  #firstMs = Number.NaN;
  #startedMs = 0;

  /** `onStart` is told, from within `take`, that a decoder could begin with what has just come. */
  constructor(publisher: Publisher, priority: 0 | 1, onStart: () => void) {
    this.publisher = publisher;
    this.priority = priority;
    this.#onStart = onStart;
  }

  /** It could take over in this moment. */
  get ready(): boolean {
    return this.#packets.length > 0;
  }

  /** Takes a packet that is not on air. */
  take(packet: Packet): void {
    const now = monotonicMs();
    if (Number.isNaN(this.#firstMs)) this.#firstMs = now;
    const video = packet.track.kind === 'video';
    if (video && !this.#hasVideo) {
      this.#hasVideo = true;
      this.#clear();
    }
    if (video ? packet.key : !this.#hasVideo && now - this.#firstMs >= SOUND_ALONE_MS) {
      this.#clear();
      this.#keep(packet);
      this.#startedMs = now;
      this.#onStart();
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
