import { type Logger, monotonicMs } from '../base/index.ts';
import type {
  Broadcast,
  PlatformEnd,
  PlatformSource,
  PlatformState,
  PlatformStatus,
  PlatformTarget,
} from '../live/index.ts';
import type { Outbound } from '../outbound/index.ts';
import type { FeedCursor, FeedSource } from './feed.ts';
import { Push } from './push.ts';
import { PUSH_TIMINGS, type PushTimings } from './push-timings.ts';

export interface PushesOptions {
  readonly source: PlatformSource;
  readonly feeds: FeedSource;
  readonly connectTcp: Outbound['connectTcp'];
  /** What delays may hold in memory, all together. */
  readonly maxDelayBytes: number;
  readonly log: Logger;
  readonly timings?: Partial<PushTimings>;
}

export interface PushTotals {
  /** How many pushes there are in each state now. */
  readonly states: Readonly<Record<PlatformState, number>>;
  /** Sums since the start. */
  readonly bytesSent: number;
  readonly retries: number;
  /** What delays hold in memory now. */
  readonly delayBytes: number;
}

/** The pushes of one broadcast. */
interface Pushed {
  readonly broadcast: Broadcast;
  readonly pushes: Map<string, Push>;
  /** The pushes of the live stream's broadcast before are gone. */
  readonly before: Promise<unknown>;
  /** The platforms are being read; `again`: they have changed meanwhile. */
  loading: boolean;
  again: boolean;
}

/** All pushes to platforms: one for each enabled platform of each live stream on air. */
export class Pushes {
  readonly #options: PushesOptions;
  readonly #timings: PushTimings;
  /** By live stream. */
  readonly #pushed = new Map<string, Pushed>();
  /** Say goodbye, or let out what their delay held back. */
  readonly #leaving = new Map<Push, { readonly liveStreamId: string; readonly left: Promise<void> }>();
  #ticker: NodeJS.Timeout | null = null;
  #closed = false;
  #earlier = { bytesSent: 0, retries: 0 };

  constructor(options: PushesOptions) {
    this.#options = options;
    this.#timings = { ...PUSH_TIMINGS, ...options.timings };
  }

