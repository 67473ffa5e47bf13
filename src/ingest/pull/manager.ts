import { CodedError, type Logger, monotonicMs } from '../../base/index.ts';
import { type PullingMode, pullUrls } from '../../contract/index.ts';
import type { LiveRegistry, PullProbe, PullSource, PullState, PullStatus, PullTarget } from '../../live/index.ts';
import type { Outbound } from '../../outbound/index.ts';
import { Ffmpeg } from './ffmpeg.ts';
import { checkUrl, makeSource } from './make-source.ts';
import { probe } from './probe.ts';
import { Pull, type PullContext } from './pull.ts';
import { type PullTimings, TIMINGS } from './pull-timings.ts';
import { withoutLoops } from './without-loops.ts';

export interface PullsOptions {
  readonly source: PullSource;
  readonly registry: LiveRegistry;
  readonly outbound: Outbound;
  /** How many watch what plays under this id now, over whatever protocol. */
  audience(playbackId: string): number;
  /** Processes of ffmpeg at a time: one for each RTSP or SRT source on air. */
  readonly maxFfmpeg: number;
  readonly timings?: Partial<PullTimings>;
  readonly log: Logger;
}

const TICK_MS = 100;
/** What other servers of the same database have changed is seen within this. */
const READ_MS = 10_000;
const READ_AGAIN_MS = 1000;
/** Starts of many at once are spread, so that the sources and the database are not all asked in one moment. */
const SPREAD_MS = 20;
const MAX_SPREAD_MS = 5000;
/** How long a viewer is kept waiting for a pull to begin. */
const WANTED_MS = 10_000;
/** Looks at URLs at a time, and of those that need ffmpeg. */
const MAX_TESTS = 16;
const MAX_LOOKING = 4;
const MAX_TESTS_PER_OWNER = 2;

/** All pulls of this process, by live stream. */
export class Pulls {
  readonly #options: PullsOptions;
  readonly #context: PullContext;
  readonly #ffmpeg: Ffmpeg;
  /** For looks at URLs, which take no pull's place. */
  readonly #looking: Ffmpeg;
  readonly #pulls = new Map<string, Pull>();
  readonly #byPlayback = new Map<string, Pull>();
  /** Counts the changes of each live stream that are being read: only the latest one's outcome holds. */
  readonly #reading = new Map<string, number>();
  /** URLs that are being looked at, by who asked. */
  readonly #tests = new Map<string, number>();
  #reads = 0;
  #ticker: NodeJS.Timeout | null = null;
  #readTimer: NodeJS.Timeout | undefined;
  /** All of them are being read; and a change could not be read since that began. */
  #readingAll = false;
  #missed = false;
  /** The database was away: leases may have gone to others. */
  #lost = false;
  #closed = false;

  constructor(options: PullsOptions) {
    this.#options = options;
    const { source, registry, outbound, log } = options;
    this.#ffmpeg = new Ffmpeg({ max: options.maxFfmpeg, log });
    this.#looking = new Ffmpeg({ max: MAX_LOOKING, log });
    this.#context = {
      source,
      registry,
      makeSource: (url, events, context) => makeSource(url, events, context, this.#ffmpeg),
      sources: { outbound },
      timings: { ...TIMINGS, ...options.timings },
      audience: (playbackId) => options.audience(playbackId),
      log,
    };
  }

  /** Reads what is to be pulled, as soon as that can be read, and begins. */
  start(): void {
    this.#ticker = setInterval(() => this.#tick(), TICK_MS).unref();
    void this.#readAll();
  }

