import { type Logger, monotonicMs } from '../../base/index.ts';
import { maskUrl, pullUrls } from '../../contract/index.ts';
import type { LiveRegistry, PullErrorCode, PullSource, PullState, PullStatus, PullTarget } from '../../live/index.ts';
import { Attempt, type AttemptEnd } from './attempt.ts';
import type { PullTimings } from './pull-timings.ts';
import { RateMeter } from './rate-meter.ts';
import { isScheduled, nextScheduled } from './schedule.ts';
import type { MakeSource, SourceContext, SourceEnd } from './source.ts';
import { withoutLoops } from './without-loops.ts';

const IDLE_S = 30;
const SECOND_MS = 1000;
/** An encoder feeds the live stream. */
const STAND_BY: ReadonlySet<string> = new Set(['gave_way', 'taken_over', 'busy']);
/** The live stream is not to be fed any more. */
const STOP: ReadonlySet<string> = new Set(['disabled', 'deleted', 'shutdown']);

export interface PullContext {
  readonly source: PullSource;
  readonly registry: LiveRegistry;
  readonly makeSource: MakeSource;
  readonly sources: Omit<SourceContext, 'log'>;
  readonly timings: PullTimings;
  /** Who watches what plays under this id. */
  audience(playbackId: string): number;
  readonly log: Logger;
}

/** What one live stream is fed from a URL: connects, tries again, turns to the next URL, and waits for its time or its viewers. */
export class Pull {
  readonly liveStreamId: string;
  readonly #context: PullContext;
  readonly #log: Logger;
  #target: PullTarget;
  #urls: readonly string[];
  #state: PullState = 'waiting';
  #sinceMs = Date.now();
  #index = 0;
  /** Attempts of this round, and how many of them were told never to come again. */
  #tried = 0;
  #permanent = 0;
  #round = 0;
  #attempt: Attempt | null = null;
  #protocol: PullStatus['protocol'] = null;
  #lastError: PullStatus['lastError'] = null;
  #connectedSinceMs: number | null = null;
  /** When it is to be tried next, by `monotonicMs`. */
  #nextMs = 0;
  /** When somebody last wanted to watch. */
  #wantedMs = Number.NEGATIVE_INFINITY;
  #lookedMs = 0;
  #due = false;
  #leased = false;
  #released = Promise.resolve();
  /** Rises when what is under way is not to go on. */
  #turn = 0;
  readonly #meter = new RateMeter();
  readonly #waiters = new Set<(online: boolean) => void>();

  /** Connects `delayMs` from now at the soonest. */
  constructor(target: PullTarget, context: PullContext, delayMs: number) {
    this.#target = target;
    this.#urls = pullUrls(target.pullingMode);
    this.#context = context;
    this.liveStreamId = target.authorisation.liveStreamId;
    this.#log = context.log.child({ liveStream: this.liveStreamId });
    this.#nextMs = monotonicMs() + delayMs;
  }

  get playbackId(): string {
    return this.#target.authorisation.playbackId;
  }

  get state(): PullState {
    return this.#state;
  }

  get onDemand(): boolean {
    return this.#target.pullingMode.start === 'on_demand';
  }

