import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask } from '../conformance/http.ts';
import { addCanariesOf, addCanary, searchCanaries } from './canaries.ts';
import { type Child, startChild } from './child.ts';
import { until } from './until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A server gives itself ten seconds to end in order; a busy machine is slower. */
const STOP_MS = 30_000;

/** A live stream as the API shows it: what the tests read of it. */
export interface LiveStream {
  readonly _id: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly broadcasting_status?: 'online' | 'offline';
  readonly ingest: { readonly server: string; readonly key: string };
  readonly playback: { readonly embed_url: string; readonly embed_audio_url: string; readonly hls_url: string };
  readonly user: string;
}

/** A real server: its own process, ports and data folder. */
export interface TestServer {
  readonly httpPort: number;
  readonly rtmpPort: number;
  readonly dataDir: string;
  readonly publicUrl: string;
  readonly tokenId: string;
  readonly secret: string;
  readonly pid: number;
  /** Everything that all of its processes have written so far. */
  output(): string;
  /** One API request with the token; the parsed answer. @throws unless the status is 2xx. */
  api<T = LiveStream>(method: string, path: string, body?: unknown): Promise<T>;
  createLiveStream(body?: unknown): Promise<LiveStream>;
  status(id: string): Promise<string | undefined>;
  /** Waits until the API says so. */
  untilStatus(id: string, status: 'online' | 'offline', timeoutMs?: number): Promise<void>;
  /** Ends the process at once, as a power cut would. */
  kill9(): Promise<void>;
  /** SIGTERM, until it has ended. */
  stop(): Promise<void>;
  /** Starts it again: same ports, same folder. Ends the old one with SIGTERM if it still runs. */
  restart(): Promise<void>;
  /** SIGTERM, then: ended with 0, no secret in the output, folder removed. */
  close(): Promise<void>;
}

/** Where an encoder pushes to: server and key in one URL. */
export const ingestUrl = (stream: LiveStream): string => `${stream.ingest.server}/${stream.ingest.key}`;

/** Ports of loopback that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Starts a server and waits until it is ready. `env` adds settings (`LIVEAPI_…`) to those of the test, `source` is the folder of
 * another version of the program, and what stands `beside` another server has its token.
 */
export async function startServer(
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly source?: string;
    readonly beside?: TestServer;
  } = {},
): Promise<TestServer> {
  const [httpPort, rtmpPort] = (await freePorts(2)) as [number, number];
  const dataDir = await mkdtemp(join(tmpdir(), 'liveapi-e2e-'));
  const tokenId = options.beside?.tokenId ?? randomBytes(12).toString('hex');
  const secret = options.beside?.secret ?? randomBytes(20).toString('hex');
  const publicUrl = `http://127.0.0.1:${httpPort}`;
  const authorization = `Basic ${Buffer.from(`${tokenId}:${secret}`).toString('base64')}`;
  addCanary(secret);
  let earlier = '';
  let child: Child;

  async function start(): Promise<void> {
    child = startChild(process.execPath, ['src/cli/main.ts', 'serve'], {
      cwd: options.source ?? root,
      env: {
        PATH: process.env.PATH,
        HOME: dataDir,
        LIVEAPI_HTTP_HOST: '127.0.0.1',
        LIVEAPI_RTMP_HOST: '127.0.0.1',
        LIVEAPI_HTTP_PORT: String(httpPort),
        LIVEAPI_RTMP_PORT: String(rtmpPort),
        LIVEAPI_DATA_DIR: dataDir,
        LIVEAPI_PUBLIC_URL: publicUrl,
        LIVEAPI_BOOTSTRAP_TOKEN: `${tokenId}:${secret}`,
        LIVEAPI_LOG_LEVEL: 'debug', // close() looks for secrets in all that was logged (S21)
        ...options.env,
      },
    });
    await until('the server is ready', 20_000, async () => {
      if (!child.running) return true;
      return (await ask(`${publicUrl}/health/ready`, { alone: true })).status === 200;
    }).catch(async (error: unknown) => {
      await child.stop('SIGKILL');
      throw new Error(`${String(error)}\n${child.stderr().slice(-4000)}`);
    });
    if (!child.running) throw new Error(`the server ended: ${child.stderr().slice(-4000)}`);
  }

  const server: TestServer = {
    httpPort,
    rtmpPort,
    dataDir,
    publicUrl,
    tokenId,
    secret,
    get pid() {
      return child.pid;
    },
    output: () => earlier + child.stdout() + child.stderr(),
    async api<T>(method: string, path: string, body?: unknown): Promise<T> {
      addCanariesOf(body);
      // A connection of its own: one kept from before a restart would be dead.
      const answer = await ask(`${publicUrl}${path}`, {
        alone: true,
        method,
        headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = answer.body.toString('utf8');
      if (answer.status < 200 || answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return JSON.parse(text) as T;
    },
    async createLiveStream(body) {
      const stream = await server.api<LiveStream>('POST', '/live_streams', body);
      if (!/\?password=[0-9a-f]{8}$/.test(stream.ingest.key))
        throw new Error(`no password in the key of ${stream._id}`);
      return stream;
    },
    status: async (id) => (await server.api('GET', `/live_streams/${id}`)).broadcasting_status,
    async untilStatus(id, status, timeoutMs = 10_000) {
      await until(`the live stream is ${status}`, timeoutMs, async () => (await server.status(id)) === status);
    },
    async kill9() {
      child.process.kill('SIGKILL');
      await child.ended;
    },
    stop: () => child.stop('SIGTERM', STOP_MS),
    async restart() {
      await child.stop('SIGTERM', STOP_MS);
      earlier += child.stdout() + child.stderr();
      await start();
    },
    async close() {
      const running = child.running;
      await child.stop('SIGTERM', STOP_MS);
      const { code, signal } = await child.ended;
      await rm(dataDir, { recursive: true, force: true });
      const output = server.output();
      searchCanaries(output);
      if (running && code !== 0) throw new Error(`the server ended with ${code ?? signal}: ${output.slice(-2000)}`);
    },
  };
  await start();
  return server;
}
