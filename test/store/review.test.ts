// What a review of the store found, each with what showed it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CodedError, createLogger } from '../../src/base/index.ts';
import type { BroadcastEvent } from '../../src/live/index.ts';
import { openStore, type Principal, type Store } from '../../src/store/index.ts';
import { databaseFor, dump, execute, onPostgres } from '../support/database.ts';

const log = createLogger('silent');
const root = mkdtempSync(join(tmpdir(), 'liveapi-review-'));
after(() => rmSync(root, { recursive: true }));

let folders = 0;
const CLAIM = { limit: 64, perEndpoint: 4, leaseMs: 60_000 };
const ATTEMPT = { startedMs: 1, durationMs: 1, status: 200, error: null, responseBody: '', requestHeaders: {} };
const PAGE = { page: 1, limit: 100 };
const PLATFORM = { template: 'custom', name: 'p', key: 'k3y', enabled: true, metadata: null };
const coded = (code: string) => (error: unknown) => error instanceof CodedError && error.code === code;

const openIn = async (dataDir: string, options: { readonly maxLiveStreams?: number } = {}) =>
  openStore({ dataDir, ...(await databaseFor(dataDir)), log, ...options });

async function open(options = {}) {
  const dataDir = join(root, `data-${++folders}`);
  const store = await openIn(dataDir, options);
  const { token } = await store.bootstrap();
  const me = (await store.verifyToken(token!.id, token!.secret))!;
  return { store, dataDir, me };
}

const addEndpoint = async (store: Store, me: Principal) =>
  (await store.webhookEndpoints.create(me, { url: 'https://one.example.test/' })).row.id;

const connected = (broadcastId: string, liveStreamId: string): BroadcastEvent => ({
  broadcastId,
  liveStreamId,
  number: 1,
  atMs: Date.now(),
  kind: 'connected',
  publisher: { id: 'c1', protocol: 'rtmp', address: '192.0.2.7' },
  first: true,
});

const namesOf = async (store: Store, me: Principal, liveStreamId: string) =>
  (await store.events.list(me, { ...PAGE, liveStreamId, after: 0 })).events.map(({ event }) => event);

/** `count` deliveries that wait, one event each, as a receiver that was away for hours leaves them: in `lanes` lanes. */
async function addBacklog(dataDir: string, me: Principal, endpoint: string, count: number, lanes: number) {
  const of = [...Array(count).keys()];
  for (let i = 0; i < count; i += 1000) {
    const some = of.slice(i, i + 1000);
    const events = some.map(
      (n) =>
        `('e${n}', '${me.organizationId}', '${me.environment}', ${1000 + n}, 'lane${n % lanes}', 1, 'stream-created', '{}', 0, ${Date.now()})`,
    );
    const deliveries = some.map(
      (n) => `('d${n}', '${endpoint}', 'e${n}', 'stream-created', ${1000 + n}, 'lane${n % lanes}', 'pending', 0, 1, 1)`,
    );
    await execute(
      dataDir,
      `insert into events (id, organization_id, environment, number, live_stream_id, sequence, name, payload, test, created_ms)
       values ${events.join()};
       insert into deliveries (id, endpoint_id, event_id, event_name, number, lane, state, attempts, due_ms, created_ms)
       values ${deliveries.join()}`,
    );
  }
}