  status(): PullStatus {
    const now = monotonicMs();
    const url = this.#urls[this.#index];
    const scheduled = this.#state === 'waiting' && this.#target.pullingMode.start === 'schedule';
    const retries = this.#state === 'retrying' || this.#state === 'refused';
    return {
      state: this.#state,
      sinceMs: this.#sinceMs,
      severity: this.#state === 'retrying' ? 'retrying' : this.#state === 'refused' ? 'gave_up' : null,
      urlIndex: this.#index,
      url: url === undefined ? null : maskUrl(url).replace(/[?#].*$/s, ''),
      protocol: this.#protocol,
      attempt: this.#round,
      nextRetryMs: scheduled
        ? nextScheduled(this.#target.pullingMode.schedule ?? [], Date.now())
        : retries
          ? Math.round(Date.now() + Math.max(0, this.#nextMs - now))
          : null,
      lastError: this.#lastError,
      bitrate: this.#state === 'online' ? this.#meter.kbps(now) : 0,
      bytesReceived: this.#meter.total,
      connectedSinceMs: this.#connectedSinceMs,
    };
  }

  /** Its settings as they are now. What is online goes on unless its own URL is no longer the one. */
  apply(target: PullTarget): void {
    const before = this.#urls;
    this.#target = target;
    this.#urls = pullUrls(target.pullingMode);
    this.#lookedMs = 0;
    const current = before[this.#index];
    if (this.#attempt && this.#urls[this.#index] === current) return;
    if (this.#attempt) this.#attempt.close('reconfigured');
    else if (JSON.stringify(before) === JSON.stringify(this.#urls)) return;
    this.#turn++;
    this.#beginRound(0);
    this.#lastError = null;
    this.#enter('waiting');
    this.tick(monotonicMs());
  }

  /** Somebody wants to watch: resolves when it plays, or does not. */
  wanted(): Promise<boolean> {
    this.#wantedMs = monotonicMs();
    this.#lookedMs = 0;
    const answer = new Promise<boolean>((resolve) => this.#waiters.add(resolve));
    this.tick(this.#wantedMs);
    return answer;
  }

  /** Those who wait for it wait no longer. */
  giveUpWaiters(online: boolean): void {
    for (const resolve of this.#waiters) resolve(online);
    this.#waiters.clear();
  }

  /** The lease may have gone to another server while the database was away: asks for it anew. */
  renew(): void {
    this.#leased = false;
    if (!this.#attempt) return;
    const turn = this.#turn;
    this.#context.source.acquirePull(this.liveStreamId).then(
      (ours) => {
        if (turn !== this.#turn) return;
        this.#leased = ours;
        if (ours) return;
        this.#attempt?.close('reconfigured');
        this.#wait(this.#context.timings.leaseMs);
      },
      () => {}, // asked again with the next attempt
    );
  }

  /** Ends it, and gives the lease back. */
  async stop(reason: 'disabled' | 'shutdown'): Promise<void> {
    this.#turn++;
    this.#enter('off');
    this.#attempt?.close(reason);
    this.giveUpWaiters(false);
    await this.#release();
  }

  /** Looks at the clock; called a few times a second. */
  tick(nowMs: number): void {
    if (this.#state === 'off') return;
    if (nowMs - this.#lookedMs >= SECOND_MS) {
      this.#lookedMs = nowMs;
      this.#due = this.#isDue(nowMs);
    }
    if (!this.#due) {
      if (this.#state !== 'waiting') this.#rest();
      return;
    }
    if (this.#attempt) this.#attempt.tick(nowMs);
    else if (this.#state === 'standby') {
      if (!this.#context.registry.isOnline(this.liveStreamId)) void this.#connect();
    } else if (this.#state !== 'connecting' && nowMs >= this.#nextMs) void this.#connect();
  }

  #isDue(nowMs: number): boolean {
    const { start = 'always', stop_after_idle_s: idleS = IDLE_S, schedule = [] } = this.#target.pullingMode;
    if (start === 'always') return true;
    if (start === 'schedule') return isScheduled(schedule, Date.now());
    if (this.#context.audience(this.playbackId) > 0) this.#wantedMs = nowMs;
    return nowMs - this.#wantedMs < idleS * SECOND_MS;
  }

  /** Nobody watches any more, or its time is over. */
  #rest(): void {
    this.#turn++;
    this.#enter('waiting');
    this.#attempt?.close(this.onDemand ? 'idle' : 'unscheduled');
    this.#beginRound(0);
    this.giveUpWaiters(false);
    void this.#release();
  }

  async #connect(): Promise<void> {
    const { source, registry, timings } = this.#context;
    const turn = ++this.#turn;
    if (this.#state !== 'connecting') this.#enter('connecting');
    // Before the right to publish is asked for: a stop from here on makes it void.
    const ticket = registry.ticket();
    let target: PullTarget | null = null;
    let leased = false;
    try {
      target = await source.pull(this.liveStreamId);
      leased = target !== null && (this.#leased || (await source.acquirePull(this.liveStreamId)));
    } catch (error) {
      this.#log.warn({ err: error }, 'pull could not be read');
      if (turn !== this.#turn) return;
      // No other URL would help.
      this.#tried = this.#urls.length;
      this.#failed(UNREADABLE, 0);
      return;
    }
    if (turn !== this.#turn) {
      // It was stopped meanwhile, and the lease with it.
      if (leased && (this.#state === 'off' || this.#state === 'waiting'))
        void source.releasePull(this.liveStreamId).catch(() => {});
      return;
    }
    if (!target) return void this.stop('disabled');
    this.#leased = leased;
    this.#target = target;
    const urls = pullUrls(target.pullingMode);
    if (urls[this.#index] !== this.#urls[this.#index]) this.#index = 0;
    this.#urls = urls;
    if (!leased) return this.#wait(timings.leaseMs);
    if (registry.isOnline(this.liveStreamId)) return this.#standBy();
    if (this.#tried === 0) this.#round++;
    const url = urls[this.#index]!;
    const attempt: Attempt = new Attempt({
      url,
      makeSource: this.#context.makeSource,
      context: { outbound: withoutLoops(this.#context.sources.outbound, this.playbackId), log: this.#log },
      registry,
      authorisation: target.authorisation,
      ticket,
      log: this.#log,
      yields: () => this.#target.pullingMode.encoder !== 'refused',
      firstFrameMs: timings.firstFrameMs,
      silenceMs: () => (this.#urls.length > 1 ? timings.failoverMs : timings.silenceMs),
      progress: (bytes) => this.#meter.add(bytes, monotonicMs()),
      online: () => this.#online(attempt),
      ended: (end) => this.#ended(attempt, end),
    });
    this.#attempt = attempt;
    this.#log.info({ host: attempt.remoteAddress, url: this.#index, round: this.#round }, 'pull connects');
    attempt.start();
  }

  #online(attempt: Attempt): void {
    this.#protocol = attempt.protocol;
    this.#connectedSinceMs = Date.now();
    this.#enter('online');
    this.#log.info({ host: attempt.remoteAddress, protocol: attempt.protocol, url: this.#index }, 'pull online');
    this.giveUpWaiters(true);
  }

  #ended(attempt: Attempt, end: AttemptEnd): void {
    if (this.#attempt === attempt) this.#attempt = null;
    this.#protocol = attempt.protocol;
    this.#connectedSinceMs = null;
    this.#meter.reset();
    const onlineMs = attempt.onlineSinceMs === null ? 0 : monotonicMs() - attempt.onlineSinceMs;
    const reason = end.by === 'source' ? end.end.code : end.reason;
    this.#log.info({ host: attempt.remoteAddress, reason, onlineMs: Math.round(onlineMs) }, 'pull connection closed');
    if (end.by === 'source') this.#failed(end.end, onlineMs);
    else if (this.#state !== 'off' && STAND_BY.has(end.reason)) this.#standBy();
    else if (this.#state !== 'off' && STOP.has(end.reason)) void this.stop('disabled');
    // What else we close it for is decided there.
  }

  #failed({ code, message, permanent }: SourceEnd, onlineMs: number): void {
    const { timings } = this.#context;
    this.#lastError = { code, message, atMs: Date.now() };
    if (onlineMs >= timings.successMs) this.#round = 0;
    const wasAt = this.#index;
    if (onlineMs >= timings.provenMs) this.#beginRound(this.#round);
    this.#tried++;
    if (permanent) this.#permanent++;
    if (this.#tried < this.#urls.length) {
      // Back to the first one, unless it is that which has just gone.
      this.#index = onlineMs >= timings.provenMs && wasAt > 0 ? 0 : (wasAt + 1) % this.#urls.length;
      this.#enter('connecting');
      void this.#connect();
      return;
    }
    const refused = this.#permanent >= this.#urls.length;
    const longestMs = Math.min(timings.maxRetryMs, timings.retryMs * 2 ** Math.max(0, this.#round - 1));
    const waitMs = refused ? timings.refusedMs : Math.random() * longestMs;
    this.#beginRound(this.#round);
    this.#nextMs = monotonicMs() + waitMs;
    this.#enter(refused ? 'refused' : 'retrying');
    this.#log.info({ code, waitMs: Math.round(waitMs), round: this.#round }, 'pull waits before it tries again');
    this.giveUpWaiters(false);
  }

  #standBy(): void {
    this.#beginRound(0);
    this.#enter('standby');
    this.giveUpWaiters(true);
  }

  #wait(ms: number): void {
    this.#beginRound(0);
    this.#nextMs = monotonicMs() + ms;
    this.#enter('waiting');
    this.giveUpWaiters(false);
  }

  /** The next attempt is the first one of a round, at the first URL. */
  #beginRound(rounds: number): void {
    this.#round = rounds;
    this.#index = 0;
    this.#tried = 0;
    this.#permanent = 0;
    this.#nextMs = 0;
  }

  #enter(state: PullState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#sinceMs = Date.now();
  }

  /** Gives the lease back, if it is ours; resolves when no such call is under way any more. */
  #release(): Promise<void> {
    if (!this.#leased) return this.#released;
    this.#leased = false;
    this.#released = this.#context.source.releasePull(this.liveStreamId).catch((error: unknown) => {
      this.#log.warn({ err: error }, 'the lease of a pull could not be given back');
    });
    return this.#released;
  }
}

const UNREADABLE: SourceEnd = {
  code: 'store_unavailable' satisfies PullErrorCode,
  message: 'What to pull could not be read from the database.',
  permanent: false,
};
