import type { WindowSegment } from './window-segment.ts';

/** Percent declared over measured: a scene harder than any before should not at once exceed what players were told. */
const HEADROOM = 10;
/** Declared figures are rounded up to this, so that they seldom change. */
const STEP = 10_000;

/** Measures BANDWIDTH and AVERAGE-BANDWIDTH of one rendition as its segments close. */
export class Bandwidth {
  #peak = 0;
  #bits = 0;
  #us = 0;

  /**
   * Counts the last of `segments`. The peak is the draft's (RFC 8216bis 4.4.6.2): the highest rate of any run of segments that
   * lasts between half and one and a half target durations.
   */
  add(segments: readonly WindowSegment[], from: number, rendition: 'main' | 'audio', targetDurationS: number): void {
    let bits = 0;
    let us = 0;
    for (let i = segments.length - 1; i >= from; i--) {
      bits += bytesOf(segments[i], rendition) * 8;
      us += segments[i].durationUs;
      if (us > targetDurationS * 1.5e6) break;
      if (us >= targetDurationS * 0.5e6) this.#peak = Math.max(this.#peak, (bits / us) * 1e6);
    }
    const last = segments[segments.length - 1];
    this.#bits += bytesOf(last, rendition) * 8;
    this.#us += last.durationUs;
  }

  /** Bits a second to declare. `open` is the segment in progress: all there is to measure before the first one closes. */
  declared(open: WindowSegment | null, rendition: 'main' | 'audio'): { peak: number; average: number } {
    let average = (this.#bits / this.#us) * 1e6;
    if (this.#us === 0) average = open?.durationUs ? (bytesOf(open, rendition) * 8e6) / open.durationUs : 0;
    return { peak: roundUp(Math.max(this.#peak, average)), average: roundUp(average) };
  }
}

const roundUp = (bitsPerSecond: number): number =>
  Math.max(1, Math.ceil((bitsPerSecond * (100 + HEADROOM)) / 100 / STEP)) * STEP;

function bytesOf(segment: WindowSegment, rendition: 'main' | 'audio'): number {
  let bytes = 0;
  for (const part of segment.parts) bytes += rendition === 'main' ? part.mainLength : part.audioLength;
  return bytes;
}
