// The sender over the real store: order, dead endpoints, storms. Runs on SQLite, or where LIVEAPI_TEST_DATABASE says.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { createOutbound } from '../../src/outbound/index.ts';
import { openStore, type Principal, type Scope, type Store } from '../../src/store/index.ts';
import { createWebhookSender } from '../../src/webhooks/index.ts';
import { databaseFor } from '../support/database.ts';
import { until } from '../support/until.ts';

interface Envelope {
  readonly event: string;
  readonly payload: { readonly _id: string };
  readonly id: string;
  readonly sequence: number;
  readonly created_at: string;
}

const log = createLogger('silent');
let store: Store;
let owner: Principal;
let close: () => Promise<void>;
before(async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'liveapi-outbox-'));
  store = await openStore({ dataDir, log, ...(await databaseFor(dataDir)) });
  const { token } = await store.bootstrap();
  owner = (await store.verifyToken(token!.id, token!.secret))!;
  const outbound = createOutbound({
    allow: ['127.0.0.1/32'],
    allowHttpWebhooks: true,
    ownListeners: () => [],
    failureFloorMs: 0,
  });
  // An hour: what never answers is in flight for as long as the tests last.
  const sender = createWebhookSender({
    deliveries: store.deliveries,
    outbound,
    retryMs: [100, 100],
    timeoutMs: 3_600_000,
    log,
  });
  store.onEvent(() => sender.wake());
  sender.start();
  close = async () => {
    const closed = sender.close();
    await outbound.close();
    await closed;
    await store.close();
    rmSync(dataDir, { recursive: true });
  };
});
after(() => close());

/** A receiver that keeps what it gets, with when it first came: where the sender could not write down that it arrived, it comes again. */
async function receive(answer: (response: http.ServerResponse) => void = (response) => void response.end()) {
  const received: (Envelope & { readonly atMs: number })[] = [];
  const known = new Set<string>();
  const server = http.createServer(async (request, response) => {
    const atMs = Date.now();
    const event: Envelope = JSON.parse(Buffer.concat(await request.toArray()).toString());
    if (!known.has(event.id)) received.push({ ...event, atMs });
    known.add(event.id);
    answer(response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, received };
}

/** An environment of a new organization. */
async function newScope(): Promise<Scope & { readonly userId: string }> {
  const { id } = await store.organizations.create(owner.userId, 'Tenant');
  return { organizationId: id, environment: 'production', userId: owner.userId };
}

const sequencesOf = (received: readonly Envelope[]) =>
  [...Map.groupBy(received, ({ payload }) => payload._id).values()].map((events) =>
    events.map(({ sequence }) => sequence),
  );

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test('L13 fifty endpoints that never answer delay nobody, and each live stream has its order', async (t) => {
  const silent = net.createServer();
  const sockets = new Set<net.Socket>();
  silent.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  after(() => {
    silent.close();
    for (const socket of sockets) socket.destroy();
  });
  const deadUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
  const { url, received } = await receive();
  const scopes = await Promise.all([newScope(), newScope(), newScope(), newScope()]);
  await store.webhookEndpoints.create(scopes[0]!, { url });
  const streams = await Promise.all(scopes.flatMap((scope) => upTo(5).map(() => store.liveStreams.create(scope, {}))));
  /** Ten changes of each live stream, and how long after the change the healthy endpoint was told of its own. */
  const change = async () => {
    const before = received.length;
    for (let i = 0; i < 10; i++)
      await Promise.all(streams.map((stream) => store.liveStreams.update(stream, stream.id, { enabled: i % 2 === 1 })));
    await until('the healthy endpoint has everything', 60_000, () => received.length === before + 5 * 10);
    const late = received.slice(before).map(({ atMs, created_at }) => atMs - Date.parse(created_at));
    late.sort((a, b) => a - b);
    return `${late[25]} ms (median), ${late.at(-1)} ms (longest)`;
  };
  await until('the first events are there', 20_000, () => received.length === 5);
  const alone = await change();
  for (const [i, scope] of scopes.entries())
    for (let j = 0; j < (i < 2 ? 13 : 12); j++) await store.webhookEndpoints.create(scope, { url: deadUrl });
  for (const { id, ...scope } of streams) await store.liveStreams.update(scope, id, { enabled: false });
  await until('every dead endpoint is being tried', 20_000, () => sockets.size === 50);
  for (const { id, ...scope } of streams) await store.liveStreams.update(scope, id, { enabled: true });
  await until('the healthy endpoint has everything', 60_000, () => received.length === 5 * 13);
  const beside = await change();
  assert.equal(sockets.size, 50, 'one at a time for each that is dead');
  for (const sequences of sequencesOf(received)) assert.deepEqual(sequences, upTo(23));
  t.diagnostic(`told alone after ${alone}, beside 50 dead endpoints after ${beside}`);
});

test('L17 of 1,040 endpoints that never answer 512 hold a place, and nothing is looked for any more', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'liveapi-outbox-'));
  let [queries, asked] = [0, 0];
  const onQuery = () => void queries++;
  const crowded = await openStore({ dataDir, log, onQuery, ...(await databaseFor(dataDir)) });
  const { token } = await crowded.bootstrap();
  const { userId } = (await crowded.verifyToken(token!.id, token!.secret))!;
  const ended = new AbortController();
  const { url, received } = await receive();
  const answering = createOutbound({ allow: ['127.0.0.1/32'], allowHttpWebhooks: true, ownListeners: () => [] });
  const sender = createWebhookSender({
    deliveries: crowded.deliveries,
    outbound: {
      // The dead ones: real sockets would be a thousand open files.
      async request(to, options) {
        if (to === url) return answering.request(to, options);
        asked++;
        await once(ended.signal, 'abort');
        throw new Error('over');
      },
    },
    retryMs: [3_600_000],
    timeoutMs: 3_600_000,
    log,
  });
  crowded.onEvent(() => sender.wake());
  sender.start();
  t.after(async () => {
    ended.abort();
    await Promise.all([sender.close(), answering.close()]);
    await crowded.close();
    rmSync(dataDir, { recursive: true });
  });
  const newOrganization = async () => ({
    organizationId: (await crowded.organizations.create(userId, 'Tenant')).id,
    environment: 'production' as const,
    userId,
  });
  const healthy = await newOrganization();
  await crowded.webhookEndpoints.create(healthy, { url });
  const stream = await crowded.liveStreams.create(healthy, {});
  await until('the healthy endpoint has answered', 20_000, () => received.length === 1);
  for (let i = 0; i < 26; i++) {
    const { organizationId } = await newOrganization();
    for (const environment of ['production', 'development'] as const) {
      const scope = { organizationId, environment, userId };
      await Promise.all(
        upTo(20).map(() => crowded.webhookEndpoints.create(scope, { url: 'https://dead.example.test/' })),
      );
      await crowded.liveStreams.create(scope, {});
    }
  }
  await until('half of the places are taken', 60_000, () => asked >= 512);
  const before = queries;
  for (const i of upTo(10)) {
    await crowded.liveStreams.update(healthy, stream.id, { enabled: i % 2 === 0 });
    await until('the healthy endpoint is told', 20_000, () => received.length === 1 + i);
  }
  assert.equal(asked, 512);
  t.diagnostic(`${queries - before} statements for ten changes beside 1,040 dead endpoints`);
  assert.ok(queries - before < 400, `${queries - before} statements`);
});