test('L03 L10 two processes on one database leave alone what the other holds, and take it over when it is gone', async (t) => {
  const { store, dataDir, me } = await open();
  await store.recover();
  await addEndpoint(store, me);
  const { id } = await store.liveStreams.create(me, {});
  await store.broadcasts.tell(connected('b1', id));
  const [held] = await store.deliveries.claim(CLAIM);
  const other = await openIn(dataDir);
  t.after(() => other.close());
  for (let i = 0; i < 9; i++) assert.deepEqual(await other.recover(), { broadcasts: 0 });
  assert.deepEqual(await other.deliveries.claim(CLAIM), []);
  assert.deepEqual(await namesOf(other, me, id), ['stream-created', 'stream-connected']);

  await store.close();
  let woken = 0;
  other.onEvent(() => woken++);
  assert.deepEqual(await other.recover(), { broadcasts: 1 });
  assert.ok(woken > 0);
  assert.equal((await other.deliveries.claim(CLAIM))[0]!.id, held!.id);
  assert.equal((await namesOf(other, me, id)).at(-1), 'stream-disconnected');

  // One on another machine: on Postgres it is gone when it is silent for four beats, with SQLite's file there is no other machine.
  await other.broadcasts.tell(connected('b2', id));
  await execute(
    dataDir,
    "insert into nodes (id, beat) values ('far', 1); update broadcasts set node = 'far' where id = 'b2'",
  );
  const closed: number[] = [];
  for (let i = 0; i < 6; i++) closed.push((await other.recover()).broadcasts);
  assert.deepEqual(closed, onPostgres ? [0, 0, 0, 0, 1, 0] : [1, 0, 0, 0, 0, 0]);

  // One whose crash nobody has noticed yet: the live stream comes back elsewhere, and its events are in order.
  await other.broadcasts.tell(connected('b3', id));
  await other.broadcasts.tell(connected('b4', id));
  assert.deepEqual((await namesOf(other, me, id)).slice(-3), [
    'stream-connected',
    'stream-disconnected',
    'stream-connected',
  ]);
});

test('platforms that another process has changed are told to the one that pushes to them, others are not', {
  skip: !onPostgres && 'with SQLite there is no other process',
}, async (t) => {
  const { store, dataDir, me } = await open();
  const other = await openIn(dataDir);
  t.after(() => Promise.all([store.close(), other.close()]));
  const told: string[] = [];
  store.onPlatformsChanged((id) => told.push(id));
  other.onPlatformsChanged(() => assert.fail('nothing is on air there'));
  const [pushed, offline] = [await store.liveStreams.create(me, {}), await store.liveStreams.create(me, {})];
  const server = 'rtmp://service.example.test/app';
  const look = async () => {
    await Promise.all([store.recover(), other.recover()]);
    return told.splice(0);
  };
  await store.recover();
  await store.broadcasts.tell(connected('b1', pushed.id));
  assert.deepEqual(await look(), [pushed.id], 'what changed since it went on air is not known yet');
  assert.deepEqual(await look(), []);
  await other.platforms.create(me, offline.id, { ...PLATFORM, server });
  assert.deepEqual(await look(), []);
  const { id } = (await other.platforms.create(me, pushed.id, { ...PLATFORM, server }))!;
  assert.deepEqual(await look(), [pushed.id]);
  await other.platforms.update(me, pushed.id, id, { key: 'another' });
  assert.deepEqual(await look(), [pushed.id]);
  await other.platforms.update(me, pushed.id, id, { enabled: false });
  assert.deepEqual(await look(), [pushed.id]);
  await other.platforms.delete(me, pushed.id, id);
  assert.deepEqual(await look(), [pushed.id]);
  assert.deepEqual(await look(), []);
});

test('L13 a backlog of 20,000: claims stay in order and look at a part of it; disabling and deleting go in steps', async (t) => {
  const { store, dataDir, me } = await open();
  t.after(() => store.close());
  const endpoint = await addEndpoint(store, me);
  await store.webhookEndpoints.test(me, endpoint, { name: 'webhook-test', payload: {} });
  const [first] = await store.deliveries.claim(CLAIM);
  await store.deliveries.finish(first!.id, ATTEMPT, { kind: 'delivered' });
  await addBacklog(dataDir, me, endpoint, 20_000, 3);
  const heads = await store.deliveries.claim({ ...CLAIM, perEndpoint: 8 });
  assert.deepEqual(
    heads.map(({ id }) => id),
    ['d0', 'd1', 'd2'],
    'one of each lane',
  );
  assert.deepEqual(await store.deliveries.claim({ ...CLAIM, perEndpoint: 8 }), [], 'lanes with one in flight wait');
  await store.deliveries.finish('d1', ATTEMPT, { kind: 'delivered' });
  const [next, ...none] = await store.deliveries.claim({ ...CLAIM, perEndpoint: 8 });
  assert.deepEqual([next!.id, none], ['d4', []]);

  assert.equal((await store.webhookEndpoints.update(me, endpoint, { enabled: false }))!.enabled, false);
  const list = async (state: 'dead' | 'pending') =>
    (await store.deliveryLog.list(me, endpoint, { ...PAGE, state }))!.total;
  assert.deepEqual([await list('dead'), await list('pending')], [19_999, 0]);
  assert.equal(await store.webhookEndpoints.delete(me, endpoint), true);
  assert.equal(await store.webhookEndpoints.delete(me, endpoint), false);
  assert.equal(await store.webhookEndpoints.get(me, endpoint), null);
  assert.equal((await store.webhookEndpoints.list(me, PAGE)).total, 0);
  assert.equal(await store.deliveryLog.list(me, endpoint, PAGE), null);
  await store.liveStreams.create(me, {});
  assert.deepEqual(await store.deliveries.claim(CLAIM), []);
  await store.deliveries.prune(Date.now());
  assert.ok(!(await dump(dataDir)).includes(endpoint), 'nothing is left of it');
});

