import { Agent, request } from 'node:http';
import { startPostgres } from '../../test/support/postgres.ts';
import type { TestServer } from '../../test/support/server.ts';
import { createStreams, startBenchServer, startFloor } from './bench-server.ts';
import { during, percentile } from './measure.ts';
import { pause } from './publisher.ts';
import { getRequest, hammer } from './raw-http.ts';
import type { Effort, Row } from './table.ts';

const CONNECTIONS = 16;
/** Requests a CPU-second; where bare fastify answers fewer than it did on the machine that they are from, their share of that. */
const BAR_CREATE = 2000;
const BAR_READ = 15_000;
const BARE_FASTIFY = 60_000;
const BAR_P99_MS = 10;
/** Bounds the paced run, whatever the server could do. */
const MAX_PACED = 5000;

/** Sends `rate` requests a second for `seconds`, each at its time whether or not the last is answered; their times in ms. */
async function paced(
  server: TestServer,
  method: string,
  path: string,
  rate: number,
  seconds: number,
): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const auth = `${server.tokenId}:${server.secret}`;
  const times: number[] = [];
  const ask = () =>
    new Promise<void>((resolve, reject) => {
      const began = performance.now();
      const sent = request({ agent, port: server.httpPort, host: '127.0.0.1', method, path, auth }, (answer) => {
        answer.resume();
        answer.once('end', () => {
          times.push(performance.now() - began);
          answer.statusCode === 200 ? resolve() : reject(new Error(`${method} ${path}: ${answer.statusCode}`));
        });
      });
      sent.once('error', reject);
      sent.end();
    });
  const total = Math.min(MAX_PACED, Math.round(rate * seconds));
  const pending: Promise<void>[] = [];
  for (const began = performance.now(); pending.length < total; await pause(2)) {
    const due = Math.min(total, ((performance.now() - began) / 1000) * rate);
    while (pending.length < due) pending.push(ask());
  }
  await Promise.all(pending);
  agent.destroy();
  return times;
}

async function measure(
  server: TestServer,
  name: string,
  method: string,
  path: string,
  seconds: number,
  floor: number,
  bar: number | undefined,
): Promise<Row[]> {
  const authorization = `Authorization: Basic ${Buffer.from(`${server.tokenId}:${server.secret}`).toString('base64')}`;
  const bytes = Buffer.from(
    [
      `${method} ${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      authorization,
      ...(method === 'POST' ? ['Content-Length: 0'] : []),
      '',
      '',
    ].join('\r\n'),
  );
  let answers = 0;
  await hammer(server.httpPort, CONNECTIONS, [bytes], 1);
  const { cpuMs, wallMs } = await during(
    server.pid,
    async () => (answers = await hammer(server.httpPort, CONNECTIONS, [bytes], seconds)),
  );
  const perCpu = answers / (cpuMs / 1000);
  const wanted = bar && Math.round(bar * Math.min(1, floor / BARE_FASTIFY));
  const times = await paced(server, method, path, answers / (wallMs / 1000) / 2, seconds);
  const p99 = percentile(times, 0.99);
  return [
    {
      what: `API, ${name}`,
      measured: `${Math.round(perCpu)} per CPU-second (bare fastify ${Math.round(floor)}), ${Math.round(answers / (wallMs / 1000))} a second`,
      ...(wanted && { bar: `≥ ${wanted} per CPU-second`, met: perCpu >= wanted }),
    },
    {
      what: `API, ${name}, at half of that load`,
      measured: `p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`,
      bar: `p99 ≤ ${BAR_P99_MS} ms`,
      met: p99 <= BAR_P99_MS,
    },
  ];
}

/** Creating, reading and listing live streams over the API, authorised and durable as always: on SQLite, and on Postgres beside it. */
export async function api({ seconds }: Effort): Promise<Row[]> {
  const floor = await bareFastify(seconds / 2);
  const postgres = await startPostgres({ durable: true });
  try {
    const sqlite = await onDatabase('SQLite', {}, seconds / 2, floor);
    const env = { LIVEAPI_DATABASE_URL: await postgres.create('bench') };
    return [...sqlite, ...(await onDatabase('Postgres', env, seconds / 2, floor))];
  } finally {
    await postgres.close();
  }
}

/** What it answers in a CPU-second, on the server's core. */
async function bareFastify(seconds: number): Promise<number> {
  const { port, child } = await startFloor('./bare-fastify.ts');
  const requests = [getRequest('/')];
  await hammer(port, CONNECTIONS, requests, 1);
  let answers = 0;
  const { cpuMs } = await during(child.pid, async () => (answers = await hammer(port, CONNECTIONS, requests, seconds)));
  await child.stop();
  return answers / (cpuMs / 1000);
}

/** The bars are for the process alone: Postgres does its part in processes of its own, on the cores that are left. */
async function onDatabase(name: string, env: Record<string, string>, seconds: number, floor: number): Promise<Row[]> {
  const server = await startBenchServer({ ...env, LIVEAPI_API_RATE_PER_MINUTE: '0' });
  try {
    const [stream] = await createStreams(server, 20);
    const run = (what: string, method: string, path: string, bar?: number) =>
      measure(server, `${what}, ${name}`, method, path, seconds, floor, name === 'SQLite' ? bar : undefined);
    return [
      ...(await run('read', 'GET', `/live_streams/${stream!._id}`, BAR_READ)),
      ...(await run('list', 'GET', '/live_streams')),
      ...(await run('create', 'POST', '/live_streams', BAR_CREATE)),
    ];
  } finally {
    await server.close();
  }
}
