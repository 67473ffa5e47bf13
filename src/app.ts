// Long because it is the one place that knows all rooms: what each is given, and the order in which they start and stop, which
// nobody could see in pieces.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createApi, type OnAirState } from './api/index.ts';
import { CodedError, type Logger } from './base/index.ts';
import type { Config } from './config/index.ts';
import { Feeds, FlvHttp, Players, Pushes, RtmpPlayers } from './egress/index.ts';
import { BrowserPublishers } from './ingest/browser/index.ts';
import { Pulls } from './ingest/pull/index.ts';
import { RtmpServer } from './ingest/rtmp/index.ts';
import {
  ADVICE_CODES,
  type Broadcast,
  BroadcastEventQueue,
  GuessLimiter,
  HealthLog,
  LiveRegistry,
  PlaybackAccess,
  PlayLog,
  type PublishAuthoriser,
  UsageLog,
} from './live/index.ts';
import { Mailer } from './mail/index.ts';
import { type LiveStreamReading, Metrics, type Readings, ServerHealth } from './metrics/index.ts';
import { createOrigin, type Origin, Stills } from './origin/index.ts';
import { createOutbound, type OwnListener } from './outbound/index.ts';
import { Packager } from './packager/index.ts';
import { Recorder } from './recorder/index.ts';
import { Shelf } from './segments/index.ts';
import { lockDataDir, openStore, type Store } from './store/index.ts';
import { createWebhookSender } from './webhooks/index.ts';

const WEB_ROOT = fileURLToPath(new URL('../dist/web', import.meta.url));

/** How long a peer may take over a request (S53). Players keep their connection between playlist reloads. */
const HTTP_LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2000,
  keepAliveTimeout: 30_000,
  maxHeaderSize: 16_384,
};
/** An API answer that nobody takes holds its memory: a socket on which nothing moves for so long is closed. */
const UNMOVED_MS = 15_000;
/**
 * Requests that one read of a connection may hold. No browser, proxy or client of ours sends another one before its answer; node hands
 * over all that came together at once, and a thousand of them from each of twenty connections would hold up the media for a second.
 */
const MAX_PIPELINED = 64;
/** Connections that wait to be accepted. With node's 511 a crowd that comes at once fills it, and whom the system drops tries again a second later. */
const BACKLOG = 4096;
/** For answers under way when the server stops. Then connections are cut: some have never said anything. */
const DRAIN_MS = 1000;
/** What one broadcast's parts may take in memory: at 50 Mbit/s the window, and as much again for players on their way out. */
const maxWindowBytes = (liveWindowMs: number): number => Math.max(192 << 20, 2 * liveWindowMs * 6250);
const WINDOW_FULL = 'bit rate too high for the live window: segments go before their time, players may stall';
/** Viewers read the end of a broadcast for this long. */
const KEEP_AFTER_END_MS = 60_000;
/** For a load balancer to see that this server is not ready: encoders that were asked to connect anew before that would come back here. */
const NOTICE_MS = 5000;
/** For the last events of broadcasts to be written when the server stops. What is not is told at the next start. */
const FLUSH_MS = 3000;
/** Who may watch is asked of a database that other servers share so often. */
const RULES_FRESH_MS = 2000;
const NO_AUDIENCE = { viewers: 0, bytesOut: 0, outputBitrate: 0, lastAccessMs: null };

export interface App {
  /** The access token that the first start made, with its secret: shown once, then gone. */
  readonly firstToken: { readonly id: string; readonly secret: string } | null;
  /** Where the first owner chooses an e-mail and a password; null once somebody has. */
  readonly setupUrl: string | null;
  readonly httpPort: number;
  readonly rtmpPort: number;
  readonly rtmpsPort: number | null;
  /**
   * Says that it is not ready and refuses new publishers, while everything else goes on; then asks encoders that understand it to
   * connect anew (L33). Resolves after `drain_s`, or when `hurry` is aborted.
   */
  drain(hurry: AbortSignal): Promise<void>;
  /** Stops taking work, ends every broadcast, closes the store. Resolves when all is gone. */
  close(): Promise<void>;
}

