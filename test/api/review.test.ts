import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, invite, PASSWORD, setUp, tokenOf } from './people.ts';
import { startApi } from './start-api.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
let api: Awaited<ReturnType<typeof startApi>>;

before(async () => {
  api = await startApi();
});

after(async () => {
  await api.stop();
  api.remove();
});

test('S50 settings are bounded as a whole, and a page of live streams in what its platforms take', async () => {
  const send = async (method: string, path: string, body: object) =>
    api.call(method, path, JSON.stringify(body), JSON_TYPE);
  const long = (count: number) => Array(count).fill('x'.repeat(50));
  const made = await send('POST', '/live_streams', {
    settings: { country_block: long(150), domain_whitelist: long(100) },
  });
  assert.equal(made.status, 200, made.text);
  const path = `/live_streams/${made.body._id}`;
  const over = await send('PATCH', path, { settings: { country_whitelist: long(100) } });
  assert.deepEqual(
    [over.status, over.body.message.replace(/\d+/, 'N')],
    [400, 'The settings take N bytes as JSON: 16384 are allowed.'],
  );
  assert.equal(
    (await send('PATCH', path, { settings: { country_block: null, country_whitelist: long(100) } })).status,
    200,
  );
  assert.equal((await send('PATCH', path, { name: 'goes on' })).status, 200);

  const large = { template: 'custom', server: `rtmp://x.test/${'s'.repeat(2000)}`, key: 'k'.repeat(512) };
  const metadata = { description: '😀'.repeat(30_000) };
  assert.equal((await send('POST', `${path}/platforms`, { ...large, key: 'k'.repeat(513) })).status, 400);
  // What a hundred platforms may take is here taken by ten.
  const { liveStreams, platforms } = api.store;
  for (let i = 0; i < 4; i++) {
    const { id } = await liveStreams.create(api.owner, { name: `s${i}` });
    for (let n = 0; n < 10; n++)
      await platforms.create(api.owner, id, { ...large, name: 'p', enabled: true, metadata });
  }
  const refused = await api.call('GET', '/live_streams');
  assert.deepEqual(
    [refused.status, refused.body.message],
    [400, 'These live streams have too many platforms for one page: lower limit.'],
  );
  for (const page of [1, 2]) {
    const { status, body } = await api.call('GET', `/live_streams?limit=3&page=${page}`);
    assert.deepEqual([status, body.docs.length, body.total, body.pages], [200, page === 1 ? 3 : 2, 5, 2]);
  }
});