test('an endpoint that was disabled while nobody could clean up brings nothing back when it is enabled', async (t) => {
  const { store, dataDir, me } = await open();
  t.after(() => store.close());
  const endpoint = await addEndpoint(store, me);
  await addBacklog(dataDir, me, endpoint, 1200, 1200);
  await execute(dataDir, 'update webhook_endpoints set enabled = 0');
  await store.webhookEndpoints.update(me, endpoint, { enabled: true });
  assert.deepEqual(await store.deliveries.claim(CLAIM), []);
});

test('L24 a clock that was set back holds up nothing that was never tried', async (t) => {
  const { store, dataDir, me } = await open();
  t.after(() => store.close());
  await addEndpoint(store, me);
  await store.liveStreams.create(me, {});
  await execute(dataDir, `update deliveries set due_ms = ${Date.now() + 2 * 3_600_000}`);
  const [due] = await store.deliveries.claim(CLAIM);
  assert.ok(due);
  // Set forward instead: its lease is over by the clock, and it is still in flight here.
  await execute(dataDir, 'update deliveries set lease_until_ms = 1');
  assert.deepEqual(await store.deliveries.claim(CLAIM), []);
  await store.deliveries.finish(due.id, ATTEMPT, { kind: 'retry', nextMs: Date.now() + 400 * 86_400_000 });
  assert.equal((await store.deliveries.claim(CLAIM))[0]!.id, due.id, 'planned by a clock that ran ahead');
});

test('S56 counts hold when things are made at the same moment: endpoints, invitations, live streams', async (t) => {
  const { store, dataDir, me } = await open({ maxLiveStreams: 10 });
  const other = await openIn(dataDir, { maxLiveStreams: 10 });
  t.after(() => Promise.all([store.close(), other.close()]));
  const many = async (make: (by: Store, i: number) => Promise<unknown>) => {
    const made = await Promise.allSettled(Array.from({ length: 24 }, (_, i) => make(i % 2 ? store : other, i)));
    for (const one of made) if (one.status === 'rejected') assert.ok(coded('conflict')(one.reason), one.reason);
    return made.filter(({ status }) => status === 'fulfilled').length;
  };
  assert.equal(await many((by, i) => by.webhookEndpoints.create(me, { url: `https://${i}.example.test/` })), 20);
  const kinds = ['live', 'sub_second'] as const;
  assert.equal(await many((by, i) => by.liveStreams.create(me, {}, { kind: kinds[i % 2]! })), 10);
  const elsewhere = { ...me, environment: 'development' } as const;
  assert.equal(
    (await store.liveStreams.list(me, PAGE)).total + (await store.liveStreams.list(me, PAGE, 'sub_second')).total,
    10,
  );
  // The same attempt in two processes: the row is made once, and who comes second is told so or gets it.
  const id = 'a'.repeat(24);
  assert.ok((await many((by) => by.liveStreams.create(elsewhere, {}, { id }))) >= 1);
  assert.equal((await store.liveStreams.list(elsewhere, PAGE)).total, 1);
  const actor = { organizationId: me.organizationId, userId: me.userId, role: 'owner' } as const;
  const invite = (by: Store) => by.invitations.create(actor, { email: 'one@example.test', role: 'member' });
  await many(invite);
  assert.equal((await store.invitations.list(me.organizationId, PAGE)).total, 1);
});

