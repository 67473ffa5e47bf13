import { type Logger, monotonicMs } from '../base/index.ts';
import type { Broadcast } from './broadcast.ts';
import type { Patience } from './patience.ts';
import type { SwitchReason } from './ports.ts';
import type { Publisher, PublisherEnd } from './publisher.ts';
import { Standby } from './standby.ts';

/** While the one on air is silent and the other cannot take over yet, both are looked at so often. */
const POLL_MS = 50;
/** Whether what comes holds frames is looked at so often. */
const FRAMES_MS = 250;
/** Sound without a picture takes the air from a picture only after so long, else after the other. */
const PICTURE_MS = 5000;
const SOUND_MS = 1000;

/**
 * Two encoders of one broadcast, a primary and a backup: decides which of them is on air. Exists while one stands by; without one
 * nothing of it costs anything. Neither encoder sees what is decided.
 */
export class Backup {
  readonly #broadcast: Broadcast;
  readonly #takeoverMs: number;
  readonly #log: Logger;
  readonly #giveBack: boolean;
  readonly #patience: Patience;
  /** How many packets there had been of the one on air, and since when not more. */
  #packets = -1;
  #packetsMs = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `publisher` stands by from now on. `takeoverMs`: how long the one on air may be silent. */
  constructor(
    broadcast: Broadcast,
    publisher: Publisher,
    options: {
      readonly priority: 0 | 1;
      readonly giveBack: boolean;
      readonly takeoverMs: number;
      readonly patience: Patience;
      readonly log: Logger;
    },
  ) {
    this.#broadcast = broadcast;
    this.#takeoverMs = options.takeoverMs;
    this.#giveBack = options.giveBack;
    this.#patience = options.patience;
    this.#log = options.log;
    broadcast.standby = this.#standby(publisher, options.priority);
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
    if (!this.#giveBack || !standby || standby.priority >= priority || !this.#patience.enough(standby.steadyMs)) return;
    this.#switch('gave_back', this.#broadcast.publisher);
    this.#patience.gaveBack();
  };

  readonly #watch = (): void => {
    const { publisher, standby } = this.#broadcast;
    if (!publisher || !standby) return;
    const now = monotonicMs();
    const { packets } = this.#broadcast;
    if (packets !== this.#packets) {
      this.#packets = packets;
      this.#packetsMs = now;
    }
    // Pings and metadata are no media: who sends nothing else is silent too.
    const leftMs = Math.min(publisher.lastDataMs, this.#packetsMs) + this.#takeoverMs - now;
    // Two that are silent do not take turns.
    if (leftMs <= 0 && standby.isAlive(this.#takeoverMs) && standby.ready) {
      this.#switch('silent', publisher);
      this.#packets = -1;
    }
    this.#timer = setTimeout(this.#watch, leftMs > 0 ? Math.min(leftMs, FRAMES_MS) : POLL_MS).unref();
  };

  /** The one that stands by goes on air, and `from` stands by. */
  #switch(reason: SwitchReason, from: Publisher | null): void {
    const broadcast = this.#broadcast;
    const standby = broadcast.standby!;
    const { publisher, priority } = standby;
    // What a dead connection has sent long ago is not played again.
    const { packets, ageMs } = standby.isAlive(this.#takeoverMs) ? standby.release() : { packets: [], ageMs: 0 };
    if (broadcast.priority === 0) this.#patience.lost();
    broadcast.standby = from && this.#standby(from, broadcast.priority);
    this.#log.info({ broadcast: broadcast.id, to: publisher.id, priority, reason }, 'encoder switched');
    broadcast.switchTo({ publisher, priority, reason, packets, ageMs });
  }

  #standby(publisher: Publisher, priority: 0 | 1): Standby {
    const soundAloneMs = this.#broadcast.tracks[0]?.kind === 'video' ? PICTURE_MS : SOUND_MS;
    return new Standby(publisher, priority, { soundAloneMs, gapMs: this.#takeoverMs, onStart: this.#onStart });
  }
}