test('S40 a form of another site creates nothing with the Basic credentials that a browser remembers', async () => {
  const navigation = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', origin: 'https://evil.example' };
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const count = async () => (await api.call('GET', '/live_streams?limit=1')).body.total;
  /** As a browser sends it: fetch has a Sec-Fetch-Mode of its own. */
  const post = async (headers: Record<string, string>) => {
    const lines = Object.entries({ authorization: api.authorization, ...headers }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    const head = `POST /live_streams HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n${lines.join('')}\r\n`;
    return api.raw(head);
  };
  const there = await count();
  const foreign: Record<string, string>[] = [
    { ...navigation, ...form },
    { ...navigation, 'sec-fetch-site': 'same-site', 'content-type': 'text/plain' },
    { ...navigation, 'sec-fetch-mode': 'no-cors' },
    // Over plain HTTP browsers say less.
    { ...form, origin: 'http://evil.example' },
    { ...form, origin: 'null' },
  ];
  for (const headers of foreign)
    assert.match(await post(headers), /^HTTP\/1\.1 403 .*Another site's page/s, JSON.stringify(headers));
  assert.equal(await count(), there);
  const asked: Record<string, string>[] = [
    { ...navigation, ...JSON_TYPE, 'sec-fetch-mode': 'cors' },
    { ...JSON_TYPE, origin: 'http://partner.example' },
    { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' },
    form,
  ];
  for (const headers of asked) assert.match(await post(headers), /^HTTP\/1\.1 200 /, JSON.stringify(headers));
});

test('S04 S14 rights that somebody lost do not live on in access tokens; the answer says how many went', async () => {
  const owner = await setUp(api);
  const admin = await invite(api, owner, 'admin@example.test', 'admin');
  const id = (await admin.ok('GET', '/users/me'))._id;
  const [above, within, kept] = [
    await tokenOf(admin, 'production', 'admin'),
    await tokenOf(admin, 'development', 'member'),
    await tokenOf(owner, 'production', 'admin'),
  ];
  const statuses = async () => {
    const answers = [above, within, kept].map((headers) =>
      ask(api, 'GET', '/live_streams?limit=1', undefined, headers),
    );
    return (await Promise.all(answers)).map(({ status }) => status);
  };
  assert.deepEqual(await statuses(), [200, 200, 200]);
  const demoted = await owner.ok('PATCH', `/members/${id}`, { role: 'member' });
  assert.deepEqual([demoted.role, demoted.revoked_tokens], ['member', 1]);
  assert.deepEqual(await statuses(), [401, 200, 200]);
  assert.equal((await owner.ok('PATCH', `/members/${id}`, { role: 'admin' })).revoked_tokens, 0);
  assert.deepEqual(await statuses(), [401, 200, 200]);
  assert.deepEqual(await owner.ok('DELETE', `/members/${id}`), { success: true, revoked_tokens: 1 });
  assert.deepEqual(await statuses(), [401, 401, 200]);
});

test('S56 an organization has a limit over all its tokens; guesses beyond the limit cost no look-up', async (t) => {
  const limited = await startApi(undefined, { limits: { apiRatePerMinute: 4, apiAnonymousPerMinute: 3 } });
  t.after(async () => {
    await limited.stop();
    limited.remove();
  });
  const verify = t.mock.method(limited.store, 'verifyToken');
  const statuses: number[] = [];
  for (let i = 0; i < 7; i++) {
    const { id, secret } = await limited.store.tokens.create(limited.owner, {});
    const authorization = limited.basic(id, secret);
    for (let n = 0; n < 3; n++)
      statuses.push((await limited.call('GET', '/live_streams', null, { authorization })).status);
  }
  assert.deepEqual(statuses, [...Array(20).fill(200), 429]);
  const asked = verify.mock.callCount();
  for (let i = 0; i < 10; i++) {
    const { status } = await limited.call('GET', '/live_streams', null, {
      authorization: limited.basic('guess', `${i}`),
    });
    assert.equal(status, i < 3 ? 401 : 429);
  }
  assert.equal(verify.mock.callCount(), asked + 3);
});

test('S56 tests of a webhook endpoint are few a minute, each tenant on its own account', async () => {
  const { _id } = (
    await api.call('POST', '/webhook_endpoints', JSON.stringify({ url: 'https://hooks.example.test/' }), JSON_TYPE)
  ).body;
  const statuses: number[] = [];
  let last = '';
  for (let i = 0; i < 31; i++) {
    const answer = await api.call(
      'POST',
      i % 2 ? `/webhook_endpoints/${_id}/test` : `/v2/webhook_endpoints/${_id}/test`,
    );
    statuses.push(answer.status);
    last = answer.headers.get('retry-after') ?? '';
  }
  assert.deepEqual(statuses, [...Array(30).fill(200), 429]);
  assert.match(last, /^\d+$/);
});

test('S04 with a mail server an invitation is in the mailbox only; reset mails are few a day', async () => {
  const mails: { to: string; text: string }[] = [];
  const mailed = await startApi(undefined, { mail: { send: (mail) => void mails.push(mail) } });
  const owner = await setUp(mailed);
  const made = await owner.ok('POST', '/invitations', { email: 'bob@example.test' });
  assert.deepEqual([made.mailed, 'url' in made], [true, false]);
  const [, token] = /#([0-9a-f]{64})/.exec(mails[0]!.text)!;
  assert.ok(!JSON.stringify(made).includes(token!));
  const accepted = await ask(mailed, 'POST', '/invitations/accept', { token, name: 'Bob', password: PASSWORD });
  assert.equal(accepted.status, 200);
  for (let i = 0; i < 12; i++) await ask(mailed, 'POST', '/password_resets', { email: 'bob@example.test' });
  await mailed.stop();
  assert.ok(mails.length - 1 <= 5, `${mails.length - 1} mails`);
  mailed.remove();
});

test('a browser that opens the server is shown the dashboard; others are told what is there', async () => {
  const page = await fetch(`${api.baseUrl}/`, { headers: { accept: 'text/html' }, redirect: 'manual' });
  assert.deepEqual(
    [page.status, page.headers.get('location'), page.headers.get('www-authenticate')],
    [302, 'dashboard', null],
  );
  assert.equal((await ask(api, 'GET', '/')).status, 401);
  const none = await api.call('GET', '/nothing');
  assert.deepEqual(
    [none.status, none.body.message],
    [404, 'There is nothing at GET /nothing: /reference lists all that there is.'],
  );
});

test('S18 a line about a right that changed names its request', () => {
  const lines = api.logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'api: role changed');
  assert.equal(lines.length, 2);
  for (const { reqId, address, member } of lines) assert.ok(reqId && address && member);
});
