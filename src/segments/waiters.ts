/** Someone who waits for a window to change. */
export interface Waiter {
  /** By the clock of the window: from then on `onDeadline` may be called. */
  readonly deadlineMs: number;
  /** Nobody is there any more to be answered: it is forgotten without a call. */
  readonly gone: boolean;
  /** The window has changed. True when the wait is over; the waiter is then forgotten. */
  onChange(): boolean;
  /** The deadline has passed, and the waiter is forgotten. */
  onDeadline(): void;
}

/** How late a deadline, or that somebody left, may be noticed. */
const SWEEP_MS = 250;
/** So many are woken in one turn of the event loop; then the publishers' sockets get theirs. */
const TURN = 250;

/** Plain callbacks in a set: ten thousand viewers cost no promise and no timer each. */
export class Waiters {
  readonly #clock: () => number;
  readonly #all = new Set<Waiter>();
  #sweeper: NodeJS.Timeout | null = null;
  /** A round of waking is about to begin, after the current callback or after the round under way. */
  #due = false;
  #round: SetIterator<Waiter> | null = null;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#all.size;
  }

  add(waiter: Waiter): void {
    this.#all.add(waiter);
    this.#sweeper ??= setInterval(this.#sweep, SWEEP_MS).unref();
  }

  /**
   * Wakes all, once, after the current callback: a part and the end of its segment, reported in one go, are one change to the
   * viewers, and nobody sees a hint that is withdrawn a line later.
   */
  wake(): void {
    if (this.#due || this.#all.size === 0) return;
    this.#due = true;
    if (!this.#round) queueMicrotask(this.#begin);
  }

  readonly #begin = (): void => {
    this.#due = false;
    this.#round = this.#all.values();
    this.#turn();
  };

  readonly #turn = (): void => {
    for (let i = 0; i < TURN; i++) {
      const next = this.#round!.next();
      if (next.done) {
        this.#round = null;
        if (this.#due) this.#begin();
        return;
      }
      if (next.value.onChange()) this.#all.delete(next.value);
    }
    setImmediate(this.#turn);
  };

  readonly #sweep = (): void => {
    const now = this.#clock();
    for (const waiter of this.#all) {
      if (waiter.gone) this.#all.delete(waiter);
      else if (waiter.deadlineMs <= now) {
        this.#all.delete(waiter);
        waiter.onDeadline();
      }
    }
    if (this.#all.size > 0 || !this.#sweeper) return;
    clearInterval(this.#sweeper);
    this.#sweeper = null;
  };
}
