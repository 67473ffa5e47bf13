import { after } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { Feeds, Pushes, type PushTimings } from '../../src/egress/index.ts';
import {
  type Broadcast,
  type BroadcastEvent,
  type Claim,
  LiveRegistry,
  type PlatformStatus,
  type PlatformTarget,
  type Publisher,
} from '../../src/live/index.ts';
import type { Packet } from '../../src/media/index.ts';
import { createOutbound } from '../../src/outbound/index.ts';
import { frameHash } from '../support/flv-frames.ts';
import { until } from '../support/until.ts';

export const LIVE_STREAM = 'a1b2c3d4e5f60718293a4b5c';

/** A live stream that can go on air, with its platforms and all that pushes to them: real sockets through the real guard. */
export interface Station {
  readonly pushes: Pushes;
  readonly events: BroadcastEvent[];
  readonly registry: LiveRegistry;
  /** What the log said. */
  readonly lines: string[];
  /** The store's answer; `set` says that it changed. */
  platforms: PlatformTarget[];
  set(platforms: PlatformTarget[]): void;
  /** The next so many readings fail. */
  storeFailures: number;
  broadcast(): Broadcast;
  claim(): Promise<Claim>;
  /** Hashes of all that was written so far. */
  readonly sent: string[];
  write(packet: Packet): void;
  /** Plays packets again and again, `speed` times as fast as they were made, until it is stopped. */
  play(packets: readonly Packet[], speed?: number): { stop(): void };
  status(id: string): PlatformStatus | undefined;
  untilState(id: string, state: PlatformStatus['state'], timeoutMs?: number): Promise<PlatformStatus>;
  /** Names of platform events, with what tells them apart. */
  told(id: string): string[];
  /** The encoder leaves. */
  leave(): void;
  /** The live stream is stopped: the broadcast ends. */
  end(): void;
}

export const platform = (id: string, server: string, more: Partial<PlatformTarget> = {}): PlatformTarget => ({
  id,
  enabled: true,
  name: id,
  server,
  key: 'secret-key',
  audio: 'keep',
  delayMs: 0,
  codecs: ['avc', 'aac'],
  ...more,
});

export function startStation(
  options: {
    readonly timings?: Partial<PushTimings>;
    readonly ca?: string;
    readonly mergeMs?: number;
    readonly maxDelayBytes?: number;
  } = {},
): Station {
  const lines: string[] = [];
  const log = createLogger('debug');
  // Everything that is logged, for who looks for secrets in it.
  const capture = Object.assign(Object.create(log), { child: () => capture }) as typeof log;
  for (const level of ['debug', 'info', 'warn', 'error'] as const)
    capture[level] = ((...line: unknown[]) => void lines.push(`${level} ${JSON.stringify(line)}`)) as never;
  const outbound = createOutbound({
    allow: ['127.0.0.0/8', '::1/128'],
    ownListeners: () => [],
    failureFloorMs: 0,
  });
  const events: BroadcastEvent[] = [];
  const sent: string[] = [];
  let claim: Claim | null = null;
  const feeds = new Feeds({ mergeMs: options.mergeMs ?? 0, log: capture });
  const pushes = new Pushes({
    source: {
      async platforms(id) {
        if (id !== LIVE_STREAM) throw new Error(`no live stream ${id}`);
        if (station.storeFailures > 0) {
          station.storeFailures--;
          throw new Error('the store is away');
        }
        return station.platforms;
      },
    },
    feeds,
    connectTcp: outbound.connectTcp,
    maxDelayBytes: options.maxDelayBytes ?? 1 << 30,
    log: capture,
    timings: { tickMs: 50, retryMs: 50, goodbyeMs: 300, reloadMs: 20, ...options.timings },
  });
  const registry = new LiveRegistry({
    reconnectWindowMs: 20_000,
    takeoverAfterMs: 1000,
    log: capture,
    onBroadcast: (broadcast) => pushes.open(broadcast),
    onEvent: (event) => events.push(event),
  });
  const players = new Set<NodeJS.Timeout>();
  after(async () => {
    for (const player of players) clearInterval(player);
    registry.close();
    await pushes.close();
    await outbound.close();
  });
  const authorisation = { liveStreamId: LIVE_STREAM, playbackId: 'lv_0', userId: 'user', discontinuities: 0 };
  const station: Station = {
    pushes,
    events,
    registry,
    lines,
    sent,
    platforms: [],
    storeFailures: 0,
    set(platforms) {
      station.platforms = platforms;
      pushes.changed(LIVE_STREAM);
    },
    broadcast() {
      const [broadcast] = [...registry.broadcasts()];
      if (!broadcast) throw new Error('nothing is on air');
      return broadcast;
    },
    async claim() {
      let closed = false;
      const publisher: Publisher = {
        id: 'encoder',
        protocol: 'rtmp',
        remoteAddress: '127.0.0.1',
        lastDataMs: performance.now(),
        bytesReceived: 0,
        get closed() {
          return closed;
        },
        close(reason) {
          closed = true;
          own?.release(reason);
        },
      };
      let own: Claim | null = null;
      const answer = await registry.claim(authorisation, publisher, registry.ticket());
      if (!answer.ok) throw new Error(answer.reason);
      own = answer.claim;
      claim = own;
      return own;
    },
    write(packet) {
      claim?.write(packet);
      sent.push(frameHash(packet.data));
    },
    play(packets, speed = 1) {
      const startMs = performance.now();
      const ms = ({ dts, track }: Packet) => (dts * 1000) / track.timescale;
      const [firstMs, lengthMs] = [ms(packets[0]!), ms(packets.at(-1)!) - ms(packets[0]!) + 40];
      let next = 0;
      const timer = setInterval(() => {
        for (;;) {
          const packet = packets[next % packets.length]!;
          const shiftMs = Math.floor(next / packets.length) * lengthMs;
          if (ms(packet) - firstMs + shiftMs > (performance.now() - startMs) * speed) return;
          const shift = Math.round((shiftMs * packet.track.timescale) / 1000);
          station.write({ ...packet, dts: packet.dts + shift, pts: packet.pts + shift });
          next++;
        }
      }, 5);
      players.add(timer);
      return { stop: () => clearInterval(timer) };
    },
    status: (id) => pushes.statuses(LIVE_STREAM).find(({ platformId }) => platformId === id),
    untilState: (id, state, timeoutMs = 10_000) =>
      until(
        `platform ${id} is ${state}`,
        timeoutMs,
        () => {
          const status = station.status(id);
          return status?.state === state && status;
        },
        5,
      ),
    told: (id) =>
      events.flatMap((event) => {
        if (!('platformId' in event) || event.platformId !== id) return [];
        if (event.kind === 'platform_connected') return ['connected'];
        return event.kind === 'platform_error' ? [`error ${event.code}`] : [`disconnected ${event.reason}`];
      }),
    leave: () => claim?.release('closed'),
    end: () => registry.stop(LIVE_STREAM, 'disabled'),
  };
  return station;
}