test('S56 one user owns fifty organizations at most, and a cut off attempt makes one', async (t) => {
  const { store, me } = await open();
  t.after(() => store.close());
  const id = 'b'.repeat(24);
  const first = await store.organizations.create(me.userId, 'Once', id);
  assert.deepEqual(await store.organizations.create(me.userId, 'Once', id), first);
  const made = await Promise.allSettled(Array.from({ length: 60 }, () => store.organizations.create(me.userId, 'x')));
  assert.equal(made.filter(({ status }) => status === 'fulfilled').length, 48);
  for (const one of made) if (one.status === 'rejected') assert.ok(coded('conflict')(one.reason), one.reason);
  assert.equal(await store.organizations.delete(id), true);
  await assert.rejects(store.organizations.create(me.userId, 'Once', id), coded('conflict'));
  await store.organizations.create(me.userId, 'in its place');
});

test('S15 a link for a new password that an admin has made does not reach the organization that its user makes afterwards', async (t) => {
  const { store, dataDir, me } = await open();
  t.after(() => store.close());
  await execute(dataDir, `update users set email = 'v@example.test' where id = '${me.userId}'`);
  const { token } = await store.passwordResets.forMember(me.organizationId, me.userId);
  await store.organizations.create(me.userId, 'My own');
  await assert.rejects(store.passwordResets.accept(token, 'a new password'), coded('not_found'));
});

test('what has expired is forgotten, however much it is and whoever comes back', async (t) => {
  const { store, dataDir, me } = await open();
  t.after(() => store.close());
  const day = 86_400_000;
  const rows = async (table: string) =>
    (await dump(dataDir)).split('\n').find((line) => line.startsWith(`["${table}"`))!;
  await execute(
    dataDir,
    `with recursive n(i) as (select 1 union all select i + 1 from n where i < 12000)
     insert into idempotency_keys (id, fingerprint, object_id, lease_until_ms, created_ms) select 'k' || i, '', '', 0, 1 from n`,
  );
  const { idempotency } = store;
  await idempotency.begin({ sender: 's', key: 'kept', content: '' });
  for (let i = 0; i < 2; i++) await store.sessions.create(me.userId, { userAgent: `agent ${i}`, address: '' });
  await execute(dataDir, `update sessions set last_used_ms = ${Date.now() - 2 * day} where user_agent = 'agent 0'`);
  const actor = { organizationId: me.organizationId, userId: me.userId, role: 'owner' } as const;
  for (const email of ['old@example.test', 'new@example.test'])
    await store.invitations.create(actor, { email, role: 'member' });
  await execute(dataDir, `update invitations set expires_ms = 1 where email = 'old@example.test'`);
  await execute(
    dataDir,
    `insert into password_resets (token_hash, user_id, expires_ms) values ('old-link', '${me.userId}', 1)`,
  );
  await store.deliveries.prune(Date.now());
  const [keys, sessions, invitations, links] = await Promise.all(
    ['idempotency_keys', 'sessions', 'invitations', 'password_resets'].map(rows),
  );
  assert.equal(JSON.parse(keys!)[1].length, 1);
  assert.ok(sessions!.includes('agent 1') && !sessions!.includes('agent 0'));
  assert.ok(invitations!.includes('new@') && !invitations!.includes('old@'));
  assert.ok(!links!.includes('old-link'));
});

test('a broadcast that begins while its live stream is deleted is over before stream-removed, or never was', async (t) => {
  const { store, me } = await open();
  t.after(() => store.close());
  for (let i = 0; i < 20; i++) {
    const { id } = await store.liveStreams.create(me, {});
    const broadcast = connected(`race${i}`, id);
    const [, deleted] = await Promise.all([store.broadcasts.tell(broadcast), store.liveStreams.delete(me, id)]);
    assert.equal(deleted, true);
    await store.broadcasts.tell({ ...broadcast, number: 2, kind: 'disconnected', reason: 'deleted' });
    const names = await namesOf(store, me, id);
    assert.equal(names.at(-1), 'stream-removed', names.join());
    assert.equal(names.includes('stream-connected'), names.includes('stream-disconnected'), names.join());
  }
});

