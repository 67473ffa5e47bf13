import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { dump, execute } from '../support/database.ts';
import { type Api, ask, type Browser, invite, ORIGIN, PASSWORD, setUp, tokenOf } from './people.ts';
import { startApi } from './start-api.ts';

let api: Api;
let alice: Browser;
before(async () => {
  api = await startApi();
  alice = await setUp(api);
});
after(async () => {
  await api.stop();
  api.remove();
});

test('S10 S14 access tokens: shown once, of one environment and at most their maker’s role; expired and revoked ones are refused', async () => {
  const made = await alice.ok('POST', '/access_tokens', { name: 'CI', environment: 'development', role: 'admin' });
  assert.match(made.secret, /^[0-9a-f]{64}$/);
  assert.ok(!(await dump(api.dataDir)).includes(made.secret));
  const admin = { authorization: api.basic(made._id, made.secret) };
  const { body: list } = await ask(api, 'GET', '/access_tokens', undefined, admin);
  const { secret: _, ...shown } = made;
  assert.deepEqual([list.total, { ...list.docs[0], last_used_at: null }], [1, shown]);
  const make = (body: object, headers = admin) => ask(api, 'POST', '/access_tokens', body, headers);
  assert.equal((await make({ environment: 'production' })).status, 403);
  assert.equal((await make({ role: 'owner' })).status, 400);
  for (const expires_at of ['2000-01-01T00:00:00.000Z', 'tomorrow', ''])
    assert.equal((await make({ expires_at })).status, 400);
  const member = await tokenOf(alice, 'development', 'member');
  assert.equal((await make({}, member)).status, 403);
  assert.equal((await ask(api, 'GET', '/access_tokens', undefined, member)).status, 403);

  const soon = (await make({ expires_at: new Date(Date.now() + 60_000).toISOString() })).body;
  assert.deepEqual([made.created_by_token, soon.created_by_token, soon.created_by], [null, made._id, made.created_by]);
  const use = () => ask(api, 'GET', '/live_streams', undefined, { authorization: api.basic(soon._id, soon.secret) });
  assert.equal((await use()).status, 200);
  // What it makes ends with it.
  const ending = (await make({ role: 'admin', expires_at: new Date(Date.now() + 3600_000).toISOString() })).body;
  const byIt = { authorization: api.basic(ending._id, ending.secret) };
  assert.equal((await make({}, byIt)).body.expires_at, ending.expires_at);
  assert.equal((await make({ expires_at: new Date(Date.now() + 60_000).toISOString() }, byIt)).status, 200);
  const later = await make({ expires_at: new Date(Date.now() + 7200_000).toISOString() }, byIt);
  assert.deepEqual([later.status, /outlives/.test(later.body.message)], [403, true]);
  await execute(api.dataDir, `update access_tokens set expires_ms = 1 where id = '${soon._id}'`);
  await ask(api, 'DELETE', `/access_tokens/${(await make({})).body._id}`, undefined, admin); // Nothing is remembered after it.
  assert.equal((await use()).status, 401);
  const own = await ask(api, 'DELETE', `/access_tokens/${made._id}`, undefined, admin);
  assert.deepEqual([own.status, own.body], [200, { success: true }]);
  assert.equal((await ask(api, 'GET', '/live_streams', undefined, admin)).status, 401);
});

test('S11 an unknown token costs what a wrong secret costs: 2,000 + 2,000', async (t) => {
  const times = { unknown: [] as number[], wrong: [] as number[] };
  for (let i = 0; i < 2000; i++) {
    for (const kind of ['unknown', 'wrong'] as const) {
      const started = performance.now();
      await api.store.verifyToken(kind === 'wrong' ? api.secrets.id : 'f'.repeat(24), 'a wrong secret');
      times[kind].push(performance.now() - started);
    }
  }
  const median = (list: number[]) => list.sort((a, b) => a - b)[list.length / 2]!;
  t.diagnostic(`medians differ by ${(Math.abs(median(times.unknown) - median(times.wrong)) * 1000).toFixed(1)} us`);
});

