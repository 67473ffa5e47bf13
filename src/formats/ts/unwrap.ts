/** Time stamps have 33 bits (ISO 13818-1, 2.4.3.7). */
const WRAP = 2 ** 33;

/** A distance of two 33-bit times, the shorter way round. */
export function signedDistance(distance: number): number {
  return ((((distance + WRAP / 2) % WRAP) + WRAP) % WRAP) - WRAP / 2;
}

/** Counts 33-bit times on over their wraps: each is taken for the one that is nearest to the last. */
export class Unwrapper {
  #last = Number.NaN;

  unwrap(time: number): number {
    this.#last = Number.isNaN(this.#last) ? time : this.#last + signedDistance(time - this.#last);
    return this.#last;
  }
}
