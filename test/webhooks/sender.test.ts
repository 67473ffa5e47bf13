// What becomes of a webhook: every kind of receiver, signatures as others check them, and the retries under a clock of the test.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import tls from 'node:tls';
import { type Logger, pino } from 'pino';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { createOutbound } from '../../src/outbound/index.ts';
import { createWebhookSender, type SenderClock, type WebhookSenderOptions } from '../../src/webhooks/index.ts';
import { until } from '../support/until.ts';
import { type Kept, MemoryQueue, newSecret } from './memory-queue.ts';

const RETRY_S = [5, 30, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 72_000];
const RETRY_MS = RETRY_S.map((seconds) => seconds * 1000);
const HOUR = 3_600_000;

const logged: string[] = [];
const log: Logger = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) });
const outbound = createOutbound({
  allow: ['127.0.0.1/32'],
  allowHttpWebhooks: true,
  ownListeners: () => [],
  failureFloorMs: 0,
  resolve: async () => ['127.0.0.1'],
});
after(() => outbound.close());

function startSender(deliveries: MemoryQueue, options: Partial<WebhookSenderOptions> = {}) {
  const sender = createWebhookSender({ deliveries, outbound, retryMs: RETRY_MS, timeoutMs: 3000, log, ...options });
  sender.start();
  after(() => sender.close());
  return sender;
}

async function listen(server: net.Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as net.AddressInfo).port;
}

interface Received {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A receiver that keeps what it gets and answers by `answer`. */
async function receive(answer: http.RequestListener) {
  const received: Received[] = [];
  const port = await listen(
    http.createServer(async (request, response) => {
      const chunks = await request.toArray();
      const headers = request.headers as Record<string, string>;
      received.push({ path: request.url!, headers, body: Buffer.concat(chunks).toString() });
      answer(request, response);
    }),
  );
  return { port, received };
}

const finished = (deliveries: readonly Kept[], attempts = 1) =>
  until('every delivery was tried', 15_000, () => deliveries.every((delivery) => delivery.log.length >= attempts), 10);

test('L11 each kind of receiver is dealt with as docs/guide/webhooks.md says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'liveapi-tls-'));
  after(() => rmSync(folder, { recursive: true }));
  const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=good.test'.split(' ');
  const files = ['-addext', 'subjectAltName=DNS:good.test', '-keyout', keyFile, '-out', certificateFile];
  execFileSync('openssl', [...request, ...files], { stdio: 'ignore' });
  const [key, cert] = [readFileSync(keyFile), readFileSync(certificateFile)];
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), cert.toString()]);
  const securePort = await listen(https.createServer({ key, cert }, (_request, response) => response.end('safe')));

  const { port, received } = await receive((request, response) => {
    const { pathname: path, searchParams } = new URL(request.url!, 'http://host');
    if (path === '/reset') return response.socket!.resetAndDestroy();
    if (path === '/half')
      return response.writeHead(200, { 'content-length': 1000 }).write('half', () => response.destroy());
    if (path === '/never') return;
    if (path === '/drip') {
      const bytes = [...'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'];
      const timer = setInterval(() => response.socket?.write(bytes.shift()!), 1000);
      return request.socket.on('close', () => clearInterval(timer));
    }
    if (path === '/long') return response.end('ö'.repeat(50_000));
    const retryAfter = searchParams.get('after');
    if (retryAfter) response.setHeader('retry-after', retryAfter);
    response.writeHead(Number(path.slice(1)), { location: 'http://169.254.169.254/' }).end('an answer');
  });
  const closed = net.createServer();
  const closedPort = await listen(closed);
  closed.close();

  const queue = new MemoryQueue();
  const inAMinute = encodeURIComponent(new Date(Date.now() + 60_000).toUTCString());
  const cases: [
    where: string,
    kind: 'delivered' | 'retry' | 'dead',
    status: number | null,
    waitMs?: [number, number],
  ][] = [
    ['/200', 'delivered', 200],
    ['/201', 'delivered', 201],
    ['/204', 'delivered', 204],
    ['/long', 'delivered', 200],
    [`https://good.test:${securePort}/`, 'delivered', 200],
    ['/301', 'retry', 301],
    ['/307', 'retry', 307],
    ['/400', 'retry', 400],
    ['/404', 'retry', 404],
    ['/410', 'dead', 410],
    ['/429', 'retry', 429],
    ['/429?after=120', 'retry', 429, [120_000, 120_000]],
    [`/503?after=${inAMinute}`, 'retry', 503, [50_000, 61_000]],
    ['/503?after=999999', 'retry', 503, [HOUR, HOUR]],
    ['/502?after=soon', 'retry', 502],
    ['/504?after=0', 'retry', 504],
    ['/500?after=120', 'retry', 500],
    ['/reset', 'retry', null],
    ['/half', 'retry', null],
    ['/drip', 'retry', null],
    ['/never', 'retry', null],
    [`https://wrong.test:${securePort}/`, 'retry', null],
    [`http://closed.test:${closedPort}/`, 'retry', null],
    ['https://10.0.0.1/', 'retry', null],
  ];
  const deliveries = cases.map(([where]) =>
    queue.add(
      where.startsWith('/')
        ? `http://hooks.test:${port}${where}${where.includes('?') ? '&' : '?'}token=canary-1`
        : where,
    ),
  );
  startSender(queue);
  await finished(deliveries);
  for (const [i, [where, kind, status, waitMs = [2500, 7500]]] of cases.entries()) {
    const [{ attempt, outcome }] = deliveries[i]!.log as [Kept['log'][0]];
    assert.deepEqual([where, outcome.kind, attempt.status], [where, kind, status]);
    assert.equal(attempt.error === null, status !== null, where);
    if (outcome.kind !== 'retry') continue;
    const planned = outcome.nextMs - attempt.startedMs - attempt.durationMs;
    assert.ok(planned >= waitMs[0] - 100 && planned <= waitMs[1] + 100, `${where} is tried again after ${planned} ms`);
  }
  const logOf = (where: string) => deliveries[cases.findIndex(([one]) => one === where)]!.log[0]!.attempt;
  assert.equal(logOf('/200').responseBody, 'an answer');
  const long = logOf('/long').responseBody!;
  assert.ok(Buffer.byteLength(long) <= 4096 && long.startsWith('öö'));
  assert.ok(logOf('/never').durationMs >= 2900, 'it had its time');
  assert.equal(new Set(['/reset', '/half', '/never', '/drip'].map((where) => logOf(where).error)).size, 1);
  assert.equal(received.filter(({ path }) => path.startsWith('/301')).length, 1, 'no redirect is followed');

  // S83: nothing of the URL's query, of headers and bodies is logged, and the delivery log masks the signature.
  const secrets = deliveries.flatMap((delivery) => delivery.secrets.map((secret) => secret.slice(6)));
  const signatures = received.map(({ headers }) => headers['webhook-signature']!.slice(3));
  for (const word of ['canary-1', 'Grüße', 'an answer', ...secrets, ...signatures])
    assert.ok(
      !logged.join('').includes(word),
      logged.find((line) => line.includes(word)),
    );
  assert.equal(logOf('/200').requestHeaders['webhook-signature'], 'v1,***');
});

