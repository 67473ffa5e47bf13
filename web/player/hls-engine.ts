import Hls, { type ErrorData, type LevelDetails } from 'hls.js/light';
import type { Engine, EngineEnd, OnEngineEnd } from './engine.ts';

const repairAgainMs = 5_000;
const holdAtMostMs = 4_000;
const unplayable = new Set<string>([
  Hls.ErrorDetails?.MANIFEST_INCOMPATIBLE_CODECS_ERROR,
  Hls.ErrorDetails?.BUFFER_INCOMPATIBLE_CODECS_ERROR,
  Hls.ErrorDetails?.BUFFER_ADD_CODEC_ERROR,
]);

/**
 * True where hls.js can work. It is asked before `canPlayType`: Chromium answers that with "maybe" and then does not hold the
 * live edge.
 */
export const hlsEngineWorks = (): boolean => Hls.isSupported();

/** Plays `url` through hls.js, by Media Source Extensions or Managed Media Source. */
export class HlsEngine implements Engine {
  readonly #hls: Hls;
  readonly #media: HTMLMediaElement;
  readonly #onEnd: OnEngineEnd;
  #details: LevelDetails | null = null;
  #advancedAt = performance.now();
  #repairedAt = Number.NEGATIVE_INFINITY;
  #release: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(media: HTMLMediaElement, url: string, onEnd: OnEngineEnd) {
    this.#media = media;
    this.#onEnd = onEnd;
    this.#hls = new Hls({
      // Fragmented MP4 passes through untouched, so a worker would cost 40 kB and save nothing.
      enableWorker: false,
      lowLatencyMode: true,
      maxLiveSyncPlaybackRate: 1.5,
      // One part: a single stall must not cost a viewer a second of latency for the rest of the evening.
      liveSyncOnStallIncrease: 0.35,
      liveDurationInfinity: true,
      // No backBufferLength: when hls.js 1.7 itself removes what was played, it now and then forgets to load the next
      // segment's parts, and the picture stands still for seconds. The browser evicts what it has no room for.
      maxBufferLength: 20,
      preferManagedMediaSource: false,
      // A playlist that cannot be had is this session's matter: it knows how to wait for one.
      manifestLoadPolicy: { default: policy(10_000, 1) },
      playlistLoadPolicy: { default: policy(10_000, 3) },
      fragLoadPolicy: { default: policy(10_000, 4) },
    });
    this.#hls.on(Hls.Events.LEVEL_LOADED, (_, data) => this.#onPlaylist(data.details));
    this.#hls.on(Hls.Events.ERROR, (_, data) => this.#onError(data));
    this.#hls.on(Hls.Events.MEDIA_ATTACHED, () => allowAirPlay(media, url));
    this.#hls.loadSource(url);
    this.#hls.attachMedia(media);
  }

  get latencyS(): number | null {
    return this.#details && this.#hls.latency > 0 ? this.#hls.latency : null;
  }

  get behindS(): number {
    const sync = this.#hls.liveSyncPosition;
    return sync === null || this.over ? 0 : Math.max(0, sync - this.#media.currentTime);
  }

  get over(): boolean {
    return this.#details !== null && !this.#details.live;
  }

  get quiet(): boolean {
    if (!this.#details) return false;
    const usualMs = 1000 * (this.#details.partTarget || this.#details.targetduration);
    return performance.now() - this.#advancedAt > Math.max(2_000, 2 * usualMs);
  }

  goLive(): void {
    const sync = this.#hls.liveSyncPosition;
    if (sync !== null) this.#media.currentTime = sync;
  }

  hold(): void {
    if (this.#release !== undefined) return;
    this.#media.playbackRate = 0;
    let goneOnAt = 0;
    this.#release = setInterval(() => {
      const { buffered, currentTime } = this.#media;
      const aheadS = buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0;
      if (!this.quiet) goneOnAt ||= performance.now();
      const waitedMs = goneOnAt && performance.now() - goneOnAt;
      if (this.over || aheadS >= 0.75 * (this.#hls.targetLatency ?? 1) || waitedMs > holdAtMostMs) this.#letGo();
    }, 100);
  }

  #letGo(): void {
    clearInterval(this.#release);
    this.#release = undefined;
    this.#media.playbackRate = 1;
  }

  suspend(): void {
    this.#hls.stopLoad();
  }

  close(): void {
    this.#closed = true;
    if (this.#release !== undefined) this.#letGo();
    this.#hls.destroy();
  }

  #onPlaylist(details: LevelDetails): void {
    const before = this.#details;
    this.#details = details;
    if (!before || details.lastPartSn !== before.lastPartSn || details.lastPartIndex !== before.lastPartIndex) {
      this.#advancedAt = performance.now();
    }
    // Nothing in common with what was known: hls.js would guess where the new segments belong on the old time line.
    if (before && (details.startSN > before.endSN + 1 || details.endSN < before.startSN)) this.#end('moved');
  }

  #onError(error: ErrorData): void {
    if (!error.fatal || this.#closed) return;
    const now = performance.now();
    if (unplayable.has(error.details)) this.#end('unplayable');
    else if (error.type !== Hls.ErrorTypes.MEDIA_ERROR) this.#end('lost');
    else if (now - this.#repairedAt < repairAgainMs) this.#end('broken');
    else {
      this.#repairedAt = now;
      this.#hls.recoverMediaError();
    }
  }

  /** Later, because hls.js must not be destroyed from within one of its own events. */
  #end(end: EngineEnd): void {
    if (this.#closed) return;
    this.#closed = true;
    queueMicrotask(() => this.#onEnd(end));
  }
}

function policy(firstByteMs: number, retries: number) {
  const retry = { maxNumRetry: retries, retryDelayMs: 500, maxRetryDelayMs: 2_000 };
  return { maxTimeToFirstByteMs: firstByteMs, maxLoadTimeMs: 20_000, timeoutRetry: retry, errorRetry: retry };
}

/** Managed Media Source alone cannot go to an AirPlay receiver; beside it the element may name the stream as a second source. */
function allowAirPlay(media: HTMLMediaElement, url: string): void {
  if (!media.querySelector('source')) return;
  media.disableRemotePlayback = false;
  const source = document.createElement('source');
  source.type = 'application/vnd.apple.mpegurl';
  source.src = url;
  media.append(source);
}
