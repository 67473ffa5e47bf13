import { type Logger, monotonicMs } from '../base/index.ts';
import type { Broadcast } from './broadcast.ts';
import type { SwitchReason } from './ports.ts';
import type { Publisher, PublisherEnd } from './publisher.ts';
import { Standby } from './standby.ts';

/** While the one on air is silent and the other cannot take over yet, both are looked at so often. */
const POLL_MS = 50;

/**
 * Two encoders of one broadcast, a primary and a backup: decides which of them is on air. Exists while one stands by; without one
 * nothing of it costs anything. Neither encoder sees what is decided.
 */
export class Backup {
  readonly #broadcast: Broadcast;
  readonly #takeoverMs: number;
  readonly #log: Logger;
  readonly #giveBack: boolean;
  #timer: NodeJS.Timeout | undefined;

  /** `publisher` stands by from now on. `takeoverMs`: how long the one on air may be silent. */
  constructor(
    broadcast: Broadcast,
    publisher: Publisher,
    options: {
      readonly priority: 0 | 1;
      readonly giveBack: boolean;
      readonly takeoverMs: number;
      readonly log: Logger;
    },
  ) {
    this.#broadcast = broadcast;
    this.#takeoverMs = options.takeoverMs;
    this.#giveBack = options.giveBack;
    this.#log = options.log;
    broadcast.standby = new Standby(publisher, options.priority, this.#onStart);
    this.#log.info(
      { broadcast: broadcast.id, publisher: publisher.id, priority: options.priority },
      'encoder stands by',
    );
    this.#watch();
  }

  /** The one on air has left: the other takes its place, and nobody stands by any more. */
  promote(reason: PublisherEnd): void {
    this.#switch(reason, null);
    this.close();
  }

  /** Nobody stands by any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#broadcast.standby = null;
  }

  /** The primary is back: it has sent something to begin with. */
  readonly #onStart = (): void => {
    const { standby, priority } = this.#broadcast;
    if (this.#giveBack && standby && standby.priority < priority) this.#switch('gave_back', this.#broadcast.publisher);
  };

  readonly #watch = (): void => {
    const { publisher, standby } = this.#broadcast;
    if (!publisher || !standby) return;
    const now = monotonicMs();
    const leftMs = publisher.lastDataMs + this.#takeoverMs - now;
    // Two that are silent do not take turns.
    const alive = now - standby.publisher.lastDataMs < this.#takeoverMs;
    if (leftMs <= 0 && alive && standby.ready) this.#switch('silent', publisher);
    this.#timer = setTimeout(this.#watch, leftMs > 0 ? leftMs : POLL_MS).unref();
  };

  /** The one that stands by goes on air, and `from` stands by. */
  #switch(reason: SwitchReason, from: Publisher | null): void {
    const broadcast = this.#broadcast;
    const standby = broadcast.standby!;
    const { publisher, priority } = standby;
    const { packets, ageMs } = standby.release();
    broadcast.standby = from && new Standby(from, broadcast.priority, this.#onStart);
    this.#log.info({ broadcast: broadcast.id, to: publisher.id, priority, reason }, 'encoder switched');
    broadcast.switchTo({ publisher, priority, reason, packets, ageMs });
  }
}
