import type { Choice, ChoiceKind, Engine, EngineEnd, EngineWishes } from './engine.ts';
import { HlsEngine } from './hls-engine.ts';
import { type HlsLibrary, hlsEngineWorks, loadHls } from './hls-library.ts';
import { NativeEngine, nativeEngineWorks } from './native-engine.ts';
import { probe, type Refusal } from './probe.ts';

/** How the stream stands, whether or not the viewer has paused it. */
export type PlayerState =
  | 'waiting' // not on air; playback begins by itself when it is
  | 'connecting' // on air, nothing to see yet
  | 'playing' // on air
  | 'away' // the encoder has stopped sending, or the server is out of reach; expected back
  | 'ended' // the broadcast is over, and the next one begins by itself; or a recording has been played to its end
  | 'refused' // the server does not show it to this viewer: `refusal` says why
  | 'error'; // this browser cannot play it

/** What a session keeps on the stream, and whom it tells. */
export interface SessionOptions {
  readonly media: HTMLMediaElement;
  /** Multivariant or media playlist; absolute. */
  readonly url: string;
  /** Begin without being asked. */
  readonly autoplay: boolean;
  /** Where the browser refuses to begin with sound, begin without. */
  readonly mayMute: boolean;
  /** A recording begins again at its end. */
  readonly loop: boolean;
  readonly wishes: EngineWishes;
  onState(state: PlayerState): void;
  /** About twice a second while the media element is in use. */
  onTick(): void;
}

const tickMs = 500;
const firstLookMs = 2_000;
const startingLookMs = 300;
const slowestLookMs = 5_000;
/** A picture that stands for this long is a stall that the viewer should be told of. */
const stallMs = 1_000;
/** The playlist moves on and the picture does not: start again. */
const hopelessMs = 12_000;
/** Further behind than this, faster playback would take too long: jump. */
const jumpBehindS = 4;
/** How long a broadcast that vanished without a word is said to be back in a moment. */
const vanishedMs = 60_000;
/** Stuck for this long when the viewer or the network comes back: do not wait for timers. */
const impatientMs = 3_000;
const suspendAfterMs = 15_000;
const provenMs = 10_000;
const unplayableAgainMs = 30_000;

