import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, createLogger } from '../../src/base/index.ts';
import {
  type DeliveryAttempt,
  type DueDelivery,
  openStore,
  type Principal,
  type Store,
} from '../../src/store/index.ts';
import { databaseFor, dump, execute } from '../support/database.ts';
import { patience } from '../support/until.ts';

const log = createLogger('silent');
const root = mkdtempSync(join(tmpdir(), 'liveapi-events-'));
after(() => rmSync(root, { recursive: true }));

let folders = 0;
const newFolder = () => join(root, `data-${++folders}`);
const openIn = async (dataDir: string) => openStore({ dataDir, ...(await databaseFor(dataDir)), log });
const coded = (code: string) => (error: unknown) => error instanceof CodedError && error.code === code;

/** A store with a first token and one endpoint for everything. */
async function open(dataDir = newFolder()) {
  const store = await openIn(dataDir);
  const { token } = await store.bootstrap();
  const me = (await store.verifyToken(token!.id, token!.secret))!;
  const { row: endpoint, secret } = await store.webhookEndpoints.create(me, {
    url: 'https://one.example.test/?k=s3cret',
  });
  return { store, dataDir, me, endpoint, secret };
}

const HOUR_MS = 3_600_000;
const CLAIM = { limit: 64, perEndpoint: 4, leaseMs: 60_000 };
const attempt = (status: number | null = 200, startedMs = Date.now()): DeliveryAttempt => ({
  startedMs,
  durationMs: 12,
  status,
  error: status === 200 ? null : 'It failed.',
  responseBody: `answer ${status}\0`,
  requestHeaders: { 'webhook-id': 'x', 'webhook-signature': 'v1,…' },
});
const DELIVERED = { kind: 'delivered' } as const;
const deliver = (store: Store, { id }: DueDelivery) => store.deliveries.finish(id, attempt(), DELIVERED);
/** Failed, and due again at once. */
const fail = (store: Store, { id }: DueDelivery, startedMs = Date.now()) =>
  store.deliveries.finish(id, attempt(500, startedMs), { kind: 'retry', nextMs: 1 });
const eventsOf = (due: readonly DueDelivery[]) => due.map((one) => JSON.parse(one.body));
const names = (due: readonly DueDelivery[]) => due.map(({ eventName }) => eventName);

/** As whoever sends does it: SQLite may refuse while another process writes. */
const retry = async <T>(call: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!coded('store_unavailable')(error)) throw error;
      await delay(20);
    }
  }
};

/** Delivers everything that is there; the bodies, in the order in which they were claimed. */
async function drain(store: Store) {
  const bodies: { event: string; sequence: number; payload: { _id: string } }[] = [];
  for (let due = await store.deliveries.claim(CLAIM); due.length > 0; due = await store.deliveries.claim(CLAIM)) {
    for (const one of due) await deliver(store, one);
    bodies.push(...eventsOf(due));
  }
  return bodies;
}

