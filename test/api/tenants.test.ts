import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { after, before, mock, test } from 'node:test';
import { pino } from 'pino';
import { createLogger } from '../../src/base/index.ts';
import { Mailer } from '../../src/mail/index.ts';
import { dump } from '../support/database.ts';
import { type Api, ask, Browser, invite, PASSWORD, setUp } from './people.ts';
import { ADDRESSES, startApi } from './start-api.ts';

let api: Api;
let alice: Browser;
before(async () => {
  api = await startApi();
  assert.deepEqual((await ask(api, 'GET', '/setup')).body, { needed: true });
  const values = { email: ' Alice@Example.test', password: PASSWORD, name: 'Alice' };
  const [first, second] = [await api.store.setup.issue(), await api.store.setup.issue()];
  for (const setup_token of ['', 'x', '0'.repeat(64), first])
    assert.equal(
      (await ask(api, 'POST', '/setup', { ...values, setup_token })).status,
      404,
      'S49 only the newest link',
    );
  assert.equal((await ask(api, 'POST', '/setup', { ...values, setup_token: second, password: 'short' })).status, 400);
  // Both at once: one of them.
  const browsers = [new Browser(api), new Browser(api)];
  const answers = await Promise.all(
    browsers.map((one) => one.ask('POST', '/setup', { ...values, setup_token: second })),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 404]);
  const done = answers.findIndex(({ status }) => status === 200);
  alice = browsers[done]!;
  assert.equal(answers[done]!.body.user.email, 'alice@example.test');
  assert.deepEqual((await ask(api, 'GET', '/setup')).body, { needed: false });
  assert.equal(await api.store.setup.issue(), null);
});
after(async () => {
  await api.stop();
  api.remove();
});

const signIn = (email: string, password = PASSWORD, headers = {}) =>
  ask(api, 'POST', '/sessions', { email, password }, headers);

test('S16 the session cookie: closed to scripts, bound to the host, new at every login, dead when signed out or too old', async () => {
  const answer = await signIn('alice@example.test');
  const [cookie, ...others] = answer.headers.getSetCookie();
  assert.equal(others.length, 0);
  assert.match(cookie!, /^__Host-liveapi=[0-9a-f]{64}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax; Secure$/);
  const browser = await new Browser(api).use(cookie!.split(';', 1)[0]!);
  assert.deepEqual((await browser.ok('GET', '/sessions/current')).organizations, answer.body.organizations);
  const before = browser.cookie;
  await browser.ok('POST', '/sessions', { email: 'alice@example.test', password: PASSWORD });
  assert.notEqual(browser.cookie, before);
  assert.equal(
    (await ask(api, 'GET', '/users/me', undefined, { cookie: before })).status,
    401,
    'the one before is over',
  );

  const { docs } = await browser.ok('GET', '/sessions');
  const current = docs.find((session: { current: boolean }) => session.current);
  assert.deepEqual([current.address, typeof current.user_agent], ['127.0.0.1', 'string']);
  const other = await new Browser(api).use(
    (await signIn('alice@example.test')).headers.getSetCookie()[0]!.split(';')[0]!,
  );
  const otherId = (await other.ok('GET', '/sessions')).docs.find(
    (session: { current: boolean }) => session.current,
  )._id;
  await browser.ok('DELETE', `/sessions/${otherId}`);
  assert.equal((await other.ask('GET', '/users/me')).status, 401);

  const last = { ...browser.headers() };
  assert.match((await browser.ask('DELETE', '/sessions/current')).headers.getSetCookie()[0]!, /=; Max-Age=0; /);
  assert.equal((await ask(api, 'GET', '/users/me', undefined, last)).status, 401);

  const idle = await new Browser(api).use(
    (await signIn('alice@example.test')).headers.getSetCookie()[0]!.split(';')[0]!,
  );
  const hour = 3600_000;
  const { _id: userId } = await idle.ok('GET', '/users/me');
  // A minute on, the next use is worth a note.
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 60_000 });
  try {
    for (let hours = 0; hours < 30 * 24 - 23; hours += 23) {
      await idle.ok('GET', '/users/me');
      // The last use is noted behind the answer's back.
      const noted = async () =>
        (await api.store.sessions.list(userId)).some(({ lastUsedMs }) => lastUsedMs === Date.now());
      while (!(await noted()));
      mock.timers.tick(23 * hour);
    }
    mock.timers.tick(23 * hour);
    assert.equal((await idle.ask('GET', '/users/me')).status, 401, 'over after thirty days of use');
  } finally {
    mock.timers.reset();
  }
  const unused = await new Browser(api).use(
    (await signIn('alice@example.test')).headers.getSetCookie()[0]!.split(';')[0]!,
  );
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 24 * hour });
  try {
    assert.equal((await unused.ask('GET', '/users/me')).status, 401, 'over after a day without use');
  } finally {
    mock.timers.reset();
  }
});

