import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dump, execute } from '../support/database.ts';
import { startApi } from './start-api.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

test('L18 one key, one object: the same answer to all, over a restart too; another body or person is another matter', async (t) => {
  const api = await startApi();
  let running = api;
  t.after(async () => {
    await running.stop();
    running.remove();
  });
  const create = (key: string, body = '{"name":"once"}', headers: Record<string, string> = {}) =>
    api.call('POST', '/live_streams', body, { ...JSON_TYPE, 'idempotency-key': key, ...headers });
  const total = async () => (await api.call('GET', '/live_streams?limit=1')).body.total;

  const first = await create('order-1');
  assert.equal(first.status, 200);
  assert.equal(first.headers.get('idempotent-replayed'), null);
  const again = await create('order-1', '{ "name": "once", "unknown": 1 }');
  assert.deepEqual([again.status, again.text, again.headers.get('idempotent-replayed')], [200, first.text, 'true']);
  assert.equal(again.headers.get('content-type'), first.headers.get('content-type'));
  assert.equal(await total(), 1);

  const other = await create('order-1', '{"name":"twice"}');
  assert.deepEqual([other.status, other.body.error], [409, 'Conflict']);
  assert.match(other.body.message, /another request/);
  const elsewhere = await api.call('POST', '/v2/live_streams', '{"name":"once"}', {
    ...JSON_TYPE,
    'idempotency-key': 'order-1',
  });
  assert.equal(elsewhere.status, 409, 'another path is another request');
  assert.equal(await total(), 1);

  // A hundred at once: one object, one answer.
  const burst = await Promise.all(Array.from({ length: 100 }, () => create('burst')));
  assert.deepEqual(new Set(burst.map(({ status }) => status)), new Set([200]));
  assert.equal(new Set(burst.map(({ text }) => text)).size, 1);
  assert.equal(await total(), 2);

  // Somebody else's key of the same name is another one.
  const colleague = await api.store.tokens.create(api.owner, { name: 'Colleague' });
  const authorization = api.basic(colleague.id, colleague.secret);
  const theirs = await create('order-1', '{"name":"theirs"}', { authorization });
  assert.deepEqual([theirs.status, theirs.body.name], [200, 'theirs']);
  assert.notEqual(theirs.body._id, first.body._id);

  // A refusal is not kept: put right, the same key may go on.
  const wrong = await create('fixable', '{"enabled":"yes"}');
  assert.equal(wrong.status, 400);
  assert.equal((await create('fixable', '{"enabled":true}')).status, 200);
  const conflict = await api.call(
    'POST',
    `/live_streams/${'0'.repeat(24)}/platforms`,
    '{"server":"rtmp://a.example/l"}',
    {
      ...JSON_TYPE,
      'idempotency-key': 'missing',
    },
  );
  assert.equal(conflict.status, 404);
  assert.equal((await create('missing')).status, 200);

  // Without a key each is a new one; GET and PATCH do not look at it.
  const before = await total();
  await api.call('POST', '/live_streams');
  await api.call('POST', '/live_streams');
  assert.equal(await total(), before + 2);
  const key = { 'idempotency-key': 'order-1', ...JSON_TYPE };
  assert.equal((await api.call('GET', '/live_streams', null, key)).status, 200);
  assert.equal((await api.call('PATCH', `/live_streams/${first.body._id}`, '{"name":"b"}', key)).body.name, 'b');
  for (const odd of ['', ' ', 'a b', 'x'.repeat(256), 'a, b'])
    assert.equal((await create(odd)).status, 400, JSON.stringify(odd));

  await api.stop();
  const { authorization: mine } = api;
  assert.ok(!(await dump(api.dataDir)).includes(first.body.ingest.key), 'answers hold stream keys: they are sealed');
  // What is left of an attempt whose process died after it had made its object and before it answered.
  await execute(
    api.dataDir,
    `update idempotency_keys set status = null, answer = null, lease = 'dead', lease_until_ms = 1
      where object_id = '${burst[0]!.body._id}'`,
  );

  const restarted = await startApi(api.dataDir);
  running = restarted;
  const id = api.secrets.id;
  assert.equal((await restarted.store.verifyToken(id, api.secrets.secret))?.tokenId, id);
  const repeat = (name: string) =>
    restarted.call('POST', '/live_streams', '{"name":"once"}', {
      ...JSON_TYPE,
      'idempotency-key': name,
      authorization: mine,
    });
  assert.equal((await repeat('order-1')).text, first.text, 'over a restart');
  const met = await repeat('burst');
  assert.deepEqual(
    [met.status, met.text],
    [200, burst[0]!.text],
    'what was made before the crash is met, not made again',
  );
});

