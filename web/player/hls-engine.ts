import type Hls from 'hls.js';
import type { ErrorData, Level, LevelDetails } from 'hls.js';
import type { Choice, ChoiceKind, Engine, EngineEnd, EngineWishes, OnEngineEnd } from './engine.ts';
import type { HlsLibrary } from './hls-library.ts';

const repairAgainMs = 5_000;
const holdAtMostMs = 4_000;
const catchUpRate = 1.5;
/** A live playlist that is longer than this is meant to be gone back in. */
const rewindableS = 60;
const unplayable = new Set<string>([
  'manifestIncompatibleCodecsError',
  'bufferIncompatibleCodecsError',
  'bufferAddCodecError',
]);

/** Plays `url` through hls.js, by Media Source Extensions or Managed Media Source. */
export class HlsEngine implements Engine {
  readonly #library: HlsLibrary;
  readonly #hls: Hls;
  readonly #media: HTMLMediaElement;
  readonly #onEnd: OnEngineEnd;
  #details: LevelDetails | null = null;
  #level = -1;
  #advancedAt = performance.now();
  #repairedAt = Number.NEGATIVE_INFINITY;
  #release: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(library: HlsLibrary, media: HTMLMediaElement, url: string, wishes: EngineWishes, onEnd: OnEngineEnd) {
    this.#library = library;
    this.#media = media;
    this.#onEnd = onEnd;
    const { Events } = library;
    this.#hls = new library({
      // Fragmented MP4 passes through untouched, so a worker would cost 40 kB and save nothing.
      enableWorker: false,
      lowLatencyMode: true,
      maxLiveSyncPlaybackRate: catchUpRate,
      // One part: a single stall must not cost a viewer a second of latency for the rest of the evening.
      liveSyncOnStallIncrease: 0.35,
      liveDurationInfinity: true,
      // No backBufferLength: when hls.js 1.7 itself removes what was played, it now and then forgets to load the next
      // segment's parts, and the picture stands still for seconds. The browser evicts what it has no room for.
      maxBufferLength: 20,
      preferManagedMediaSource: false,
      ...(wishes.latencyS === null ? {} : { liveSyncDuration: wishes.latencyS }),
      ...(wishes.startS === null ? {} : { startPosition: wishes.startS }),
      // A playlist that cannot be had is this session's matter: it knows how to wait for one.
      manifestLoadPolicy: { default: policy(10_000, 1) },
      playlistLoadPolicy: { default: policy(10_000, 3) },
      fragLoadPolicy: { default: policy(10_000, 4) },
    });
    this.#hls.on(Events.LEVEL_LOADED, (_, data) => this.#onPlaylist(data.details, data.level));
    this.#hls.on(Events.ERROR, (_, data) => this.#onError(data));
    this.#hls.on(Events.MEDIA_ATTACHED, () => allowAirPlay(media, url));
    this.#hls.on(Events.MANIFEST_PARSED, (_, { levels }) => {
      const wanted = wishes.bestQuality ? levels.length - 1 : wishes.videoTrack;
      if (wanted !== null && levels[wanted]) this.#hls.loadLevel = wanted;
    });
    this.#hls.on(Events.AUDIO_TRACKS_UPDATED, (_, { audioTracks }) => {
      if (wishes.audioTrack !== null && audioTracks[wishes.audioTrack]) this.#hls.audioTrack = wishes.audioTrack;
    });
    this.#hls.loadSource(url);
    this.#hls.attachMedia(media);
  }

  get latencyS(): number | null {
    return this.#details?.live && this.#hls.latency > 0 ? this.#hls.latency : null;
  }

  get behindS(): number {
    const sync = this.#hls.liveSyncPosition;
    return sync === null || this.over ? 0 : Math.max(0, sync - this.#media.currentTime);
  }

  get over(): boolean {
    return this.#details !== null && !this.#details.live;
  }

  get rewindable(): boolean {
    const details = this.#details;
    return details !== null && (details.type !== null || details.totalduration >= rewindableS);
  }

  get quiet(): boolean {
    if (!this.#details?.live) return false;
    const usualMs = 1000 * (this.#details.partTarget || this.#details.targetduration);
    return performance.now() - this.#advancedAt > Math.max(2_000, 2 * usualMs);
  }

  choice(kind: ChoiceKind): Choice {
    const hls = this.#hls;
    if (kind === 'quality') {
      return {
        labels: hls.levels.map(nameLevel),
        chosen: hls.autoLevelEnabled || hls.levels.length < 2 ? -1 : hls.loadLevel,
      };
    }
    if (kind === 'audio') return { labels: hls.audioTracks.map(nameTrack), chosen: hls.audioTrack };
    return { labels: hls.subtitleTracks.map(nameTrack), chosen: hls.subtitleDisplay ? hls.subtitleTrack : -1 };
  }

  choose(kind: ChoiceKind, index: number): void {
    if (kind === 'quality') this.#hls.nextLevel = index;
    else if (kind === 'audio') this.#hls.audioTrack = index;
    else {
      this.#hls.subtitleDisplay = index >= 0;
      this.#hls.subtitleTrack = index;
    }
  }

  leaveLive(): void {
    this.#hls.config.maxLiveSyncPlaybackRate = 1;
  }

  goLive(): void {
    this.#hls.config.maxLiveSyncPlaybackRate = catchUpRate;
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

  #onPlaylist(details: LevelDetails, level: number): void {
    // Another quality's playlist may number its segments in its own way.
    const before = level === this.#level ? this.#details : null;
    this.#level = level;
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
    else if (error.type !== this.#library.ErrorTypes.MEDIA_ERROR) this.#end('lost');
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

const nameTrack = (track: { name: string; lang?: string }, index: number): string =>
  track.name || track.lang || String(index + 1);

/** By its height, as people know it; by its bit rate where that would be the same as another's. */
function nameLevel(level: Level, _: number, levels: readonly Level[]): string {
  const twins = levels.filter(({ height }) => height === level.height);
  const rate = `${(level.bitrate / 1e6).toFixed(1)} Mbit/s`;
  if (!level.height) return rate;
  return twins.length > 1 ? `${level.height}p, ${rate}` : `${level.height}p`;
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