  /** Something about the live stream has changed in the store: what is to be done follows at once. */
  changed(liveStreamId: string): void {
    if (!this.#closed) void this.#read(liveStreamId);
  }

  /** Null when it is not to be pulled. */
  status(liveStreamId: string): PullStatus | null {
    const pull = this.#pulls.get(liveStreamId);
    return pull && pull.state !== 'off' ? pull.status() : null;
  }

  /** The live streams that are to be pulled. */
  *liveStreams(): Generator<string> {
    for (const pull of this.#pulls.values()) if (pull.state !== 'off') yield pull.liveStreamId;
  }

  /** How many there are in each state. */
  counts(): Record<PullState, number> {
    const counts = { off: 0, waiting: 0, connecting: 0, online: 0, retrying: 0, refused: 0, standby: 0 };
    for (const { state } of this.#pulls.values()) counts[state]++;
    return counts;
  }

  /** Whether a pull would begin for somebody who wants to watch. */
  mayCome(playbackId: string): boolean {
    return this.#byPlayback.get(playbackId)?.onDemand === true;
  }

  /**
   * Somebody wants to watch what is not on air. Null when no pull would bring it; else the pull begins, and the promise says within
   * ten seconds whether it plays. Costs strangers' ids one look into a map.
   */
  wanted(playbackId: string): Promise<boolean> | null {
    const pull = this.#byPlayback.get(playbackId);
    if (!pull?.onDemand || ['online', 'standby', 'refused', 'off'].includes(pull.state)) return null;
    const late = new Promise<boolean>((resolve) => setTimeout(resolve, WANTED_MS, false).unref());
    return Promise.race([pull.wanted(), late]);
  }

  /**
   * Looks at a pulling mode that is to be kept: each URL by the outbound guard, and whether ffmpeg is there for those that need it.
   * @throws CodedError bad_request, destination_refused, naming the field
   */
  async check(mode: PullingMode): Promise<void> {
    if (!mode.enabled) return;
    const fields = pullUrls(mode).map((url) => (url === mode.url ? 'url' : `urls.${mode.urls!.indexOf(url)}`));
    await Promise.all(
      pullUrls(mode).map((url, i) =>
        checkUrl(url, this.#options.outbound, this.#ffmpeg).catch((error: unknown) => {
          if (!(error instanceof CodedError)) throw error;
          throw new CodedError(error.code, `settings.pulling_mode.${fields[i]}: ${error.message}`);
        }),
      ),
    );
  }

  /**
   * Looks at what a URL gives, for ten seconds at most, without feeding the live stream from it.
   * @throws CodedError bad_request, destination_refused as `check` does; too_many_requests when `owner` or all look at too many
   */
  async test(
    url: string,
    stream: { readonly id: string; readonly playbackId: string },
    owner: string,
  ): Promise<PullProbe> {
    const mine = this.#tests.get(owner) ?? 0;
    const all = [...this.#tests.values()].reduce((sum, count) => sum + count, 0);
    if (mine >= MAX_TESTS_PER_OWNER || all >= MAX_TESTS)
      throw new CodedError('too_many_requests', 'Other URLs are being looked at: try again in ten seconds.');
    if (this.#closed) throw new CodedError('store_unavailable', 'The server is stopping.');
    this.#tests.set(owner, mine + 1);
    const { sources, log } = this.#context;
    const makeOne: Parameters<typeof probe>[0] = (...args) => makeSource(...args, this.#looking);
    try {
      const outbound = withoutLoops(sources.outbound, stream.playbackId);
      await checkUrl(url, outbound, this.#ffmpeg);
      return await probe(makeOne, url, stream.id, { outbound, log: log.child({ liveStream: stream.id }) });
    } finally {
      const left = this.#tests.get(owner)! - 1;
      if (left > 0) this.#tests.set(owner, left);
      else this.#tests.delete(owner);
    }
  }

  /** Ends all pulls, gives their leases back, and resolves when their processes are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#ticker ?? undefined);
    clearTimeout(this.#readTimer);
    await Promise.all([...this.#pulls.values()].map((pull) => pull.stop('shutdown')));
    await Promise.all([this.#ffmpeg.close(), this.#looking.close()]);
  }

  #tick(): void {
    const now = monotonicMs();
    for (const pull of this.#pulls.values()) {
      pull.tick(now);
      if (pull.state !== 'off') continue;
      this.#forget(pull);
      // It has learned by itself that it is switched off: it may have been switched on since.
      void this.#read(pull.liveStreamId);
    }
  }

  async #readAll(): Promise<void> {
    this.#readingAll = true;
    this.#missed = false;
    const before = this.#reads;
    try {
      const targets = await this.#options.source.pulls();
      if (this.#closed) return;
      // What has been changed since then is read by itself, and newer.
      const newer = (id: string) => (this.#reading.get(id) ?? 0) > before;
      const wanted = new Set(targets.map(({ authorisation }) => authorisation.liveStreamId));
      targets.forEach((target, i) => {
        if (!newer(target.authorisation.liveStreamId)) this.#apply(target, Math.min(i * SPREAD_MS, MAX_SPREAD_MS));
      });
      for (const pull of this.#pulls.values())
        if (!wanted.has(pull.liveStreamId) && !newer(pull.liveStreamId)) this.#stop(pull);
      if (this.#lost) for (const pull of this.#pulls.values()) pull.renew();
      this.#lost = false;
      this.#reading.clear();
    } catch (error) {
      this.#missed = true;
      if (!this.#lost) this.#options.log.warn({ err: error }, 'pulls could not be read: asking again');
      this.#lost = true;
    }
    this.#readingAll = false;
    this.#readAllIn(this.#missed ? READ_AGAIN_MS : READ_MS);
  }

  /** Instead of what was arranged before: there is one such series of readings. */
  #readAllIn(ms: number): void {
    clearTimeout(this.#readTimer);
    if (!this.#closed) this.#readTimer = setTimeout(() => void this.#readAll(), ms).unref();
  }

  async #read(liveStreamId: string): Promise<void> {
    const read = ++this.#reads;
    this.#reading.set(liveStreamId, read);
    try {
      const target = await this.#options.source.pull(liveStreamId);
      if (this.#closed || (this.#reading.get(liveStreamId) ?? read) !== read) return;
      const pull = this.#pulls.get(liveStreamId);
      if (target) this.#apply(target, 0);
      else if (pull) this.#stop(pull);
    } catch (error) {
      this.#options.log.warn({ err: error, liveStream: liveStreamId }, 'a changed pull could not be read');
      // With all of them, as soon as that is possible again.
      this.#missed = true;
      if (!this.#readingAll) this.#readAllIn(READ_AGAIN_MS);
    }
  }

  #apply(target: PullTarget, delayMs: number): void {
    const { liveStreamId, playbackId } = target.authorisation;
    let pull = this.#pulls.get(liveStreamId);
    if (pull && pull.state !== 'off') {
      pull.apply(target);
      return;
    }
    pull = new Pull(target, this.#context, delayMs);
    this.#pulls.set(liveStreamId, pull);
    this.#byPlayback.set(playbackId, pull);
    pull.tick(monotonicMs());
  }

  #stop(pull: Pull): void {
    this.#forget(pull);
    void pull.stop('disabled');
  }

  #forget(pull: Pull): void {
    if (this.#pulls.get(pull.liveStreamId) !== pull) return;
    this.#pulls.delete(pull.liveStreamId);
    this.#byPlayback.delete(pull.playbackId);
  }
}
