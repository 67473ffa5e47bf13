import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startApi } from './start-api.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

test('S57 rate limits: per token and per address without one, told in headers, before the body is read', async (t) => {
  const api = await startApi(undefined, { limits: { apiRatePerMinute: 5, apiAnonymousPerMinute: 3 } });
  t.after(async () => {
    await api.stop();
    api.remove();
  });
  const remaining: (string | null)[] = [];
  for (let i = 0; i < 5; i++) {
    const { status, headers } = await api.call('GET', '/live_streams');
    assert.equal(status, 200);
    assert.equal(headers.get('ratelimit-limit'), '5');
    assert.ok(Number(headers.get('ratelimit-reset')) >= 1 && Number(headers.get('ratelimit-reset')) <= 60);
    remaining.push(headers.get('ratelimit-remaining'));
  }
  assert.deepEqual(remaining, ['4', '3', '2', '1', '0']);
  const over = await api.call('GET', '/live_streams');
  assert.deepEqual([over.status, over.body.statusCode, over.body.error], [429, 429, 'Too Many Requests']);
  assert.equal(over.headers.get('retry-after'), over.headers.get('ratelimit-reset'));
  assert.match(over.body.message, /^More than 5 requests a minute with this access token: go on in \d+ s/);
  // Nothing of a body is waited for: this one never comes.
  const head = `POST /live_streams HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${api.authorization}\r\n`;
  assert.match(
    await api.raw(`${head}Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{`),
    /^HTTP\/1\.1 429 /,
  );
  assert.equal((await api.call('GET', '/v2/live_streams/x')).status, 429, 'both dialects share it');

  // Another token is not held up, nor is it by strangers at its address.
  const other = await api.store.tokens.create(api.owner, { name: 'Other' });
  const authorization = api.basic(other.id, other.secret);
  assert.equal(
    (await api.call('GET', '/live_streams', null, { authorization })).status,
    200,
    'it has been good before',
  );
  const bad = { authorization: api.basic(other.id, 'wrong') };
  const statuses: number[] = [];
  for (let i = 0; i < 5; i++) statuses.push((await api.call('GET', '/live_streams', null, bad)).status);
  assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
  const stranger = await api.call('GET', '/live_streams', null, bad);
  assert.match(stranger.body.message, /^More than 3 requests a minute with your address without a valid access token/);
  assert.ok(Number(stranger.headers.get('retry-after')) >= 1);
  assert.equal((await fetch(`${api.baseUrl}/openapi.json`)).status, 429, 'what is open counts as well');
  assert.equal((await api.call('GET', '/live_streams', null, { authorization })).status, 200);
  for (let i = 0; i < 10; i++) assert.equal((await fetch(`${api.baseUrl}/health/live`)).status, 200, 'health does not');

  const free = await startApi();
  t.after(async () => {
    await free.stop();
    free.remove();
  });
  const { status, headers } = await free.call('GET', '/live_streams');
  assert.deepEqual([status, headers.get('ratelimit-limit')], [200, null]);
});

test('S56 tests and resends are counted for endpoints that are there: made-up ids cost no memory, nor anybody their turn', async (t) => {
  const api = await startApi();
  t.after(async () => {
    await api.stop();
    api.remove();
  });
  const { _id } = await api.client.webhookEndpoints.create({ url: 'https://hooks.example/a' });
  const foreign = { ...api.owner, environment: 'development' } as const;
  const { row } = await api.store.webhookEndpoints.create(foreign, { url: 'https://hooks.example/b' });
  for (const path of ['/test', '/resend', '/deliveries/x/resend']) {
    const post = (id: string) => api.call('POST', `/webhook_endpoints/${id}${path}`, '{}', JSON_TYPE);
    for (const id of [row.id, 'x'.repeat(5000)]) {
      const statuses = new Set<number>();
      for (let i = 0; i < 61; i++) statuses.add((await post(id)).status);
      assert.deepEqual([...statuses], [404], path);
    }
    const mine = new Set<number>();
    for (let i = 0; i < 61; i++) mine.add((await post(_id)).status);
    assert.ok(mine.has(429), `${path} of an endpoint that is there is limited`);
  }
});