test('a state change writes its event, numbered for the environment and the live stream, and one delivery for who wants it', async (t) => {
  const { store, me, endpoint } = await open();
  t.after(() => store.close());
  const picky = await store.webhookEndpoints.create(me, { url: 'https://b.example.test/', events: ['stream-removed'] });
  const other = { ...me, environment: 'development' as const };
  await store.webhookEndpoints.create(other, { url: 'https://c.example.test/' });
  let told = 0;
  const forget = store.onEvent(() => told++);
  const a = await store.liveStreams.create(me, { name: 'A', settings: { abr: true, embed_password: 'hidden' } });
  assert.equal(told, 1, 'told after the commit');
  const b = await store.liveStreams.create(me, { name: 'B' });
  await store.liveStreams.update(me, a.id, { name: 'A2', enabled: true });
  assert.equal(told, 2, 'nothing that fires has changed');
  await store.liveStreams.update(me, a.id, { enabled: false });
  await store.liveStreams.delete(me, a.id);
  forget();
  await store.liveStreams.create(other, {});
  assert.equal(told, 4);

  const { events, total, lastNumber } = await store.events.list(me, { after: 0, page: 1, limit: 10 });
  assert.deepEqual([total, lastNumber], [4, 4]);
  assert.deepEqual(
    events.map((event) => [event.number, event.sequence, event.event, (event.payload as { _id: string })._id]),
    [
      [1, 1, 'stream-created', a.id],
      [2, 1, 'stream-created', b.id],
      [3, 2, 'stream-status-toggle', a.id],
      [4, 3, 'stream-removed', a.id],
    ],
  );
  assert.match(events[0]!.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const { payload } = events[2]! as { payload: Record<string, unknown> };
  assert.deepEqual([payload.name, payload.enabled, payload.settings], ['A2', false, { abr: true }]);
  assert.ok(!JSON.stringify(events).includes('hidden') && !JSON.stringify(events).includes(a.password));
  assert.deepEqual(await store.events.get(me, events[3]!.id), events[3]);

  const due = await store.deliveries.claim({ ...CLAIM, perEndpoint: 9 });
  const byEndpoint = Map.groupBy(due, ({ endpointId }) => endpointId);
  assert.equal(due.length, 3, 'one for each endpoint: none has shown yet that it answers');
  assert.deepEqual(eventsOf(byEndpoint.get(picky.row.id)!), [events[3]]);
  assert.deepEqual(eventsOf(byEndpoint.get(endpoint.id)!), [events[0]], 'the body is the event');

  const long = { country_block: Array.from({ length: 100 }, (_, i) => `${i}`.repeat(60)) };
  const { id } = await store.liveStreams.create(me, { settings: long });
  const [event] = (await store.events.list(me, { liveStreamId: id, page: 1, limit: 1 })).events;
  assert.ok(JSON.stringify(event).length < 20_480, 'S82');
  assert.equal((event!.payload as { truncated?: boolean }).truncated, true);
});

test('L13 first attempts for one live stream go one after the other; what is retried holds up nobody', async (t) => {
  const { store, me, endpoint } = await open();
  t.after(() => store.close());
  await store.webhookEndpoints.test(me, endpoint.id, { name: 'webhook-test', payload: { message: 'hello' } });
  const [first] = await store.deliveries.claim(CLAIM);
  assert.deepEqual(eventsOf([first!])[0].test, true);
  await deliver(store, first!);

  const a = await store.liveStreams.create(me, { name: 'A' });
  const b = await store.liveStreams.create(me, { name: 'B' });
  for (const enabled of [false, true]) await store.liveStreams.update(me, a.id, { enabled });
  const heads = await store.deliveries.claim(CLAIM);
  assert.deepEqual(
    heads.map(({ liveStreamId, sequence }) => [liveStreamId, sequence]),
    [
      [a.id, 1],
      [b.id, 1],
    ],
  );
  assert.deepEqual(await store.deliveries.claim(CLAIM), [], 'the next of A waits for what is in flight');
  const waitMs = (await store.deliveries.nextDueMs())! - Date.now();
  assert.ok(waitMs > 50_000, 'nothing but the leases is worth waiting for');

  await fail(store, heads[0]!);
  assert.deepEqual(await store.deliveries.claim(CLAIM), [], 'one at a time while an endpoint fails');
  await deliver(store, heads[1]!);
  const both = await store.deliveries.claim(CLAIM);
  assert.deepEqual(
    both.map(({ sequence, attempts }) => [sequence, attempts]),
    [
      [1, 1],
      [2, 0],
    ],
    'the second goes beside the retry of the first',
  );
  assert.equal(both[0]!.body, heads[0]!.body, 'S82 the same bytes');
  for (const one of both) await deliver(store, one);
  assert.deepEqual(
    (await drain(store)).map(({ sequence }) => sequence),
    [3],
  );
  assert.equal(await store.deliveries.nextDueMs(), null);
});

test('L10 what a process had claimed is due again when its lease has run out, or its successor recovers', async (t) => {
  const { store, dataDir, me } = await open();
  const successor = await openIn(dataDir);
  t.after(() => Promise.all([store.close(), successor.close()]));
  const { id } = await store.liveStreams.create(me, {});
  await store.liveStreams.update(me, id, { enabled: false });
  const [lost] = await store.deliveries.claim({ ...CLAIM, leaseMs: 0 });
  const [found, ...none] = await store.deliveries.claim(CLAIM);
  assert.deepEqual([found!.id, none], [lost!.id, []]);
  assert.deepEqual(await store.deliveries.claim(CLAIM), []);
  await successor.recover();
  assert.equal((await successor.deliveries.claim(CLAIM))[0]!.id, lost!.id);
  // Both tell what came of it: it has arrived, whatever the other one says.
  await deliver(store, lost!);
  await fail(successor, lost!);
  assert.deepEqual(names(await successor.deliveries.claim(CLAIM)), ['stream-status-toggle']);
});

test('two claimers get each delivery once, and every live stream stays in order', async (t) => {
  const { store, dataDir, me, endpoint } = await open();
  const other = await openIn(dataDir);
  t.after(() => Promise.all([store.close(), other.close()]));
  const streams = await Promise.all(Array.from({ length: 12 }, () => store.liveStreams.create(me, {})));
  const seen: DueDelivery[] = [];
  let changing = true;
  let deadlineMs = 0;
  const claim = async (by: Store) => {
    // What the others have claimed holds up what comes after it in its lane: who finds nothing now may find something later.
    while (changing || (seen.length < 12 * 9 && performance.now() < deadlineMs)) {
      const due = await retry(() => by.deliveries.claim({ ...CLAIM, perEndpoint: 8 }));
      seen.push(...due);
      await Promise.all(due.map((one) => retry(() => deliver(by, one))));
      if (due.length === 0) await delay(5);
    }
    seen.push(...(await retry(() => by.deliveries.claim({ ...CLAIM, perEndpoint: 8 }))));
  };
  const claimers = [claim(store), claim(other), claim(store)];
  for (let i = 0; i < 8; i++)
    await Promise.all(
      streams.map(({ id }, j) =>
        retry(() => (j % 2 ? store : other).liveStreams.update(me, id, { enabled: i % 2 === 1 })),
      ),
    );
  deadlineMs = performance.now() + 20_000 * patience();
  changing = false;
  await Promise.all(claimers);
  assert.equal(seen.length, 12 * 9);
  assert.equal(new Set(seen.map(({ eventId }) => eventId)).size, 12 * 9);
  for (const { id } of streams) {
    const order = seen.filter(({ liveStreamId }) => liveStreamId === id).map(({ sequence }) => sequence);
    assert.deepEqual(order, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }
  const { total } = (await store.deliveryLog.list(me, endpoint.id, { state: 'delivered', page: 1, limit: 1 }))!;
  assert.equal(total, 12 * 9);
  const { events } = await store.events.list(me, { after: 0, page: 1, limit: 200 });
  assert.deepEqual(
    events.map(({ number }) => number),
    Array.from({ length: 12 * 9 }, (_, i) => i + 1),
    'the numbers have no gaps',
  );
});

test('L13 endpoints that do not answer get one place each and half of what is free', async (t) => {
  const { store, me, endpoint } = await open();
  t.after(() => store.close());
  for (let i = 0; i < 19; i++) await store.webhookEndpoints.create(me, { url: `https://dead-${i}.example.test/` });
  await assert.rejects(store.webhookEndpoints.create(me, { url: 'https://x.example.test/' }), coded('conflict'));
  await store.webhookEndpoints.test(me, endpoint.id, { name: 'webhook-test', payload: {} });
  await drain(store);
  await Promise.all(Array.from({ length: 30 }, () => store.liveStreams.create(me, {})));
  const due = await store.deliveries.claim({ limit: 20, unprovenLimit: 10, perEndpoint: 4, leaseMs: 60_000 });
  const healthy = due.filter(({ endpointId }) => endpointId === endpoint.id);
  assert.deepEqual([healthy.length, due.length - healthy.length], [4, 10]);
  assert.ok(due.every(({ endpointId, proven }) => proven === (endpointId === endpoint.id)));
  const counts = Map.groupBy(due, ({ endpointId }) => endpointId);
  counts.delete(endpoint.id);
  assert.ok([...counts.values()].every((one) => one.length === 1));
  for (const one of healthy) await deliver(store, one);
  const next = await store.deliveries.claim({ limit: 1, perEndpoint: 4, leaseMs: 60_000 });
  assert.deepEqual(
    next.map(({ endpointId }) => endpointId),
    [endpoint.id],
    'the last place is for who answers',
  );
});

test('L15 five days of nothing but failures disable an endpoint, with notice after an hour; 410 at once; nothing comes back by itself', async (t) => {
  const { store, me, endpoint } = await open();
  t.after(() => store.close());
  const watcher = await store.webhookEndpoints.create(me, {
    url: 'https://watcher.example.test/',
    events: ['webhook-endpoint-failing', 'webhook-endpoint-disabled'],
  });
  await store.liveStreams.create(me, {});
  const start = Date.now() - 121 * HOUR_MS;
  const next = async () =>
    (await store.deliveries.claim({ ...CLAIM, perEndpoint: 1 })).find(({ endpointId }) => endpointId === endpoint.id)!;
  const failAfter = async (hours: number) => fail(store, await next(), start + hours * HOUR_MS);
  await failAfter(0);
  await failAfter(0.5);
  const notices = () => store.events.list(me, { name: 'webhook-endpoint-failing', page: 1, limit: 9 });
  assert.equal((await notices()).total, 0);
  await failAfter(1);
  await failAfter(100);
  assert.equal((await notices()).total, 1, 'once');
  await deliver(store, await next());
  assert.equal((await store.webhookEndpoints.get(me, endpoint.id))!.failingSinceMs, null);
  await store.liveStreams.create(me, {});
  await store.liveStreams.create(me, {});
  assert.deepEqual(await failAfter(0), { endpointDisabled: false });
  assert.deepEqual(await failAfter(119.9), { endpointDisabled: false });
  assert.deepEqual(await failAfter(120), { endpointDisabled: true });
  const row = (await store.webhookEndpoints.get(me, endpoint.id))!;
  assert.deepEqual([row.enabled, row.failingSinceMs], [false, start]);
  assert.match(row.disabledReason!, /five days/);
  const { events } = await store.events.list(me, { name: 'webhook-endpoint-disabled', page: 1, limit: 9 });
  assert.deepEqual((events[0]!.payload as { endpoint: object }).endpoint, { _id: endpoint.id, name: '' });
  assert.ok(!JSON.stringify(events).includes('s3cret'));

  await store.liveStreams.create(me, {});
  const told = (await store.deliveryLog.list(me, watcher.row.id, { page: 1, limit: 9 }))!.rows;
  assert.deepEqual(
    told.map(({ eventName }) => eventName),
    ['webhook-endpoint-disabled', 'webhook-endpoint-failing', 'webhook-endpoint-failing'],
    'one notice for each row of failures',
  );
  const list = (state?: 'dead') => store.deliveryLog.list(me, endpoint.id, { state, page: 1, limit: 9 });
  assert.deepEqual([(await list())!.total, (await list('dead'))!.total], [3, 2]);
  await assert.rejects(store.deliveryLog.resendAll(me, endpoint.id, { state: 'dead' }), coded('conflict'));
  const test = { name: 'webhook-test', payload: {} } as const;
  await assert.rejects(store.webhookEndpoints.test(me, endpoint.id, test), coded('conflict'));

  const enabled = (await store.webhookEndpoints.update(me, endpoint.id, { enabled: true }))!;
  assert.deepEqual([enabled.enabled, enabled.failingSinceMs, enabled.disabledReason], [true, null, null]);
  assert.equal(await next(), undefined);
  assert.deepEqual(await store.deliveryLog.resendAll(me, endpoint.id, { state: 'dead' }), {
    resent: 2,
    nextFromMs: null,
  });
  const gone = await next();
  const dead = { kind: 'dead', reason: 'The receiver answered 410.' } as const;
  assert.deepEqual(await store.deliveries.finish(gone.id, attempt(410), dead), { endpointDisabled: true });
  assert.equal((await store.webhookEndpoints.get(me, endpoint.id))!.enabled, false);
});

test('S07 S80 S83 secrets: 32 random bytes, sealed, older ones beside the new one while their overlap lasts', async (t) => {
  const { store, dataDir, me, endpoint, secret } = await open();
  t.after(() => store.close());
  assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
  const claimed = async () => {
    await store.webhookEndpoints.test(me, endpoint.id, { name: 'webhook-test', payload: {} });
    const [due] = await store.deliveries.claim(CLAIM);
    await deliver(store, due!);
    return due!.secrets;
  };
  assert.deepEqual(await claimed(), [secret]);
  const second = (await store.webhookEndpoints.rotateSecret(me, endpoint.id, HOUR_MS))!.secret;
  assert.deepEqual(await claimed(), [second, secret]);
  const third = (await store.webhookEndpoints.rotateSecret(me, endpoint.id, HOUR_MS))!.secret;
  assert.deepEqual(await claimed(), [third, second, secret]);
  for (let i = 0; i < 9; i++) await store.webhookEndpoints.rotateSecret(me, endpoint.id, HOUR_MS);
  assert.equal((await claimed()).length, 5);
  const last = (await store.webhookEndpoints.rotateSecret(me, endpoint.id, 0))!.secret;
  assert.deepEqual(await claimed(), [last]);
  const database = await dump(dataDir);
  for (const word of [last, last.slice(6), 's3cret']) assert.ok(!database.includes(word), 'S13');
  assert.equal((await store.webhookEndpoints.get(me, endpoint.id))!.url, 'https://one.example.test/?k=s3cret');
});

test('L14 the log keeps every attempt; one delivery or a range is sent anew, with the same event', async (t) => {
  const { store, me, endpoint } = await open();
  t.after(() => store.close());
  const streams = [];
  for (let i = 0; i < 3; i++) streams.push(await store.liveStreams.create(me, { name: `${i}` }));
  const dead = { kind: 'dead', reason: 'None of 2 attempts succeeded.' } as const;
  for (let i = 0; i < 3; i++) {
    const [due] = await store.deliveries.claim(CLAIM);
    await store.deliveries.finish(due!.id, attempt(500), dead);
  }
  await store.liveStreams.update(me, streams[0]!.id, { enabled: false });
  await drain(store);
  const list = async (filter = {}) =>
    (await store.deliveryLog.list(me, endpoint.id, { ...filter, page: 1, limit: 9 }))!;
  const { rows, total } = await list({ state: 'dead' });
  assert.deepEqual([total, rows.map(({ number }) => number)], [3, [3, 2, 1]]);
  assert.equal((await list({ event: 'stream-status-toggle' })).total, 1);
  assert.equal((await list({ fromMs: Date.now() + 1000 })).total, 0);
  assert.equal((await list({ toMs: Date.now() + 1000 })).total, 4);

  const original = rows[2]!;
  const again = (await store.deliveryLog.resend(me, endpoint.id, original.id))!;
  assert.deepEqual([again.state, again.resendOf, again.eventId], ['pending', original.id, original.eventId]);
  await assert.rejects(store.deliveryLog.resend(me, endpoint.id, original.id), coded('conflict'), 'under way');
  // New events of the same live stream do not wait for old ones.
  await store.liveStreams.update(me, streams[0]!.id, { enabled: true });
  const due = await store.deliveries.claim(CLAIM);
  assert.deepEqual(names(due), ['stream-created', 'stream-status-toggle']);
  assert.equal(due[0]!.eventId, original.eventId, 'the webhook-id is the same');
  for (const one of due) await deliver(store, one);

  // What has arrived since is left out, and so is what is under way.
  assert.deepEqual(await store.deliveryLog.resendAll(me, endpoint.id, { state: 'dead' }), {
    resent: 2,
    nextFromMs: null,
  });
  assert.deepEqual(await store.deliveryLog.resendAll(me, endpoint.id, { state: 'dead' }), {
    resent: 0,
    nextFromMs: null,
  });
  const bodies = await drain(store);
  assert.deepEqual(
    bodies.map(({ payload }) => payload._id),
    [streams[1]!.id, streams[2]!.id],
  );
  const details = (await store.deliveryLog.get(me, endpoint.id, original.id))!;
  assert.deepEqual(details.log, [{ ...attempt(500, details.log[0]!.startedMs), responseBody: 'answer 500' }]);
  assert.equal(JSON.parse(details.body).id, original.eventId);
  assert.equal(details.reason, dead.reason);
});

test('events and deliveries are forgotten after 30 days, the numbers go on', async (t) => {
  const { store, dataDir, me, endpoint } = await open();
  t.after(() => store.close());
  for (let i = 0; i < 3; i++) await store.liveStreams.create(me, {});
  await drain(store);
  await execute(dataDir, `update events set created_ms = ${Date.now() - 31 * 24 * HOUR_MS} where number < 3`);
  await store.deliveries.prune(Date.now());
  const { events } = await store.events.list(me, { page: 1, limit: 9 });
  assert.deepEqual(
    [events.length, (await store.deliveryLog.list(me, endpoint.id, { page: 1, limit: 9 }))!.total],
    [1, 1],
  );
  await store.liveStreams.create(me, {});
  assert.equal((await store.events.list(me, { page: 1, limit: 9 })).lastNumber, 4);
});

/** What a publisher's life looks like from `live`. */
function moments(broadcastId: string, liveStreamId: string) {
  const base = { broadcastId, liveStreamId, atMs: Date.now() };
  const publisher = { id: 'c1', protocol: 'rtmp', address: '192.0.2.7' } as const;
  return {
    connected: { ...base, kind: 'connected', number: 1, publisher, first: true } as const,
    warned: {
      ...base,
      kind: 'warning',
      number: 2,
      code: 'no_audio',
      severity: 'warning',
      message: 'Add sound.',
      raised: true,
    } as const,
    reconnecting: { ...base, kind: 'reconnecting', number: 3, reason: 'closed', untilMs: base.atMs + 1000 } as const,
    reconnected: { ...base, kind: 'connected', number: 4, publisher, first: false } as const,
    disconnected: { ...base, kind: 'disconnected', number: 5, reason: 'closed' } as const,
  };
}

test('L03 L16 a broadcast is written down with its events, once each; what a kill left open is closed once', async (t) => {
  const { store, dataDir, me } = await open();
  const a = await store.liveStreams.create(me, { name: 'A' });
  const b = await store.liveStreams.create(me, { name: 'B' });
  const first = moments('b1', a.id);
  // Each of them twice: the second time it is the same.
  for (const moment of Object.values(first)) for (let i = 0; i < 2; i++) await store.broadcasts.tell(moment);
  await store.broadcasts.tell(first.reconnecting);
  const of = async (from: Store, id: string) =>
    (await from.events.list(me, { liveStreamId: id, after: 0, page: 1, limit: 50 })).events;
  const events = await of(store, a.id);
  assert.deepEqual(
    events.map(({ event, sequence }) => [event, sequence]),
    [
      ['stream-created', 1],
      ['stream-connected', 2],
      ['stream-warning', 3],
      ['stream-reconnecting', 4],
      ['stream-reconnected', 5],
      ['stream-disconnected', 6],
    ],
  );
  const payloads = events.map(({ payload }) => payload as Record<string, unknown>);
  assert.deepEqual(payloads[1]!.broadcast, {
    _id: 'b1',
    started_at: new Date(first.connected.atMs).toISOString(),
    protocol: 'rtmp',
    address: '192.0.2.7',
  });
  assert.deepEqual(
    payloads.slice(1).map((payload) => [payload._id, payload.name, payload.broadcasting_status]),
    [...Array(4).fill([a.id, 'A', 'online']), [a.id, 'A', 'offline']],
  );
  assert.deepEqual(payloads[2]!.warning, { code: 'no_audio', severity: 'warning', message: 'Add sound.' });

  await store.broadcasts.tell(moments('b2', b.id).connected);
  await store.broadcasts.tell(moments('b3', a.id).connected);
  await store.liveStreams.delete(me, a.id);
  await store.broadcasts.tell(moments('b4', a.id).connected);
  await store.close();

  const again = await openIn(dataDir);
  t.after(() => again.close());
  assert.deepEqual(await again.recover(), { broadcasts: 1 });
  assert.deepEqual(await again.recover(), { broadcasts: 0 });
  await again.broadcasts.tell(moments('b2', b.id).disconnected);
  const last = (await of(again, b.id)).slice(-2);
  assert.equal(last[1]!.event, 'stream-disconnected');
  assert.equal((last[1]!.payload as { reason: string }).reason, 'server_restarted');
  assert.notEqual(last[0]!.event, 'stream-disconnected', 'once');
  const deleted = (await of(again, a.id)).slice(-3);
  assert.deepEqual(
    deleted.map(({ event }) => event),
    ['stream-connected', 'stream-disconnected', 'stream-removed'],
    'the end comes before the live stream goes',
  );
  assert.deepEqual((deleted[1]!.payload as { name: string; reason: string }).reason, 'deleted');
  const history = await again.broadcasts.list(me, a.id, { page: 1, limit: 9 });
  assert.deepEqual(
    [history.total, history.rows.map(({ id }) => id).sort(), history.rows.every(({ endedMs }) => endedMs !== null)],
    [2, ['b1', 'b3'], true],
  );
  assert.equal(
    (await again.broadcasts.list({ ...me, environment: 'development' }, a.id, { page: 1, limit: 9 })).total,
    0,
  );
});

test('S01 S02 S05 another environment or organization neither sees nor changes endpoints, deliveries and events', async (t) => {
  const { store, me, endpoint } = await open();
  t.after(() => store.close());
  const { id } = await store.liveStreams.create(me, {});
  const [due] = await store.deliveries.claim(CLAIM);
  const page = { page: 1, limit: 9 };
  const [event] = (await store.events.list(me, page)).events;
  const strangers: Principal[] = [
    { ...me, environment: 'development' },
    { ...me, organizationId: 'f'.repeat(24) },
  ];
  for (const stranger of strangers) {
    const mine = await store.webhookEndpoints.create(stranger, { url: 'https://theirs.example.test/' });
    assert.equal(await store.webhookEndpoints.get(stranger, endpoint.id), null);
    assert.equal(await store.webhookEndpoints.update(stranger, endpoint.id, { enabled: false }), null);
    assert.equal(await store.webhookEndpoints.rotateSecret(stranger, endpoint.id, 0), null);
    assert.equal(await store.webhookEndpoints.test(stranger, endpoint.id, { name: 'webhook-test', payload: {} }), null);
    assert.equal(await store.webhookEndpoints.delete(stranger, endpoint.id), false);
    assert.equal((await store.webhookEndpoints.list(stranger, page)).total, 1);
    assert.equal(await store.deliveryLog.list(stranger, endpoint.id, page), null);
    assert.equal(await store.deliveryLog.get(stranger, endpoint.id, due!.id), null);
    assert.equal(await store.deliveryLog.get(stranger, mine.row.id, due!.id), null, 'under an endpoint of their own');
    assert.equal(await store.deliveryLog.resend(stranger, mine.row.id, due!.id), null);
    assert.equal(await store.deliveryLog.resend(stranger, endpoint.id, due!.id), null);
    assert.equal(await store.deliveryLog.resendAll(stranger, endpoint.id, { state: 'dead' }), null);
    assert.equal(await store.events.get(stranger, event!.id), null);
    assert.equal(await store.events.knows(stranger, id), false);
    assert.deepEqual(await store.events.list(stranger, { ...page, liveStreamId: id }), {
      events: [],
      total: 0,
      lastNumber: 0,
    });
  }
  assert.equal(await store.events.knows(me, id), true);
  assert.equal(await store.webhookEndpoints.delete(me, endpoint.id), true);
  assert.deepEqual(await deliver(store, due!), { endpointDisabled: false }, 'it was in flight');
  assert.equal(await store.deliveryLog.list(me, endpoint.id, page), null);
});

test('L10 kill -9 of a process that writes and delivers: every acknowledged change has its event and its delivery', async () => {
  const dataDir = newFolder();
  const token = 'writer:0123456789abcdef';
  const { databaseUrl } = await databaseFor(dataDir);
  const acknowledged: string[] = [];
  for (const lines of [60, 250, 250]) {
    const program = join(import.meta.dirname, 'event-writer.ts');
    const child = spawn(process.execPath, [program, dataDir, token, ...(databaseUrl ? [databaseUrl] : [])], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    let seen = 0;
    for await (const line of createInterface(child.stdout)) {
      if (/^[0-9a-f]{24} [12]$/.test(line)) acknowledged.push(line);
      if (++seen === lines) child.kill('SIGKILL');
    }
    assert.deepEqual(await exited, [null, 'SIGKILL']);
  }
  assert.ok(acknowledged.length >= 550);
  const store = await openIn(dataDir);
  const me = (await store.verifyToken('writer', '0123456789abcdef'))!;
  await store.recover();
  await drain(store);
  const [endpoint] = (await store.webhookEndpoints.list(me, { page: 1, limit: 1 })).rows;
  const written = new Map<string, string>();
  const { total } = await store.events.list(me, { page: 1, limit: 1 });
  for (let page = 1; written.size < total; page++) {
    for (const event of (await store.events.list(me, { after: 0, page, limit: 100 })).events) {
      assert.equal(event.number, written.size + 1, 'no gaps');
      written.set(event.id, `${(event.payload as { _id: string })._id} ${event.sequence}`);
    }
  }
  const kept = new Set(written.values());
  assert.deepEqual(
    acknowledged.filter((line) => !kept.has(line)),
    [],
    'lost',
  );
  const delivered = await store.deliveryLog.list(me, endpoint!.id, { state: 'delivered', page: 1, limit: 1 });
  assert.equal(delivered!.total, total);
  await store.close();
});
