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
    let laneEndMs = Number.NaN;
    const lastDts = new Map<Track['kind'], { dts: number; timescale: number }>();
    return {
      place: (packets, discontinuity, skippedMs) => {
        if (packets.length === 0) return [];
        const startMs = packets.reduce((least, packet) => Math.min(least, msOf(packet)), Number.POSITIVE_INFINITY);
        const { offsetMs } = this.#clockFor(startMs, laneEndMs, discontinuity, skippedMs);
        const placed: Packet[] = [];
        for (const { track, dts, pts, key, data } of packets) {
          const by = Math.round((offsetMs * track.timescale) / 1000);
          const last = lastDts.get(track.kind);
          // Media that is listed twice, or overlaps.
          if (last && (dts + by) / track.timescale <= last.dts / last.timescale) continue;
          lastDts.set(track.kind, { dts: dts + by, timescale: track.timescale });
          placed.push({ track, dts: dts + by, pts: pts + by, key, data });
        }
        for (const packet of placed) {
          const { track } = packet;
          const frameMs =
            track.kind === 'audio'
              ? (track.config.frameSamples * 1000) / track.timescale
              : 1000 / (track.config.frameRate ?? 1000 / TYPICAL_FRAME_MS);
          const endMs = msOf(packet) + frameMs;
          if (!(endMs <= laneEndMs)) laneEndMs = endMs;
          if (endMs > this.#endMs) this.#endMs = endMs;
        }
        return placed;
      },
    };
  }

  #clockFor(startMs: number, laneEndMs: number, discontinuity: number, skippedMs: number): Clock {
    const fits = ({ offsetMs }: Clock): boolean => {
      if (Number.isNaN(laneEndMs)) return true;
      const stepMs = startMs + offsetMs - laneEndMs;
      return stepMs > -JUMP_BACK_MS && stepMs < JUMP_FORWARD_MS + skippedMs;
    };
    const known = this.#clocks.find((clock) => clock.discontinuity === discontinuity && fits(clock));
    if (known) return known;
    const clock = { discontinuity, offsetMs: Math.ceil(this.#endMs - startMs) };
    this.#clocks = [clock, ...this.#clocks].slice(0, MAX_CLOCKS);
    return clock;
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