test('S51 S55 bodies: size, keys, depth; long strings are looked at in no time; odd ones never break anything', async (t) => {
  const api = await startApi();
  t.after(async () => {
    await api.stop();
    api.remove();
  });
  const post = (body: string, headers: Record<string, string> = JSON_TYPE) =>
    api.call('POST', '/live_streams', body, headers);
  const nested = (depth: number, open = '{"a":', close = '}') => `${open.repeat(depth)}1${close.repeat(depth)}`;
  const keys = (count: number) => JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [i, i])));
  const many = (count: number) => Array.from({ length: count }, (_, i) => `k${i}=1`).join('&');
  const rows: [string, Record<string, string>, number, RegExp?][] = [
    [nested(20), JSON_TYPE, 200],
    [nested(21), JSON_TYPE, 400, /nested deeper than 20 levels/],
    [nested(21, '[', ']'), JSON_TYPE, 400, /nested deeper than 20/],
    [nested(40_000), JSON_TYPE, 400, /nested deeper than 20/],
    [nested(120_000, '[', ']'), JSON_TYPE, 400, /nested deeper|not valid JSON/],
    [keys(1000), JSON_TYPE, 200],
    [keys(1001), JSON_TYPE, 400, /more than 1000 keys/],
    [`{"settings":{"country_block":${JSON.stringify(Array(250).fill('DE'))}}}`, JSON_TYPE, 200],
    [`{"settings":{"country_block":${JSON.stringify(Array(251).fill('DE'))}}}`, JSON_TYPE, 400, /at most 250/],
    [many(1000), FORM, 200],
    [many(1001), FORM, 400, /more than 1000 fields/],
    [`a${'[b]'.repeat(10_000)}=1`, FORM, 200],
    [`settings=${encodeURIComponent(nested(5000))}`, FORM, 200],
    [`settings=${'['.repeat(100_000)}`, FORM, 400, /settings must be an object/],
    [`{"x":"${'x'.repeat(256 * 1024)}"}`, JSON_TYPE, 413, /256 KiB/],
    ['{"name":"\\ud800"}', JSON_TYPE, 200],
    ['{"name":"\\u0000"}', JSON_TYPE, 400, /NUL/],
    ['name=%00', FORM, 400, /NUL/],
    ['\ufeff{}', JSON_TYPE, 400],
    ['{"name":1e999}', JSON_TYPE, 400, /name must be a text/],
    ['{"name":"a","name":"b"}', JSON_TYPE, 200],
    ['[{}]', JSON_TYPE, 400, /body must be an object/],
    ['true', JSON_TYPE, 400, /body must be an object/],
    ['0', JSON_TYPE, 400, /body must be an object/],
    ['""', JSON_TYPE, 400, /body must be an object/],
    ['NaN', JSON_TYPE, 400, /not valid JSON/],
    ["{'name':'x'}", JSON_TYPE, 400, /not valid JSON/],
    ['{"name":"x",}', JSON_TYPE, 400, /not valid JSON/],
    ['\u0000', JSON_TYPE, 400, /not valid JSON/],
    ['%%%', FORM, 200],
    ['=&=&&&', FORM, 200],
    ['__proto__=1&__proto__[a]=1', FORM, 200],
    ['enabled[]=true', FORM, 400, /enabled must be/],
    ['settings[pulling_mode]=null', FORM, 200],
    ['{"settings":{"pulling_mode":{"url":5}}}', JSON_TYPE, 400, /settings\.pulling_mode\.url must be a text/],
    ['x', { 'content-type': 'multipart/form-data; boundary=x' }, 415, /application\/json/],
    ['{}', { 'content-type': 'nonsense' }, 415],
    ['{}', { 'content-type': 'application/json; charset=utf-16' }, 200],
  ];
  for (const [body, headers, status, message] of rows) {
    const answer = await post(body, headers);
    assert.equal(answer.status, status, `${body.slice(0, 60)} ${answer.text.slice(0, 200)}`);
    if (message) assert.match(answer.body.message, message, body.slice(0, 60));
    if (status !== 200) assert.deepEqual(Object.keys(answer.body), ['statusCode', 'error', 'message']);
  }
  // What a regular expression of ours may meet: 10^5 characters each.
  const { _id } = await api.client.liveStreams.create();
  const hostile = [' ', '/', ':', '@', '[', ']', '\\', ':1', '/:', '[]', '?', '.', '-', 'a[', '\t'];
  for (const piece of hostile) {
    const long = piece.repeat(100_000 / piece.length);
    for (const body of [JSON.stringify({ server: `rtmp://${long}`, template: 'custom' }), `${long}=1`, `${long}{`])
      for (const headers of [JSON_TYPE, FORM]) {
        const started = process.cpuUsage();
        const { status } = await api.call('POST', `/live_streams/${_id}/platforms`, body, headers);
        assert.ok(status === 400, `${status}`);
        const { user } = process.cpuUsage(started);
        // Not a measurement: a backtracking expression takes minutes over this.
        assert.ok(user < 5e6, `${JSON.stringify(piece)} took ${user} µs`);
      }
  }
  assert.equal((await fetch(`${api.baseUrl}/health/live`)).status, 200);
});

test('S08 queries with lists, objects and operators are refused with what is allowed; request ids are answered and logged', async (t) => {
  const api = await startApi();
  t.after(async () => {
    await api.stop();
    api.remove();
  });
  for (const query of [
    'limit=1&limit=2',
    'limit[]=5',
    'limit[$gt]=1&limit=',
    'page={"$gt":0}',
    "page=1'--",
    'limit=٣',
  ]) {
    const { status, body } = await api.call('GET', `/live_streams?${query}`);
    const expected = query === 'limit[]=5' ? 200 : 400;
    assert.equal(status, expected, query);
    if (expected === 400) assert.match(body.message, /^(page|limit) must be a whole number from 1/);
  }
  for (const path of ['/live_streams?page=%00', '/live_streams/%00', '/v2/live_streams/a%00b/platforms/x']) {
    const method = path.includes('platforms') ? 'PATCH' : 'GET';
    const { status, body } = await api.call(method, path);
    assert.deepEqual([status, body.message], [400, 'A text holds a NUL character: leave it out.'], path);
  }
  for (const query of [
    'sort=-name',
    'organization=x&environment=development',
    '$where=1',
    'constructor=1',
    '__proto__=1',
  ])
    assert.equal((await api.call('GET', `/live_streams?${query}`)).status, 200, query);

  const given = await api.call('GET', '/live_streams', null, { 'x-request-id': 'trace-0123456789' });
  assert.equal(given.headers.get('x-request-id'), 'trace-0123456789');
  assert.ok(api.logged.some((line) => line.includes('"reqId":"trace-0123456789"')));
  for (const odd of ['short', 'x'.repeat(65), 'has space in it', '{"level":60,"a":1}', 'semi;colon;here']) {
    const { headers } = await api.call('GET', '/live_streams', null, { 'x-request-id': odd });
    assert.match(headers.get('x-request-id')!, /^req-[0-9a-f]{24}$/, odd);
  }
  const refused = await api.call('GET', '/live_streams', null, { authorization: 'Basic x' });
  assert.deepEqual([refused.status, /^req-[0-9a-f]{24}$/.test(refused.headers.get('x-request-id')!)], [401, true]);
});
