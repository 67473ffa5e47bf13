/**
 * Turns 32-bit timestamps into numbers that go on rising after 2^32 ms (49.7 days). One time line serves audio and video:
 * they share their zero, and may cross 2^32 in any order. A jump backwards comes out as a smaller value, also below zero.
 */
export class Timeline {
  #last = -1;
  #value = 0;

  at(timestamp: number): number {
    this.#value = this.#last < 0 ? timestamp : this.#value + ((timestamp - this.#last) | 0);
    this.#last = timestamp;
    return this.#value;
  }
}