test('L14 what one call does not resend it says from when on to ask for', async (t) => {
  const { store, dataDir, me } = await open();
  t.after(() => store.close());
  const endpoint = await addEndpoint(store, me);
  await addBacklog(dataDir, me, endpoint, 10_100, 3);
  await execute(dataDir, "update deliveries set state = 'delivered', due_ms = null, created_ms = number");
  const resend = (fromMs?: number) => store.deliveryLog.resendAll(me, endpoint, { state: 'delivered', fromMs });
  const { resent, nextFromMs } = (await resend())!;
  assert.deepEqual([resent, nextFromMs], [10_000, 11_000]);
  assert.deepEqual(await resend(nextFromMs!), { resent: 100, nextFromMs: null });
});

test('a change whose event cannot be written is taken back, and tells nobody; the next one is written', async (t) => {
  const { store, dataDir, me } = await open({ maxLiveStreams: 3 });
  t.after(() => store.close());
  await addEndpoint(store, me);
  const { id } = await store.liveStreams.create(me, {});
  let told = 0;
  store.onEvent(() => told++);
  // The number is there already: what fails is the statement behind, which on Postgres only the commit waits for.
  await execute(dataDir, 'update event_counters set last = 0');
  await assert.rejects(store.liveStreams.update(me, id, { enabled: false }), coded('conflict'));
  assert.deepEqual([(await store.liveStreams.get(me, id))!.enabled, told], [true, 0]);
  await execute(dataDir, 'update event_counters set last = 100');
  for (const enabled of [false, true]) await store.liveStreams.update(me, id, { enabled });
  assert.equal(told, 2);
  assert.deepEqual(
    (await store.events.list(me, { page: 1, limit: 9, after: 100 })).events.map(({ number, sequence }) => [
      number,
      sequence,
    ]),
    [
      [101, 101],
      [102, 102],
    ],
  );

  // So many events since the last count that there may be too many live streams: they are counted, and there is room.
  await store.liveStreams.create(me, {});
  await store.liveStreams.create(me, {});
  await assert.rejects(store.liveStreams.create(me, {}), coded('conflict'));
  await store.liveStreams.delete(me, id);
  await store.liveStreams.create(me, {});
});

test('an endpoint that is deleted while events are written fails none of them', async (t) => {
  const { store, dataDir, me } = await open();
  const other = await openIn(dataDir);
  t.after(() => Promise.all([store.close(), other.close()]));
  for (let round = 0; round < 6; round++) {
    const ids = await Promise.all(Array.from({ length: 10 }, () => addEndpoint(store, me)));
    await Promise.all([
      ...ids.map((id) => other.webhookEndpoints.delete(me, id)),
      ...Array.from({ length: 10 }, () => store.liveStreams.create(me, {})),
    ]);
  }
  assert.equal((await store.liveStreams.list(me, PAGE)).total, 60);
});

test('L18 a long answer is not kept under its Idempotency-Key, only what the object is called', async (t) => {
  const { store } = await open();
  t.after(() => store.close());
  const request = { sender: 's', key: 'k', content: 'c' };
  const begun = await store.idempotency.begin(request);
  assert.ok(begun.kind === 'begun');
  await store.idempotency.keep(begun.attempt, 200, 'x'.repeat(70_000));
  const again = await store.idempotency.begin(request);
  assert.ok(again.kind === 'begun');
  assert.equal(again.attempt.objectId, begun.attempt.objectId);
  await store.idempotency.keep(again.attempt, 200, 'x'.repeat(60_000));
  assert.equal((await store.idempotency.begin(request)).kind, 'answered');
});