test('S16 over http, for development, the cookie has another name and no Secure', async () => {
  const http = await startApi(undefined, { limits: { publicUrl: 'http://localhost:8080' } });
  const setup_token = await http.store.setup.issue();
  const answer = await ask(http, 'POST', '/setup', { setup_token, email: 'a@b', password: PASSWORD });
  assert.match(
    answer.headers.getSetCookie()[0]!,
    /^liveapi=[0-9a-f]{64}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/,
  );
  await http.stop();
  http.remove();
});

test('S15 guessing: one answer for unknown and wrong, growing delays by account and by network, forgotten after success', async () => {
  const guessed = await startApi(undefined, { limits: { trustedProxies: ['127.0.0.0/8'] } });
  await setUp(guessed);
  const from = (address: string) => ({ 'x-forwarded-for': address });
  const guess = (email: string, address: string, password = 'a wrong password') =>
    ask(guessed, 'POST', '/sessions', { email, password }, from(address));
  const [unknown, wrong] = [
    await guess('nobody@example.test', '192.0.2.1'),
    await guess('alice@example.test', '192.0.2.1'),
  ];
  assert.deepEqual([unknown.status, unknown.text], [401, wrong.text]);
  // Six times from one network: there the account is closed for a while, whether it exists or not; elsewhere its owner gets in.
  for (const email of ['alice@example.test', 'nobody@example.test']) {
    for (let i = 0; i < 6; i++) assert.equal((await guess(email, '198.51.100.1')).status, 401);
    const refused = await guess(email, '198.51.100.1', PASSWORD);
    assert.equal(refused.status, 429, 'the right password too');
    assert.match(refused.headers.get('retry-after')!, /^[1-5]$/);
  }
  assert.equal((await guess('alice@example.test', '203.0.113.9', PASSWORD)).status, 200);
  // From one network (of IPv6 the first 64 bits) at many accounts.
  const statuses: number[] = [];
  for (let i = 0; i < 22; i++) statuses.push((await guess(`user${i}@example.test`, `2001:db8:1:2::${i}`)).status);
  assert.deepEqual(statuses, [...Array(21).fill(401), 429]);
  assert.equal((await guess('user99@example.test', '2001:db8:1:3::1')).status, 401, 'the neighbour is not held up');
  await guessed.stop();
  guessed.remove();
});

test('S15 many at once: what is beyond the free attempts is refused before its password is looked at', async () => {
  const statuses = await Promise.all(
    Array.from({ length: 30 }, async () => (await signIn('many@example.test', 'a wrong password')).status),
  );
  assert.deepEqual([statuses.filter((s) => s === 401).length, statuses.filter((s) => s === 429).length], [6, 24]);
});