test('S80 S81 S82 others verify the signature; a retry has the same id and bytes, and a new timestamp', async () => {
  let failures = 2;
  const { port, received } = await receive((_request, response) =>
    response.writeHead(failures-- > 0 ? 500 : 200).end(),
  );
  const queue = new MemoryQueue();
  const secrets = [newSecret(), newSecret()];
  const delivery = queue.add(`http://hooks.test:${port}/`, { secrets });
  startSender(queue, { retryMs: [1100, 1100] });
  await until('it is delivered', 10_000, () => delivery.log.at(-1)?.outcome.kind === 'delivered');
  assert.equal(received.length, 3);
  for (const { headers, body } of received) {
    for (const secret of secrets) {
      assert.equal((new StandardWebhook(secret).verify(body, headers) as { id: string }).id, delivery.id);
      new SvixWebhook(secret).verify(body, headers);
    }
    const stranger = new StandardWebhook(newSecret());
    assert.throws(() => stranger.verify(body, headers));
    const right = new StandardWebhook(secrets[0]!);
    assert.throws(() => right.verify(`${body} `, headers));
    assert.throws(() => right.verify(body, { ...headers, 'webhook-id': 'a'.repeat(24) }));
    assert.throws(() =>
      right.verify(body, { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) - 360) }),
    );
    assert.equal(headers['webhook-id'], delivery.eventId);
    assert.equal(body, delivery.body);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['user-agent'], 'LiveAPI-Webhooks/1');
    assert.equal(headers['webhook-signature']!.split(' ').length, 2);
  }
  const timestamps = received.map(({ headers }) => Number(headers['webhook-timestamp']));
  assert.ok(timestamps[0]! < timestamps[2]! && Math.abs(timestamps[0]! - Date.now() / 1000) < 60);
});

