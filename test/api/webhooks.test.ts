import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EVENT_NAMES } from '../../src/contract/index.ts';
import { createOutbound } from '../../src/outbound/index.ts';
import { startApi } from './start-api.ts';

let api: Awaited<ReturnType<typeof startApi>>;
before(async () => {
  const outbound = createOutbound({
    allow: [],
    ownListeners: () => [],
    resolve: async (host) => (host.endsWith('.example.com') ? ['93.184.216.34'] : ['10.0.0.1']),
  });
  api = await startApi(undefined, { checkDestination: outbound.check });
});
after(async () => {
  await api.stop();
  api.remove();
});

const JSON_TYPE = { 'content-type': 'application/json' };
const send = async (method: string, path: string, body?: object, headers = {}) =>
  api.call(method, path, body && JSON.stringify(body), { ...JSON_TYPE, ...headers });
/** The body of an answer that must be 200. */
async function ok(method: string, path: string, body?: object) {
  const answer = await send(method, path, body);
  assert.equal(answer.status, 200, `${method} ${path}: ${answer.text}`);
  return answer.body;
}
const URL_A = 'https://hooks.example.com/in?key=s3cret';
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Plays the sender: claims one delivery and says that it failed, or arrived. */
async function deliverOne(status: number) {
  const [due] = await api.store.deliveries.claim({ limit: 2, perEndpoint: 1, leaseMs: 60_000 });
  const attempt = {
    startedMs: Date.now(),
    durationMs: 12.4,
    status,
    error: status === 200 ? null : 'The receiver answered 500.',
    responseBody: '<b>oops</b>',
    requestHeaders: { 'webhook-id': due!.eventId, 'webhook-signature': 'v1,…' },
  };
  const reason = 'None of 1 attempts succeeded.';
  await api.store.deliveries.finish(
    due!.id,
    attempt,
    status === 200 ? { kind: 'delivered' } : { kind: 'dead', reason },
  );
  return due!;
}