test('S18 X-Forwarded-For counts only from proxies that are trusted', async () => {
  const address = async (target: Api, forwarded: string) => {
    const browser = new Browser(target);
    await browser.ask(
      'POST',
      '/sessions',
      { email: 'alice@example.test', password: PASSWORD },
      { 'x-forwarded-for': forwarded },
    );
    const { docs } = await browser.ok('GET', '/sessions');
    return docs.find((session: { current: boolean }) => session.current).address;
  };
  assert.equal(await address(api, '192.0.2.7'), '127.0.0.1');
  const proxied = await startApi(undefined, { limits: { trustedProxies: ['127.0.0.1/32', '10.0.0.0/8'] } });
  await setUp(proxied);
  assert.equal(await address(proxied, '192.0.2.7'), '192.0.2.7');
  assert.equal(await address(proxied, '203.0.113.1, 192.0.2.7'), '192.0.2.7', 'the first is what a stranger wrote');
  assert.equal(await address(proxied, '192.0.2.7, 10.1.2.3'), '192.0.2.7', 'through two of ours');
  assert.equal(await address(proxied, '::ffff:192.0.2.7'), '192.0.2.7');
  assert.equal(await address(proxied, '<script>'), '127.0.0.1');
  await proxied.stop();
  proxied.remove();
});

test('S17 a new password or e-mail needs the old password and ends all other sessions', async () => {
  const carol = await invite(api, alice, 'carol@example.test', 'member');
  const elsewhere = new Browser(api);
  await elsewhere.ok('POST', '/sessions', { email: 'carol@example.test', password: PASSWORD });
  for (const body of [
    { password: 'another password' },
    { email: 'c@example.test', current_password: 'wrong password' },
  ])
    assert.equal((await carol.ask('PATCH', '/users/me', body)).status, 403);
  assert.equal((await carol.ok('PATCH', '/users/me', { name: 'Carol' })).user.name, 'Carol');
  await elsewhere.ok('GET', '/users/me');
  const before = carol.headers();
  const changed = await carol.ok('PATCH', '/users/me', { password: 'another password', current_password: PASSWORD });
  assert.equal(changed.user.email, 'carol@example.test');
  for (const headers of [before, elsewhere.headers()])
    assert.equal((await ask(api, 'GET', '/users/me', undefined, headers)).status, 401);
  await carol.ok('GET', '/users/me');
  assert.equal((await signIn('carol@example.test')).status, 401);
  const taken = { email: 'ALICE@example.test', current_password: 'another password' };
  assert.equal((await carol.ask('PATCH', '/users/me', taken)).status, 409);
  await carol.ok('PATCH', '/users/me', { email: 'c@example.test', current_password: 'another password' });
  assert.equal((await signIn('c@example.test', 'another password')).status, 200);
  for (const email of ['x', 'a b@c', 'a@b,c@d', 'a@b\r\nBcc: x@y', '<a@b>'])
    assert.equal((await carol.ask('PATCH', '/users/me', { email, current_password: 'another password' })).status, 400);
});