/** Time that passes when everybody sleeps: to the next who wakes. */
class TestClock implements SenderClock {
  #nowMs = Date.UTC(2030, 0, 1);
  readonly #sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();
  nowMs = () => this.#nowMs;
  sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      const sleeper = {
        untilMs: this.#nowMs + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', sleeper.wake, { once: true });
    });
  async pass(hours: number): Promise<void> {
    const endMs = this.#nowMs + hours * HOUR;
    while (this.#nowMs < endMs) {
      await new Promise((resolve) => setImmediate(resolve)); // whatever is under way goes on
      const next = Math.min(endMs, ...[...this.#sleepers].map(({ untilMs }) => untilMs));
      this.#nowMs = Math.max(this.#nowMs, next);
      for (const sleeper of this.#sleepers) if (sleeper.untilMs <= next) sleeper.wake();
    }
  }
}

test('L12 eleven attempts over about 72 h, each in its own time; a restart changes nothing, and a long sleep makes no burst', async (t) => {
  const clock = new TestClock();
  const queue = new MemoryQueue(clock.nowMs);
  const failing = {
    request: async () => ({ status: 500, headers: {}, url: '', body: Buffer.from(''), truncated: false }),
  };
  const deliveries = Array.from({ length: 100 }, (_, i) => queue.add(`https://hooks.test/${i}`));
  const start = () => startSender(queue, { clock, outbound: failing });
  let sender = start();
  await clock.pass(3);
  await sender.close();
  const counts = deliveries.map(({ log }) => log.length);
  assert.ok(
    Math.min(...counts) >= 5 && Math.max(...counts) < 11,
    `${Math.min(...counts)} to ${Math.max(...counts)} by then`,
  );
  sender = start();
  await clock.pass(117);
  await sender.close();
  const totals: number[] = [];
  for (const { log } of deliveries) {
    assert.equal(log.length, 11);
    assert.deepEqual(log.at(-1)!.outcome, { kind: 'dead', reason: 'None of 11 attempts succeeded.' });
    const times = log.map(({ attempt }) => attempt.startedMs);
    for (const [i, waitS] of RETRY_S.entries()) {
      const gapS = (times[i + 1]! - times[i]!) / 1000;
      assert.ok(gapS >= waitS / 2 && gapS <= waitS * 1.5 + 1, `attempt ${i + 2} came ${gapS} s after the one before`);
    }
    totals.push((times[10]! - times[0]!) / HOUR);
  }
  const mean = totals.reduce((sum, hours) => sum + hours, 0) / totals.length;
  t.diagnostic(
    `from the first to the last: mean ${mean.toFixed(1)} h, ${Math.min(...totals).toFixed(1)} to ${Math.max(...totals).toFixed(1)}`,
  );
  assert.ok(Math.min(...totals) > 24 && Math.abs(mean - 71.6) < 6);
  // What the sender chose, not when it came to pass: the clock leaps from one sleeper to the next.
  const chosen = new Set(
    deliveries.map(
      ({ log: [first] }) => first!.outcome.kind === 'retry' && first!.outcome.nextMs - first!.attempt.startedMs,
    ),
  );
  assert.ok(chosen.size > 50, `the jitter spreads them: ${chosen.size} times for 100`);

  const asleep = queue.add('https://hooks.test/asleep');
  sender = start();
  await clock.pass(0.01);
  await sender.close();
  const before = asleep.log.length;
  await clock.pass(48);
  sender = start();
  await clock.pass(0.02);
  assert.equal(asleep.log.length, before + 1, 'one attempt for what is overdue, then the next by its wait');
  await sender.close();
});

test('a store that cannot answer is asked again with patience, and nothing is lost; close waits for what is in flight', async () => {
  const gate = Promise.withResolvers<void>();
  const { port, received } = await receive(async (request, response) => {
    if (request.url === '/slow') await gate.promise;
    response.end();
  });
  const queue = new MemoryQueue();
  queue.broken = true;
  const sender = startSender(queue);
  const first = queue.add(`http://hooks.test:${port}/`);
  sender.wake();
  await until('the failure is told', 5000, () => logged.some((line) => line.includes('the store does not answer')));
  for (let i = 0; i < 1000; i++) sender.wake();
  assert.equal(queue.claims, 0);
  queue.broken = false;
  await finished([first]);
  const slow = queue.add(`http://hooks.test:${port}/slow`);
  sender.wake();
  await until('it is under way', 5000, () => received.length === 2);
  const late = queue.add(`http://hooks.test:${port}/`);
  const closed = sender.close();
  sender.wake();
  gate.resolve();
  await closed;
  assert.deepEqual([slow.log[0]?.outcome.kind, late.log.length], ['delivered', 0]);
});
