import { CodedError, type Logger } from '../base/index.ts';
import type { BroadcastEvent, BroadcastEvents } from './ports.ts';

export interface EventQueueOptions {
  readonly sink: BroadcastEvents;
  readonly log: Logger;
  /** Events that wait at the most, those of broadcasts' beginnings and ends not counted. */
  readonly maxWaiting?: number;
  /** The first pause after a failure; it doubles up to 5 s. */
  readonly retryMs?: number;
}

const MAX_WAITING = 10_000;
const RETRY_MS = 100;
const MAX_RETRY_MS = 5000;
/** For failures that are not the store's absence: an event that cannot be written must not hold up those behind it for ever. */
const MAX_ATTEMPTS = 5;

/**
 * Between the media path, which never waits, and whoever writes down what happens on air. Each live stream's events are told in
 * their order, one at a time, again and again while the store is away. When too many wait, warnings, errors of platforms and
 * switches go first, the oldest first, then encoders' short absences and platforms' short connections in pairs; a broadcast's
 * beginning and end stay, as each took an answer of the store.
 */
export class BroadcastEventQueue {
  readonly #options: Required<EventQueueOptions>;
  readonly #lanes = new Map<string, BroadcastEvent[]>();
  /** What waits and may be missed, oldest first. */
  readonly #minor = new Set<BroadcastEvent>();
  readonly #sleepers = new Set<() => void>();
  #waiting = 0;
  #dropped = 0;
  #givenUp = false;
  #drained: (() => void) | null = null;

  constructor(options: EventQueueOptions) {
    this.#options = { maxWaiting: MAX_WAITING, retryMs: RETRY_MS, ...options };
  }

  /** Events that are not written yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Events that were thrown away so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes an event and returns at once. */
  tell(event: BroadcastEvent): void {
    if (this.#waiting >= this.#options.maxWaiting && !this.#makeRoom(event)) return;
    this.#waiting++;
    if (isMinor(event)) this.#minor.add(event);
    const lane = this.#lanes.get(event.liveStreamId);
    if (lane) {
      lane.push(event);
      return;
    }
    this.#lanes.set(event.liveStreamId, [event]);
    void this.#run(event.liveStreamId, this.#lanes.get(event.liveStreamId)!);
  }

  /** Resolves when everything is written, or `withinMs` are over; what is left then is counted in the log. */
  async close(withinMs: number): Promise<void> {
    if (this.#lanes.size === 0) return;
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    const late = setTimeout(() => {
      this.#givenUp = true;
      this.#options.log.warn({ events: this.#waiting }, 'events of broadcasts could not be written');
      this.#wake();
      this.#drained?.();
    }, withinMs);
    this.#wake();
    await drained;
    clearTimeout(late);
  }

  async #run(liveStreamId: string, lane: BroadcastEvent[]): Promise<void> {
    for (let failures = 0; lane.length > 0 && !this.#givenUp; ) {
      // The one under way is no longer among those that may be dropped.
      const event = lane[0]!;
      this.#minor.delete(event);
      try {
        await this.#options.sink.tell(event);
        failures = 0;
      } catch (error) {
        failures++;
        const { broadcastId: broadcast, kind } = event;
        const away = error instanceof CodedError && error.code === 'store_unavailable';
        if (away || failures < MAX_ATTEMPTS) {
          if (failures === 1)
            this.#options.log.warn({ err: error, broadcast, kind }, 'event not written: trying again');
          await this.#sleep(failures);
          continue;
        }
        this.#options.log.error({ err: error, broadcast, kind }, 'event lost');
        this.#dropped++;
        failures = 0;
      }
      lane.shift();
      this.#waiting--;
    }
    this.#lanes.delete(liveStreamId);
    if (this.#lanes.size === 0) this.#drained?.();
  }

  /** Longer after each failure, and not for all live streams alike. */
  #sleep(failures: number): Promise<void> {
    const ms = Math.min(this.#options.retryMs * 2 ** (failures - 1), MAX_RETRY_MS) * (0.5 + Math.random());
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#sleepers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#sleepers.add(done);
    });
  }

  #wake(): void {
    for (const done of [...this.#sleepers]) done();
  }

  /** Whether there is a place for `event`: what matters less goes, and that may be the event itself. */
  #makeRoom(event: BroadcastEvent): boolean {
    const [oldest] = this.#minor;
    if (oldest) {
      const lane = this.#lanes.get(oldest.liveStreamId)!;
      this.#minor.delete(oldest);
      lane.splice(lane.indexOf(oldest), 1);
      this.#waiting--;
      this.#dropped++;
      return true;
    }
    if (isMinor(event)) {
      this.#dropped++;
      return false;
    }
    const lane = this.#lanes.get(event.liveStreamId);
    // An absence that is over: it and the return go together, so that what stays is still in pairs. The first may be under way.
    if (event.kind === 'connected' && lane && lane.length > 1 && lane.at(-1)!.kind === 'reconnecting') {
      lane.pop();
      this.#waiting--;
      this.#dropped += 2;
      return false;
    }
    if (event.kind === 'platform_disconnected' && lane) {
      const of = (other: BroadcastEvent) =>
        (other.kind === 'platform_connected' || other.kind === 'platform_disconnected') &&
        other.platformId === event.platformId;
      const at = lane.findLastIndex(of);
      if (at > 0 && lane[at]!.kind === 'platform_connected') {
        lane.splice(at, 1);
        this.#waiting--;
        this.#dropped += 2;
        return false;
      }
    }
    return true;
  }
}

/** Nothing that follows depends on it. */
function isMinor({ kind }: BroadcastEvent): boolean {
  return kind === 'warning' || kind === 'platform_error' || kind === 'publisher_switched';
}
