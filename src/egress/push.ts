import type { Socket } from 'node:net';
import { type Logger, monotonicMs } from '../base/index.ts';
import {
  type Broadcast,
  type PlatformEnd,
  type PlatformState,
  type PlatformStatus,
  type PlatformTarget,
  VIA_NAME,
} from '../live/index.ts';
import type { Outbound } from '../outbound/index.ts';
import type { FeedCursor, FeedForm, FeedSource, Metadata } from './feed.ts';
import { type PushAddress, pushAddress } from './push-address.ts';
import { PushConnection } from './push-connection.ts';
import { connectFailure, type PushErrorCode, type PushFailure, pushFailure } from './push-failure.ts';
import { type PushTimings, retryDelayMs } from './push-timings.ts';

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
const CODEC_NAMES = { avc: 'h264', aac: 'aac' };
/** The bit rate is that of the last so many ticks. */
const RATE_TICKS = 10;

/** One platform of one broadcast: connects, publishes, and comes back after every failure until it is stopped. */
export class Push {
  readonly target: PlatformTarget;
  readonly #options: PushOptions;
  readonly #log: Logger;
  #state: PlatformState = 'connecting';
  #sinceMs = Date.now();
  #attempt = 0;
  #lastError: PlatformStatus['lastError'] = null;
  #nextRetryMs: number | null = null;
  #retry: NodeJS.Timeout | null = null;
  /** Its turn to connect has come, and nobody publishes: there is nothing to send. */
  #waitsForMedia = false;
  #connection: PushConnection | null = null;
  /** Lets out what its delay held back when the broadcast ended. */
  #finishing: PushConnection | null = null;
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
      dropped: this.#earlierDropped + (this.#connection?.dropped ?? 0),
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
    else if (this.#connection.droppingMs(nowMs) >= slowMs) this.#failed(pushFailure('too_slow'));
    else {
      this.#enter(stalledMs >= stallNoticeMs ? 'stalled' : 'online');
      if (nowMs - this.#steadySinceMs >= steadyMs) this.#attempt = 0;
    }
  }

  /** Begins again at once, as if it were new. */
  restart(): void {
    const left = this.#leave('restarted');
    this.#attempt = 0;
    this.#enter('connecting');
    this.start(left);
  }

  /** Says goodbye. After the end of the broadcast what a delay holds back still goes out. Resolves when the connection is closed. */
  async stop(reason: PlatformEnd): Promise<void> {
    await this.#leave(reason);
  }

  /** Cuts short what `stop` still lets out. */
  async cut(): Promise<void> {
    await this.#finishing?.goodbye();
  }

  #isFailing(): boolean {
    return (
      this.#state === 'retrying' || this.#state === 'stalled' || (this.#state === 'connecting' && this.#attempt > 1)
    );
  }

  #enter(state: PlatformState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#sinceMs = Date.now();
  }

  async #connect(): Promise<void> {
    const turn = ++this.#turn;
    const { broadcast, connectTcp, feeds } = this.#options;
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
    this.#nextRetryMs = null;
    this.#waitsForMedia = broadcast.publisher === null;
    if (this.#waitsForMedia || this.#hasForeignCodec()) return;
    if (this.#attempt++ > 0) this.retries++;
    this.#enter('connecting');
    let connection: PushConnection | null = null;
    let cursor: FeedCursor | null = null;
    try {
      const { server, key, audio, delayMs } = this.target;
      // From now on, so that nothing is missed while the connection is made.
      cursor = feeds.open(broadcast, FORMS[audio], { onMore: () => connection?.pump(), delayMs });
      const { socket, destination } = await connectTcp(server, 'platform');
      if (turn === this.#turn) {
        connection = this.#open(socket, pushAddress(destination, key), cursor);
        return;
      }
      socket.destroy();
      cursor.close();
    } catch (error) {
      cursor?.close();
      if (turn !== this.#turn) return;
      const failure = connectFailure(error);
      if (failure.code === 'internal') this.#log.error({ err: error }, 'platform: the push failed');
      this.#failed(failure);
    }
  }

  #open(socket: Socket, address: PushAddress, cursor: FeedCursor): PushConnection {
    this.#connection = new PushConnection({
      socket,
      address,
      cursor,
      timings: this.#options.timings,
      extraMetadata: () => this.#extraMetadata(),
      onPublished: () => this.#onPublished(),
      onConfigs: () => void this.#hasForeignCodec(),
      onFailed: (failure) => this.#failed(failure),
    });
    return this.#connection;
  }

  #extraMetadata(): Metadata {
    const { via, authorisation } = this.#options.broadcast;
    const rates = this.#options.broadcast.stats()?.tracks.filter(({ bitrate }) => bitrate > 0) ?? [];
    return {
      ...Object.fromEntries(rates.map(({ kind, bitrate }) => [`${kind}datarate`, Math.round(bitrate)])),
      encoder: 'LiveAPI',
      [VIA_NAME]: [...via, authorisation.liveStreamId].join(','),
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
    this.#earlierDropped += connection.dropped;
    this.#connection = null;
    if (this.#connectedSinceMs !== null) {
      this.#connectedSinceMs = null;
      this.#log.info({ reason, bytesSent: this.#earlierBytes, dropped: this.#earlierDropped }, 'platform disconnected');
      const { id: platformId } = this.target;
      this.#options.broadcast.tellPlatform({ kind: 'platform_disconnected', platformId, reason });
    }
    if (reason === 'stalled') connection.destroy();
    else if (reason === 'stream_ended') {
      this.#finishing = connection;
      connection.finish(this.target.delayMs + this.#options.timings.goodbyeMs);
    } else void connection.goodbye();
    return connection.closed;
  }
}
