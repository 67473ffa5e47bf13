const SECONDS = 10;

/** Bytes of the last ten seconds. */
export class RateMeter {
  readonly #seconds: number[] = [];
  #second = 0;
  total = 0;

  add(bytes: number, nowMs: number): void {
    this.#goTo(nowMs);
    this.#seconds[0]! += bytes;
    this.total += bytes;
  }

  /** In kbit/s, of whole seconds. */
  kbps(nowMs: number): number {
    this.#goTo(nowMs);
    const whole = this.#seconds.slice(1);
    return whole.length === 0
      ? 0
      : Math.round((whole.reduce((sum, bytes) => sum + bytes, 0) * 8) / whole.length / 1000);
  }

  /** Begins anew, but for the total. */
  reset(): void {
    this.#seconds.length = 0;
  }

  #goTo(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    const missing = this.#seconds.length === 0 ? 1 : Math.min(second - this.#second, SECONDS + 1);
    for (let i = 0; i < missing; i++) this.#seconds.unshift(0);
    this.#seconds.length = Math.min(this.#seconds.length, SECONDS + 1);
    this.#second = second;
  }
}
