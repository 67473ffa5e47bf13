import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import {
  type BeaconPort,
  type CheckDestination,
  createApi,
  type LivePort,
  type MailPort,
  type OnAirState,
  type ServerStatusPort,
  type StatsPort,
  type StillsPort,
  type StreamHealthPort,
  type UpdatesPort,
  type UsagePort,
} from '../../src/api/index.ts';
import type { PlaybackTokenPort } from '../../src/api/routes/playback-tokens.ts';
import type { SigningKeyPort } from '../../src/api/routes/signing-keys.ts';
import { randomHex } from '../../src/base/index.ts';
import { createClient } from '../../src/client/index.ts';
import { type HealthReport, type PlatformStatus, PlaybackAccess, type PullStatus } from '../../src/live/index.ts';
import { openStore } from '../../src/store/index.ts';
import { searchCanaries } from '../support/canaries.ts';
import { databaseFor } from '../support/database.ts';

export const ADDRESSES = {
  publicUrl: 'https://live.example.test/base',
  rtmpPublicUrl: 'rtmp://in.example.test/static',
};

/** The live side as the API sees it, with a record of what it was asked to stop. */
export class FakeLive
  implements
    LivePort,
    StatsPort,
    UpdatesPort,
    StreamHealthPort,
    UsagePort,
    BeaconPort,
    PlaybackTokenPort,
    SigningKeyPort,
    ServerStatusPort,
    StillsPort
{
  readonly #access: PlaybackAccess;
  constructor(access: PlaybackAccess) {
    this.#access = access;
  }
  playbackChanged(playbackId: string): void {
    this.#access.changed(playbackId);
  }
  signingKeysChanged(): void {
    this.#access.keysChanged();
  }
  playbackToken(playbackId: string, forS: number) {
    return this.#access.issue(playbackId, forS);
  }

  readonly online = new Set<string>();
  readonly stopped: string[] = [];
  readonly changed: string[] = [];
  readonly restarted: string[] = [];
  /** Nothing is pushed anywhere. */
  idle = false;
  readonly statuses = new Map<string, PlatformStatus[]>();
  readonly pulls = new Map<string, PullStatus>();
  checkPull: LivePort['checkPull'] = async () => {};
  testPull: LivePort['testPull'] = async () => ({
    error: { code: 'timeout', message: 'The source has given no frame in time.' },
    protocol: null,
    video: null,
    audio: null,
    frameRate: null,
    unsupported: [],
  });
  isOnline(id: string): boolean {
    return this.online.has(id);
  }
  stats(): null {
    return null;
  }
  platformsChanged(id: string): void {
    this.changed.push(`platforms ${id}`);
  }
  platformStatuses(id: string): readonly PlatformStatus[] {
    return this.statuses.get(id) ?? [];
  }
  restartPlatform(_: string, platformId: string): boolean {
    this.restarted.push(platformId);
    return !this.idle;
  }
  pullChanged(id: string): void {
    this.changed.push(`pull ${id}`);
  }
  pullStatus(id: string): PullStatus | null {
    return this.pulls.get(id) ?? null;
  }
  onAirIds(): Iterable<string> {
    return this.online;
  }
  onAir(id: string): OnAirState | null {
    return this.online.has(id) ? { online: true, sinceMs: 1000, viewers: 3, bitrate: 2500.4, advice: [] } : null;
  }
  pulled(): Iterable<string> {
    return this.pulls.keys();
  }
  readonly reports: string[] = [];
  played(...[report, viewer]: Parameters<BeaconPort['played']>): void {
    this.reports.push(`${report.event} ${report.watchedMs} ${viewer}`);
  }
  async writeUsage(): Promise<void> {}
  async still(): Promise<null> {
    return null;
  }
  async serverStatus() {
    return { disk: { free: 1, total: 2 }, ffmpeg: null, rss: 3, eventLoopP99Ms: 4.5, onAir: 5, viewers: 6 };
  }
  health(): HealthReport | null {
    return null;
  }
  stop(...[id, reason, which]: Parameters<LivePort['stop']>): void {
    this.online.delete(id);
    this.stopped.push(which === 'backup' ? `${id} ${reason} backup` : `${id} ${reason}`);
  }
}

/** A listening API over a real store in a folder of its own. */
export async function startApi(
  dataDir = mkdtempSync(join(tmpdir(), 'liveapi-api-')),
  {
    checkDestination = async () => {},
    limits = {},
    mail = null,
  }: {
    checkDestination?: CheckDestination;
    limits?: Partial<Parameters<typeof createApi>[0]['config']>;
    mail?: MailPort | null;
  } = {},
) {
  const isNew = !existsSync(join(dataDir, 'secret.key'));
  const logged: string[] = [];
  const log: Logger = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) });
  const store = await openStore({ dataDir, ...(await databaseFor(dataDir)), log });
  const again = { id: 'again', secret: randomHex(32) };
  const { token = again } = await store.bootstrap(isNew ? {} : { token: `again:${again.secret}` });
  const live = new FakeLive(new PlaybackAccess({ source: store.playback, freshMs: Number.POSITIVE_INFINITY, log }));
  let draining = false;
  const app = createApi({
    store,
    live,
    config: { ...ADDRESSES, ...limits },
    log,
    checkDestination,
    mail,
    isDraining: () => draining,
  });
  const routes: { method: string; url: string; hidden: boolean }[] = [];
  app.addHook('onRoute', ({ method, url, schema }) => {
    for (const one of [method].flat()) routes.push({ method: one, url, hidden: schema?.hide === true });
  });
  const baseUrl = await app.listen({ port: 0, host: '127.0.0.1' });
  const secrets = token;
  /** Whom the first token acts for, and where: what makes other tokens of the organization. */
  const owner = (await store.verifyToken(secrets.id, secrets.secret))!;
  const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  const authorization = basic(secrets.id, secrets.secret);

  /** One request with exactly these headers and this body, and its answer in pieces. */
  async function call(method: string, path: string, body?: string | null, headers: Record<string, string> = {}) {
    const answer = await fetch(baseUrl + path, { method, body, headers: { authorization, ...headers } });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, body: text ? JSON.parse(text) : undefined };
  }

  /** Sends bytes as they are and returns the whole answer: for requests that fetch does not let through. */
  async function raw(request: string): Promise<string> {
    const socket = connect(Number(new URL(baseUrl).port), '127.0.0.1');
    socket.write(request);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await once(socket, 'close');
    return Buffer.concat(chunks).toString();
  }

  const client = createClient({ baseUrl, tokenId: secrets.id, secret: secrets.secret });
  const stop = async () => {
    await app.close();
    await store.close();
    searchCanaries(logged.join(''));
  };
  const drain = () => {
    draining = true;
  };
  const remove = () => rmSync(dataDir, { recursive: true });
  return {
    app,
    /** Every route that the app has, as it says itself. */
    routes,
    baseUrl,
    store,
    owner,
    live,
    client,
    call,
    raw,
    basic,
    authorization,
    secrets,
    logged,
    dataDir,
    stop,
    drain,
    remove,
  };
}