/** Builds every room, connects them and starts them: the only place where they meet. */
export async function startApp(config: Config, log: Logger): Promise<App> {
  const tls = readTls(config);
  const { dataDir, databaseUrl, secretKeys, maxLiveStreams, streamPasswordBits } = config;
  let metrics: Metrics | null = null;
  const onQuery = (ms: number, ok: boolean) => metrics?.query(ms, ok);
  const unlock = databaseUrl ? () => {} : lockDataDir(dataDir);
  const opening = openStore({
    dataDir,
    databaseUrl,
    secretKeys,
    maxLiveStreams,
    streamPasswordBits,
    log,
    onQuery,
  });
  const store = await opening.catch((error) => {
    unlock();
    throw error;
  });
  const closers: (() => Promise<void> | void)[] = [unlock, () => store.close()];
  let draining = false;
  const closeAll = async () => {
    draining = true;
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const listeners: OwnListener[] = [publicRtmp(config)];
    const outbound = createOutbound({
      allow: config.outboundAllow,
      ports: config.outboundPorts,
      allowHttpWebhooks: config.webhookAllowHttp,
      ownListeners: () => listeners,
      ownAddresses: [publicHttp(config)],
    });
    const sender = createWebhookSender({
      deliveries: store.deliveries,
      outbound,
      retryMs: config.webhookRetryMs,
      timeoutMs: config.webhookTimeoutMs,
      onOutcome: (kind) => metrics?.delivery(kind),
      log,
    });
    closers.push(
      () => outbound.close(),
      store.onEvent(() => sender.wake()),
      () => sender.close(),
    );
    await store.recover();
    const { token = null } = await store.bootstrap({ token: config.bootstrapToken || undefined });
    const setupToken = await store.setup.issue();
    const { smtpUrl, mailFrom } = config;
    const mail = smtpUrl && mailFrom ? new Mailer({ smtpUrl, from: mailFrom, log }) : null;
    closers.push(() => mail?.close());
    const count = discontinuityCounter(store, log);
    const shelf = new Shelf({
      minWindowMs: config.liveWindowMs,
      maxBytes: maxWindowBytes(config.liveWindowMs),
      keepAfterEndMs: KEEP_AFTER_END_MS,
    });
    const recorder = new Recorder({
      folder: join(dataDir, 'dvr'),
      maxRewindMs: config.dvrMaxMs,
      minFreeBytes: config.dvrMinFreeBytes,
      log,
    });
    // What is left of another life is deleted beside all else: it may be a lot.
    void recorder.start();
    closers.push(
      () => recorder.close(),
      () => shelf.close(),
    );
    const events = new BroadcastEventQueue({ sink: store.broadcasts, log });
    closers.push(() => events.close(FLUSH_MS));
    const registry = new LiveRegistry({
      reconnectWindowMs: config.reconnectWindowMs,
      takeoverAfterMs: config.takeoverAfterMs,
      backupTakeoverMs: config.backupTakeoverMs,
      log,
      onEvent: (event) => {
        events.tell(event);
        health.note(event);
      },
      onBroadcast: (broadcast) => {
        const { playbackId, userId, liveStreamId, discontinuities, rewindS = 0 } = broadcast.authorisation;
        const window = shelf.open({
          broadcastId: broadcast.id,
          playbackId,
          userId,
          discontinuitySequence: discontinuities,
          onDiscontinuity: () => count(liveStreamId),
          past: recorder.open(broadcast.id, rewindS * 1000),
          onFull: () => log.warn({ broadcast: broadcast.id, liveStream: liveStreamId }, WINDOW_FULL),
        });
        const packager = new Packager(window, {
          partTargetMs: config.partTargetMs,
          segmentMs: config.segmentMs,
          log,
        });
        // Known before the first viewer comes, who would wait for it.
        access.rules(playbackId).catch(() => {});
        packagers.set(broadcast, packager);
        broadcast.addReader(packager);
        pushes.open(broadcast);
      },
    });
    const wanted = (playbackId: string) => pulls.wanted(playbackId);
    const mayCome = (playbackId: string) => pulls.mayCome(playbackId);
    const freshMs = databaseUrl ? RULES_FRESH_MS : Number.POSITIVE_INFINITY;
    const access = new PlaybackAccess({ source: store.playback, freshMs, log });
    const origin = createOrigin({
      shelf,
      publicUrl: config.publicUrl,
      webRoot: WEB_ROOT,
      access,
      trustedProxies: config.trustedProxies,
      countryHeader: config.countryHeader,
      mayCome,
      wanted,
      log,
    });
    const packagers = new WeakMap<Broadcast, Packager>();
    const recent = (broadcast: Broadcast) => packagers.get(broadcast)?.recent() ?? [];
    const feeds = new Feeds({ mergeMs: config.rtmpPlayMergeMs, recent, log });
    const players = new Players({
      feeds,
      find: (playbackId) => registry.find(playbackId),
      mayCome,
      mayPlay: (playbackId, query) => mayPlay(access, playbackId, query),
      wanted: async (playbackId) => (await wanted(playbackId)) ?? false,
      maxPlayers: config.maxPlayers,
      log,
    });
    const { connectTcp } = outbound;
    const maxDelayBytes = config.pushDelayMaxBytes;
    const pushes = new Pushes({ source: store.platforms, feeds, connectTcp, maxDelayBytes, log });
    closers.push(store.onPlatformsChanged((id) => pushes.changed(id)));
    const flv = new FlvHttp({ players, publicUrl: config.publicUrl, log });
    const audience = (playbackId: string) => audienceOf(playbackId, origin, players);
    const health = new HealthLog({
      broadcasts: () => registry.broadcasts(),
      viewers: (playbackId) => audience(playbackId).viewers,
    });
    closers.push(() => health.close());
    const usage = new UsageLog({
      broadcasts: () => registry.broadcasts(),
      find: (playbackId) => registry.find(playbackId)?.authorisation.liveStreamId ?? null,
      audience,
      sink: store.usage,
      log,
    });
    const plays = new PlayLog(usage);
    const stills = new Stills(shelf);
    const serverHealth = new ServerHealth(dataDir);
    closers.push(
      () => serverHealth.close(),
      () => usage.close(),
    );
    const pulls = new Pulls({
      source: store.pulls,
      registry,
      outbound,
      audience: (playbackId) => audience(playbackId).viewers,
      maxFfmpeg: config.pullMaxFfmpeg,
      log,
    });
    const storeOrStop: PublishAuthoriser = {
      async authorise(request) {
        if (draining) throw new CodedError('store_unavailable', 'The server is stopping.');
        return store.authorise(request);
      },
    };
    const authoriser = new GuessLimiter({ authoriser: storeOrStop, log });
    const rtmp = new RtmpServer({
      host: config.rtmpHost,
      port: config.rtmpPort,
      tls: tls && { port: config.rtmpsPort, ...tls },
      publisherTimeoutMs: config.publisherTimeoutMs,
      maxConnections: config.rtmpMaxConnections,
      maxConnectionsPerAddress: config.rtmpMaxConnectionsPerAddress,
      failuresPerMinute: config.rtmpFailuresPerMinute,
      authoriser,
      players: new RtmpPlayers(players),
      registry,
      log,
    });
    const browsers = new BrowserPublishers({
      publicUrl: config.publicUrl,
      trustedProxies: config.trustedProxies,
      publisherTimeoutMs: config.publisherTimeoutMs,
      maxConnections: config.rtmpMaxConnections,
      maxConnectionsPerAddress: config.rtmpMaxConnectionsPerAddress,
      failuresPerMinute: config.rtmpFailuresPerMinute,
      authoriser,
      registry,
      log,
    });
    const rooms: Rooms = { registry, rtmp, browsers, origin, shelf, recorder, events, feeds, players, pushes, pulls };
    metrics = new Metrics({
      read: () => readings(rooms),
      ...(config.metricsStreams && { readLiveStreams: () => liveStreamReadings(rooms) }),
    });
    closers.push(() => metrics?.close());
    /** Whoever else asks for an upgrade (curl does, for HTTP/2) is answered as if they had not. */
    const shouldUpgradeCallback = (request: http.IncomingMessage) => browsers.handles(request.url ?? '');
    const api = createApi({
      store,
      live: {
        isOnline: (id) => registry.isOnline(id),
        stop: (id, reason, which) => registry.stop(id, reason, which),
        platformsChanged: (id) => pushes.changed(id),
        platformStatuses: (id) => pushes.statuses(id),
        restartPlatform: (id, platformId) => pushes.restart(id, platformId),
        pullChanged: (id) => pulls.changed(id),
        pullStatus: (id) => pulls.status(id),
        checkPull: (mode) => pulls.check(mode),
        playbackChanged: (playbackId) => access.changed(playbackId),
        signingKeysChanged: () => access.keysChanged(),
        playbackToken: (playbackId, forS) => access.issue(playbackId, forS),
        testPull: (...test) => pulls.test(...test),
        health: (id) => health.report(id),
        writeUsage: () => usage.write(),
        still: (playbackId, owner) => stills.jpeg(playbackId, owner),
        played: (report, viewer) => plays.report(report, viewer),
        serverStatus: async () => {
          return { ...(await serverHealth.read()), onAir: registry.size, viewers: origin.viewers + players.count };
        },
        onAirIds: () => registry.liveStreams(),
        onAir: (id) => onAirState(rooms, health, id),
        pulled: () => pulls.liveStreams(),
        stats: (id) => {
          const stats = registry.stats(id);
          return stats && { ...stats, ...audience(stats.playbackId) };
        },
      },
      metrics: { metrics, token: config.metricsToken },
      config,
      log,
      checkDestination: outbound.check,
      mail,
      isDraining: () => draining,
      serverFactory: (handler) =>
        http.createServer({ ...HTTP_LIMITS, shouldUpgradeCallback }, (request, response) => {
          if (pipelinesTooMany(request.socket)) request.socket.destroy();
          else if (origin.handles(request.url ?? '')) origin.handle(request, response);
          else if (flv.handles(request.url ?? '')) flv.handle(request, response);
          else {
            // Node takes it back with the next request: a playlist may be waited for longer, and has the origin's own limit.
            request.socket.setTimeout(UNMOVED_MS);
            handler(request, response);
          }
        }),
    });
    api.server.maxConnections = config.httpMaxConnections;
    api.server.on('upgrade', (request, socket, head) => browsers.upgrade(request, socket, head));
    await listenHttp(api, config);
    const httpPort = (api.server.address() as AddressInfo).port;
    listeners.push({ address: config.httpHost, port: httpPort });
    closers.push(
      () => {
        const cut = setTimeout(() => api.server.closeAllConnections(), DRAIN_MS);
        return api.close().finally(() => clearTimeout(cut));
      },
      () => origin.close(),
    );
    await rtmp.start();
    for (const port of [rtmp.port, rtmp.tlsPort]) if (port) listeners.push({ address: config.rtmpHost, port });
    closers.push(
      () => rtmp.close(),
      () => browsers.close(),
      () => players.close(),
      () => pulls.close(),
      () => registry.close(),
      () => pushes.close(),
    );
    // Not before it is known what is our own, and must not be sent to.
    sender.start();
    pulls.start();
    return {
      firstToken: token,
      // Behind `#`, which browsers send to nobody.
      setupUrl: setupToken && `${config.publicUrl}/dashboard/setup#${setupToken}`,
      httpPort,
      rtmpPort: rtmp.port,
      rtmpsPort: rtmp.tlsPort,
      async drain(hurry) {
        draining = true;
        const wait = (ms: number) => delay(ms, undefined, { signal: hurry }).catch(() => {});
        const noticeMs = Math.min(config.drainMs / 4, NOTICE_MS);
        await wait(noticeMs);
        // With nothing left of the time they would be cut before they have turned to another server.
        if (config.drainMs > 0 && !hurry.aborted) {
          const asked = rtmp.requestReconnects();
          if (asked > 0) log.info({ asked }, 'encoders are asked to connect anew');
        }
        await wait(config.drainMs - noticeMs);
      },
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

type Rooms = {
  readonly registry: LiveRegistry;
  readonly rtmp: RtmpServer;
  readonly browsers: BrowserPublishers;
  readonly origin: Origin;
  readonly shelf: Shelf;
  readonly recorder: Recorder;
  readonly events: BroadcastEventQueue;
  readonly feeds: Feeds;
  readonly players: Players;
  readonly pushes: Pushes;
  readonly pulls: Pulls;
};

/** Players of protocols that say neither from which page nor from which country they come: a token says all that they can show. */
async function mayPlay(access: PlaybackAccess, playbackId: string, query: string): Promise<boolean> {
  const token = new URLSearchParams(query).get('token');
  const verdict = await access.check(playbackId, { token, site: null, country: null });
  if (verdict === 'unknown') throw new CodedError('store_unavailable', 'It cannot be known now who may watch.');
  return verdict === 'open' || verdict === 'admitted';
}

/** What the rooms have counted, for the metrics. */
function readings({
  registry,
  rtmp,
  browsers,
  origin,
  shelf,
  recorder,
  events,
  feeds,
  players,
  pushes,
  pulls,
}: Rooms): Readings {
  const { broadcasts, bytesIn, dropped } = registry.totals();
  const advice: Record<string, number> = Object.fromEntries(ADVICE_CODES.map((code) => [code, 0]));
  let publishers = 0;
  for (const broadcast of registry.broadcasts()) {
    if (broadcast.publisher) publishers++;
    for (const { code } of broadcast.stats()?.advice ?? []) advice[code]!++;
  }
  let [waiters, windowBytes] = [0, 0];
  for (const window of shelf.windows()) {
    waiters += window.waiters;
    windowBytes += window.bytes;
  }
  const pushed = pushes.totals();
  return {
    rtmpConnections: rtmp.connections,
    publishers,
    broadcasts: registry.size,
    broadcastsTotal: broadcasts,
    bytesInTotal: bytesIn,
    droppedPacketsTotal: dropped,
    refusedTotal: sum(rtmp.refused, browsers.refused),
    advice,
    viewers: origin.viewers,
    players: players.count,
    playerBytesTotal: players.bytesOut,
    playerDroppedFramesTotal: players.dropped,
    feedBytes: feeds.bytes,
    pushes: pushed.states,
    pushBytesTotal: pushed.bytesSent,
    pushRetriesTotal: pushed.retries,
    pushDelayBytes: pushed.delayBytes,
    pulls: pulls.counts(),
    bytesOutTotal: origin.bytesOut,
    playbackRequestsTotal: origin.requests,
    playlistsRenderedTotal: origin.renders,
    waiters,
    windowBytes,
    rewindBytes: recorder.bytes,
    rewindWrittenBytesTotal: recorder.written,
    rewindLostTotal: recorder.lost,
    eventsWaiting: events.waiting,
    eventsDroppedTotal: events.dropped,
  };
}

/** How a live stream stands; null while it is not on air. */
function onAirState({ registry, origin, players }: Rooms, health: HealthLog, liveStreamId: string): OnAirState | null {
  const broadcast = registry.get(liveStreamId);
  if (!broadcast) return null;
  const stats = broadcast.stats();
  return {
    online: stats !== null,
    sinceMs: health.sinceMs(liveStreamId) ?? Date.now(),
    viewers: audienceOf(broadcast.authorisation.playbackId, origin, players).viewers,
    bitrate: stats?.bitrate ?? 0,
    advice: stats?.advice ?? [],
  };
}

function* liveStreamReadings({ registry, origin, players }: Rooms): Generator<LiveStreamReading> {
  for (const broadcast of registry.broadcasts()) {
    const { liveStreamId, playbackId } = broadcast.authorisation;
    const { viewers, bytesOut } = audienceOf(playbackId, origin, players);
    yield { liveStreamId, kbps: broadcast.stats()?.bitrate ?? 0, viewers, bytesIn: broadcast.bytesIn, bytesOut };
  }
}

function sum(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const total = { ...a };
  for (const [name, value] of Object.entries(b)) total[name] = (total[name] ?? 0) + value;
  return total;
}

/** Who watches a live stream's broadcast, by whatever way. */
function audienceOf(playbackId: string, origin: Origin, players: Players) {
  const { viewers, bytesOut, outputBitrate, lastAccessMs } = origin.audience(playbackId) ?? NO_AUDIENCE;
  const others = players.audience(playbackId);
  return {
    viewers: viewers + others.players,
    bytesOut: bytesOut + others.bytesOut,
    outputBitrate: outputBitrate + others.outputBitrate,
    lastAccessMs,
  };
}

/** Where viewers on the outside reach us: what is pulled from there would be our own. */
function publicHttp({ publicUrl }: Config): OwnListener {
  const { hostname, port, protocol } = new URL(publicUrl);
  return { address: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'https:' ? 443 : 80) };
}

/** Where encoders on the outside reach us: pushing there would be a loop. */
function publicRtmp({ rtmpPublicUrl }: Config): OwnListener {
  const { hostname, port, protocol } = new URL(rtmpPublicUrl);
  return { address: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'rtmps:' ? 443 : 1935) };
}

/**
 * Writes down discontinuities as they happen, without making the media path wait: one write at a time for a live stream,
 * with all that came during the one before.
 */
function discontinuityCounter(store: Store, log: Logger): (liveStreamId: string) => void {
  const pending = new Map<string, number>();
  const write = async (liveStreamId: string) => {
    for (let count = pending.get(liveStreamId)!; count > 0; count = pending.get(liveStreamId)!) {
      pending.set(liveStreamId, 0);
      await store.addDiscontinuities(liveStreamId, count);
    }
  };
  return (liveStreamId) => {
    const busy = pending.has(liveStreamId);
    pending.set(liveStreamId, (pending.get(liveStreamId) ?? 0) + 1);
    if (busy) return;
    write(liveStreamId)
      .catch((error) => log.warn({ err: error, liveStream: liveStreamId }, 'discontinuities could not be counted'))
      .finally(() => pending.delete(liveStreamId));
  };
}

let reading: Socket | null = null;
let pipelined = 0;

/** Counts the requests of one read, which come in one turn: microtasks wait until all of them have been handed over. */
function pipelinesTooMany(socket: Socket): boolean {
  if (socket !== reading) {
    reading = socket;
    pipelined = 0;
    queueMicrotask(() => {
      reading = null;
    });
  }
  return ++pipelined > MAX_PIPELINED;
}

async function listenHttp(api: ReturnType<typeof createApi>, config: Config): Promise<void> {
  try {
    await api.listen({ host: config.httpHost, port: config.httpPort, backlog: BACKLOG });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
      throw new CodedError(
        'port_in_use',
        `Port ${config.httpPort} is taken by another program: choose another with http_port or stop that program.`,
      );
    // Anything else than the address is our own mistake.
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new CodedError(
      'config_invalid',
      `Cannot listen on ${config.httpHost}:${config.httpPort} (http_host, http_port): ${(error as Error).message}`,
    );
  }
}

function readTls(config: Config): { certificate: Buffer; key: Buffer } | undefined {
  if (!config.tlsCertificate || !config.tlsKey) return undefined;
  const read = (key: string, file: string) => {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new CodedError('config_invalid', `${key}: cannot read ${file}: ${(error as Error).message}`);
    }
  };
  return { certificate: read('tls_certificate', config.tlsCertificate), key: read('tls_key', config.tlsKey) };
}
