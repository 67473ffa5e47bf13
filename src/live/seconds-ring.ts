import type { TrackMeter } from './track-meter.ts';

const SECONDS = 32;
const FIELDS = ['now', 'video', 'audio', 'wire', 'frames', 'step', 'jumps', 'repairs'] as const;
type Field = (typeof FIELDS)[number];

/** Bits a second are kbit/s here, because bytes over milliseconds are. */
const BITS = 8;

/** The counters as they stood at each of the last seconds, so that rates over any of them are one subtraction. */
export class SecondsRing {
  readonly #values = new Float64Array(SECONDS * FIELDS.length);
  #pushed = 0;

  /** How many seconds there are to look back at. */
  get length(): number {
    return Math.max(0, Math.min(this.#pushed, SECONDS) - 1);
  }

  clear(): void {
    this.#pushed = 0;
  }

  /** Writes down a second. `wireBytes`, `jumps` and `repairs` are sums since the start, as the meters' own counts are. */
  push(nowMs: number, video: TrackMeter, audio: TrackMeter, wireBytes: number, jumps: number, repairs: number): void {
    const at = (this.#pushed++ % SECONDS) * FIELDS.length;
    const values = this.#values;
    values[at] = nowMs;
    values[at + 1] = video.bytes;
    values[at + 2] = audio.bytes;
    values[at + 3] = wireBytes;
    values[at + 4] = video.packets;
    values[at + 5] = video.longestStepMs;
    values[at + 6] = jumps;
    values[at + 7] = repairs;
  }

  /** What `field` stood at `back` seconds ago; 0 is the latest. */
  at(field: Field, back: number): number {
    return this.#values[((this.#pushed - 1 - back) % SECONDS) * FIELDS.length + FIELDS.indexOf(field)]!;
  }

  /** By how much `field` rose from `back` to `until` seconds ago; no further back than there is something written. */
  rise(field: Field, back: number, until = 0): number {
    const from = Math.min(back, this.length);
    return from <= until ? 0 : this.at(field, until) - this.at(field, from);
  }

  /** Over the last `seconds`, or what there is of them: kbit/s of each track's media and of the connection, frames a second. */
  rates(seconds: number): {
    readonly video: number;
    readonly audio: number;
    readonly wire: number;
    readonly fps: number;
  } {
    const ms = this.rise('now', seconds);
    if (ms <= 0) return { video: 0, audio: 0, wire: 0, fps: 0 };
    return {
      video: (this.rise('video', seconds) * BITS) / ms,
      audio: (this.rise('audio', seconds) * BITS) / ms,
      wire: (this.rise('wire', seconds) * BITS) / ms,
      fps: (this.rise('frames', seconds) * 1000) / ms,
    };
  }
}
