import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import type { PullingMode } from '../../src/contract/index.ts';
import { writeFlvHeader, writeFlvTag } from '../../src/formats/flv/index.ts';
import { Pulls, type PullsOptions } from '../../src/ingest/pull/index.ts';
import { type BroadcastEvent, LiveRegistry, type PullState, type PullStatus } from '../../src/live/index.ts';
import { createOutbound, type OutboundOptions } from '../../src/outbound/index.ts';
import { openStore, type Principal, type Store } from '../../src/store/index.ts';
import { FLV_DATA, FLV_VIDEO, frameHash, readFlvTags } from '../support/flv-frames.ts';
import { bareHash } from '../support/media-frames.ts';
import { until } from '../support/until.ts';

/** A frame that reached a reader of the broadcast. */
export interface Received {
  readonly kind: 'video' | 'audio';
  readonly key: boolean;
  readonly hash: string;
  readonly run: number;
  readonly atMs: number;
}

/** Pulls as the server has them: real store, registry, guard and sockets; what they bring is written down. */
export interface PullStation {
  readonly dataDir: string;
  readonly store: Store;
  readonly owner: Principal;
  readonly registry: LiveRegistry;
  readonly pulls: Pulls;
  readonly received: Received[];
  readonly events: BroadcastEvent[];
  /** What the log said. */
  readonly lines: string[];
  /** Viewers, by playback id. */
  readonly viewers: Map<string, number>;
  /** Creates a live stream with this pulling mode, and says so. */
  create(mode: PullingMode): Promise<{ readonly id: string; readonly playbackId: string }>;
  change(id: string, mode: PullingMode): Promise<void>;
  state(id: string): PullState | undefined;
  untilState(id: string, state: PullState, timeoutMs?: number): Promise<PullStatus>;
  close(): Promise<void>;
}

export interface StationOptions extends Partial<Pick<PullsOptions, 'timings' | 'maxFfmpeg'>> {
  readonly outbound?: Partial<OutboundOptions>;
  readonly reconnectWindowMs?: number;
}

export async function startPullStation(options: StationOptions = {}): Promise<PullStation> {
  const dataDir = mkdtempSync(join(tmpdir(), 'pull-'));
  after(() => rmSync(dataDir, { recursive: true, force: true }));
  const store = await openStore({ dataDir, log: createLogger('silent') });
  await store.recover();
  const { token } = await store.bootstrap();
  const owner = (await store.verifyToken(token!.id, token!.secret))!;
  const lines: string[] = [];
  const log = createLogger('debug');
  // Everything that is logged, for who looks for secrets in it.
  const capture = Object.assign(Object.create(log), { child: () => capture }) as typeof log;
  for (const level of ['debug', 'info', 'warn', 'error'] as const)
    capture[level] = ((...line: unknown[]) => void lines.push(`${level} ${JSON.stringify(line)}`)) as never;
  const received: Received[] = [];
  const events: BroadcastEvent[] = [];
  const viewers = new Map<string, number>();
  const outbound = createOutbound({
    allow: ['127.0.0.0/8'],
    ownListeners: () => [],
    failureFloorMs: 0,
    ...options.outbound,
  });
  const registry = new LiveRegistry({
    reconnectWindowMs: options.reconnectWindowMs ?? 20_000,
    takeoverAfterMs: 1000,
    log: capture,
    onEvent: (event) => events.push(event),
    onBroadcast: (broadcast) => {
      let run = -1;
      broadcast.addReader({
        name: 'recorder',
        onRun: ({ number }) => {
          run = number;
        },
        onPacket: (packet) =>
          void received.push({
            kind: packet.track.kind,
            key: packet.key,
            hash: bareHash(packet),
            run,
            atMs: performance.now(),
          }),
        onPause: () => {},
        onEnd: () => {},
      });
    },
  });
  const pulls = new Pulls({
    source: store.pulls,
    registry,
    outbound,
    audience: (playbackId) => viewers.get(playbackId) ?? 0,
    maxFfmpeg: options.maxFfmpeg ?? 4,
    timings: { retryMs: 100, maxRetryMs: 400, leaseMs: 300, ...options.timings },
    log: capture,
  });
  pulls.start();
  const station: PullStation = {
    dataDir,
    store,
    owner,
    registry,
    pulls,
    received,
    events,
    lines,
    viewers,
    async create(mode) {
      const { id, playbackId } = await store.liveStreams.create(owner, { settings: { pulling_mode: mode } });
      pulls.changed(id);
      return { id, playbackId };
    },
    async change(id, mode) {
      await store.liveStreams.update(owner, id, { settings: { pulling_mode: mode } });
      pulls.changed(id);
    },
    state: (id) => pulls.status(id)?.state,
    untilState: (id, state, timeoutMs = 15_000) =>
      until(`the pull is ${state}`, timeoutMs, () => {
        const status = pulls.status(id);
        if (status?.state !== state) throw new Error(JSON.stringify(status));
        return status;
      }),
    async close() {
      await pulls.close();
      registry.close();
      await outbound.close();
      await store.close();
    },
  };
  after(() => station.close());
  return station;
}