test('S40 every state-changing route refuses a session without our page’s proof', async (t) => {
  const id = '0'.repeat(24);
  const changing = api.routes.filter(({ method, hidden }) => !hidden && !['GET', 'HEAD', 'OPTIONS'].includes(method));
  const { 'x-csrf-token': csrf, cookie } = alice.headers() as Record<string, string>;
  const attempts: Record<string, Record<string, string>> = {
    'no token': { cookie: cookie! },
    'wrong token': { cookie: cookie!, 'x-csrf-token': '0'.repeat(64) },
    'another origin': { cookie: cookie!, 'x-csrf-token': csrf!, origin: 'https://evil.example' },
    'origin null': { cookie: cookie!, 'x-csrf-token': csrf!, origin: 'null' },
    'a neighbour': { cookie: cookie!, 'x-csrf-token': csrf!, origin: ORIGIN.replace('live', 'other') },
    'http for https': { cookie: cookie!, 'x-csrf-token': csrf!, origin: ORIGIN.replace('https', 'http') },
    'fetched cross-site': { cookie: cookie!, 'x-csrf-token': csrf!, 'sec-fetch-site': 'cross-site' },
    'fetched same-site': { cookie: cookie!, 'x-csrf-token': csrf!, 'sec-fetch-site': 'same-site' },
  };
  let tried = 0;
  for (const { method, url } of changing) {
    // Players on anybody's pages report to it, and it looks at no cookie.
    if (url === '/embed/beacon') continue;
    const path = url.replaceAll(/:\w+/g, id);
    const open = /\/(setup|sessions|password_resets|password_resets\/accept|invitations\/accept)$/.test(url);
    for (const [how, headers] of Object.entries(attempts)) {
      if (open && method === 'POST' && how.endsWith('token') && !url.endsWith('/invitations/accept')) continue;
      const { status, headers: answered } = await ask(api, method, path, method === 'DELETE' ? undefined : {}, headers);
      // A body that names nothing is refused by some before the proof is asked for; nothing succeeds.
      assert.ok(status === 403 || (open && status === 400), `${how}: ${method} ${url} ${status}`);
      assert.equal(answered.get('access-control-allow-credentials'), null, 'S44');
      tried++;
    }
  }
  t.diagnostic(`${tried} requests from elsewhere, 0 succeeded`);
  assert.ok(changing.length > 40);
  const both = { ...attempts['no token'], authorization: api.authorization };
  assert.equal((await ask(api, 'POST', '/live_streams', {}, both)).status, 200, 'a token needs no proof');
  const wrong = { ...alice.headers(), authorization: api.basic('x', 'y') };
  assert.equal(
    (await ask(api, 'GET', '/live_streams', undefined, wrong)).status,
    401,
    'the token counts, not the cookie',
  );
});

test('S13 S21 neither the database nor the log holds a password, a cookie or a token', async () => {
  const { secret } = await alice.ok('POST', '/access_tokens', {});
  const { url } = await alice.ok('POST', '/invitations', { email: 'canary@example.test' });
  const secrets = [PASSWORD, secret, alice.cookie.split('=')[1]!, alice.csrf, new URL(url).hash.slice(1)];
  const log = api.logged.join('\n');
  const rows = await dump(api.dataDir);
  for (const text of secrets) {
    assert.ok(!rows.includes(text), 'database');
    assert.ok(!log.includes(text), 'log');
  }
  assert.match(rows, /argon2id\$19456\$2\$/);
});

test('S06 what a body may not set is not set', async () => {
  const erin = await invite(api, alice, 'erin@example.test', 'member');
  const before = await erin.ok('GET', '/users/me');
  const hostile = {
    _id: 'x',
    id: 'x',
    role: 'owner',
    organization: 'x',
    organization_id: 'x',
    password_hash: 'x',
    user: 'x',
  };
  await erin.ok('PATCH', '/users/me', { ...hostile, name: before.name, __proto__: { email: 'x' } });
  assert.deepEqual(await erin.ok('GET', '/users/me'), before);
  const { _id, organization } = await alice.ok('POST', '/live_streams', hostile);
  assert.notEqual(_id, 'x');
  assert.notEqual(organization, 'x');
  const [mine] = (await alice.ok('GET', '/organizations')).docs;
  const renamed = await alice.ok('PATCH', `/organizations/${mine._id}`, {
    ...hostile,
    role: 'member',
    name: 'Renamed',
  });
  assert.deepEqual(renamed, { ...mine, name: 'Renamed' });
  const token = await alice.ok('POST', '/access_tokens', { ...hostile, role: 'member', created_by: 'x', secret: 'x' });
  assert.deepEqual([token.role, token.created_by === 'x', token.secret === 'x'], ['member', false, false]);
});