test('L18 what a crash left of an access token or a webhook endpoint is met again, with a secret that works', async (t) => {
  const api = await startApi();
  t.after(async () => {
    await api.stop();
    api.remove();
  });
  const post = (path: string, key: string, body: string) =>
    api.call('POST', path, body, { ...JSON_TYPE, 'idempotency-key': key });
  /** As if its process had died between the object and the answer. */
  const cutOff = (id: string) =>
    execute(
      api.dataDir,
      `update idempotency_keys set status = null, answer = null, lease = 'dead', lease_until_ms = 1 where object_id = '${id}'`,
    );
  const total = async (path: string) => (await api.call('GET', path)).body.total;

  const token = () => post('/access_tokens', 'token', '{"name":"CI","role":"member"}');
  const [first, before] = [await token(), await total('/access_tokens')];
  assert.equal(first.status, 200);
  assert.equal((await token()).text, first.text, 'the secret is in the kept answer');
  await cutOff(first.body._id);
  const met = await token();
  assert.deepEqual({ ...met.body, secret: '' }, { ...first.body, secret: '' });
  assert.notEqual(met.body.secret, first.body.secret);
  assert.equal(await total('/access_tokens'), before);
  assert.equal(await api.store.verifyToken(first.body._id, first.body.secret), null, 'nobody has got this one');
  assert.ok(await api.store.verifyToken(met.body._id, met.body.secret));
  assert.equal((await token()).text, met.text);

  await api.call('DELETE', `/access_tokens/${met.body._id}`);
  await cutOff(met.body._id);
  const revoked = await token();
  assert.deepEqual([revoked.status, revoked.body.error], [409, 'Conflict']);
  assert.match(revoked.body.message, /revoked/);
  assert.equal(await api.store.verifyToken(met.body._id, met.body.secret), null);

  const endpoint = () => post('/webhook_endpoints', 'endpoint', '{"url":"https://hooks.example/a"}');
  const made = await endpoint();
  assert.equal(made.status, 200);
  await cutOff(made.body._id);
  const again = await endpoint();
  assert.deepEqual({ ...again.body, secret: '' }, { ...made.body, secret: '' });
  assert.notEqual(again.body.secret, made.body.secret);
  assert.equal(await total('/webhook_endpoints'), 1);
});

test('L18 a key whose rotation was cut off after it was written is not rotated again: the one before lives on as promised', async (t) => {
  const api = await startApi();
  t.after(async () => {
    await api.stop();
    api.remove();
  });
  const { _id, ingest } = await api.client.liveStreams.create();
  const playbackId = ingest.key.split('?')[0]!;
  const works = async (key: string) => {
    const password = new URLSearchParams(key.split('?')[1]).get('password')!;
    return (await api.store.authorise({ playbackId, password })).ok;
  };
  const rotate = (key: string, which: 'primary' | 'backup') =>
    api.call(
      'POST',
      `/live_streams/${_id}/rotate_key`,
      JSON.stringify({ which, overlap_s: which === 'backup' ? 0 : 3600 }),
      {
        ...JSON_TYPE,
        'idempotency-key': key,
      },
    );
  const cutOff = "update idempotency_keys set status = null, answer = null, lease = 'dead', lease_until_ms = 1";
  for (const which of ['primary', 'backup'] as const) {
    const first = await rotate(which, which);
    await execute(api.dataDir, cutOff);
    const again = await rotate(which, which);
    assert.deepEqual([again.status, again.text], [200, first.text]);
  }
  assert.equal(await works(ingest.key), true, 'the encoder has an hour');
  assert.equal((await api.client.events.list({ event: 'stream-key-rotated' })).total, 2);
  assert.equal((await rotate('next', 'primary')).status, 200);
  assert.equal(await works(ingest.key), false);
});

test('L18 platforms too; a key is free again after a day, taken while another process is at it', async (t) => {
  const api = await startApi();
  t.after(async () => {
    await api.stop();
    api.remove();
  });
  const { _id } = await api.client.liveStreams.create();
  const add = (key: string) =>
    api.call('POST', `/live_streams/${_id}/platforms`, '{"server":"rtmp://a.example/live","key":"k"}', {
      ...JSON_TYPE,
      'idempotency-key': key,
    });
  const answers = await Promise.all(Array.from({ length: 20 }, () => add('target')));
  assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
  assert.equal((await api.client.liveStreams.get(_id)).platforms.length, 1);

  const request = { sender: api.secrets.id, key: 'busy', content: 'x' };
  const { idempotency } = api.store;
  const begun = await idempotency.begin(request);
  assert.equal(begun.kind, 'begun');
  assert.deepEqual(await idempotency.begin(request), { kind: 'in_progress' });
  const busy = await api.call('POST', '/live_streams', '{}', { ...JSON_TYPE, 'idempotency-key': 'busy' });
  assert.equal(busy.status, 409, 'another request under a key that is in use');
  const clock = Date.now;
  try {
    Date.now = () => clock() + 61_000;
    const second = await idempotency.begin(request);
    assert.ok(begun.kind === 'begun' && second.kind === 'begun');
    assert.equal(second.attempt.objectId, begun.attempt.objectId, 'a second attempt under the same object id');
    await idempotency.keep(begun.attempt, 200, 'late');
    assert.deepEqual(await idempotency.begin(request), { kind: 'in_progress' }, 'who lost its lease keeps nothing');
    await idempotency.keep(second.attempt, 200, '{"a":1}');
    assert.deepEqual(await idempotency.begin(request), { kind: 'answered', status: 200, answer: '{"a":1}' });
    Date.now = () => clock() + 25 * 3600_000;
    const nextDay = await idempotency.begin({ ...request, content: 'y' });
    assert.ok(nextDay.kind === 'begun' && nextDay.attempt.objectId !== begun.attempt.objectId);
  } finally {
    Date.now = clock;
  }
});
