import { monotonicMs } from '../../base/index.ts';
import { type Packet, toMs } from '../../media/index.ts';

/** Packets that are due within this are released together: a timer for each would cost more than it smooths. */
const STEP_MS = 10;
/** Where nothing is there for so long, nothing is waited for: what comes next is released at once. */
const HOLE_MS = 500;
/** How much faster it goes while it holds too much. */
const CATCH_UP = 1.05;
const MAX_BYTES = 48 << 20;
const MAX_PACKETS = 20_000;
/** So many are released in one turn: more than this in ten milliseconds is no media, and others want to be served too. */
const MAX_AT_ONCE = 250;

/** What waits for its time. */
interface Held {
  readonly packet: Packet;
  readonly ms: number;
}

/**
 * Releases what comes in bursts by its timestamps, in real time. It begins with the first packet at once; when it runs dry it goes on
 * from there with the next one, so its delay grows to what the source's jitter needs and no further.
 */
export class Pacer {
  readonly #emit: (packet: Packet) => void;
  #held: Held[] = [];
  /** Of `#held`, those that are gone: shifting an array for each would cost as much as it holds. */
  #gone = 0;
  #bytes = 0;
  /** The media time that is released now, and when that was so; NaN before the first packet. */
  #positionMs = Number.NaN;
  #atMs = 0;
  #newestMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #waiting: (() => void)[] = [];
  #closed = false;
  /** Lanes that have not begun. */
  #awaited = 0;
  /** Of what lies further ahead than this it holds too much: a live source whose clock is faster than ours, or that began with a burst. */
  targetMs = Number.POSITIVE_INFINITY;

  constructor(emit: (packet: Packet) => void) {
    this.#emit = emit;
  }

  /**
   * A way in for one of the streams that are released together, none before all have begun: with the first packets, or with none, as
   * a stream may have nothing that is carried.
   */
  lane(): (packets: readonly Packet[]) => void {
    this.#awaited++;
    let begun = false;
    return (packets) => {
      if (this.#closed) return;
      if (!begun) this.#awaited--;
      begun = true;
      this.#push(packets);
    };
  }

  #push(packets: readonly Packet[]): void {
    this.#advance();
    const added = packets
      .map((packet) => ({ packet, ms: toMs(packet.dts, packet.track.timescale) }))
      .sort((a, b) => a.ms - b.ms);
    for (const { packet } of added) this.#bytes += packet.data.length;
    this.#newestMs = Math.max(this.#newestMs, added.at(-1)?.ms ?? Number.NEGATIVE_INFINITY);
    this.#merge(added);
    if (this.#awaited > 0 || this.#held.length === 0) return;
    if (Number.isNaN(this.#positionMs)) {
      this.#positionMs = this.#held[0]!.ms;
      this.#atMs = monotonicMs();
    }
    this.#release();
  }

  /** One pass over what both have, however they lie: one by one, sound behind its picture would move all of it for each frame. */
  #merge(added: readonly Held[]): void {
    const firstMs = added[0]?.ms ?? Number.POSITIVE_INFINITY;
    let at = this.#held.length;
    while (at > this.#gone && this.#held[at - 1]!.ms > firstMs) at--;
    let next = 0;
    for (const held of this.#held.splice(at)) {
      while (next < added.length && added[next]!.ms < held.ms) this.#held.push(added[next++]!);
      this.#held.push(held);
    }
    while (next < added.length) this.#held.push(added[next++]!);
  }

  /** How much it holds, in ms of media. */
  get aheadMs(): number {
    this.#advance();
    const from = Number.isNaN(this.#positionMs) ? (this.#held[0]?.ms ?? this.#newestMs) : this.#positionMs;
    return this.#held.length === 0 ? 0 : this.#newestMs - from;
  }

  /** Resolves when it holds less than `maxMs`, and neither too many bytes nor too many packets; or when it is closed. */
  async room(maxMs: number): Promise<void> {
    while (!this.#closed && this.#held.length > this.#gone && (this.aheadMs >= maxMs || this.#isFull))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  get #isFull(): boolean {
    return this.#bytes > MAX_BYTES || this.#held.length - this.#gone > MAX_PACKETS;
  }

  /** Drops what it holds. Nothing is released any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer ?? undefined);
    this.#held = [];
    this.#gone = 0;
    this.#wake();
  }

  #advance(): void {
    const now = monotonicMs();
    const speed = this.#newestMs - this.#positionMs > this.targetMs ? CATCH_UP : 1;
    // Dry, it stands still.
    this.#positionMs = Math.min(this.#newestMs, this.#positionMs + (now - this.#atMs) * speed);
    this.#atMs = now;
  }

  #release(): void {
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    this.#advance();
    const first = this.#held[this.#gone];
    if (first && first.ms > this.#positionMs + HOLE_MS) this.#positionMs = first.ms;
    for (let left = MAX_AT_ONCE; left > 0 && !this.#closed; left--) {
      const due = this.#held[this.#gone];
      if (!due || due.ms > this.#positionMs) break;
      this.#gone++;
      this.#bytes -= due.packet.data.length;
      this.#emit(due.packet);
    }
    if (this.#closed) return;
    if (this.#gone > 256 || this.#gone === this.#held.length) {
      this.#held.splice(0, this.#gone);
      this.#gone = 0;
    }
    const next = this.#held[this.#gone];
    if (next) {
      const inMs = Math.max(STEP_MS, next.ms - this.#positionMs);
      this.#timer = setTimeout(() => this.#release(), Math.min(inMs, HOLE_MS));
    }
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