test('S15 a new password by link: hashed, once, for half an hour, ends all sessions; the same answer for an unknown e-mail', async () => {
  const mails: { to: string; text: string }[] = [];
  const mailed = await startApi(undefined, { mail: { send: (mail) => void mails.push(mail) } });
  const owner = await setUp(mailed);
  const answers = [
    await ask(mailed, 'POST', '/password_resets', { email: 'nobody@example.test' }),
    await ask(mailed, 'POST', '/password_resets', { email: 'Alice@example.test' }, { host: 'evil.example' }),
  ];
  assert.deepEqual(
    answers.map(({ status, text }) => [status, text]),
    Array(2).fill([200, '{"success":true}']),
  );
  while (mails.length === 0) await new Promise(setImmediate);
  assert.deepEqual(
    mails.map(({ to }) => to),
    ['alice@example.test'],
  );
  const [, link, token] = /(\S+#([0-9a-f]{64}))/.exec(mails[0]!.text)!;
  assert.ok(link!.startsWith(`${ADDRESSES.publicUrl}/dashboard/password#`), 'S46 whatever Host the request named');
  assert.ok(!(await dump(mailed.dataDir)).includes(token!));
  const accept = (values: object) => ask(mailed, 'POST', '/password_resets/accept', values);
  assert.equal((await accept({ token: '0'.repeat(64), password: 'a new password' })).status, 404);
  assert.equal((await accept({ token, password: 'short' })).status, 400);
  const both = await Promise.all([1, 2].map((i) => accept({ token, password: `a new password ${i}` })));
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 404]);
  assert.equal((await accept({ token, password: 'a new password' })).status, 404);
  assert.equal((await owner.ask('GET', '/users/me')).status, 401);

  await ask(mailed, 'POST', '/password_resets', { email: 'alice@example.test' });
  while (mails.length === 1) await new Promise(setImmediate);
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 30 * 60_000 });
  const late = await accept({ token: mails[1]!.text.match(/#([0-9a-f]{64})/)![1], password: 'a new password' });
  mock.timers.reset();
  assert.equal(late.status, 404);
  for (let i = 0; i < 10; i++)
    assert.equal((await ask(mailed, 'POST', '/password_resets', { email: 'alice@example.test' })).status, 200);
  assert.ok(mails.length < 9, `${mails.length} mails: nobody is flooded`);
  await mailed.stop();
  mailed.remove();
});

test('e-mails go through the configured server, addressed to one person; a server that is away fails nobody', async () => {
  const server = createServer((socket) => {
    let data = false;
    let text = '';
    socket.write('220 test ESMTP\r\n');
    socket.on('data', (chunk) => {
      text += chunk;
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        received.push(line);
        if (data && line !== '.') continue;
        data = line === 'DATA';
        socket.write(
          line === 'DATA' ? '354 go on\r\n' : line.startsWith('EHLO') ? '250-test\r\n250 8BITMIME\r\n' : '250 ok\r\n',
        );
      }
    });
    socket.on('error', () => {});
  });
  const received: string[] = [];
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const options = { from: 'LiveAPI <live@example.test>', log: createLogger('silent') };
  const mailer = new Mailer({ ...options, smtpUrl: `smtp://127.0.0.1:${port}` });
  mailer.send({ to: 'ada@example.test', subject: 'Grüße', text: `link ${ADDRESSES.publicUrl}` });
  await mailer.close();
  assert.ok(received.includes('MAIL FROM:<live@example.test>'));
  assert.deepEqual(
    received.filter((line) => line.startsWith('RCPT')),
    ['RCPT TO:<ada@example.test>'],
  );
  assert.ok(received.some((line) => line.includes(ADDRESSES.publicUrl)));
  server.close();
  const away = new Mailer({ ...options, smtpUrl: 'smtp://127.0.0.1:1' });
  away.send({ to: 'ada@example.test', subject: 'x', text: 'x' });
  await away.close();
});

test('a mail server that takes connections and says nothing does not keep the process from its end', async (t) => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on('error', () => {})));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  const { port } = server.address() as { port: number };
  const mailer = new Mailer({ from: 'live@example.test', smtpUrl: `smtp://127.0.0.1:${port}`, log });
  for (let i = 0; i < 3; i++) mailer.send({ to: 'ada@example.test', subject: `${i}`, text: 'x' });
  await mailer.close();
  // Nothing of it has been given up by itself: that takes twenty seconds.
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)).map(({ msg, mails }) => [msg, mails]),
    [['mail: given up, the server stops', 3]],
  );
});

