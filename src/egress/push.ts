import type { Socket } from 'node:net';
import { type Logger, monotonicMs } from '../base/index.ts';
import type { Broadcast, PlatformEnd, PlatformState, PlatformStatus, PlatformTarget } from '../live/index.ts';
import type { Outbound } from '../outbound/index.ts';
import type { FeedCursor, FeedForm, FeedSource, Metadata } from './feed.ts';
import { type PushAddress, pushAddress } from './push-address.ts';
import { PushConnection } from './push-connection.ts';
import { connectFailure, type PushErrorCode, type PushFailure, pushFailure } from './push-failure.ts';
import { type PushTimings, retryDelayMs } from './push-timings.ts';
import { viaMetadata } from './via-metadata.ts';

export interface PushOptions {
  readonly broadcast: Broadcast;
  readonly target: PlatformTarget;
  readonly feeds: FeedSource;
  readonly connectTcp: Outbound['connectTcp'];
  readonly timings: PushTimings;
  readonly log: Logger;
}

const FORMS: Record<PlatformTarget['audio'], FeedForm> = { keep: 'rtmp', mute: 'rtmp_mute', silence: 'rtmp_silence' };
/** As the API calls them. */
const CODEC_NAMES = { avc: 'h264', aac: 'aac', opus: 'opus' };
/** The bit rate is that of the last so many ticks. */
const RATE_TICKS = 10;

/** One platform of one broadcast: connects, publishes, and comes back after every failure until it is stopped. */
export class Push {
  readonly target: PlatformTarget;
  readonly #options: PushOptions;
  readonly #log: Logger;
  /** What else held the platform's key when it began. */
  #after: Promise<unknown> = Promise.resolve();
  #state: PlatformState = 'connecting';
  #sinceMs = Date.now();
  #attempt = 0;
  #lastError: PlatformStatus['lastError'] = null;
  #nextRetryMs: number | null = null;
  #retry: NodeJS.Timeout | null = null;
  /** Its turn to connect has come, and nobody publishes: there is nothing to send. */
  #waitsForMedia = false;
  #connection: PushConnection | null = null;
  /** Its place in the feed. Behind a delay it is kept from one connection to the next, so that the delay stays what it is. */
  #cursor: FeedCursor | null = null;
  /** The broadcast is over, and what is left of it goes out. */
  #finishing: PromiseWithResolvers<void> | null = null;
  /** Rises with each attempt and at the end: what an attempt before brings is thrown away. */
  #turn = 0;
  #connectedSinceMs: number | null = null;
  #steadySinceMs = Number.NaN;
  /** The error that was told last since it was online: the same is not told again. */
  #told: PushErrorCode | null = null;
  #earlierBytes = 0;
  #earlierDropped = 0;
  #rates: { readonly atMs: number; readonly bytes: number }[] = [];

