import type { PlayerState } from './session.ts';

/** What happened, as events of the element, as messages to the page around, and as reports to the server. */
export interface PlayerEvents {
  /** The state has changed. */
  statechange: { readonly state: PlayerState };
  /** The picture moves for the first time since it was asked for. */
  playstart: { readonly startup_ms: number; readonly latency_ms: number | null };
  /** Every ten seconds of watching: how much of this play was watched so far. */
  watch: { readonly watched_s: number; readonly latency_ms: number | null };
  /** The picture stood still, and goes on. */
  stall: { readonly stall_ms: number };
  /** It cannot be played, or not shown to this viewer: `unplayable`, `password`, `domain`, `country`, `expired`, `forbidden`. */
  playerror: { readonly code: string };
  /** The play is over: the stream has ended, the viewer has left. */
  playend: { readonly watched_s: number };
}
export type PlayerEventName = keyof PlayerEvents;

/** What is to be known of a player, at every change and about twice a second. */
export interface Moment {
  readonly state: PlayerState;
  readonly refusal: string | null;
  readonly paused: boolean;
  readonly latencyS: number | null;
}

const watchEveryS = 10;
/** Longer gaps between two moments are a computer that slept, not somebody who watched. */
const mostBetweenMs = 3_000;

/** Makes events out of moments. One play lasts from the first moving picture to the end; each has an id of its own, kept nowhere. */
export class Reporter {
  readonly #tell: <N extends PlayerEventName>(name: N, detail: PlayerEvents[N]) => void;
  #playId = '';
  #askedAt: number | null = null;
  #stalledAt: number | null = null;
  #lastAt = 0;
  #watchedMs = 0;
  #toldS = 0;
  #wasWatching = false;
  #state: PlayerState = 'waiting';

  constructor(tell: <N extends PlayerEventName>(name: N, detail: PlayerEvents[N]) => void) {
    this.#tell = tell;
  }

  /** 32 hex characters; one for itself while nothing is played. */
  get playId(): string {
    return this.#playId || newPlayId();
  }

  note({ state, refusal, paused, latencyS }: Moment): void {
    const now = performance.now();
    const before = this.#state;
    this.#state = state;
    const latency_ms = latencyS === null ? null : Math.round(1000 * latencyS);
    const watching = state === 'playing' && !paused;
    if (this.#wasWatching) this.#watchedMs += Math.min(now - this.#lastAt, mostBetweenMs);
    this.#lastAt = now;
    this.#wasWatching = watching;
    if (state === 'connecting' && !this.#playId) this.#askedAt ??= now;
    if (state === 'connecting' && before === 'playing' && this.#playId) this.#stalledAt = now;
    if (watching && !this.#playId) {
      this.#playId = newPlayId();
      this.#watchedMs = 0;
      this.#toldS = 0;
      this.#tell('playstart', { startup_ms: Math.round(now - (this.#askedAt ?? now)), latency_ms });
      this.#askedAt = null;
    }
    if (state === 'playing' && this.#stalledAt !== null) {
      this.#tell('stall', { stall_ms: Math.round(now - this.#stalledAt) });
      this.#stalledAt = null;
    }
    if (watching && this.#watchedS >= this.#toldS + watchEveryS) {
      this.#toldS = this.#watchedS;
      this.#tell('watch', { watched_s: this.#watchedS, latency_ms });
    }
    if (state === before) return;
    this.#tell('statechange', { state });
    if (state === 'error') this.#tell('playerror', { code: 'unplayable' });
    if (state === 'refused') this.#tell('playerror', { code: refusal ?? 'forbidden' });
    if (state === 'ended' || state === 'waiting' || state === 'refused' || state === 'error') this.end();
  }

  /** The play is over, if there is one. */
  end(): void {
    this.#stalledAt = null;
    this.#wasWatching = false;
    if (!this.#playId) return;
    this.#tell('playend', { watched_s: this.#watchedS });
    this.#playId = '';
    this.#askedAt = null;
  }

  get #watchedS(): number {
    return Math.floor(this.#watchedMs / 1000);
  }
}

/** Not randomUUID(): a page on plain HTTP does not have it. */
const newPlayId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
