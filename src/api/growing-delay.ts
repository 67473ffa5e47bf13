import { monotonicMs } from '../base/index.ts';

export interface GrowingDelayOptions {
  /** Attempts that cost nothing. */
  readonly free: number;
  /** The wait after the first one beyond; it doubles with each further one up to `maxMs`. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** After so long without an attempt everything is forgiven. Default an hour. */
  readonly forgetMs?: number;
}

interface Tried {
  attempts: number;
  untilMs: number;
  lastMs: number;
}

const FORGET_MS = 3600_000;
const MAX_KEYS = 10_000;

/** Slows down who guesses: each attempt counts as failed until it is said to have succeeded (S15). In this process only. */
export class GrowingDelay {
  readonly #options: GrowingDelayOptions;
  /** The oldest first. */
  readonly #tried = new Map<string, Tried>();

  constructor(options: GrowingDelayOptions) {
    this.#options = options;
  }

  /** Counts an attempt; or says in how many seconds the next one will be looked at, and counts none. */
  attempt(key: string): number {
    const now = monotonicMs();
    let tried = this.#tried.get(key);
    if (!tried || now - tried.lastMs > (this.#options.forgetMs ?? FORGET_MS))
      tried = { attempts: 0, untilMs: 0, lastMs: now };
    if (now < tried.untilMs) return Math.ceil((tried.untilMs - now) / 1000);
    const { free, firstMs, maxMs } = this.#options;
    const beyond = ++tried.attempts - free;
    if (beyond > 0) tried.untilMs = now + Math.min(maxMs, firstMs * 2 ** Math.min(beyond - 1, 30));
    tried.lastMs = now;
    this.#tried.delete(key);
    this.#tried.set(key, tried);
    if (this.#tried.size > MAX_KEYS) this.#tried.delete(this.#tried.keys().next().value!);
    return 0;
  }

  /** The last attempt was none at guessing. */
  forgive(key: string): void {
    const tried = this.#tried.get(key);
    if (!tried) return;
    tried.untilMs = 0;
    if (--tried.attempts <= 0) this.#tried.delete(key);
  }

  /** As if nothing had been attempted. */
  forget(key: string): void {
    this.#tried.delete(key);
  }
}
