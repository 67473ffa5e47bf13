import { LiveWindow } from './live-window.ts';
import type { Past } from './past.ts';

/** What holds for every window. */
export interface ShelfOptions {
  /** Windows last at least this long (DVR); 0 for what the draft asks. */
  readonly minWindowMs: number;
  /** Bytes of parts that one broadcast may hold. */
  readonly maxBytes: number;
  /** For how long an ended broadcast's playlist can still be read, so that its viewers learn of the end. */
  readonly keepAfterEndMs: number;
  /** Milliseconds since 1970. */
  readonly wallClock?: () => number;
}

/** One playback id: what its URL shows, and earlier broadcasts of which segments may still be fetched. */
interface Place {
  current: LiveWindow | null;
  readonly earlier: Set<LiveWindow>;
}

/** Segment numbers count from here. Whole seconds since then outrun segments, which are longer than a second on average. */
const EPOCH_MS = Date.UTC(2025, 0, 1);

/** Which window a playback id shows. Lookups of unknown names leave nothing behind. */
export class Shelf {
  readonly #options: ShelfOptions;
  readonly #places = new Map<string, Place>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Above every number that a window taken away has used. */
  #floor = 0;

  constructor(options: ShelfOptions) {
    this.#options = options;
  }

  /** How many windows are held, ended and earlier ones included. */
  get size(): number {
    let size = 0;
    for (const place of this.#places.values()) size += place.earlier.size + (place.current ? 1 : 0);
    return size;
  }

  /**
   * Puts a broadcast's window in the place of the playback id; an earlier one that did not end does so now. Numbers under one
   * URL go on over restarts of the server (RFC 8216bis 6.2.2): segments are numbered by the clock, and breaks from
   * `discontinuitySequence` on, which the caller lets rise. It must stay small: hls.js walks from 0 up to it on every reload.
   */
  open(broadcast: {
    readonly broadcastId: string;
    readonly playbackId: string;
    readonly userId: string;
    readonly discontinuitySequence: number;
    /** Told of each one, so that the caller can number the next broadcast's higher. */
    readonly onDiscontinuity?: () => void;
    /** Told once, when `maxBytes` has made a segment go before its time: the window is shorter than asked for. */
    readonly onFull?: () => void;
    /** What keeps its segments beyond the window in memory; closed with the window. */
    readonly past?: Past | null;
  }): LiveWindow {
    const { discontinuitySequence, ...names } = broadcast;
    const place = this.#places.get(broadcast.playbackId) ?? { current: null, earlier: new Set() };
    this.#places.set(broadcast.playbackId, place);
    const previous = place.current;
    previous?.end();
    if (previous) this.#retire(place, previous);
    const now = (this.#options.wallClock ?? Date.now)();
    const first = Math.max(Math.floor((now - EPOCH_MS) / 1000), this.#floor + 1);
    const breaks = [...place.earlier].map((window) => window.discontinuitySequence + window.runs + 1);
    place.current = new LiveWindow({
      ...names,
      firstMsn: first,
      firstDiscontinuitySequence: Math.max(discontinuitySequence, ...breaks),
      minWindowMs: this.#options.minWindowMs,
      maxBytes: this.#options.maxBytes,
      onEnd: (window) => this.#later(this.#options.keepAfterEndMs, () => this.#retire(place, window)),
    });
    return place.current;
  }

  /** The window that the playback id shows now: on air, or ended not long ago. */
  get(playbackId: string): LiveWindow | undefined {
    return this.#places.get(playbackId)?.current ?? undefined;
  }

  /** The window of one broadcast, also when it is no longer the one shown. */
  find(playbackId: string, broadcastId: string): LiveWindow | undefined {
    const place = this.#places.get(playbackId);
    if (!place) return undefined;
    if (place.current?.broadcastId === broadcastId) return place.current;
    for (const window of place.earlier) if (window.broadcastId === broadcastId) return window;
    return undefined;
  }

  /** Every window held, the current of each playback id first. */
  *windows(): Generator<LiveWindow> {
    for (const place of this.#places.values()) {
      if (place.current) yield place.current;
      yield* place.earlier;
    }
  }

  /** Ends what is on air and forgets everything. */
  close(): void {
    for (const place of this.#places.values()) place.current?.end();
    for (const window of this.windows()) window.close();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#places.clear();
  }

  /** Takes the playlist away; the segments stay as long as a player that read it may ask for them. */
  #retire(place: Place, window: LiveWindow): void {
    if (place.current !== window) return;
    place.current = null;
    place.earlier.add(window);
    this.#floor = Math.max(this.#floor, window.nextMsn);
    this.#later(window.longestMs * 2, () => {
      place.earlier.delete(window);
      window.close();
      if (!place.current && place.earlier.size === 0) this.#places.delete(window.playbackId);
    });
  }

  #later(ms: number, what: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      what();
    }, ms).unref();
    this.#timers.add(timer);
  }
}