/** An HTTP server that plays an FLV file in real time, again and again, to everyone who asks. */
export interface FlvSource {
  readonly url: string;
  /** Connections to it so far, and now. */
  readonly asked: string[];
  readonly open: number;
  /** Hashes of the frames that were written to any of them, in their order, of the latest connection. */
  sent(): readonly string[];
  /** Plays nothing more, and leaves the connections open. */
  fallSilent(): void;
  /** Plays again. */
  resume(): void;
  /** Breaks all connections, and answers this from now on; null: as before. */
  fail(status: number | null): void;
  close(): void;
}

export async function startFlvSource(
  flv: string,
  { metadata = [] as Buffer[], path = '/live.flv', headers = {} as http.OutgoingHttpHeaders } = {},
): Promise<FlvSource> {
  const tags = readFlvTags(flv).filter(({ type }) => type !== FLV_DATA);
  const roundMs = tags.at(-1)!.timestampMs + 33;
  const sockets = new Set<http.ServerResponse>();
  const asked: string[] = [];
  let sent: string[] = [];
  let silent = false;
  let status: number | null = null;
  const server = http.createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization ?? ''}`);
    if (status !== null) return response.writeHead(status).end();
    response.writeHead(200, { 'content-type': 'video/x-flv', ...headers });
    sockets.add(response);
    const mine: string[] = [];
    sent = mine;
    response.write(writeFlvHeader({ audio: true, video: true }));
    for (const body of metadata) response.write(writeFlvTag({ type: 'data', timestampMs: 0, body }));
    const startMs = performance.now();
    let next = 0;
    const timer = setInterval(() => {
      while (!silent) {
        const tag = tags[next % tags.length]!;
        const timestampMs = tag.timestampMs + Math.floor(next / tags.length) * roundMs;
        if (timestampMs > performance.now() - startMs) break;
        next++;
        const video = tag.type === FLV_VIDEO;
        if (tag.body[1] === 1) mine.push(frameHash(tag.body.subarray(video ? 5 : 2)));
        response.write(writeFlvTag({ type: video ? 'video' : 'audio', timestampMs, body: tag.body }));
      }
    }, 5);
    response.on('close', () => {
      clearInterval(timer);
      sockets.delete(response);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const cut = () => {
    for (const response of sockets) response.destroy();
  };
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  after(close);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    asked,
    get open() {
      return sockets.size;
    },
    sent: () => sent,
    fallSilent() {
      silent = true;
    },
    resume() {
      silent = false;
    },
    fail(next) {
      status = next;
      if (next !== null) cut();
    },
    close,
  };
}

/** Whether `part` stands in `whole` without a gap, and where it begins; -1 when it does not. */
export function findRun(whole: readonly string[], part: readonly string[]): number {
  for (let at = whole.indexOf(part[0]!); at >= 0; at = whole.indexOf(part[0]!, at + 1))
    if (part.every((hash, i) => whole[at + i] === hash)) return at;
  return -1;
}