  constructor(options: PushOptions) {
    this.#options = options;
    this.target = options.target;
    const host = /^\w+:\/\/(?:[^/?#]*@)?([^/?#]*)/.exec(options.target.server)?.[1] ?? '';
    this.#log = options.log.child({ broadcast: options.broadcast.id, platform: options.target.id, host });
  }

  get state(): PlatformState {
    return this.#state;
  }

  /** Attempts that came after a failure, since the start. */
  retries = 0;

  get bytesSent(): number {
    return this.#earlierBytes + (this.#connection?.bytesSent ?? 0);
  }

  /** `after`: what still holds the platform's key. */
  start(after: Promise<unknown> = Promise.resolve()): void {
    this.#after = after;
    const turn = ++this.#turn;
    void after.then(() => (turn === this.#turn ? this.#connect() : undefined));
  }

  status(): PlatformStatus {
    const [first, last] = [this.#rates[0], this.#rates.at(-1)];
    const ms = first && last ? last.atMs - first.atMs : 0;
    return {
      platformId: this.target.id,
      state: this.#state,
      sinceMs: this.#sinceMs,
      severity: this.#state === 'refused' ? 'gave_up' : this.#isFailing() ? 'retrying' : null,
      attempt: this.#attempt,
      nextRetryMs: this.#nextRetryMs,
      lastError: this.#lastError,
      bitrate: ms > 0 ? ((last!.bytes - first!.bytes) * 8) / ms : 0,
      bytesSent: this.bytesSent,
      dropped: this.#dropped,
      connectedSinceMs: this.#connectedSinceMs,
    };
  }

  /** Looks after it, once a second: what stands still, what has been well for long enough, what waits for media. */
  tick(nowMs: number): void {
    this.#rates.push({ atMs: nowMs, bytes: this.bytesSent });
    if (this.#rates.length > RATE_TICKS + 1) this.#rates.shift();
    if (this.#waitsForMedia && this.#options.broadcast.publisher) void this.#connect();
    if (!this.#connection || this.#connectedSinceMs === null) return;
    const { stallMs, stallNoticeMs, slowMs, steadyMs } = this.#options.timings;
    const stalledMs = this.#connection.stalledMs(nowMs);
    if (stalledMs >= stallMs) this.#failed(pushFailure('stalled'));
    else if (this.#cursor && this.#cursor.droppingMs(nowMs) >= slowMs) this.#failed(pushFailure('too_slow'));
    else {
      this.#enter(stalledMs >= stallNoticeMs ? 'stalled' : 'online');
      if (nowMs - this.#steadySinceMs >= steadyMs) this.#attempt = 0;
    }
  }

  /** What a delay holds back for it, together with others of its feed; null where it has none, or nothing is held. */
  get held(): FeedCursor['held'] | null {
    return this.target.delayMs > 0 && this.#cursor ? this.#cursor.held : null;
  }

  /** What is held back for it takes too much memory: it lets go of that, and begins anew later. */
  dropHeld(): void {
    if (this.#finishing) void this.cut();
    else this.#failed(pushFailure('delay_full'));
  }

  /** Begins again at once, as if it were new. */
  restart(): void {
    const left = this.#leave('restarted');
    this.#releasePlace(false);
    this.#attempt = 0;
    this.#enter('connecting');
    this.start(Promise.all([this.#after, left]));
  }

  /** Says goodbye. After the end of the broadcast what a delay holds back still goes out. Resolves when the connection is closed. */
  async stop(reason: PlatformEnd): Promise<void> {
    const { delayMs } = this.target;
    if (reason === 'stream_ended' && this.#cursor && (delayMs > 0 || this.#connectedSinceMs !== null)) {
      this.#tellDisconnected(reason);
      this.#finishing = Promise.withResolvers();
      const limit = setTimeout(() => void this.cut(), delayMs + this.#options.timings.goodbyeMs);
      this.#connection?.finish();
      await this.#finishing.promise;
      clearTimeout(limit);
    } else {
      const left = this.#leave(reason);
      this.#closeCursor();
      await left;
    }
  }

  /** Cuts short what `stop` still lets out. */
  async cut(): Promise<void> {
    if (!this.#finishing) return;
    await this.#leave('stream_ended');
    this.#finished();
  }

  #isFailing(): boolean {
    return (
      this.#state === 'retrying' || this.#state === 'stalled' || (this.#state === 'connecting' && this.#attempt > 1)
    );
  }

  get #dropped(): number {
    return this.#earlierDropped + (this.#cursor?.dropped ?? 0);
  }

  #enter(state: PlatformState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#sinceMs = Date.now();
  }

  async #connect(): Promise<void> {
    const turn = ++this.#turn;
    const { broadcast, connectTcp, feeds, timings } = this.#options;
    const { server, key, audio, delayMs } = this.target;
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
    this.#nextRetryMs = null;
    const nothing = broadcast.publisher === null && (this.#cursor?.dueInMs() ?? null) === null;
    if (nothing && this.#finishing) return this.#finished();
    this.#waitsForMedia = nothing;
    if (nothing || this.#hasForeignCodec()) return;
    this.#enter('connecting');
    try {
      // From now on, so that nothing is missed while the connection is made.
      this.#cursor ??= feeds.open(broadcast, FORMS[audio], { onMore: () => this.#connection?.pump(), delayMs });
      const earlyMs = delayMs > 0 ? (this.#cursor.dueInMs() ?? delayMs) - timings.leadMs : 0;
      if (earlyMs > 0) {
        this.#retry = setTimeout(() => void this.#connect(), earlyMs);
        this.#retry.unref();
        return;
      }
      if (this.#attempt++ > 0) this.retries++;
      const { socket, destination } = await connectTcp(server, 'platform');
      if (turn !== this.#turn || !this.#cursor) socket.destroy();
      else this.#open(socket, pushAddress(destination, key), this.#cursor);
    } catch (error) {
      if (turn !== this.#turn) return;
      const failure = connectFailure(error);
      if (failure.code === 'internal') this.#log.error({ err: error }, 'platform: the push failed');
      this.#failed(failure);
    }
  }

  #open(socket: Socket, address: PushAddress, cursor: FeedCursor): void {
    const connection = new PushConnection({
      socket,
      address,
      cursor,
      timings: this.#options.timings,
      extraMetadata: () => this.#extraMetadata(),
      onPublished: () => this.#onPublished(),
      onConfigs: () => void this.#hasForeignCodec(),
      onFailed: (failure) => this.#failed(failure),
    });
    this.#connection = connection;
    // One that has failed is no longer ours by then.
    void connection.closed.then(() => (this.#connection === connection ? this.#finished() : undefined));
    if (this.#finishing) connection.finish();
  }

  #extraMetadata(): Metadata {
    const { broadcast } = this.#options;
    const rates = broadcast.stats()?.tracks.filter(({ bitrate }) => bitrate > 0) ?? [];
    return {
      ...Object.fromEntries(rates.map(({ kind, bitrate }) => [`${kind}datarate`, Math.round(bitrate)])),
      encoder: 'LiveAPI',
      ...viaMetadata(broadcast),
    };
  }

  #onPublished(): void {
    this.#enter('online');
    this.#connectedSinceMs = this.#sinceMs;
    this.#steadySinceMs = monotonicMs();
    this.#told = null;
    this.#log.info({ attempt: this.#attempt }, 'platform connected');
    this.#options.broadcast.tellPlatform({ kind: 'platform_connected', platformId: this.target.id });
  }

  /** Whether what is on air has a codec that the platform did not say it takes (G09): then it has failed. */
  #hasForeignCodec(): boolean {
    const { codecs, audio } = this.target;
    const tracks = this.#options.broadcast.tracks.filter(({ kind }) => kind === 'video' || audio !== 'mute');
    const foreign = tracks.find(({ codec }) => !codecs.includes(codec));
    if (foreign) this.#failed(pushFailure('codec_unsupported', CODEC_NAMES[foreign.codec]));
    return foreign !== undefined;
  }

  #failed(failure: PushFailure): void {
    const { code, message, permanent, end } = failure;
    const { broadcast, timings } = this.#options;
    void this.#leave(end);
    this.#releasePlace(permanent || code === 'delay_full');
    if (this.#finishing && !this.#cursor) {
      this.#finished();
      return;
    }
    const atMs = Date.now();
    this.#lastError = { code, message, atMs };
    this.#enter(permanent ? 'refused' : 'retrying');
    const waitMs = retryDelayMs(Math.max(1, this.#attempt), permanent, timings);
    this.#nextRetryMs = atMs + Math.round(waitMs);
    this.#retry = setTimeout(() => void this.#connect(), waitMs);
    this.#retry.unref();
    if (code === this.#told) return;
    this.#told = code;
    this.#log.warn({ code, attempt: this.#attempt, retryInMs: Math.round(waitMs) }, `platform failed: ${message}`);
    const severity = permanent ? 'gave_up' : 'retrying';
    broadcast.tellPlatform({ kind: 'platform_error', platformId: this.target.id, code, message, severity });
  }

  /** Ends the connection and what waits for one. */
  #leave(reason: PlatformEnd): Promise<void> {
    this.#turn++;
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
    this.#nextRetryMs = null;
    this.#waitsForMedia = false;
    this.#enter('offline');
    const connection = this.#connection;
    if (!connection) return Promise.resolve();
    this.#earlierBytes += connection.bytesSent;
    this.#connection = null;
    this.#tellDisconnected(reason);
    if (reason === 'stalled') connection.destroy();
    else void connection.goodbye();
    return connection.closed;
  }

  #tellDisconnected(reason: PlatformEnd): void {
    if (this.#connectedSinceMs === null) return;
    this.#connectedSinceMs = null;
    this.#log.info({ reason, bytesSent: this.bytesSent, dropped: this.#dropped }, 'platform disconnected');
    this.#options.broadcast.tellPlatform({ kind: 'platform_disconnected', platformId: this.target.id, reason });
  }

  /** The connection is gone: what a delay holds back waits for the next one, unless that is far away. */
  #releasePlace(forLong: boolean): void {
    if (this.target.delayMs > 0 && !forLong) this.#cursor?.rewind();
    else this.#closeCursor();
  }

  #closeCursor(): void {
    this.#earlierDropped = this.#dropped;
    this.#cursor?.close();
    this.#cursor = null;
  }

  /** Nothing more goes out. */
  #finished(): void {
    this.#closeCursor();
    this.#finishing?.resolve();
  }
}