test('S56 invitations are no mail relay: five a day to one address, bounded for an organization, no words of the sender', async () => {
  const mails: { to: string; text: string }[] = [];
  const mailed = await startApi(undefined, { mail: { send: (mail) => void mails.push(mail) } });
  const owner = await setUp(mailed);
  const { docs } = await owner.ok('GET', '/organizations');
  await owner.ok('PATCH', `/organizations/${docs[0]._id}`, { name: 'Win!\n\nhttps://evil.example/x @ Ångström & Co' });
  const inviteTo = (email: string) => owner.ask('POST', '/invitations', { email });
  const statuses: number[] = [];
  for (let i = 0; i < 6; i++) statuses.push((await inviteTo(i % 2 ? 'Vi@example.test' : 'vi@example.test')).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429]);
  assert.equal(mails.length, 5);
  assert.match(mails[0]!.text, /^You are invited to join Win https evil example x Ångström & Co\. The link/);
  const others: Awaited<ReturnType<typeof inviteTo>>[] = [];
  for (let i = 0; i < 97; i++) others.push(await inviteTo(`p${i}@example.test`));
  const refused = others.filter(({ status }) => status === 429);
  assert.ok(refused.length > 0 && Number(refused[0]!.headers.get('retry-after')) > 1);
  assert.equal(mails.length, 5 + others.length - refused.length);
  await mailed.stop();
  mailed.remove();
});

test('S04 invitations: once, for the invited e-mail only, for seven days, revocable; only owners invite owners', async () => {
  const admin = await invite(api, alice, 'admin@example.test', 'admin');
  assert.equal((await admin.ask('POST', '/invitations', { email: 'o@example.test', role: 'owner' })).status, 403);
  assert.equal((await alice.ask('POST', '/invitations', { email: 'admin@example.test' })).status, 409);
  const send = async (email: string) => new URL((await admin.ok('POST', '/invitations', { email })).url).hash.slice(1);
  const accept = (token: string, by = new Browser(api)) =>
    by.ask('POST', '/invitations/accept', { token, name: 'N', password: PASSWORD });

  const first = await send('new@example.test');
  assert.ok(!(await dump(api.dataDir)).includes(first));
  const second = await send('NEW@example.test');
  assert.equal((await accept(first)).status, 404, 'replaced by the second');
  assert.equal((await accept(second, alice)).status, 403, 'for somebody else');
  assert.equal(
    (await ask(api, 'POST', '/invitations/accept', { token: second })).status,
    400,
    'no account, no password',
  );
  const both = await Promise.all([accept(second), accept(second)]);
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 404]);
  assert.equal((await accept(second)).status, 404);
  const joined = both.find(({ status }) => status === 200)!.body;
  assert.deepEqual([joined.user.email, joined.organizations[0].role], ['new@example.test', 'member']);

  const { _id, url } = await admin.ok('POST', '/invitations', { email: 'gone@example.test' });
  await admin.ok('DELETE', `/invitations/${_id}`);
  assert.equal((await accept(new URL(url).hash.slice(1))).status, 404);
  const late = await send('late@example.test');
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 7 * 24 * 3600_000 });
  const refused = await accept(late);
  mock.timers.reset();
  assert.equal(refused.status, 404);

  // Somebody with an account joins a second organization: signed in, and as nobody else.
  const { _id: other } = await alice.ok('POST', '/organizations', { name: 'Other' });
  const inOther = await new Browser(api).use(alice.cookie);
  inOther.organization = other;
  const toAdmin = new URL((await inOther.ok('POST', '/invitations', { email: 'admin@example.test' })).url).hash.slice(
    1,
  );
  assert.equal((await accept(toAdmin)).status, 401);
  const organizations = (await admin.ok('POST', '/invitations/accept', { token: toAdmin })).organizations;
  assert.deepEqual(
    organizations.map(({ role }: { role: string }) => role),
    ['admin', 'member'],
  );
  await inOther.ok('DELETE', `/organizations/${other}`);
  assert.equal((await admin.ok('GET', '/organizations')).total, 1);
});

