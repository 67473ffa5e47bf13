/** Lets so many jobs run at a time, in the order in which they came. */
export class Turns {
  readonly #limit: number;
  readonly #maxWaiting: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number, maxWaiting: number) {
    this.#limit = limit;
    this.#maxWaiting = maxWaiting;
  }

  /** The outcome of `job`. @throws Error when too many wait already. */
  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limit) this.#running++;
    else {
      if (this.#waiting.length >= this.#maxWaiting) throw new Error('too many wait for the disk');
      // Whoever is done hands the place on.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
