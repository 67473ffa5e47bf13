import './publish.css';
import { Capture, type Choice, type PictureSource } from './capture.ts';
import { Link, type LinkState } from './link.ts';
import { readPictures } from './pictures.ts';
import { Sender } from './sender.ts';
import { lookAtSupport, QUALITIES, type Support } from './support.ts';
import { buildView, showDevices, type View } from './view.ts';

export interface PublisherOptions {
  /** The WebSocket of the server: `wss://…/publish`. */
  readonly publishUrl: string;
  /** The ingest key with its password; empty: the user is asked for it. */
  readonly key: string;
}

export interface MountedPublisher {
  /** Stops what is on air, gives the devices back and takes the elements away. */
  destroy(): void;
}

const STATS_MS = 1000;
const SILENT_DB = -60;

/**
 * Puts all that is needed to go live from this browser into `element`: devices, preview, level meter, start and stop. The element's
 * `data-state` says how it stands: `unable`, `idle`, `preview`, `connecting`, `live`, `waiting` (for the next attempt) or `refused`.
 */
export function mountPublisher(element: HTMLElement, options: PublisherOptions): MountedPublisher {
  const publisher = new MountedPage(element, options);
  return { destroy: () => publisher.destroy() };
}

class MountedPage {
  readonly #element: HTMLElement;
  readonly #options: PublisherOptions;
  readonly #view: View;
  #support: Support | null = null;
  #capture: Capture | null = null;
  #stopPictures = () => {};
  #link: Link | null = null;
  #sender: Sender | null = null;
  #stats = 0;
  /** Keeps a phone's screen from going dark, which would end the picture. */
  #awake: Promise<WakeLockSentinel | null> | null = null;
  #peak = 0;
  #destroyed = false;
  /** Choices made while the browser asked for the ones before are void. */
  #turn = 0;