test('S04 roles: owners touch owners, the last owner stays, a changed role ends sessions and sent invitations', async () => {
  const own = await startApi();
  const owner = await setUp(own);
  const [admin, member] = [
    await invite(own, owner, 'b@x.test', 'admin'),
    await invite(own, owner, 'c@x.test', 'member'),
  ];
  const members = Object.fromEntries(
    (await owner.ok('GET', '/members')).docs.map((doc: { email: string; _id: string }) => [doc.email, doc._id]),
  );
  const [ownerId, adminId, memberId] = ['alice@example.test', 'b@x.test', 'c@x.test'].map((email) => members[email]);
  const refused: [Browser, string, string, object | undefined, number][] = [
    [owner, 'PATCH', `/members/${ownerId}`, { role: 'admin' }, 409],
    [owner, 'DELETE', `/members/${ownerId}`, undefined, 409],
    [admin, 'PATCH', `/members/${ownerId}`, { role: 'member' }, 403],
    [admin, 'PATCH', `/members/${adminId}`, { role: 'owner' }, 403],
    [admin, 'DELETE', `/members/${ownerId}`, undefined, 403],
    [admin, 'POST', `/members/${ownerId}/password_reset`, undefined, 403],
    [member, 'PATCH', `/members/${memberId}`, { role: 'admin' }, 403],
    [member, 'DELETE', `/members/${adminId}`, undefined, 403],
    [owner, 'PATCH', `/members/${memberId}`, { role: 'god' }, 400],
    [owner, 'PATCH', `/members/${memberId}`, {}, 400],
  ];
  for (const [who, method, path, body, status] of refused)
    assert.equal((await who.ask(method, path, body)).status, status, `${method} ${path} ${JSON.stringify(body)}`);

  const { url } = await admin.ok('POST', '/invitations', { email: 'd@x.test' });
  const old = admin.headers();
  await owner.ok('PATCH', `/members/${adminId}`, { role: 'owner' });
  assert.equal((await ask(own, 'GET', '/members', undefined, old)).status, 401, 'S16 the role changed');
  const token = new URL(url).hash.slice(1);
  assert.equal((await ask(own, 'POST', '/invitations/accept', { token, name: 'D', password: PASSWORD })).status, 404);
  await admin.ok('POST', '/sessions', { email: 'b@x.test', password: PASSWORD });
  // Two owners who remove each other at the same time: one stays.
  const each = await Promise.all([
    owner.ask('DELETE', `/members/${adminId}`),
    admin.ask('DELETE', `/members/${ownerId}`),
  ]);
  assert.ok(each.some(({ status }) => status === 200) && each.some(({ status }) => status !== 200));
  const left = each[0]!.status === 200 ? owner : admin;
  assert.equal(
    (await left.ok('GET', '/members')).docs.filter((doc: { role: string }) => doc.role === 'owner').length,
    1,
  );
  // A member may leave, and is then somebody without an organization.
  await member.ok('DELETE', `/members/${memberId}`);
  await member.ok('GET', '/sessions/current').catch(() => {});
  const gone = new Browser(own);
  await gone.ok('POST', '/sessions', { email: 'c@x.test', password: PASSWORD });
  assert.equal((await gone.ok('GET', '/organizations')).total, 0);
  assert.equal((await gone.ask('GET', '/live_streams')).status, 403);
  const { _id } = await gone.ok('POST', '/organizations', { name: 'Mine' });
  await gone.ok('POST', '/live_streams', { name: 'in the new one' });
  assert.equal((await gone.ask('DELETE', `/organizations/${_id}`)).status, 409, 'it has a live stream');
  await own.stop();
  own.remove();
});

test('a link for a member’s new password is made for members of this organization alone', async () => {
  const dave = await invite(api, alice, 'dave@example.test', 'member');
  const { _id: id } = await dave.ok('GET', '/users/me');
  const { url } = await alice.ok('POST', `/members/${id}/password_reset`);
  const token = new URL(url).hash.slice(1);
  await dave.ok('POST', '/organizations', { name: 'Dave’s' });
  assert.equal((await alice.ask('POST', `/members/${id}/password_reset`)).status, 403, 'she could take over the other');
  const accepted = await ask(api, 'POST', '/password_resets/accept', { token, password: 'brand new password' });
  assert.equal(accepted.status, 404, 'nor with the link that she had made before');
  assert.equal((await signIn('dave@example.test')).status, 200);
});
