const RATE_S = 10;
/** The present second is not over. */
const SLOTS = RATE_S + 1;

/** Who watches one broadcast, and what they were sent. */
export class Audience {
  bytesOut = 0;
  /** Milliseconds since 1970 of the latest request; null before the first. */
  lastAccessMs: number | null = null;
  /** When each session was last heard of, in whole seconds of the monotonic clock; the longest silent first. */
  readonly sessions = new Map<string, number>();
  readonly #bytes = new Float64Array(SLOTS);
  #slotS = 0;
  readonly #clockS: () => number;
  readonly #all: { bytesOut: number };

  /** `clockS` counts whole seconds, `all` what was sent to everybody. */
  constructor(clockS: () => number, all: { bytesOut: number }) {
    this.#clockS = clockS;
    this.#all = all;
  }

  /** Counts the body of an answer, as it is handed to the connection. */
  sent(bytes: number): void {
    this.#roll();
    this.#bytes[this.#slotS % SLOTS]! += bytes;
    this.bytesOut += bytes;
    this.#all.bytesOut += bytes;
  }

  /** kbit/s over the last ten whole seconds. */
  get bitrate(): number {
    this.#roll();
    let bytes = 0;
    for (let slot = 0; slot < SLOTS; slot++) if (slot !== this.#slotS % SLOTS) bytes += this.#bytes[slot]!;
    return (bytes * 8) / 1000 / RATE_S;
  }

  #roll(): void {
    const nowS = this.#clockS();
    for (let s = Math.max(this.#slotS, nowS - SLOTS) + 1; s <= nowS; s++) this.#bytes[s % SLOTS] = 0;
    this.#slotS = nowS;
  }
}
