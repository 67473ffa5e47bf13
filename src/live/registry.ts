import { type Logger, monotonicMs, newId } from '../base/index.ts';
import type { Packet } from '../media/index.ts';
import { Broadcast } from './broadcast.ts';
import type { BroadcastStats } from './broadcast-stats.ts';
import type { Authorisation, BroadcastEnd, BroadcastEvent } from './ports.ts';
import type { Publisher, PublisherEnd } from './publisher.ts';

export interface RegistryOptions {
  /** How long a broadcast waits for its publisher to come back. */
  readonly reconnectWindowMs: number;
  /** A publisher that has sent nothing for this long gives way to another one with the same key. */
  readonly takeoverAfterMs: number;
  /** A broadcast begins: readers are added here, before its first packet. */
  readonly onBroadcast: (broadcast: Broadcast) => void;
  /** Takes what happens on air, in order, and returns at once. */
  readonly onEvent?: (event: BroadcastEvent) => void;
  readonly log: Logger;
}

/** The publisher's hold on a broadcast. After `release`, or once another publisher holds it, writing does nothing. */
export class Claim {
  readonly broadcast: Broadcast;
  readonly #registry: LiveRegistry;
  readonly #publisher: Publisher;
  constructor(registry: LiveRegistry, broadcast: Broadcast, publisher: Publisher) {
    this.#registry = registry;
    this.broadcast = broadcast;
    this.#publisher = publisher;
  }

