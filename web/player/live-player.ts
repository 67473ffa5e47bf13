import { type EmbedOptions, readOptions } from './options.ts';
import { Presence } from './presence.ts';
import { type PlayerState, Session } from './session.ts';

const messages: Record<PlayerState, readonly [title: string, text: string]> = {
  waiting: ['The stream has not started yet', 'It will begin here by itself.'],
  connecting: ['Connecting', ''],
  playing: ['', ''],
  away: ['Back in a moment', 'The stream will go on by itself.'],
  ended: ['The stream has ended', 'If it returns, it will begin here by itself.'],
  error: ['This stream cannot be played here', 'Your browser does not support its format.'],
};

/**
 * `<live-player data-hls="…">` around a video or audio element and the page's own buttons: the video page and the audio page
 * are this element in two dresses. What it knows stands in its attributes, for styles, tests and analytics:
 * `data-state` (see PlayerState), `data-paused`, `data-edge` (at the live edge) and `data-latency` (seconds, while playing).
 * A `statechange` event follows every change of `data-state`.
 */
export class LivePlayer extends HTMLElement {
  readonly options: EmbedOptions = readOptions(location.search);
  #session: Session | null = null;
  #presence: Presence | null = null;
  #latencyAt = 0;
  #unmuteOffered = false;

  get media(): HTMLMediaElement {
    return this.querySelector<HTMLMediaElement>('video, audio')!;
  }

  get state(): PlayerState {
    return this.#session?.state ?? 'waiting';
  }

  /** Seconds behind the server's live edge; null while nothing plays. */
  get latency(): number | null {
    return this.#session?.latencyS ?? null;
  }

  /** Plays, at the live edge; off air it makes sure that playback will begin. */
  play(): void {
    this.#session?.play();
  }

  connectedCallback(): void {
    const { media, options } = this;
    const isVideo = media.localName === 'video';
    media.muted = options.muted ?? isVideo;
    this.#unmuteOffered = isVideo;
    this.toggleAttribute('data-bare', !options.controls);
    const hls = this.dataset.hls ?? '';
    this.#presence = new Presence(hls);
    const session = new Session({
      media,
      // This page reports by itself that it watches: its playlists may be those that all share.
      url: `${hls}?_session=none`,
      autoplay: options.autoplay,
      mayMute: isVideo,
      onState: (state) => this.#onState(state),
      onTick: () => this.#show(),
    });
    this.#session = session;
    for (const type of ['play', 'pause', 'volumechange', 'emptied']) media.addEventListener(type, () => this.#show());
    this.#on('.go-live, .start', () => this.play());
    this.#on('.unmute', () => {
      media.muted = false;
      if (media.volume === 0) media.volume = 1;
    });
    this.#onState(session.state);
    session.start();
  }

  disconnectedCallback(): void {
    this.#session?.close();
    this.#session = null;
    this.#presence?.run(false);
  }

  #on(selector: string, listener: () => void): void {
    for (const button of this.querySelectorAll(selector)) button.addEventListener('click', listener);
  }

  #onState(state: PlayerState): void {
    this.dataset.state = state;
    const [title, text] = messages[state];
    const offAir = state === 'waiting' || state === 'ended';
    const own = offAir ? this.options.offlineText : null;
    this.#write('.message-title', own ?? title);
    this.#write('.message-text', own === null ? text : '');
    this.#latencyAt = 0;
    this.#show();
    this.dispatchEvent(new CustomEvent<PlayerState>('statechange', { detail: state }));
  }

  #write(selector: string, text: string): void {
    const element = this.querySelector(selector);
    if (element && element.textContent !== text) element.textContent = text;
  }

  #show(): void {
    const session = this.#session;
    if (!session) return;
    const { media } = this;
    this.#presence?.run(session.state === 'playing' && !media.paused);
    this.toggleAttribute('data-paused', media.paused);
    this.toggleAttribute('data-edge', session.atLiveEdge);
    // Offered once: who has had sound and turned it off knows where the button is.
    if (!media.muted) this.#unmuteOffered = false;
    this.toggleAttribute('data-offer-sound', this.#unmuteOffered && !media.paused && session.state === 'playing');
    const latencyS = session.latencyS;
    const now = performance.now();
    if (latencyS === null) delete this.dataset.latency;
    else if (now - this.#latencyAt >= 1000 || this.dataset.latency === undefined) {
      this.#latencyAt = now;
      this.dataset.latency = latencyS.toFixed(2);
    }
  }
}
