import { type Packet, type Track, toMs } from '../../media/index.ts';

/** Steps beyond these are another clock, whether the source said so or not. */
const JUMP_FORWARD_MS = 4000;
const JUMP_BACK_MS = 1000;
/** A source that goes to and fro between clocks is not followed further back. */
const MAX_CLOCKS = 8;
const TYPICAL_FRAME_MS = 40;

interface Clock {
  /** The source's count of its discontinuities. */
  readonly discontinuity: number;
  /** From its times to ours, in whole milliseconds. */
  readonly offsetMs: number;
}

/**
 * One rising time line for a source whose clock begins anew: at its discontinuities, when it restarts, when it jumps. Renditions that
 * share it stay in step with each other, as they share their clocks.
 */
export class SourceTimeline {
  #clocks: Clock[] = [];
  /** Where the latest of all ends. */
  #endMs = 0;

  /** One rendition's way onto the time line. */
  lane(): TimelineLane {
    const lane = new Lane();
    return {
      place: (packets, discontinuity, skippedMs) => {
        const { offsetMs } = this.#clockFor(lane, packets, discontinuity, skippedMs);
        const placed: Packet[] = [];
        for (const { track, dts, pts, key, data } of packets) {
          const by = Math.round((offsetMs * track.timescale) / 1000);
          const packet = { track, dts: dts + by, pts: pts + by, key, data };
          // Media that is listed twice, or overlaps.
          if (lane.take(packet)) placed.push(packet);
        }
        this.#endMs = Math.max(this.#endMs, lane.endMs);
        return placed;
      },
    };
  }

  #clockFor(lane: Lane, packets: readonly Packet[], discontinuity: number, skippedMs: number): Clock {
    const known = this.#clocks.find(
      (clock) => clock.discontinuity === discontinuity && lane.fits(packets, clock.offsetMs, skippedMs),
    );
    if (known) return known;
    const clock = { discontinuity, offsetMs: Math.ceil(this.#endMs - startOf(packets)) };
    this.#clocks = [clock, ...this.#clocks].slice(0, MAX_CLOCKS);
    return clock;
  }
}

/** Where a rendition stands on the time line. */
class Lane {
  endMs = 0;
  #begun = false;
  /** Of each kind, on the time line. */
  readonly #last = new Map<Track['kind'], number>();

  /** Whether packets go on from here when they are moved by an offset. */
  fits(packets: readonly Packet[], offsetMs: number, skippedMs: number): boolean {
    if (!this.#begun || packets.length === 0) return true;
    if (startOf(packets) + offsetMs - this.endMs >= JUMP_FORWARD_MS + skippedMs) return false;
    // The kinds may come apart from each other, so a step back counts among its own.
    return (['video', 'audio'] as const).every((kind) => {
      const startMs = startOf(packets.filter(({ track }) => track.kind === kind));
      return !(startMs + offsetMs - this.#last.get(kind)! <= -JUMP_BACK_MS);
    });
  }

  /** Goes on to a packet; false for one that does not rise. */
  take(packet: Packet): boolean {
    const { track } = packet;
    const ms = msOf(packet);
    if (ms <= (this.#last.get(track.kind) ?? Number.NEGATIVE_INFINITY)) return false;
    this.#begun = true;
    this.#last.set(track.kind, ms);
    const frameMs =
      track.kind === 'audio'
        ? (track.config.frameSamples * 1000) / track.timescale
        : 1000 / (track.config.frameRate ?? 1000 / TYPICAL_FRAME_MS);
    this.endMs = Math.max(this.endMs, ms + frameMs);
    return true;
  }
}

export interface TimelineLane {
  /**
   * Moves packets of one segment onto the time line. `discontinuity`: the number of the source's clock. `skippedMs`: how much of the
   * source was left out before it.
   */
  place(packets: readonly Packet[], discontinuity: number, skippedMs: number): Packet[];
}

const msOf = (packet: Packet): number => toMs(packet.dts, packet.track.timescale);

const startOf = (packets: readonly Packet[]): number =>
  packets.reduce((least, packet) => Math.min(least, msOf(packet)), Number.POSITIVE_INFINITY);
