import { sendBeacon } from './beacon.ts';
import type { Choice, ChoiceKind } from './engine.ts';
import { optionAttributes, type PlayerOptions, readOptions } from './options.ts';
import { askPass, keepPass, keptPass, withPass } from './pass.ts';
import { Presence } from './presence.ts';
import type { Refusal } from './probe.ts';
import { type PlayerEventName, type PlayerEvents, Reporter } from './reporter.ts';
import { type PlayerState, Session } from './session.ts';
import type { Playback, Shell } from './shell.ts';
import { findSource, type Source } from './source.ts';
import { languageOf, type Texts } from './texts.ts';
import { rememberVolume } from './volume.ts';

/** Attributes that need a new start; the others take effect at once. */
const startsAnew = new Set(
  'src playback-id server range latency quality abr track default-track seek-to autoplay loop token'.split(' '),
);

/**
 * `<liveapi-player playback-id="lv_…">`: a live stream in a page, from its waiting room to its end. `src` names a playlist
 * instead, `server` another server than the script's, `audio` makes it a radio; the options are in options.ts.
 *
 * What it knows stands in attributes, for styles and tests: `data-state` (see PlayerState), `data-paused`, `data-edge` (at the live
 * edge), `data-latency` (seconds, while playing), `data-recording`. What happens it tells by events (see PlayerEvents).
 */
export class LiveapiPlayer extends HTMLElement implements Playback {
  static readonly observedAttributes = ['src', 'playback-id', 'server', 'lang', ...optionAttributes];
  /** The dresses there are: a page that only plays sound need not load the other. */
  static readonly shells = new Map<'video' | 'audio', Shell>();

  options: PlayerOptions = readOptions(() => null, document.baseURI);
  texts: Texts = languageOf([]).texts;
  language = 'en';
  #media: HTMLMediaElement | null = null;
  #source: Source | null = null;
  #session: Session | null = null;
  #presence: Presence | null = null;
  #reporter: Reporter | null = null;
  #showShell: () => void = () => {};
  #countdown: ReturnType<typeof setInterval> | undefined;
  /** The server's, for what was shown to it. */
  #pass: string | null = null;
  /** Whether it was told on which page this is, since the start. */
  #introduced = false;
  #latencyAt = 0;
  #soundOffered = false;
  #restarting = false;
  #pausedUnseen = false;
  #seen = true;

  /** The playlist; an attribute. */
  get src(): string | null {
    return this.getAttribute('src');
  }
  set src(src: string | null) {
    if (src === null) this.removeAttribute('src');
    else this.setAttribute('src', src);
  }

  /** The live stream; an attribute. */
  get playbackId(): string | null {
    return this.#source?.playbackId ?? this.getAttribute('playback-id');
  }
  set playbackId(id: string | null) {
    if (id === null) this.removeAttribute('playback-id');
    else this.setAttribute('playback-id', id);
  }