test('S01 S13 lists and answers about existence open no secret; platforms are read in the scope; events mask where keys hide', async (t) => {
  const { store, dataDir, me } = await open();
  t.after(() => store.close());
  const { id } = await store.liveStreams.create(me, { settings: { abr: true } });
  const servers = [
    'rtmps://a.example.test/app/s3cret?token=s3cret',
    'rtmp://b.example.test/s3cret/',
    'rtmp://c.example.test',
  ];
  for (const server of servers) await store.platforms.create(me, id, { ...PLATFORM, server });
  const { events } = await store.events.list(me, { ...PAGE, name: 'stream-platform-added', after: 0 });
  assert.deepEqual(
    events.map(({ payload }) => (payload as { platform: { server: string } }).platform.server),
    ['rtmps://a.example.test/app/***', 'rtmp://b.example.test/***', 'rtmp://c.example.test'],
  );
  const { platforms } = (await store.liveStreams.get(me, id))!;
  assert.deepEqual(
    platforms.map(({ server, key }) => [server, key]),
    servers.map((server) => [server, 'k3y']),
  );
  await execute(dataDir, "update platforms set key = 'broken'");
  const row = (await store.liveStreams.get(me, id))!;
  assert.equal(row.platforms.length, 3);
  assert.throws(() => row.platforms[0]!.key, coded('secret_unreadable'));
  assert.equal(await store.liveStreams.exists(me, id), true);
  assert.equal(await store.liveStreams.exists(me, id, 'sub_second'), false);
  assert.equal(await store.liveStreams.exists({ ...me, environment: 'development' }, id), false);
});

test('numbers of events are known after the events are forgotten, and forgotten with their live stream', async (t) => {
  const { store, dataDir, me } = await open();
  t.after(() => store.close());
  const kept = await store.liveStreams.create(me, {});
  const gone = await store.liveStreams.create(me, {});
  await store.liveStreams.delete(me, gone.id);
  await execute(dataDir, 'update events set created_ms = 1');
  await store.deliveries.prune(Date.now());
  const { total, lastNumber } = await store.events.list(me, PAGE);
  assert.deepEqual([total, lastNumber], [0, 3]);
  assert.ok(!(await dump(dataDir)).includes(gone.id));
  await store.liveStreams.update(me, kept.id, { enabled: false });
  assert.equal((await store.events.list(me, PAGE)).events[0]!.sequence, 2);
});

test('L16 a broadcast whose beginning was lost is written down from its next event on; nothing is told after its end', async (t) => {
  const { store, me } = await open();
  t.after(() => store.close());
  const { id } = await store.liveStreams.create(me, {});
  const base = { broadcastId: 'b1', liveStreamId: id, atMs: Date.now() };
  const warning = { code: 'no_audio', severity: 'info', message: 'Add sound.' } as const;
  await store.broadcasts.tell({ ...base, number: 2, kind: 'warning', ...warning, raised: true });
  for (let i = 0; i < 2; i++)
    await store.broadcasts.tell({ ...base, number: 3, kind: 'disconnected', reason: 'closed' });
  await store.broadcasts.tell({ ...base, number: 4, kind: 'warning', ...warning, raised: false });
  assert.deepEqual(await namesOf(store, me, id), ['stream-created', 'stream-warning', 'stream-disconnected']);
  const { rows } = await store.broadcasts.list(me, id, PAGE);
  assert.deepEqual(
    rows.map(({ protocol, reason }) => [protocol, reason]),
    [['unknown', 'closed']],
  );
});

test('clear text of the first version is sealed once, and looked for once', async () => {
  const { store, dataDir, me } = await open();
  const { id } = await store.liveStreams.create(me, {});
  await store.close();
  const clear = `update live_streams set password = 'cleartext', settings = '{"abr":true}'`;
  await execute(dataDir, `${clear}; delete from settings where name = 'clear_text_sealed'`);
  const second = await openIn(dataDir);
  assert.deepEqual((await second.liveStreams.get(me, id))!.settings, { abr: true });
  await second.close();
  assert.ok(!(await dump(dataDir)).includes('cleartext'));
  await execute(dataDir, clear);
  await (await openIn(dataDir)).close();
  assert.ok((await dump(dataDir)).includes('cleartext'), 'no second look');
});