/**
 * Keeps a media element on a stream for as long as the page is open: waits for it, plays it, follows it through reconnects,
 * ends, server restarts, network cuts and hidden tabs, and begins again when it returns. Never gives up and never reloads.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #media: HTMLMediaElement;
  readonly #aborter = new AbortController();
  #state: PlayerState = 'waiting';
  #refusal: Refusal | null = null;
  /** Null where the browser itself plays HLS. */
  #library: HlsLibrary | null = null;
  /** A recording that has been played to its end does not begin again unless asked to. */
  #playedOut = false;
  #recording = false;
  /** Where a recording goes on that had to be loaded anew. */
  #resumeS: number | null = null;
  /** The viewer has gone back, or plays at a speed of their own. */
  #leftLive = false;
  #engine: Engine | null = null;
  /** The viewer, or the page for them, wants it to run. What the media element says is no guide: loading resets it. */
  #wanted: boolean;
  #suspended = false;
  #looking = false;
  #looks = 0;
  #failures = 0;
  #lastSeenAt = Number.NEGATIVE_INFINITY;
  #playingSince = 0;
  #time = 0;
  #movedAt = 0;
  #lookTimer: ReturnType<typeof setTimeout> | undefined;
  #suspendTimer: ReturnType<typeof setTimeout> | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#media = options.media;
    this.#wanted = options.autoplay;
  }

  get state(): PlayerState {
    return this.#state;
  }

  /** Why, in state `refused`; else null. */
  get refusal(): Refusal | null {
    return this.#state === 'refused' ? this.#refusal : null;
  }

  /** What is played is complete: there is no live edge. */
  get isRecording(): boolean {
    return this.#engine ? this.#engine.over && this.#engine.rewindable : this.#playedOut;
  }

  /** From where to where a viewer may go, in the media element's seconds; null where there is nothing to go back in. */
  get window(): { readonly startS: number; readonly endS: number } | null {
    const { seekable } = this.#media;
    if (!this.#engine?.rewindable || !seekable.length) return null;
    return { startS: seekable.start(0), endS: seekable.end(seekable.length - 1) };
  }

  /** Seconds behind the server's live edge; null while nothing plays. */
  get latencyS(): number | null {
    return this.#state === 'playing' ? (this.#engine?.latencyS ?? null) : null;
  }

  /** Playback is at the live edge, as near as this stream is meant to be watched. */
  get atLiveEdge(): boolean {
    const live = this.#state === 'playing' && !this.#media.paused && !this.isRecording;
    return live && (this.#engine?.behindS ?? 0) < jumpBehindS / 2;
  }

  start(): void {
    if (!hlsEngineWorks() && !nativeEngineWorks(this.#media)) {
      this.#setState('error');
      return;
    }
    const { signal } = this.#aborter;
    const on = (target: EventTarget, types: string, listener: () => void) => {
      for (const type of types.split(' ')) target.addEventListener(type, listener, { signal });
    };
    on(this.#media, 'play', () => this.#onPlay());
    on(this.#media, 'pause', () => this.#onPause());
    on(this.#media, 'loadeddata', () => this.#play());
    on(this.#media, 'playing timeupdate ended', () => this.#tick());
    on(document, 'visibilitychange', () => document.hidden || this.#wake());
    on(window, 'online pageshow', () => this.#wake());
    this.#lookSoon(0);
  }

  close(): void {
    this.#aborter.abort();
    this.#closeEngine();
    clearTimeout(this.#lookTimer);
    clearTimeout(this.#suspendTimer);
  }

  /** The viewer asks for it: plays, at the live edge. */
  play(): void {
    this.#wanted = true;
    this.#playedOut = false;
    if (this.#engine && !this.#suspended) {
      if (this.#engine.behindS > jumpBehindS / 2 && !this.#engine.rewindable) this.#engine.goLive();
      void this.#play();
    } else if (this.#suspended || this.#state === 'playing') this.#connect();
    else this.#lookSoon(0);
  }

  /** Plays at the live edge; a recording from where it is. */
  goLive(): void {
    this.#leftLive = false;
    this.#media.playbackRate = 1;
    this.#engine?.goLive();
    this.play();
  }

  /** Goes to a second of the media element's time line, within `window`. */
  seek(toS: number): void {
    const { window } = this;
    if (!window) return;
    this.#leave();
    this.#media.currentTime = Math.min(window.endS, Math.max(window.startS, toS));
  }

  /** The server has said elsewhere that it does not show this viewer the stream. */
  refuse(refusal: Refusal): void {
    this.#refusal = refusal;
    this.#setState('refused');
    this.#options.onTick();
  }

  setRate(rate: number): void {
    this.#leave();
    this.#media.playbackRate = rate;
  }

  #leave(): void {
    this.#leftLive = true;
    this.#engine?.leaveLive();
  }

  choice(kind: ChoiceKind): Choice {
    return this.#engine?.choice(kind) ?? { labels: [], chosen: -1 };
  }

  choose(kind: ChoiceKind, index: number): void {
    this.#engine?.choose(kind, index);
  }

  async #play(): Promise<void> {
    if (!this.#wanted || !this.#engine || !this.#media.paused) return;
    try {
      await this.#media.play();
    } catch (error) {
      // AbortError and the like: the load that follows brings its own `loadeddata`.
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') return;
      if (this.#options.mayMute && !this.#media.muted) {
        this.#media.muted = true;
        return this.#play();
      }
      this.#wanted = false;
      if (!this.#engine?.rewindable) this.#suspendLater();
      this.#tick();
    }
  }

  #onPlay(): void {
    clearTimeout(this.#suspendTimer);
    if (this.#wanted) return;
    this.play();
  }

  #onPause(): void {
    // At the end of a broadcast, and where the browser itself saves power in a tab that nobody sees, nobody pressed pause.
    const byBrowser = document.hidden && this.#media.muted && !document.pictureInPictureElement;
    if (!this.#engine || this.#media.ended || byBrowser) return;
    this.#wanted = false;
    if (this.#engine.rewindable) this.#leave();
    else this.#suspendLater();
  }

  /** Who paused for longer than a moment costs nobody bandwidth; a look now and then keeps the state true. */
  #suspendLater(): void {
    clearTimeout(this.#suspendTimer);
    this.#suspendTimer = setTimeout(() => {
      if (!this.#engine) return;
      this.#suspended = true;
      this.#engine.suspend();
      clearInterval(this.#ticker);
      this.#lookSoon(slowestLookMs);
    }, suspendAfterMs);
  }

  /** The tab is seen again or the network is back: look at once instead of when the timer says so. */
  #wake(): void {
    if (!this.#engine || this.#suspended) {
      this.#looks = 0;
      if (!this.#looking) this.#lookSoon(0);
      return;
    }
    void this.#play();
    this.#tick();
    if (this.#state === 'connecting' && performance.now() - this.#movedAt > impatientMs) this.#again(0);
  }

  #lookSoon(delayMs: number): void {
    clearTimeout(this.#lookTimer);
    this.#lookTimer = setTimeout(() => void this.#look(), delayMs);
  }

  async #look(): Promise<void> {
    this.#looking = true;
    const { onAir, refusal, manyTracks } = await probe(this.#options.url, this.#aborter.signal);
    const there = onAir === 'live' || (onAir === 'recording' && !this.#playedOut);
    const library = hlsEngineWorks() && there ? await loadHls(manyTracks).catch(() => undefined) : null;
    this.#looking = false;
    if (this.#aborter.signal.aborted || (this.#engine && !this.#suspended)) return;
    if (there && library !== undefined) {
      this.#library = library;
      this.#recording = onAir === 'recording';
      if (this.#wanted) {
        this.#connect();
        return;
      }
    }
    if (onAir === 'starting') {
      this.#setState('connecting');
      this.#lookSoon(startingLookMs);
      return;
    }
    if (there) this.#setState(library === undefined ? 'connecting' : 'playing');
    else {
      this.#closeEngine();
      this.#refusal = refusal;
      const justVanished = onAir === 'offline' && performance.now() - this.#lastSeenAt < vanishedMs;
      if (onAir === 'refused') this.#setState('refused');
      else this.#setState(onAir === 'offline' ? (justVanished ? 'away' : 'waiting') : 'ended');
    }
    const backOffMs = Math.min(slowestLookMs, firstLookMs * 1.2 ** this.#looks++);
    // Jitter, lest everybody who waits for the same show knocks in the same instant.
    this.#lookSoon(backOffMs * (0.8 + 0.4 * Math.random()));
  }

  #connect(): void {
    if (this.#engine) this.#closeEngine();
    clearTimeout(this.#lookTimer);
    this.#looks = 0;
    this.#leftLive = false;
    this.#time = -1;
    this.#movedAt = performance.now();
    this.#playingSince = 0;
    if (this.#state !== 'away' && this.#state !== 'error') this.#setState('connecting');
    const { url, wishes } = this.#options;
    const startS = this.#recording ? (this.#resumeS ?? wishes.startS) : null;
    const onEnd = (end: EngineEnd) => {
      if (this.#engine === engine) this.#onEngineEnd(end);
    };
    const engine: Engine = this.#library
      ? new HlsEngine(this.#library, this.#media, url, { ...wishes, startS }, onEnd)
      : new NativeEngine(this.#media, url, onEnd);
    this.#engine = engine;
    this.#ticker = setInterval(() => this.#tick(), tickMs);
  }

  #closeEngine(): void {
    clearInterval(this.#ticker);
    const engine = this.#engine;
    this.#engine = null;
    this.#suspended = false;
    this.#resumeS = this.#recording && engine && !this.#playedOut ? this.#media.currentTime : null;
    engine?.close();
  }

  #onEngineEnd(end: EngineEnd): void {
    if (end === 'unplayable') {
      this.#closeEngine();
      this.#setState('error');
      this.#lookSoon(unplayableAgainMs);
    } else if (end === 'moved') this.#again(0);
    else this.#again(Math.min(slowestLookMs, 250 * 2 ** this.#failures++));
  }

  #again(delayMs: number): void {
    this.#closeEngine();
    if (this.#state === 'playing') this.#setState('connecting');
    this.#lookSoon(delayMs * (0.8 + 0.4 * Math.random()));
  }

  #tick(): void {
    const engine = this.#engine;
    if (!engine || this.#suspended) return;
    const media = this.#media;
    const now = performance.now();
    if (media.currentTime !== this.#time) {
      this.#time = media.currentTime;
      this.#movedAt = now;
    }
    const stillMs = now - this.#movedAt;
    if (engine.over && media.ended && this.#options.loop && engine.rewindable) {
      this.seek(0);
      void this.#play();
      return;
    }
    // A viewer who has paused in a recording has not come to its end.
    if (engine.over && (media.ended || (stillMs > stallMs && !engine.rewindable))) {
      this.#playedOut = engine.rewindable;
      this.#lastSeenAt = Number.NEGATIVE_INFINITY;
      this.#again(firstLookMs);
      this.#setState('ended');
      return;
    }
    const loaded = media.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    const shown = loaded && (this.#time > 0 || !this.#wanted);
    const moving = media.paused ? !this.#wanted && !engine.quiet : stillMs < stallMs && media.playbackRate > 0;
    if (shown && moving) this.#onMoving(now);
    else if (shown && engine.quiet) {
      this.#setState('away');
      engine.hold();
    } else if (shown && stillMs >= stallMs && this.#state !== 'away') this.#setState('connecting');
    // Not sooner: the element is paused a moment before its `pause` event says that the viewer wanted it.
    if (loaded && media.paused && stillMs > stallMs && !document.hidden) void this.#play();
    if (this.#wanted && !engine.quiet && stillMs > hopelessMs) this.#onEngineEnd('broken');
    else this.#options.onTick();
  }

  #onMoving(now: number): void {
    this.#lastSeenAt = now;
    if (this.#state !== 'playing') this.#playingSince = now;
    else if (now - this.#playingSince > provenMs) this.#failures = 0;
    this.#setState('playing');
    if (!this.#media.paused && !this.#leftLive && this.#engine && this.#engine.behindS > jumpBehindS)
      this.#engine.goLive();
  }

  #setState(state: PlayerState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState(state);
  }
}