  /** A broadcast begins: its platforms are pushed to until it ends. */
  open(broadcast: Broadcast): void {
    const { liveStreamId } = broadcast.authorisation;
    if (this.#closed) return;
    // A service takes one connection for a key: what the broadcast before still has to say ends here.
    const leaving = [...this.#leaving].filter(([, { liveStreamId: id }]) => id === liveStreamId);
    for (const [push] of leaving) void push.cut();
    const before = Promise.all(leaving.map(([, { left }]) => left));
    const pushed: Pushed = { broadcast, pushes: new Map(), before, loading: false, again: false };
    this.#pushed.set(liveStreamId, pushed);
    broadcast.onEnd(() => this.#end(pushed));
    this.#ticker ??= setInterval(() => this.#tick(), this.#timings.tickMs).unref();
    void this.#load(pushed);
  }

  /** The live stream's platforms may have changed in the store. Only those that have are touched. */
  changed(liveStreamId: string): void {
    const pushed = this.#pushed.get(liveStreamId);
    if (pushed) void this.#load(pushed);
  }

  /** Connects anew, at once; false when that platform is not pushed to now. */
  restart(liveStreamId: string, platformId: string): boolean {
    const push = this.#pushed.get(liveStreamId)?.pushes.get(platformId);
    push?.restart();
    return push !== undefined;
  }

  /** Of all platforms that are pushed to now; one that is not among them is offline. */
  statuses(liveStreamId: string): PlatformStatus[] {
    return [...(this.#pushed.get(liveStreamId)?.pushes.values() ?? [])].map((push) => push.status());
  }

  totals(): PushTotals {
    const states = { connecting: 0, online: 0, retrying: 0, refused: 0, stalled: 0, offline: 0 };
    let { bytesSent, retries } = this.#earlier;
    for (const { pushes } of this.#pushed.values())
      for (const push of pushes.values()) {
        states[push.state]++;
        bytesSent += push.bytesSent;
        retries += push.retries;
      }
    let delayBytes = 0;
    for (const { bytes } of this.#delays().keys()) delayBytes += bytes;
    return { states, bytesSent, retries, delayBytes };
  }

  /** Says goodbye to all services. Resolves when all connections are closed, within a second. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const pushed of [...this.#pushed.values()])
      for (const push of [...pushed.pushes.values()]) void this.#stop(pushed, push, 'shutdown');
    this.#pushed.clear();
    this.#stopTicking();
    const leaving = [...this.#leaving];
    for (const [push] of leaving) void push.cut();
    await Promise.all(leaving.map(([, { left }]) => left));
  }

  /** Reads the platforms, again and again while the store is away, and sees to it that those are pushed to. */
  async #load(pushed: Pushed): Promise<void> {
    pushed.again = true;
    if (pushed.loading) return;
    pushed.loading = true;
    const { liveStreamId } = pushed.broadcast.authorisation;
    for (let failures = 0; pushed.again && this.#isCurrent(pushed); ) {
      pushed.again = false;
      try {
        const targets = await this.#options.source.platforms(liveStreamId);
        if (this.#isCurrent(pushed)) this.#apply(pushed, targets);
        failures = 0;
      } catch (error) {
        pushed.again = true;
        const log = { err: error, broadcast: pushed.broadcast.id, liveStream: liveStreamId };
        if (failures++ === 0) this.#options.log.warn(log, 'platforms could not be read: trying again');
        const ms = this.#timings.reloadMs * Math.min(2 ** failures, 10) * (0.5 + Math.random() / 2);
        await new Promise((resolve) => setTimeout(resolve, ms).unref());
      }
    }
    pushed.loading = false;
  }

  #isCurrent(pushed: Pushed): boolean {
    return this.#pushed.get(pushed.broadcast.authorisation.liveStreamId) === pushed;
  }

  #apply(pushed: Pushed, targets: readonly PlatformTarget[]): void {
    const { broadcast, pushes } = pushed;
    const wanted = new Map(targets.map((target) => [target.id, target]));
    for (const push of [...pushes.values()]) {
      const target = wanted.get(push.target.id);
      const reason = !target
        ? 'removed'
        : !target.enabled
          ? 'disabled'
          : sameWay(push.target, target)
            ? null
            : 'changed';
      if (reason) void this.#stop(pushed, push, reason);
    }
    const { feeds, connectTcp, log } = this.#options;
    for (const target of targets) {
      if (!target.enabled || pushes.has(target.id)) continue;
      const push = new Push({ broadcast, target, feeds, connectTcp, timings: this.#timings, log });
      pushes.set(target.id, push);
      // All that were there before it, not only the last: that one may have been waiting itself.
      const leaving = [...this.#leaving].filter(([left]) => left.target.id === target.id).map(([, { left }]) => left);
      push.start(leaving.length > 0 ? Promise.all([pushed.before, ...leaving]) : pushed.before);
    }
  }

  #stop({ broadcast, pushes }: Pushed, push: Push, reason: PlatformEnd): Promise<void> {
    pushes.delete(push.target.id);
    const left = push.stop(reason).finally(() => this.#leaving.delete(push));
    this.#earlier.bytesSent += push.bytesSent;
    this.#earlier.retries += push.retries;
    this.#leaving.set(push, { liveStreamId: broadcast.authorisation.liveStreamId, left });
    return left;
  }

  #end(pushed: Pushed): void {
    if (this.#isCurrent(pushed)) this.#pushed.delete(pushed.broadcast.authorisation.liveStreamId);
    for (const push of [...pushed.pushes.values()]) void this.#stop(pushed, push, 'stream_ended');
    if (this.#pushed.size === 0) this.#stopTicking();
  }

  #tick(): void {
    const now = monotonicMs();
    for (const { pushes } of this.#pushed.values()) for (const push of pushes.values()) push.tick(now);
    this.#boundDelays();
  }

  /** Whoever holds back the most gives way: so no live stream takes away from others what they need less of. */
  #boundDelays(): void {
    const delays = [...this.#delays()].sort(([a], [b]) => b.bytes - a.bytes);
    let bytes = delays.reduce((sum, [held]) => sum + held.bytes, 0);
    for (const [held, pushes] of delays) {
      if (bytes <= this.#options.maxDelayBytes) return;
      bytes -= held.bytes;
      for (const push of pushes) push.dropHeld();
    }
  }

  /** What delays hold back, and for whom: platforms of one live stream and the same audio share it. */
  #delays(): Map<FeedCursor['held'], Push[]> {
    const delays = new Map<FeedCursor['held'], Push[]>();
    const add = (push: Push) => {
      if (push.held) delays.set(push.held, [...(delays.get(push.held) ?? []), push]);
    };
    for (const { pushes } of this.#pushed.values()) pushes.forEach(add);
    for (const push of this.#leaving.keys()) add(push);
    return delays;
  }

  #stopTicking(): void {
    if (this.#ticker) clearInterval(this.#ticker);
    this.#ticker = null;
  }
}

/** Whether a change leaves the connection as it is: a name, say. */
const sameWay = (a: PlatformTarget, b: PlatformTarget): boolean =>
  a.server === b.server &&
  a.key === b.key &&
  a.audio === b.audio &&
  a.delayMs === b.delayMs &&
  a.codecs.join() === b.codecs.join();