test('L16 encoders that come and go all the time: events in pairs and in order, and nothing is left in the queue', async (t) => {
  const { url, received } = await receive();
  const scope = await newScope();
  const streams = await Promise.all(upTo(5).map(() => store.liveStreams.create(scope, {})));
  const { row } = await store.webhookEndpoints.create(scope, { url });
  const flaps = 60;
  await Promise.all(
    streams.map(async ({ id }) => {
      for (let flap = 0; flap < flaps; flap++) {
        const moment = { broadcastId: `${id}-${flap}`, liveStreamId: id, atMs: Date.now() };
        const publisher = { id: 'p', protocol: 'rtmp', address: '192.0.2.1' } as const;
        const connected = { ...moment, kind: 'connected', number: 1, publisher, first: true } as const;
        await store.broadcasts.tell(connected);
        await store.broadcasts.tell(connected); // told again, as after a failure
        await store.broadcasts.tell({ ...moment, kind: 'disconnected', number: 2, reason: 'window_over' });
      }
    }),
  );
  await until('all are delivered', 60_000, () => received.length >= streams.length * flaps * 2);
  assert.equal(received.length, streams.length * flaps * 2);
  for (const events of Map.groupBy(received, ({ payload }) => payload._id).values()) {
    const names = events.map(({ event }) => event);
    assert.deepEqual(
      names,
      upTo(flaps).flatMap(() => ['stream-connected', 'stream-disconnected']),
    );
    const sequences = events.map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences,
      upTo(flaps * 2).map((n) => n + 1),
    ); // 1 is stream-created, before the endpoint
  }
  await until('the queue is empty', 5000, async () => {
    const waiting = await store.deliveryLog.list(scope, row.id, { page: 1, limit: 1, state: 'pending' });
    return waiting!.total === 0;
  });
  t.diagnostic(
    `${received.length} events, the last ${Math.max(...received.map((one) => one.atMs - Date.parse(one.created_at)))} ms late at most`,
  );
});

test('L17 200 changes a second are each told at once, with a slow receiver too', async (t) => {
  const { url, received } = await receive((response) => void setTimeout(() => response.end(), 40));
  const scope = await newScope();
  await store.webhookEndpoints.create(scope, { url });
  const streams = await Promise.all(upTo(50).map(() => store.liveStreams.create(scope, {})));
  await until('the first are there', 10_000, () => received.length === 50);
  const turns: Promise<unknown>[] = streams.map(() => Promise.resolve());
  let made = 0;
  await new Promise<void>((resolve, reject) => {
    const timer = setInterval(() => {
      for (let i = 0; i < 10; i++, made++) {
        const at = made % streams.length;
        const stream = streams[at]!;
        const enabled = Math.floor(made / streams.length) % 2 === 1;
        // One after the other for a live stream: setting what is set already is no change.
        turns[at] = turns[at]!.then(() => store.liveStreams.update(stream, stream.id, { enabled })).catch(reject);
      }
      if (made >= 400) resolve(clearInterval(timer));
    }, 50);
  });
  await until('all are told', 60_000, () => received.length === 50 + made);
  const late = received.slice(50).map(({ atMs, created_at }) => atMs - Date.parse(created_at));
  late.sort((a, b) => a - b);
  t.diagnostic(
    `${made} changes: ${late[made >> 1]} ms (median), ${late[Math.floor(made * 0.99)]} ms (p99) from the change to the first attempt`,
  );
  for (const sequences of sequencesOf(received)) assert.deepEqual(sequences, upTo(1 + made / streams.length));
});