  constructor(element: HTMLElement, options: PublisherOptions) {
    this.#element = element;
    this.#options = options;
    this.#view = buildView(options.key === '', QUALITIES);
    element.replaceChildren(this.#view.root);
    const { preview, start, stop, form } = this.#view;
    preview.addEventListener('click', () => void this.#preview());
    start.addEventListener('click', () => this.#goLive());
    stop.addEventListener('click', () => this.#stopLive());
    form.addEventListener('submit', (event) => event.preventDefault());
    form.addEventListener('change', ({ target }) => {
      if (this.#capture && target !== this.#view.key) void this.#preview();
      else this.#showChoice();
    });
    window.addEventListener('beforeunload', this.#askBeforeLeaving);
    void this.#look();
  }

  destroy(): void {
    this.#destroyed = true;
    window.removeEventListener('beforeunload', this.#askBeforeLeaving);
    this.#stopLive();
    this.#release();
    this.#element.replaceChildren();
  }

  async #look(): Promise<void> {
    const support = await lookAtSupport();
    if (this.#destroyed) return;
    this.#support = support;
    const { notes, picture } = this.#view;
    notes.replaceChildren(
      ...support.notes.map((note) => Object.assign(document.createElement('li'), { textContent: note })),
    );
    if (support.problem !== null) {
      this.#show('unable', support.problem, true);
      return;
    }
    if (!support.picture) {
      picture.value = 'none';
      picture.disabled = true;
    }
    this.#show('idle', 'Nobody sees you yet.');
    await this.#listDevices();
    this.#showChoice();
  }

  async #listDevices(): Promise<void> {
    showDevices(this.#view, await navigator.mediaDevices.enumerateDevices().catch(() => []));
  }

  #showChoice(): void {
    const { picture, camera } = this.#view;
    camera.closest('label')!.hidden = picture.value !== 'camera';
  }

  #choice(): Choice {
    const { picture, camera, microphone } = this.#view;
    const { width, height } = this.#quality;
    const sound = microphone.value === 'none' || !this.#support?.audio ? null : microphone.value;
    return { picture: picture.value as PictureSource, camera: camera.value, microphone: sound, width, height };
  }

  get #quality() {
    return QUALITIES[Number(this.#view.quality.value)]!;
  }

  async #preview(): Promise<void> {
    const turn = ++this.#turn;
    this.#showChoice();
    this.#release();
    const choice = this.#choice();
    if (choice.picture === 'none' && choice.microphone === null) {
      this.#show('idle', 'Choose a picture, a microphone or both.', true);
      return;
    }
    try {
      const capture = await Capture.start(choice);
      if (turn !== this.#turn || this.#destroyed) {
        capture.stop();
        return;
      }
      await this.#take(capture);
    } catch (error) {
      if (turn === this.#turn) this.#show('idle', explain(error), true);
    }
  }

  async #take(capture: Capture): Promise<void> {
    this.#capture = capture;
    const { video, meter } = this.#view;
    meter.closest('label')!.hidden = !capture.hasSound;
    capture.onSound = (block) => {
      for (const sample of block) if (Math.abs(sample) > this.#peak) this.#peak = Math.abs(sample);
      this.#sender?.sound(block as Float32Array<ArrayBuffer>);
    };
    capture.onEnd = () => {
      this.#stopLive();
      this.#release();
      this.#show('idle', 'The picture was ended.');
    };
    video.hidden = capture.video === null;
    if (capture.video) {
      video.srcObject = new MediaStream([capture.video]);
      await video.play().catch(() => {});
      this.#stopPictures = readPictures(capture.video, video, (picture) => {
        if (this.#sender) this.#sender.picture(picture);
        else picture.close();
      });
    }
    this.#stats = window.setInterval(() => this.#showStats(), STATS_MS / 10);
    // Only now do browsers tell their names.
    await this.#listDevices();
    this.#show('preview', 'Nobody sees you yet.');
  }

  #goLive(): void {
    const key = this.#options.key || this.#view.key.value.trim();
    if (key === '') {
      this.#show('preview', 'Enter the stream key first.', true);
      this.#view.key.focus();
      return;
    }
    const link = new Link(this.#options.publishUrl, key, { state: (state, message) => this.#onLink(state, message) });
    this.#link = link;
    this.#sender = new Sender(link, this.#quality, this.#capture?.hasSound ? this.#support!.audio : null, (message) => {
      this.#stopLive();
      this.#show('preview', message, true);
    });
  }

  #onLink(state: LinkState, message: string): void {
    if (state === 'closed') return;
    if (state === 'live') {
      this.#sender?.begin();
      this.#awake ??= navigator.wakeLock?.request('screen').catch(() => null) ?? null;
    }
    if (state === 'refused') this.#stopLive();
    this.#show(state, message, state === 'refused' || state === 'waiting');
  }

  #stopLive(): void {
    if (!this.#link) return;
    this.#link.close();
    this.#sender?.close();
    this.#link = this.#sender = null;
    void this.#awake?.then((lock) => lock?.release());
    this.#awake = null;
    this.#show(this.#capture ? 'preview' : 'idle', 'You are off the air.');
  }

  #release(): void {
    window.clearInterval(this.#stats);
    this.#stopPictures();
    this.#stopPictures = () => {};
    this.#capture?.stop();
    this.#capture = null;
    this.#view.video.srcObject = null;
    this.#view.video.hidden = true;
  }

  readonly #askBeforeLeaving = (event: BeforeUnloadEvent): void => {
    if (this.#link) event.preventDefault();
  };

  #before = { atMs: 0, bytes: 0, pictures: 0 };

  /** The level ten times a second, the numbers once. */
  #showStats(): void {
    const { meter, bitrate, frameRate, dropped } = this.#view;
    meter.value = Math.max(SILENT_DB, 20 * Math.log10(this.#peak || 1e-6)) - SILENT_DB;
    this.#peak = 0;
    const nowMs = performance.now();
    const seconds = (nowMs - this.#before.atMs) / 1000;
    if (seconds < STATS_MS / 1000) return;
    const { bytes, pictures, dropped: left } = this.#sender?.counts ?? { bytes: 0, pictures: 0, dropped: 0 };
    const since = (now: number, before: number) => Math.max(0, now - before) / seconds;
    bitrate.textContent = `${Math.round((since(bytes, this.#before.bytes) * 8) / 1000)} kbit/s`;
    frameRate.textContent = `${Math.round(since(pictures, this.#before.pictures))} a second`;
    dropped.textContent = String(left);
    this.#before = { atMs: nowMs, bytes, pictures };
  }

  #show(state: string, message: string, wrong = false): void {
    const { status, preview, start, stop, fields, numbers } = this.#view;
    const onAir = state === 'live' || state === 'connecting' || state === 'waiting';
    this.#element.dataset.state = state;
    status.textContent = message;
    status.classList.toggle('publish-wrong', wrong);
    fields.disabled = state === 'unable';
    fields.hidden = onAir;
    preview.hidden = onAir || this.#capture !== null;
    preview.disabled = state === 'unable';
    start.hidden = onAir || this.#capture === null;
    stop.hidden = !onAir;
    numbers.hidden = !onAir;
  }
}

/** What a browser says when it gives no device, in words. */
function explain(error: unknown): string {
  const { name, message } = error as DOMException;
  if (name === 'NotAllowedError')
    return 'The browser was not allowed to use it: allow camera and microphone for this page in the address bar, then try again.';
  if (name === 'NotFoundError' || name === 'OverconstrainedError')
    return 'There is no such camera or microphone: plug it in, or choose another one.';
  if (name === 'NotReadableError')
    return 'Another program uses the camera or the microphone: close that, then try again.';
  return `That did not work: ${message}`;
}