for (const prefix of ['', '/v2']) {
  const endpoints = `${prefix}/webhook_endpoints`;

  test(`${endpoints}: S07 created with a secret that no other answer holds, listed, changed, rotated, tested, deleted`, async () => {
    const made = await ok('POST', endpoints, {
      url: URL_A,
      name: 'Häfen',
      events: ['stream-connected'],
      junk: 1,
      _id: 'x',
    });
    const { secret, ...shown } = made;
    assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
    assert.match(shown._id, /^[0-9a-f]{24}$/);
    assert.match(shown.creation_time, TIME);
    assert.deepEqual(shown, {
      _id: shown._id,
      url: URL_A,
      name: 'Häfen',
      events: ['stream-connected'],
      enabled: true,
      failing_since: null,
      disabled_reason: null,
      last_delivery: null,
      environment: 'production',
      organization: api.owner.organizationId,
      creation_time: shown.creation_time,
    });
    assert.deepEqual(await ok('GET', `${endpoints}/${shown._id}`), shown);
    assert.deepEqual(await ok('GET', endpoints), { docs: [shown], total: 1, limit: 20, page: 1, pages: 1 });
    const all = { ...shown, events: [], name: '', enabled: false };
    assert.deepEqual(await ok('PATCH', `${endpoints}/${shown._id}`, { events: [], name: '', enabled: false }), all);
    assert.equal((await send('POST', `${endpoints}/${shown._id}/test`)).status, 409, 'disabled');
    assert.deepEqual(await ok('PATCH', `${endpoints}/${shown._id}`, { enabled: true }), { ...all, enabled: true });
    const rotated = await ok('POST', `${endpoints}/${shown._id}/rotate_secret`, { overlap_s: 60 });
    assert.notEqual(rotated.secret, secret);
    assert.deepEqual(rotated, { ...all, enabled: true, secret: rotated.secret });

    await ok('POST', `${endpoints}/${shown._id}/test`, {});
    const { body, secrets } = await deliverOne(200);
    assert.deepEqual(secrets, [rotated.secret, secret]);
    const { event, payload, test } = JSON.parse(body);
    assert.deepEqual([event, typeof payload.message, test], ['webhook-test', 'string', true]);
    const { last_delivery } = await ok('GET', `${endpoints}/${shown._id}`);
    assert.match(last_delivery.time, TIME);
    assert.deepEqual([last_delivery.status, last_delivery.error], [200, null]);
    for (const name of EVENT_NAMES) {
      await ok('POST', `${endpoints}/${shown._id}/test`, { event: name });
      assert.equal(JSON.parse((await deliverOne(200)).body).event, name);
    }
    for (const [field, change] of [
      ['url', { url: '' }],
      ['url', { url: 'x'.repeat(2049) }],
      ['events', { events: 'stream-connected' }],
      ['events.0', { events: ['no-such-event'] }],
      ['name', { name: 7 }],
      ['enabled', { enabled: 'yes' }],
    ] as const) {
      const { status, body: answer } = await send('PATCH', `${endpoints}/${shown._id}`, change);
      assert.deepEqual([status, answer.message.startsWith(`${field} must be`)], [400, true], answer.message);
    }
    assert.equal((await send('POST', endpoints, {})).status, 400);
    assert.equal((await send('POST', `${endpoints}/${shown._id}/rotate_secret`, { overlap_s: 604_801 })).status, 400);
    assert.equal((await send('POST', `${endpoints}/${shown._id}/test`, { event: 'x' })).status, 400);
    assert.deepEqual(await ok('DELETE', `${endpoints}/${shown._id}`), { success: true });
    const gone = await send('GET', `${endpoints}/${shown._id}`);
    assert.deepEqual([gone.status, gone.body.statusCode, gone.body.error], [404, 404, 'Not Found']);
    for (const [method, path, body] of [
      ['PATCH', ''],
      ['PATCH', '', { url: 'https://10.0.0.1/' }],
      ['DELETE', ''],
      ['POST', '/test', {}],
      ['POST', '/rotate_secret', {}],
      ['POST', '/resend', {}],
      ['GET', '/deliveries'],
    ] as const)
      assert.deepEqual(
        (await send(method, `${endpoints}/${shown._id}${path}`, body)).body,
        gone.body,
        `${method} ${path}`,
      );
    assert.ok(!api.logged.join().includes('s3cret'), 'S83');
  });

  test(`${endpoints}: S30 addresses that the guard refuses`, async () => {
    const { _id } = await ok('POST', endpoints, { url: URL_A });
    for (const url of [
      'https://127.0.0.1/',
      'https://inside.example.net/',
      'http://hooks.example.com/',
      'ftp://a.example.com/',
      'no url',
    ]) {
      for (const [method, path] of [
        ['POST', endpoints],
        ['PATCH', `${endpoints}/${_id}`],
      ] as const) {
        const { status, body } = await send(method, path, { url });
        assert.deepEqual([status, body.statusCode], [400, 400], `${method} ${url}`);
      }
    }
    assert.equal((await ok('GET', `${endpoints}/${_id}`)).url, URL_A);
    await ok('DELETE', `${endpoints}/${_id}`);
  });

  test(`${endpoints}: L14 the log of deliveries, filtered, in detail, sent anew`, async () => {
    const { _id } = await ok('POST', endpoints, { url: URL_A });
    const log = `${endpoints}/${_id}/deliveries`;
    const stream = await ok('POST', `${prefix}/live_streams`, { name: 'Harbour' });
    await deliverOne(500);
    await ok('PATCH', `${prefix}/live_streams/${stream._id}`, { enabled: false });
    await deliverOne(200);
    const { docs, total } = await ok('GET', log);
    assert.equal(total, 2);
    const [arrived, dead] = docs;
    assert.deepEqual([arrived.state, arrived.event, arrived.reason], ['delivered', 'stream-status-toggle', null]);
    const { _id: id, event_id, number, first_attempt_at, finished_at, creation_time, ...rest } = dead;
    assert.deepEqual(rest, {
      event: 'stream-created',
      state: 'dead',
      reason: 'None of 1 attempts succeeded.',
      attempt_count: 1,
      next_attempt_at: null,
      resend_of: null,
    });
    for (const time of [first_attempt_at, finished_at, creation_time]) assert.match(time, TIME);
    const event = await ok('GET', `${prefix}/events/${event_id}`);
    assert.equal(event.number, number);
    const details = await ok('GET', `${log}/${id}`);
    assert.deepEqual(JSON.parse(details.body), event);
    assert.deepEqual(details.attempts, [
      {
        started_at: details.attempts[0].started_at,
        duration_ms: 12,
        status: 500,
        error: 'The receiver answered 500.',
        request_headers: { 'webhook-id': event_id, 'webhook-signature': 'v1,…' },
        response_body: '<b>oops</b>',
      },
    ]);
    const count = async (query: string) => (await ok('GET', `${log}?${query}`)).total;
    assert.equal(await count('state=dead'), 1);
    assert.equal(await count('state=pending'), 0);
    assert.equal(await count('event=stream-status-toggle'), 1);
    assert.equal(await count(`from=${creation_time}`), 2);
    assert.equal(await count(`to=${creation_time}`), 0);
    assert.equal((await send('GET', `${log}?from=yesterday`)).status, 400);
    assert.equal((await send('GET', `${log}?state=odd`)).status, 400);

    const again = await ok('POST', `${log}/${id}/resend`);
    assert.deepEqual([again.resend_of, again.event_id, again.state], [id, event_id, 'pending']);
    assert.equal((await send('POST', `${log}/${id}/resend`)).status, 409);
    assert.equal((await deliverOne(200)).eventId, event_id);
    assert.deepEqual(await ok('POST', `${endpoints}/${_id}/resend`, {}), { resent: 0, more: false, next_from: null });
    const range = { state: 'delivered', from: creation_time };
    assert.deepEqual(await ok('POST', `${endpoints}/${_id}/resend`, range), {
      resent: 1,
      more: false,
      next_from: null,
    });
    assert.equal((await deliverOne(200)).eventId, arrived.event_id);
    assert.equal((await send('GET', `${log}/${'0'.repeat(24)}`)).status, 404);
    await ok('DELETE', `${endpoints}/${_id}`);
  });

  test(`${prefix}/events: pages upwards by number to fill a gap, newest first else; one live stream's; also when it is deleted`, async () => {
    const before = (await ok('GET', `${prefix}/events?limit=1`)).last_number;
    const stream = await ok('POST', `${prefix}/live_streams`, { name: 'Harbour' });
    await ok('POST', `${prefix}/live_streams`, {});
    for (const enabled of [false, true]) await ok('PATCH', `${prefix}/live_streams/${stream._id}`, { enabled });
    await ok('DELETE', `${prefix}/live_streams/${stream._id}`);
    const seen: { number: number; event: string; sequence: number }[] = [];
    for (let last = before; ; ) {
      const answer = await ok('GET', `${prefix}/events?after=${last}&limit=2`);
      seen.push(...answer.docs);
      if (answer.docs.length === 0) break;
      last = answer.docs.at(-1).number;
      assert.equal(answer.last_number, before + 5);
    }
    assert.deepEqual(
      seen.map(({ number, event, sequence }) => [number - before, event, sequence]),
      [
        [1, 'stream-created', 1],
        [2, 'stream-created', 1],
        [3, 'stream-status-toggle', 2],
        [4, 'stream-status-toggle', 3],
        [5, 'stream-removed', 4],
      ],
    );
    assert.ok(!JSON.stringify(seen).includes(stream.ingest.key.split('=')[1]), 'no password leaves the house');
    const newest = await ok('GET', `${prefix}/events?limit=3&page=1`);
    assert.deepEqual(
      newest.docs.map(({ number }: { number: number }) => number - before),
      [5, 4, 3],
    );
    assert.equal(newest.pages, Math.ceil(newest.total / 3));
    assert.equal((await ok('GET', `${prefix}/events?after=${before}&event=stream-removed`)).total, 1);
    assert.equal((await ok('GET', `${prefix}/events?live_stream=${stream._id}`)).total, 4);
    const lists = [`${prefix}/live_streams/${stream._id}/events`];
    if (prefix) for (const name of ['activity_logs', 'activity_events']) lists.push(`/v2/${name}/stream/${stream._id}`);
    for (const path of lists) {
      const { docs, total } = await ok('GET', path);
      assert.deepEqual([docs[0].event, total], ['stream-removed', 4]);
      const unknown = path.replace(stream._id, '0'.repeat(24));
      assert.equal((await send('GET', unknown)).status, 404);
    }
    for (const query of ['after=-1', 'after=x', 'event=x', 'limit=0', 'after[$gt]=1&page[]=1'])
      assert.equal(
        (await send('GET', `${prefix}/events?${query}`)).status,
        query.startsWith('after[') ? 200 : 400,
        query,
      );
  });

  test(`${prefix}/live_streams/{id}/broadcasts: the sessions on air`, async () => {
    const stream = await ok('POST', `${prefix}/live_streams`, {});
    const base = { broadcastId: `b${prefix}`, liveStreamId: stream._id, atMs: Date.now() };
    const publisher = { id: 'c1', protocol: 'rtmps', address: '192.0.2.7' } as const;
    await api.store.broadcasts.tell({ ...base, kind: 'connected', number: 1, publisher, first: true });
    const path = `${prefix}/live_streams/${stream._id}/broadcasts`;
    const [open] = (await ok('GET', path)).docs;
    assert.deepEqual(open, {
      _id: `b${prefix}`,
      protocol: 'rtmps',
      address: '192.0.2.7',
      started_at: new Date(base.atMs).toISOString(),
      ended_at: null,
      reason: null,
    });
    await api.store.broadcasts.tell({ ...base, kind: 'disconnected', number: 2, reason: 'closed' });
    const ended = { ...open, ended_at: open.started_at, reason: 'closed' };
    assert.deepEqual(await ok('GET', path), { docs: [ended], total: 1, limit: 20, page: 1, pages: 1 });
  });
}

test('L18 a repeated creation with the same key makes one endpoint', async () => {
  const headers = { 'idempotency-key': 'endpoint-1' };
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => send('POST', '/webhook_endpoints', { url: URL_A, name: 'once' }, headers)),
  );
  assert.deepEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
  const { docs } = await ok('GET', '/webhook_endpoints');
  assert.equal(docs.filter(({ name }: { name: string }) => name === 'once').length, 1);
});
