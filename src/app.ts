import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createApi } from './api/index.ts';
import { CodedError, type Logger } from './base/index.ts';
import type { Config } from './config/index.ts';
import { RtmpServer } from './ingest/rtmp/index.ts';
import { LiveRegistry } from './live/index.ts';
import { createOrigin } from './origin/index.ts';
import { Packager } from './packager/index.ts';
import { Shelf } from './segments/index.ts';
import { openStore, type Store } from './store/index.ts';

const WEB_ROOT = fileURLToPath(new URL('../dist/web', import.meta.url));

/** How long a peer may take over a request (S53). Players keep their connection between playlist reloads. */
const HTTP_LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2000,
  keepAliveTimeout: 30_000,
  maxHeaderSize: 16_384,
};
/** For answers under way when the server stops. Then connections are cut: some have never said anything. */
const DRAIN_MS = 1000;
/** What one broadcast's parts may take in memory: at 50 Mbit/s the window, and as much again for players on their way out. */
const maxWindowBytes = (liveWindowMs: number): number => Math.max(192 << 20, 2 * liveWindowMs * 6250);
/** Viewers read the end of a broadcast for this long. */
const KEEP_AFTER_END_MS = 60_000;

export interface App {
  /** The access token that the first start made, with its secret: shown once, then gone. */
  readonly firstToken: { readonly id: string; readonly secret: string } | null;
  readonly httpPort: number;
  readonly rtmpPort: number;
  readonly rtmpsPort: number | null;
  /** Stops taking work, ends every broadcast, closes the store. Resolves when all is gone. */
  close(): Promise<void>;
}

/** Builds every room, connects them and starts them: the only place where they meet. */
export async function startApp(config: Config, log: Logger): Promise<App> {
  const tls = readTls(config);
  const store = await openStore({ dataDir: config.dataDir, log });
  const closers: (() => Promise<void> | void)[] = [() => store.close()];
  let draining = false;
  const closeAll = async () => {
    draining = true;
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const { token = null } = await store.bootstrap({ token: config.bootstrapToken || undefined });
    const count = discontinuityCounter(store, log);
    const shelf = new Shelf({
      minWindowMs: config.liveWindowMs,
      maxBytes: maxWindowBytes(config.liveWindowMs),
      keepAfterEndMs: KEEP_AFTER_END_MS,
    });
    closers.push(() => shelf.close());
    const registry = new LiveRegistry({
      reconnectWindowMs: config.reconnectWindowMs,
      takeoverAfterMs: config.takeoverAfterMs,
      log,
      onBroadcast: (broadcast) => {
        const { playbackId, userId, liveStreamId, discontinuities } = broadcast.authorisation;
        const window = shelf.open({
          broadcastId: broadcast.id,
          playbackId,
          userId,
          discontinuitySequence: discontinuities,
          onDiscontinuity: () => count(liveStreamId),
        });
        broadcast.addReader(
          new Packager(window, { partTargetMs: config.partTargetMs, segmentMs: config.segmentMs, log }),
        );
      },
    });
    const origin = createOrigin({ shelf, publicUrl: config.publicUrl, webRoot: WEB_ROOT, log });
    const api = createApi({
      store,
      live: registry,
      config,
      log,
      isDraining: () => draining,
      serverFactory: (handler) =>
        http.createServer(HTTP_LIMITS, (request, response) => {
          if (origin.handles(request.url ?? '')) origin.handle(request, response);
          else handler(request, response);
        }),
    });
    await listenHttp(api, config);
    closers.push(
      () => {
        const cut = setTimeout(() => api.server.closeAllConnections(), DRAIN_MS);
        return api.close().finally(() => clearTimeout(cut));
      },
      () => origin.close(),
    );
    const rtmp = new RtmpServer({
      host: config.rtmpHost,
      port: config.rtmpPort,
      tls: tls && { port: config.rtmpsPort, ...tls },
      publisherTimeoutMs: config.publisherTimeoutMs,
      maxConnections: config.rtmpMaxConnections,
      maxConnectionsPerAddress: config.rtmpMaxConnectionsPerAddress,
      failuresPerMinute: config.rtmpFailuresPerMinute,
      authoriser: store,
      registry,
      log,
    });
    await rtmp.start();
    closers.push(
      () => rtmp.close(),
      () => registry.close(),
    );
    return {
      firstToken: token,
      httpPort: (api.server.address() as AddressInfo).port,
      rtmpPort: rtmp.port,
      rtmpsPort: rtmp.tlsPort,
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
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

async function listenHttp(api: ReturnType<typeof createApi>, config: Config): Promise<void> {
  try {
    await api.listen({ host: config.httpHost, port: config.httpPort });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
      throw new CodedError(
        'port_in_use',
        `Port ${config.httpPort} is taken by another program: choose another with http_port or stop that program.`,
      );
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
