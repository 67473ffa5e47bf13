import type { Choice, Engine, OnEngineEnd } from './engine.ts';

const hlsType = 'application/vnd.apple.mpegurl';
const quietAfterMs = 4_000;
const rewindableS = 60;

/** True where the browser itself plays HLS: iPhones without Managed Media Source. */
export const nativeEngineWorks = (media: HTMLMediaElement): boolean => media.canPlayType(hlsType) !== '';

/** Hands `url` to the browser. It holds the live edge by itself; what is left to do is to notice how it fares. */
export class NativeEngine implements Engine {
  readonly #media: HTMLMediaElement;
  readonly #onError: () => void;
  #edgeS = 0;
  #advancedAt = performance.now();

  constructor(media: HTMLMediaElement, url: string, onEnd: OnEngineEnd) {
    this.#media = media;
    this.#onError = () => onEnd(media.error?.code === MediaError.MEDIA_ERR_DECODE ? 'broken' : 'lost');
    media.addEventListener('error', this.#onError, { once: true });
    media.src = url;
    media.load();
  }

  get latencyS(): number | null {
    const edgeS = this.#readEdge();
    return edgeS > 0 ? edgeS - this.#media.currentTime : null;
  }

  /** The end of `seekable` is already a hold-back away from the server's edge: it is where a live viewer belongs. */
  get behindS(): number {
    return this.over ? 0 : Math.max(0, this.#readEdge() - this.#media.currentTime);
  }

  get over(): boolean {
    return Number.isFinite(this.#media.duration) && this.#media.duration > 0;
  }

  get rewindable(): boolean {
    const { seekable } = this.#media;
    return seekable.length > 0 && seekable.end(seekable.length - 1) - seekable.start(0) >= rewindableS;
  }

  get quiet(): boolean {
    if (this.over) return false;
    this.#readEdge();
    return performance.now() - this.#advancedAt > quietAfterMs;
  }

  /** Quality is the browser's own matter, and its own menu offers what else there is. */
  choice(): Choice {
    return { labels: [], chosen: -1 };
  }

  choose(): void {}

  leaveLive(): void {}

  goLive(): void {
    this.#media.currentTime = this.#readEdge();
  }

  hold(): void {}

  suspend(): void {}

  close(): void {
    this.#media.removeEventListener('error', this.#onError);
    this.#media.removeAttribute('src');
    this.#media.load();
  }

  #readEdge(): number {
    const { seekable } = this.#media;
    const edgeS = seekable.length ? seekable.end(seekable.length - 1) : 0;
    if (edgeS !== this.#edgeS) {
      this.#edgeS = edgeS;
      this.#advancedAt = performance.now();
    }
    return edgeS;
  }
}