  write(packet: Packet): void {
    if (this.broadcast.publisher === this.#publisher) this.broadcast.write(packet);
  }

  /** The publisher sends a codec that is not carried: that becomes advice to the encoder's user. */
  refuseCodec(codec: string): void {
    if (this.broadcast.publisher === this.#publisher) this.broadcast.refuseCodec(codec);
  }

  /** The publisher is gone; the reconnect window opens. */
  release(reason: PublisherEnd): void {
    this.#registry.release(this.broadcast, this.#publisher, reason);
  }
}

export interface LiveTotals {
  readonly broadcasts: number;
  readonly bytesIn: number;
  /** Packets that did not reach a reader. */
  readonly dropped: number;
}

/** `busy`: a healthy publisher holds the live stream. `disabled`: it was stopped while the key was being checked. */
export type ClaimAnswer =
  | { readonly ok: true; readonly claim: Claim }
  | { readonly ok: false; readonly reason: 'busy' | 'disabled' };

const CONTENDER_POLL_MS = 50;
const STOP_MEMORY_MS = 60_000;
const TICK_MS = 1000;

interface OnAir {
  readonly broadcast: Broadcast;
  /** Runs while there is no publisher. */
  window: NodeJS.Timeout | null;
  /** A second publisher is waiting to see whether the first still lives. */
  contended: boolean;
  /** It is being ended: its publisher is not waited for. */
  ending: boolean;
}

/** What is on air: at most one broadcast a live stream, at most one publisher a broadcast. */
export class LiveRegistry {
  readonly #options: RegistryOptions;
  readonly #onAir = new Map<string, OnAir>();
  /** Stops of the last minute, by live stream: an authorisation asked for before one is void. */
  readonly #stops = new Map<string, { ticket: number; atMs: number }>();
  #tickets = 0;
  #closed = false;
  readonly #ended = { broadcasts: 0, bytesIn: 0, dropped: 0 };
  /** Runs while something is on air. */
  #ticker: NodeJS.Timeout | null = null;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** What is measured of the live stream's broadcast; null where no publisher is connected. */
  stats(liveStreamId: string): BroadcastStats | null {
    return this.#onAir.get(liveStreamId)?.broadcast.stats() ?? null;
  }

  /** Sums since the start. */
  totals(): LiveTotals {
    let { broadcasts, bytesIn, dropped } = this.#ended;
    for (const { broadcast } of this.#onAir.values()) {
      broadcasts++;
      bytesIn += broadcast.bytesIn;
      dropped += broadcast.dropped;
    }
    return { broadcasts, bytesIn, dropped };
  }

  /** What is on air now. */
  *broadcasts(): Generator<Broadcast> {
    for (const { broadcast } of this.#onAir.values()) yield broadcast;
  }

  /** To be taken before a key is checked, and handed in with the claim. */
  ticket(): number {
    return ++this.#tickets;
  }

  /** A publisher is connected right now. During the reconnect window the answer is no. */
  isOnline(liveStreamId: string): boolean {
    return this.#onAir.get(liveStreamId)?.broadcast.publisher != null;
  }

  /** How many broadcasts there are, with and without a publisher. */
  get size(): number {
    return this.#onAir.size;
  }

  /**
   * Makes `publisher` the one that feeds the live stream. Where nobody holds it this happens before the first `await`; where
   * a publisher does, it keeps it as long as it shows life within `takeoverAfterMs`, and else is closed (`taken_over`).
   */
  async claim(authorisation: Authorisation, publisher: Publisher, ticket: number): Promise<ClaimAnswer> {
    const id = authorisation.liveStreamId;
    const onAir = this.#onAir.get(id);
    if (onAir?.broadcast.publisher && !(await this.#gaveWay(onAir))) return { ok: false, reason: 'busy' };
    return this.#take(authorisation, publisher, ticket);
  }

  /**
   * Cuts the publisher in this tick and ends the broadcast: `enabled: false`, or the live stream was deleted. After a rotation of
   * its key the broadcast waits for the encoder to come back with the new one.
   */
  stop(liveStreamId: string, reason: 'disabled' | 'deleted' | 'key_rotated'): void {
    this.#forgetOldStops();
    this.#stops.set(liveStreamId, { ticket: ++this.#tickets, atMs: monotonicMs() });
    const onAir = this.#onAir.get(liveStreamId);
    if (reason === 'key_rotated') onAir?.broadcast.publisher?.close(reason);
    else if (onAir) this.#cut(onAir, reason);
  }

  /** Used by Claim. */
  release(broadcast: Broadcast, publisher: Publisher, reason: PublisherEnd): void {
    if (broadcast.publisher !== publisher) return;
    const onAir = this.#onAir.get(broadcast.authorisation.liveStreamId);
    const waitMs = onAir && !onAir.ending ? this.#options.reconnectWindowMs : 0;
    broadcast.detach(reason, waitMs);
    if (!onAir || onAir.ending) return;
    onAir.window = setTimeout(() => this.#end(onAir, 'window_over'), waitMs);
    // A server that shuts down does not wait for encoders.
    onAir.window.unref();
  }

  /** Closes every publisher and ends every broadcast. */
  close(): void {
    this.#closed = true;
    for (const onAir of [...this.#onAir.values()]) this.#cut(onAir, 'shutdown');
  }

  #take(authorisation: Authorisation, publisher: Publisher, ticket: number): ClaimAnswer {
    const id = authorisation.liveStreamId;
    if (this.#closed || (this.#stops.get(id)?.ticket ?? 0) > ticket) return { ok: false, reason: 'disabled' };
    let onAir = this.#onAir.get(id);
    // Whoever waited here beside us may have been quicker; and our own connection may be gone by now.
    if (onAir?.broadcast.publisher || publisher.closed) return { ok: false, reason: 'busy' };
    if (onAir) {
      clearTimeout(onAir.window ?? undefined);
      onAir.window = null;
    } else {
      const broadcast = new Broadcast(newId(), authorisation, this.#options.log, this.#options.onEvent);
      onAir = { broadcast, window: null, contended: false, ending: false };
      this.#onAir.set(id, onAir);
      this.#ticker ??= setInterval(this.#tick, TICK_MS).unref();
      this.#options.log.info({ broadcast: broadcast.id, liveStream: id }, 'broadcast opened');
      this.#options.onBroadcast(broadcast);
    }
    onAir.broadcast.attach(publisher);
    return { ok: true, claim: new Claim(this, onAir.broadcast, publisher) };
  }

  /** Waits until the holder shows life (false) or has been silent for `takeoverAfterMs` (true, and it is closed). */
  async #gaveWay(onAir: OnAir): Promise<boolean> {
    if (onAir.contended) return false;
    onAir.contended = true;
    try {
      const holder = onAir.broadcast.publisher;
      const seenMs = holder?.lastDataMs;
      while (holder && onAir.broadcast.publisher === holder) {
        if (holder.lastDataMs !== seenMs) return false;
        if (monotonicMs() - holder.lastDataMs >= this.#options.takeoverAfterMs) {
          holder.close('taken_over');
          return true;
        }
        await new Promise((resolve) => setTimeout(resolve, CONTENDER_POLL_MS));
      }
      return onAir.broadcast.publisher === null;
    } finally {
      onAir.contended = false;
    }
  }

  readonly #tick = (): void => {
    const now = monotonicMs();
    for (const { broadcast } of this.#onAir.values()) broadcast.tick(now);
  };

  #cut(onAir: OnAir, reason: 'disabled' | 'deleted' | 'shutdown'): void {
    onAir.ending = true;
    onAir.broadcast.publisher?.close(reason);
    this.#end(onAir, reason);
  }

  #end(onAir: OnAir, reason: BroadcastEnd): void {
    const { broadcast } = onAir;
    if (broadcast.ended) return;
    clearTimeout(onAir.window ?? undefined);
    this.#onAir.delete(broadcast.authorisation.liveStreamId);
    this.#ended.broadcasts++;
    this.#ended.bytesIn += broadcast.bytesIn;
    this.#ended.dropped += broadcast.dropped;
    broadcast.end(reason);
    if (this.#onAir.size === 0 && this.#ticker) {
      clearInterval(this.#ticker);
      this.#ticker = null;
    }
    this.#options.log.info({ broadcast: broadcast.id, reason }, 'broadcast closed');
  }

  #forgetOldStops(): void {
    const before = monotonicMs() - STOP_MEMORY_MS;
    for (const [id, stop] of this.#stops) {
      if (stop.atMs > before) break;
      this.#stops.delete(id);
    }
  }
}
