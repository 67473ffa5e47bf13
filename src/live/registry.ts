import { type Logger, monotonicMs, newId } from '../base/index.ts';
import type { Packet } from '../media/index.ts';
import { Backup } from './backup.ts';
import { Broadcast } from './broadcast.ts';
import type { BroadcastStats } from './broadcast-stats.ts';
import { Patience } from './patience.ts';
import type { Authorisation, BroadcastEnd, BroadcastEvent } from './ports.ts';
import { isPull, type Publisher, type PublisherEnd } from './publisher.ts';

export interface RegistryOptions {
  /** How long a broadcast waits for its publisher to come back. */
  readonly reconnectWindowMs: number;
  /** A publisher that has sent nothing for this long gives way to another one with the same key. */
  readonly takeoverAfterMs: number;
  /** How long the encoder on air may be silent until one that stands by takes over. Default: 900 ms. */
  readonly backupTakeoverMs?: number;
  /** A broadcast begins: readers are added here, before its first packet. */
  readonly onBroadcast: (broadcast: Broadcast) => void;
  /** Takes what happens on air, in order, and returns at once. */
  readonly onEvent?: (event: BroadcastEvent) => void;
  readonly log: Logger;
}

/**
 * The publisher's hold on a broadcast. While it stands by, what it writes waits for its turn; after `release`, or once another
 * publisher has taken its place, writing does nothing.
 */
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
    const { broadcast } = this;
    if (broadcast.publisher === this.#publisher) broadcast.write(packet);
    else if (broadcast.standby?.publisher === this.#publisher) broadcast.standby.take(packet);
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

/**
 * `busy`: a healthy publisher holds the live stream. `pull_holds`: a pull does, which does not yield to encoders. `disabled`: it
 * was stopped while the key was being checked; `key_rotated`: that key was changed meanwhile.
 */
export type ClaimAnswer =
  | { readonly ok: true; readonly claim: Claim }
  | { readonly ok: false; readonly reason: 'busy' | 'pull_holds' | 'disabled' | 'key_rotated' };

const CONTENDER_POLL_MS = 50;
const BACKUP_TAKEOVER_MS = 900;
const STOP_MEMORY_MS = 60_000;
const TICK_MS = 1000;

/** Tickets of a live stream's latest stops: an authorisation asked for before one is void. */
interface Stops {
  readonly atMs: number;
  /** Of the whole live stream; 0 for none. */
  readonly all: number;
  /** Of the primary's key and the backup's, after which theirs alone are void. */
  readonly keys: readonly [number, number];
}

interface OnAir {
  readonly broadcast: Broadcast;
  /** Runs while there is no publisher. */
  window: NodeJS.Timeout | null;
  /** A second publisher is waiting to see whether the first still lives. */
  contended: boolean;
  /** While an encoder stands by. */
  backup: Backup | null;
  readonly patience: Patience;
  /** It is being ended: its publisher is not waited for. */
  ending: boolean;
}

/** What is on air: at most one broadcast a live stream, at most one publisher a broadcast. */
export class LiveRegistry {
  readonly #options: RegistryOptions;
  readonly #onAir = new Map<string, OnAir>();
  /** What plays under a playback id. */
  readonly #byPlayback = new Map<string, Broadcast>();
  /** Stops of the last minute, by live stream. */
  readonly #stops = new Map<string, Stops>();
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
    return this.get(liveStreamId)?.stats() ?? null;
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

  /** The ids of what is on air now. */
  liveStreams(): Iterable<string> {
    return this.#onAir.keys();
  }

  /** To be taken before a key is checked, and handed in with the claim. */
  ticket(): number {
    return ++this.#tickets;
  }

  /** The live stream's broadcast, with a publisher or waiting for one. */
  get(liveStreamId: string): Broadcast | null {
    return this.#onAir.get(liveStreamId)?.broadcast ?? null;
  }

  /** A publisher is connected right now. During the reconnect window the answer is no. */
  isOnline(liveStreamId: string): boolean {
    return this.#onAir.get(liveStreamId)?.broadcast.publisher != null;
  }

  /** The broadcast that plays under this id; null where none is on air. */
  find(playbackId: string): Broadcast | null {
    return this.#byPlayback.get(playbackId) ?? null;
  }

  /** How many broadcasts there are, with and without a publisher. */
  get size(): number {
    return this.#onAir.size;
  }

  /**
   * Makes `publisher` the one that feeds the live stream, or that stands by: the backup encoder beside the primary, or the other way
   * round. Where nobody is in the way this happens before the first `await`; a publisher with the same part keeps it as long as it
   * shows life within `takeoverAfterMs`, and else is closed (`taken_over`). A pull that yields is closed at once (`gave_way`), and
   * no pull displaces an encoder.
   */
  async claim(authorisation: Authorisation, publisher: Publisher, ticket: number): Promise<ClaimAnswer> {
    const onAir = this.#onAir.get(authorisation.liveStreamId);
    const rival = onAir && rivalOf(onAir.broadcast, publisher, authorisation.priority ?? 0);
    if (rival && !(await this.#gaveWay(onAir, rival))) return { ok: false, reason: 'busy' };
    return this.#take(authorisation, publisher, ticket);
  }

  /**
   * Cuts the publishers in this tick and ends the broadcast: `enabled: false`, or the live stream was deleted. After a rotation of
   * a key the broadcast waits for the encoder to come back with the new one; `which` says whose key that was, and without it both
   * encoders go.
   */
  stop(liveStreamId: string, reason: 'disabled' | 'deleted' | 'key_rotated', which?: 'primary' | 'backup'): void {
    this.#forgetOldStops();
    this.#noteStop(liveStreamId, reason === 'key_rotated' ? (which ?? 'both') : null);
    const onAir = this.#onAir.get(liveStreamId);
    if (!onAir) return;
    if (reason !== 'key_rotated') {
      this.#cut(onAir, reason);
      return;
    }
    const { standby, publisher, priority } = onAir.broadcast;
    const meant = (of: 0 | 1) => which === undefined || of === (which === 'backup' ? 1 : 0);
    if (standby && meant(standby.priority)) standby.publisher.close(reason);
    if (publisher && !isPull(publisher) && meant(priority)) publisher.close(reason);
  }

  /** Used by Claim. */
  release(broadcast: Broadcast, publisher: Publisher, reason: PublisherEnd): void {
    const onAir = this.#onAir.get(broadcast.authorisation.liveStreamId);
    if (broadcast.standby?.publisher === publisher) {
      onAir?.backup?.close();
      if (onAir) onAir.backup = null;
      return;
    }
    if (broadcast.publisher !== publisher) return;
    if (onAir?.backup && !onAir.ending) {
      onAir.backup.promote(reason);
      onAir.backup = null;
      return;
    }
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
    const { priority = 0 } = authorisation;
    const stop = this.#closed ? 'disabled' : this.#stoppedSince(id, ticket, publisher, priority);
    if (stop) return { ok: false, reason: stop };
    // Our own connection may be gone by now.
    if (publisher.closed) return { ok: false, reason: 'busy' };
    const there = this.#onAir.get(id);
    const holder = there?.broadcast.publisher;
    if (there && holder) {
      const pulls = isPull(publisher);
      if (!isPull(holder)) {
        // Whoever waited here beside us may have been quicker.
        if (pulls || priority === there.broadcast.priority || there.broadcast.standby)
          return { ok: false, reason: 'busy' };
        return this.#standBy(there, publisher, authorisation);
      }
      if (pulls) return { ok: false, reason: 'busy' };
      if (!holder.yields) return { ok: false, reason: 'pull_holds' };
      holder.close('gave_way');
    }
    // Closing the pull may have ended more than it.
    let onAir = this.#onAir.get(id);
    if (onAir) {
      clearTimeout(onAir.window ?? undefined);
      onAir.window = null;
    } else {
      const broadcast = new Broadcast(newId(), authorisation, this.#options.log, this.#options.onEvent);
      onAir = { broadcast, window: null, contended: false, backup: null, patience: new Patience(), ending: false };
      this.#onAir.set(id, onAir);
      this.#byPlayback.set(authorisation.playbackId, broadcast);
      this.#ticker ??= setInterval(this.#tick, TICK_MS).unref();
      this.#options.log.info({ broadcast: broadcast.id, liveStream: id }, 'broadcast opened');
      this.#options.onBroadcast(broadcast);
    }
    onAir.broadcast.attach(publisher, priority);
    return { ok: true, claim: new Claim(this, onAir.broadcast, publisher) };
  }

  #standBy(onAir: OnAir, publisher: Publisher, { priority = 0, giveBack = true }: Authorisation): ClaimAnswer {
    const { backupTakeoverMs: takeoverMs = BACKUP_TAKEOVER_MS, log } = this.#options;
    const { patience } = onAir;
    onAir.backup = new Backup(onAir.broadcast, publisher, { priority, giveBack, takeoverMs, patience, log });
    return { ok: true, claim: new Claim(this, onAir.broadcast, publisher) };
  }

  /** A check that began before a stop is void; one of a pull has nothing to do with keys. */
  #stoppedSince(
    liveStreamId: string,
    ticket: number,
    publisher: Publisher,
    priority: 0 | 1,
  ): 'disabled' | 'key_rotated' | null {
    const stops = this.#stops.get(liveStreamId);
    if (!stops) return null;
    if (stops.all > ticket) return 'disabled';
    return stops.keys[priority] > ticket && !isPull(publisher) ? 'key_rotated' : null;
  }

  /** `key`: whose key was changed; null where all of the live stream is stopped. */
  #noteStop(liveStreamId: string, key: 'primary' | 'backup' | 'both' | null): void {
    const ticket = ++this.#tickets;
    const before = this.#stops.get(liveStreamId) ?? { all: 0, keys: [0, 0] };
    const [primary, backup] = before.keys;
    // Oldest first, as they are forgotten.
    this.#stops.delete(liveStreamId);
    this.#stops.set(liveStreamId, {
      atMs: monotonicMs(),
      all: key === null ? ticket : before.all,
      keys: [
        key === 'primary' || key === 'both' ? ticket : primary!,
        key === 'backup' || key === 'both' ? ticket : backup!,
      ],
    });
  }

  /** Waits until the rival shows life (false) or has been silent for `takeoverAfterMs` (true, and it is closed). */
  async #gaveWay(onAir: OnAir, rival: Publisher): Promise<boolean> {
    if (onAir.contended) return false;
    onAir.contended = true;
    try {
      const { broadcast } = onAir;
      const there = () => broadcast.publisher === rival || broadcast.standby?.publisher === rival;
      const seenMs = rival.lastDataMs;
      while (there()) {
        if (rival.lastDataMs !== seenMs) return false;
        if (monotonicMs() - rival.lastDataMs >= this.#options.takeoverAfterMs) {
          rival.close('taken_over');
          return true;
        }
        await new Promise((resolve) => setTimeout(resolve, CONTENDER_POLL_MS));
      }
      return true;
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
    onAir.broadcast.standby?.publisher.close(reason);
    onAir.broadcast.publisher?.close(reason);
    this.#end(onAir, reason);
  }

  #end(onAir: OnAir, reason: BroadcastEnd): void {
    const { broadcast } = onAir;
    if (broadcast.ended) return;
    clearTimeout(onAir.window ?? undefined);
    const { liveStreamId, playbackId } = broadcast.authorisation;
    this.#onAir.delete(liveStreamId);
    if (this.#byPlayback.get(playbackId) === broadcast) this.#byPlayback.delete(playbackId);
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

/** Who has the part that `publisher` asks for, and keeps it while it lives. Pulls and encoders do not wait for each other. */
function rivalOf(
  { publisher: holder, priority, standby }: Broadcast,
  publisher: Publisher,
  wanted: 0 | 1,
): Publisher | null {
  if (!holder || isPull(holder) !== isPull(publisher)) return null;
  if (isPull(holder) || priority === wanted) return holder;
  return standby?.publisher ?? null;
}
