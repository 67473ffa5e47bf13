import type { IncomingMessage } from 'node:http';
import { monotonicMs, randomHex } from '../base/index.ts';
import type { LiveWindow } from '../segments/index.ts';
import { Audience } from './audience.ts';

/** A session that was not heard of for longer is gone. Players reload at least every target duration, pages report every 5 s. */
const GONE_S = 12;
/** Of all broadcasts together: who makes ids up for one of them fills this, and takes no place from the others. */
const MAX_SESSIONS = 200_000;

const SESSION = /(?:^|&)_session=([A-Za-z0-9_-]{4,64})(?:&|$)/;
/** What a client sends that reports by itself, or does not want to be counted: its playlists carry no session. */
export const NO_SESSION = 'none';

/** The session id in a query; null when there is none that could be one. */
export function sessionOf(query: string): string | null {
  return query.includes('_session=') ? (SESSION.exec(query)?.[1] ?? null) : null;
}

export interface AudienceStats {
  /** Playback sessions that have shown life in the last 12 seconds. */
  readonly viewers: number;
  readonly bytesOut: number;
  /** kbit/s over the last ten seconds. */
  readonly outputBitrate: number;
  /** Milliseconds since 1970; null before the first request. */
  readonly lastAccessMs: number | null;
}

/** Apple's players name their session in each request: the same one for a variant's path that does not change (H10). */
export function playerSession({ headers }: IncomingMessage): string | null {
  const id = headers['x-playback-session-id'];
  return typeof id === 'string' && /^[A-Za-z0-9_-]{4,64}$/.test(id) ? id : null;
}

export const newSession = (): string => randomHex(8);

/**
 * Counts viewers by playback session: the id that index.m3u8 gives, in the queries of playlist reloads, or that a page makes up
 * and reports. Parts and segments carry none, so that every cache may share them.
 */
export class Viewers {
  readonly #clock: () => number;
  readonly #maxSessions: number;
  /** Lives as long as the window does. */
  readonly #audiences = new WeakMap<LiveWindow, Audience>();
  /** Those that somebody watches. */
  readonly #watched = new Set<Audience>();
  /** Of all broadcasts so far. */
  bytesOut = 0;
  #sessions = 0;
  /** As of the last sweep, and since then of those that found no place. */
  #largest: Audience | null = null;
  #sweptS = 0;

  constructor(options: { readonly clock?: () => number; readonly maxSessions?: number } = {}) {
    this.#clock = options.clock ?? monotonicMs;
    this.#maxSessions = options.maxSessions ?? MAX_SESSIONS;
  }

  /** Of all broadcasts. */
  get total(): number {
    this.#sweep(this.#nowS());
    return this.#sessions;
  }

  of(window: LiveWindow): Audience {
    let audience = this.#audiences.get(window);
    if (!audience) {
      audience = new Audience(this.#nowS, this);
      this.#audiences.set(window, audience);
    }
    return audience;
  }

  /** What is known of those who watch the broadcast now. */
  stats(window: LiveWindow): AudienceStats {
    this.#sweep(this.#nowS());
    const { sessions, bytesOut, bitrate: outputBitrate, lastAccessMs } = this.of(window);
    return { viewers: sessions.size, bytesOut, outputBitrate, lastAccessMs };
  }

  /** A session shows life. */
  seen(audience: Audience, session: string): void {
    const nowS = this.#nowS();
    this.#sweep(nowS);
    const lastS = audience.sessions.get(session);
    if (lastS === nowS) return;
    if (lastS === undefined) {
      if (this.#sessions >= this.#maxSessions && !this.#makeRoom(audience)) return;
      this.#sessions++;
      this.#watched.add(audience);
    } else audience.sessions.delete(session);
    // A copy: a piece of the URL would keep the whole of it in memory.
    audience.sessions.set(Buffer.from(session, 'latin1').toString('latin1'), nowS);
  }

  /** Forgets the longest silent session of the largest audience; false when that is `of` itself. */
  #makeRoom(of: Audience): boolean {
    const largest = this.#largest;
    if (!largest || largest.sessions.size <= of.sessions.size) return false;
    const [oldest] = largest.sessions.keys();
    largest.sessions.delete(oldest!);
    this.#sessions--;
    return true;
  }

  readonly #nowS = (): number => Math.floor(this.#clock() / 1000);

  /** Forgets who is gone; at most once a second, and only those are touched. */
  #sweep(nowS: number): void {
    if (nowS === this.#sweptS) return;
    this.#sweptS = nowS;
    this.#largest = null;
    for (const audience of this.#watched) {
      for (const [session, seenS] of audience.sessions) {
        if (nowS - seenS <= GONE_S) break;
        audience.sessions.delete(session);
        this.#sessions--;
      }
      if (audience.sessions.size === 0) this.#watched.delete(audience);
      else if (audience.sessions.size > (this.#largest?.sessions.size ?? 0)) this.#largest = audience;
    }
  }
}