  /** The `<video>` or `<audio>` inside. */
  get media(): HTMLMediaElement {
    return (this.#media ??= this.#makeMedia());
  }

  get state(): PlayerState {
    return this.#session?.state ?? 'waiting';
  }

  get refusal(): Refusal | null {
    return this.#session?.refusal ?? null;
  }

  /** Seconds behind the server's live edge; null while nothing plays. */
  get latency(): number | null {
    return this.#session?.latencyS ?? null;
  }

  get atLiveEdge(): boolean {
    return this.#session?.atLiveEdge ?? false;
  }

  get isRecording(): boolean {
    return this.#session?.isRecording ?? false;
  }

  get window(): { readonly startS: number; readonly endS: number } | null {
    return this.#session?.window ?? null;
  }

  choice(kind: ChoiceKind): Choice {
    return this.#session?.choice(kind) ?? { labels: [], chosen: -1 };
  }

  choose(kind: ChoiceKind, index: number): void {
    this.#session?.choose(kind, index);
  }

  /** Plays; off air it makes sure that playback will begin. */
  play(): void {
    this.#session?.play();
  }

  pause(): void {
    this.media.pause();
  }

  /** Plays at the live edge. */
  goLive(): void {
    this.#session?.goLive();
  }

  seek(toS: number): void {
    this.#session?.seek(toS);
  }

  setRate(rate: number): void {
    this.#session?.setRate(rate);
    this.#show();
  }

  /** Knows the player's own events and what they carry. */
  override addEventListener<N extends PlayerEventName>(
    type: N,
    listener: (event: CustomEvent<PlayerEvents[N]>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(type: string, listener: unknown, options?: boolean | AddEventListenerOptions): void {
    super.addEventListener(type, listener as EventListener, options);
  }

  connectedCallback(): void {
    this.#readOptions();
    if (!this.shadowRoot) this.#dress();
    this.#start();
  }

  disconnectedCallback(): void {
    this.#stop();
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (!this.isConnected || !this.shadowRoot || before === now) return;
    this.#readOptions();
    this.#show();
    if (!startsAnew.has(name) || this.#restarting) return;
    // Several attributes at once are one new start.
    this.#restarting = true;
    queueMicrotask(() => {
      this.#restarting = false;
      if (!this.isConnected) return;
      // Another stream may be meant.
      this.#pass = null;
      this.#introduced = false;
      this.#stop();
      this.#start();
    });
  }

  #readOptions(): void {
    this.options = readOptions((name) => this.getAttribute(name), document.baseURI);
    const { name, texts } = languageOf([this.getAttribute('lang'), ...navigator.languages]);
    this.texts = texts;
    this.language = name;
    this.toggleAttribute('data-bare', !this.options.controls);
    if (this.options.color) this.style.setProperty('--liveapi-accent', this.options.color);
  }

  #makeMedia(): HTMLMediaElement {
    const audio = this.hasAttribute('audio');
    const given = this.querySelector<HTMLMediaElement>(':scope > video, :scope > audio');
    const media = given ?? document.createElement(audio ? 'audio' : 'video');
    media.slot = 'media';
    media.preload = 'none';
    if (!audio) media.setAttribute('playsinline', '');
    if (!given) this.append(media);
    return media;
  }

  /** Once: the shadow tree, and what the media element and the browser tell. */
  #dress(): void {
    const shell = LiveapiPlayer.shells.get(this.hasAttribute('audio') ? 'audio' : 'video');
    if (!shell) throw new Error('this build of liveapi-player has no such controls');
    const root = this.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(shell.css);
    root.adoptedStyleSheets = [sheet];
    styleCaptions(this.getRootNode() as Document | ShadowRoot);
    root.innerHTML = shell.markup.replace(/%(\w+)%/g, (_, name) => this.texts[name as keyof Texts]);
    rememberVolume(this.media);
    this.media.textTracks.addEventListener('addtrack', ({ track }) =>
      track?.addEventListener('cuechange', liftCaptions),
    );
    this.#showShell = shell.mount(root, this);
    for (const type of ['play', 'pause', 'volumechange', 'emptied', 'ratechange', 'seeked'])
      this.media.addEventListener(type, () => this.#show());
    new IntersectionObserver(([entry]) => {
      this.#seen = entry.isIntersecting;
      this.#onSeen();
    }).observe(this);
  }

  #start(): void {
    const { media, options } = this;
    const isVideo = media.localName === 'video';
    const given = { src: this.src, playbackId: this.getAttribute('playback-id'), server: this.getAttribute('server') };
    this.#source = findSource(given, this.hasAttribute('audio'), options.range, options.token);
    if (this.#source?.playbackId) this.#pass ??= keptPass(this.#source);
    media.muted = options.muted ?? (isVideo && options.autoplay);
    this.#soundOffered = isVideo;
    this.#reporter = new Reporter((name, detail) => this.#tell(name, detail));
    addEventListener('pagehide', this.#onLeave);
    document.addEventListener('visibilitychange', this.#onSeen);
    this.#countdown = setInterval(() => this.state === 'waiting' && this.#show(), 1000);
    this.#show();
    if (!this.#source) return;
    if (this.#source.playbackId) this.#presence = new Presence(this.#source.playlist);
    this.#session = new Session({
      media,
      url: this.#pass ? withPass(this.#source.url, this.#pass) : this.#source.url,
      autoplay: options.autoplay,
      mayMute: isVideo,
      loop: options.loop,
      wishes: {
        latencyS: options.latencyS,
        startS: options.seekToS,
        bestQuality: options.bestQuality,
        videoTrack: options.videoTrack,
        audioTrack: options.audioTrack,
      },
      onState: () => {
        this.#latencyAt = 0;
        this.#show();
        void this.#onRefused();
      },
      onTick: () => this.#show(),
    });
    this.#show();
    this.#session.start();
  }

  #stop(): void {
    clearInterval(this.#countdown);
    removeEventListener('pagehide', this.#onLeave);
    document.removeEventListener('visibilitychange', this.#onSeen);
    this.#session?.close();
    this.#session = null;
    this.#presence?.run(false);
    this.#presence = null;
    this.#reporter?.end();
  }

  async enterPassword(password: string): Promise<string | null> {
    const source = this.#source;
    if (!source?.playbackId) return 'unavailable';
    const { token, code } = await askPass(source, password, this.#pass ?? this.options.token);
    if (token !== null) this.#goOn(source, token);
    return code;
  }

  /** What a pass was for may have changed; and whether this page may show the stream, the server may not know yet. */
  async #onRefused(): Promise<void> {
    const source = this.#source;
    const { refusal } = this;
    if (!refusal || !source?.playbackId) return;
    if (this.#pass && refusal !== 'country') {
      this.#introduced = false;
      this.#goOn(source, null);
    } else if (refusal === 'domain' && source.root && !this.#introduced) {
      this.#introduced = true;
      // Other pages are known to the server by what their browser says of them.
      if (new URL(source.root).origin !== location.origin) return;
      const { token, code } = await askPass(source, null, this.options.token);
      if (token !== null) this.#goOn(source, token);
      else if (code === 'password_required') this.#session?.refuse('password');
    }
  }

  /** Begins anew with what the server has given, or without. */
  #goOn(source: Source, token: string | null): void {
    if (!this.isConnected || this.#source !== source) return;
    this.#pass = token;
    keepPass(source, token);
    this.#stop();
    this.#start();
  }

  readonly #onLeave = (): void => this.#reporter?.end();

  /** `only-while-seen`: what was paused so goes on when it is seen again, and only that. */
  readonly #onSeen = (): void => {
    if (!this.options.onlyWhileSeen) return;
    const seen = this.#seen && !document.hidden;
    if (!seen && !this.media.paused) {
      this.#pausedUnseen = true;
      this.media.pause();
    } else if (seen && this.#pausedUnseen) {
      this.#pausedUnseen = false;
      this.play();
    }
  };

  #tell<N extends PlayerEventName>(name: N, detail: PlayerEvents[N]): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
    const { root, playbackId } = this.#source ?? {};
    if (root && playbackId && this.#reporter) sendBeacon(root, playbackId, this.#reporter.playId, name, detail);
    const { gtag } = globalThis as { gtag?: (...values: unknown[]) => void };
    if (this.options.ga && name !== 'statechange')
      gtag?.('event', `liveapi_${name}`, { playback_id: playbackId, ...detail });
  }

  #show(): void {
    const { media, state } = this;
    const paused = media.paused;
    // Only a change is written: every page that styles or observes by it pays for each write.
    if (this.dataset.state !== state) this.dataset.state = state;
    this.#presence?.run(state === 'playing' && !paused);
    this.toggleAttribute('data-paused', paused);
    this.toggleAttribute('data-edge', this.atLiveEdge);
    this.toggleAttribute('data-recording', this.isRecording);
    // Offered once: who has had sound and turned it off knows where the button is.
    if (!media.muted) this.#soundOffered = false;
    this.toggleAttribute('data-offer-sound', this.#soundOffered && !paused && state === 'playing');
    const latencyS = this.latency;
    const now = performance.now();
    if (latencyS === null) delete this.dataset.latency;
    else if (now - this.#latencyAt >= 1000 || this.dataset.latency === undefined) {
      this.#latencyAt = now;
      this.dataset.latency = latencyS.toFixed(2);
    }
    this.#showShell();
    this.#reporter?.note({ state, refusal: this.refusal, paused, latencyS });
  }
}

/** Above the control bar, where a caption does not say itself where it stands. */
function liftCaptions({ target }: Event): void {
  for (const cue of (target as TextTrack).activeCues ?? []) {
    if (cue instanceof VTTCue && cue.line === 'auto') cue.line = -4;
  }
}

/** Captions belong to the video, which stands outside of the shadow tree: their look is the tree's around it. */
const captions = new WeakSet<Document | ShadowRoot>();
function styleCaptions(tree: Document | ShadowRoot): void {
  if (captions.has(tree)) return;
  captions.add(tree);
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(
    'liveapi-player > video::cue { color: var(--liveapi-cue-color); font-size: var(--liveapi-cue-size); }',
  );
  tree.adoptedStyleSheets = [...tree.adoptedStyleSheets, sheet];
}

declare global {
  interface HTMLElementTagNameMap {
    'liveapi-player': LiveapiPlayer;
  }
}
