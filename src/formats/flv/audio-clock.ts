/** Deviations below this are the rounding of RTMP's whole milliseconds and encoder jitter: the count stands. */
const STEADY_MS = 20;
/** A step forward from this on is audio that is missing: the gap is kept. */
const GAP_MS = 100;
/** A step back from this on is a new time line, for the broadcast to see. */
const BACK_MS = 1000;

/**
 * Re-clocks one audio track by its sample count, so that frames abut exactly although RTMP rounds their times to whole
 * milliseconds. Slow drift between the count and RTMP's clock is worked off by at most 1 ms a frame; gaps and jumps stay.
 */
export class AudioClock {
  readonly #sampleRate: number;
  readonly #frameSamples: number;
  #next = Number.NaN;

  /** `sampleRate` in Hz, which is also the unit of the times that `dts` returns; `frameSamples` a frame. */
  constructor(sampleRate: number, frameSamples: number) {
    this.#sampleRate = sampleRate;
    this.#frameSamples = frameSamples;
  }

  /** The decoding time, in samples, of the frame that RTMP dates `timestampMs`. `samples`: of this frame, where they differ. */
  dts(timestampMs: number, samples: number = this.#frameSamples): number {
    const told = Math.round((timestampMs * this.#sampleRate) / 1000);
    let dts = this.#next;
    const offMs = ((told - dts) * 1000) / this.#sampleRate;
    if (!(offMs > -BACK_MS && offMs < GAP_MS)) dts = told;
    else if (Math.abs(offMs) > STEADY_MS) dts += Math.sign(offMs) * Math.floor(this.#sampleRate / 1000);
    this.#next = dts + samples;
    return dts;
  }
}
