import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ApiError, createClient } from '../../src/client/index.ts';
import { execute } from '../support/database.ts';
import { startApi } from './start-api.ts';

let api: Awaited<ReturnType<typeof startApi>>;
before(async () => {
  api = await startApi();
});
after(async () => {
  await api.stop();
  api.remove();
});

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const rejectedWith = (statusCode: number, message: RegExp) => (error: unknown) =>
  error instanceof ApiError && error.statusCode === statusCode && message.test(error.message);

test('a live stream has the fields of the contract, from its creation to its end', async () => {
  const startedMs = Date.now();
  const made = await api.client.liveStreams.create();
  const [playbackId, password] = made.ingest.key.split('?password=') as [string, string];
  assert.match(playbackId, /^lv_[0-9a-f]{32}$/);
  assert.match(password, /^[0-9a-f]{8}$/);
  for (const id of [made._id, made.user, made.organization]) assert.match(id, /^[0-9a-f]{24}$/);
  assert.match(made.creation_time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Date.parse(made.creation_time) >= startedMs && Date.parse(made.creation_time) <= Date.now());
  const base = 'https://live.example.test/base';
  const created = {
    _id: made._id,
    name: '',
    enabled: true,
    ingest: { server: 'rtmp://in.example.test/static', key: made.ingest.key, backup_key: made.ingest.backup_key },
    playback: {
      embed_url: `${base}/embed/${playbackId}`,
      embed_audio_url: `${base}/embed/${playbackId}?onlyAudio=true`,
      hls_url: `${base}/hls/${made.user}/${playbackId}/index.m3u8`,
    },
    platforms: [],
    settings: { pulling_mode: {} },
    user: made.user,
    environment: 'production',
    organization: made.organization,
    creation_time: made.creation_time,
  };
  assert.deepEqual(made, created, 'no broadcasting_status in the answer to the creation');

  const offline = { ...created, broadcasting_status: 'offline' };
  assert.deepEqual(await api.client.liveStreams.get(made._id), offline);
  api.live.online.add(made._id);
  // Where RTMP and HTTP-FLV players find it, while there is something to find (liveapi-contract.md §2.1).
  const pull_urls = { rtmp: `rtmp://in.example.test/${playbackId}`, flv: `${base}/live/${playbackId}.flv` };
  assert.deepEqual(await api.client.liveStreams.get(made._id), {
    ...offline,
    broadcasting_status: 'online',
    pull_urls,
  });
  assert.equal((await api.client.liveStreams.list()).docs[0]!.broadcasting_status, 'online');

  const changed = await api.client.liveStreams.update(made._id, {
    name: 'Häfen ⚓',
    settings: { abr: true, varying_rewind: -1 },
  });
  const renamed = { ...offline, name: 'Häfen ⚓', settings: { pulling_mode: {}, abr: true, varying_rewind: -1 } };
  assert.deepEqual(changed, { ...renamed, broadcasting_status: 'online', pull_urls });
  const merged = await api.client.liveStreams.update(made._id, {
    settings: { pulling_mode: { url: 'https://a.example/' } },
  });
  assert.deepEqual(api.live.changed, [`pull ${made._id}`]);
  assert.deepEqual(merged.settings, { pulling_mode: { url: 'https://a.example/' }, abr: true, varying_rewind: -1 });
  assert.deepEqual(api.live.stopped, [], 'nothing of that cuts an encoder');

  const disabled = await api.client.liveStreams.update(made._id, { enabled: false });
  assert.deepEqual([disabled.enabled, disabled.broadcasting_status], [false, 'offline']);
  assert.deepEqual(api.live.stopped, [`${made._id} disabled`]);
  assert.deepEqual(await api.store.authorise({ playbackId, password }), { ok: false, reason: 'disabled' });
  assert.equal((await api.client.liveStreams.update(made._id, { enabled: true })).enabled, true);

  assert.deepEqual(await api.client.liveStreams.delete(made._id), { success: true });
  assert.deepEqual(api.live.stopped.slice(1), [`${made._id} deleted`]);
  assert.deepEqual(await api.store.authorise({ playbackId, password }), { ok: false, reason: 'unknown' });
  for (const gone of [
    () => api.client.liveStreams.get(made._id),
    () => api.client.liveStreams.delete(made._id),
    () => api.client.liveStreams.update(made._id, {}),
  ]) {
    await assert.rejects(gone, rejectedWith(404, /^Live stream not found\. GET/));
  }
});

test('every way that clients are known to create is understood', async () => {
  const bare = { name: '', enabled: true, settings: { pulling_mode: {} } };
  const full = { name: 'a=b &c', enabled: false, settings: { pulling_mode: {}, abr: true, varying_rewind: 3600 } };
  const query = new URLSearchParams();
  query.set('name', 'a=b &c');
  query.set('enabled', 'false');
  const creates: [string | null, Record<string, string>, object][] = [
    [null, {}, bare],
    ['{}', JSON_TYPE, bare],
    ['null', JSON_TYPE, bare],
    ['', { 'content-type': 'application/json;charset=UTF-8' }, bare],
    ['', FORM, bare],
    ['', { 'content-type': 'text/plain' }, bare],
    [JSON.stringify(full), { 'content-type': 'application/json;charset=UTF-8' }, full],
    [JSON.stringify(full), FORM, full],
    [`${query}&settings[abr]=true&settings%5Bvarying_rewind%5D=3600`, FORM, full],
    [`${query}&settings=${encodeURIComponent('{"abr":true,"varying_rewind":3600}')}`, FORM, full],
    [
      'name=true&unknown=1&enabled=true',
      { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
      { ...bare, name: 'true' },
    ],
    [
      'settings[country_block][]=DE&settings[country_block][]=AT&settings[pulling_mode][enabled]=false',
      FORM,
      { ...bare, settings: { pulling_mode: { enabled: false }, country_block: ['DE', 'AT'] } },
    ],
    [
      'settings[country_block]=DE&settings[country_whitelist]=["AT"]',
      FORM,
      { ...bare, settings: { pulling_mode: {}, country_block: ['DE'], country_whitelist: ['AT'] } },
    ],
  ];
  for (const [body, headers, expected] of creates) {
    const { status, body: made } = await api.call('POST', '/live_streams', body, headers);
    assert.equal(status, 200, `${body} ${JSON.stringify(made)}`);
    const { name, enabled, settings } = made;
    assert.deepEqual({ name, enabled, settings }, expected, `${body}`);
  }
  // As a client of 2011 or a shell script would put it: no body, no length, no type at all.
  const line = `POST /live_streams HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${api.authorization}\r\n`;
  assert.match(await api.raw(`${line}\r\n`), /^HTTP\/1\.1 200 .*"enabled":true/s);
  assert.match(await api.raw(`${line}Content-Type: application/json\r\n\r\n`), /^HTTP\/1\.1 200 /);
  assert.match(
    await api.raw(`${line}Content-Length: 0\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n`),
    /^HTTP\/1\.1 200 /,
  );
  const chunked = 'Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n';
  assert.match(await api.raw(`${line}${chunked}0\r\n\r\n`), /^HTTP\/1\.1 200 /);
  assert.match(
    await api.raw(`${line}${chunked}c\r\n{"name":"ok"}\r\n0\r\n\r\n`.replace('\r\nc\r\n', '\r\nd\r\n')),
    /"name":"ok"/,
  );
});

test('S06 unknown and read-only fields change nothing; hostile keys are ignored or refused', async () => {
  const { _id } = await api.client.liveStreams.create({ name: 'mine' });
  const before = await api.client.liveStreams.get(_id);
  const hostile: object[] = [
    {
      _id: '0'.repeat(24),
      id: 'x',
      user: 'x',
      organization: 'x',
      environment: 'development',
      creation_time: '1999-01-01T00:00:00.000Z',
    },
    {
      ingest: { key: 'lv_mine' },
      playback: {},
      platforms: [{ server: 'rtmp://x' }],
      broadcasting_status: 'online',
      pull_urls: {},
    },
    { $set: { name: 'x' }, 'settings.abr': true, 'settings[abr]': true, toString: 'x' },
    {
      settings: { unknown: 1, $where: '1', pulling_mode: { unknown: 1 } },
      password: 'x',
      playback_id: 'x',
      organization_id: 'x',
    },
  ];
  for (const body of hostile) {
    const { status, body: after } = await api.call('PATCH', `/live_streams/${_id}`, JSON.stringify(body), JSON_TYPE);
    assert.equal(status, 200);
    assert.deepEqual(after, before);
  }
  for (const text of [
    '{"__proto__":{"name":"x"}}',
    '{"settings":{"__proto__":{"abr":true}}}',
    '{"constructor":{"prototype":{"name":"x"}}}',
  ]) {
    const { status, body: after } = await api.call('PATCH', `/live_streams/${_id}`, text, JSON_TYPE);
    assert.deepEqual([status, after], [200, before], text);
  }
  await api.call(
    'PATCH',
    `/live_streams/${_id}`,
    '__proto__[name]=x&constructor[prototype][name]=x&settings[__proto__][abr]=true',
    FORM,
  );
  assert.equal(({} as { name?: string; abr?: boolean }).name ?? ({} as { abr?: boolean }).abr, undefined);
  assert.deepEqual(await api.client.liveStreams.get(_id), before);
});

test('wrong bodies are refused with the field and what is allowed, and change nothing', async () => {
  const { _id } = await api.client.liveStreams.create({ name: 'still', settings: { abr: false } });
  const before = await api.client.liveStreams.get(_id);
  const wrong: [unknown, RegExp][] = [
    [{ name: 5 }, /^name must be a text of at most 255 characters\.$/],
    [{ name: 'x'.repeat(256) }, /^name must be a text of at most 255/],
    [{ name: null }, /^name must be a text/],
    [{ enabled: 'false' }, /^enabled must be true or false\.$/],
    [{ enabled: 0 }, /^enabled must be/],
    [{ settings: [] }, /^settings must be an object\.$/],
    [{ settings: 'abr' }, /^settings must be an object\.$/],
    [{ settings: { abr: 'yes' } }, /^settings\.abr must be true or false\.$/],
    [{ settings: { varying_rewind: 5 } }, /^settings\.varying_rewind must be one of -1, 3600, 7200, 10800, 14400\.$/],
    [{ settings: { country_block: 'DE' } }, /^settings\.country_block must be a list of at most 250 entries\.$/],
    [{ settings: { domain_whitelist: ['a', 5] } }, /^settings\.domain_whitelist\.1 must be a text/],
    [{ settings: { pulling_mode: { enabled: 1 } } }, /^settings\.pulling_mode\.enabled must be true or false\.$/],
    [[], /^The body must be an object\.$/],
    ['text', /^The body must be an object\.$/],
  ];
  for (const [body, message] of wrong) {
    for (const [method, path] of [
      ['PATCH', `/live_streams/${_id}`],
      ['POST', '/live_streams'],
    ] as const) {
      const answer = await api.call(method, path, JSON.stringify(body), JSON_TYPE);
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.match(answer.body.message, message);
      assert.deepEqual(answer.body, { statusCode: 400, error: 'Bad Request', message: answer.body.message });
    }
  }
  assert.match(
    (await api.call('POST', '/live_streams', 'enabled=yes', FORM)).body.message,
    /^enabled must be true or false\.$/,
  );
  for (const text of ['{', '{"name":"x"', 'name=x', '{"a":1}x']) {
    const { status, body } = await api.call('POST', '/live_streams', text, JSON_TYPE);
    assert.deepEqual(
      [status, body],
      [
        400,
        {
          statusCode: 400,
          error: 'Bad Request',
          message: 'The body is not valid JSON: send an object such as {"name": "Harbour"}, or no body.',
        },
      ],
      text,
    );
  }
  const large = JSON.stringify({ name: 'x', padding: 'x'.repeat(256 * 1024) });
  const tooLarge = await api.call('POST', '/live_streams', large, JSON_TYPE);
  assert.deepEqual([tooLarge.status, tooLarge.body.error], [413, 'Payload Too Large']);
  assert.match(tooLarge.body.message, /256 KiB/);
  const xml = await api.call('POST', '/live_streams', '<a/>', { 'content-type': 'application/xml' });
  assert.deepEqual([xml.status, xml.body.error], [415, 'Unsupported Media Type']);
  assert.match(xml.body.message, /application\/json/);
  assert.deepEqual(await api.client.liveStreams.get(_id), before);
});

test('S08 S50 lists: pages, their count, the cap, past the end, wrong numbers', async () => {
  const fresh = await startApi();
  const list = async (query = '') => (await fresh.call('GET', `/live_streams${query}`)).body;
  assert.deepEqual(await list(), { docs: [], total: 0, limit: 20, page: 1, pages: 1 });
  const ids: string[] = [];
  for (let i = 0; i < 23; i++) ids.unshift((await fresh.client.liveStreams.create({ name: `${i}` }))._id);
  const first = await list();
  assert.deepEqual({ ...first, docs: first.docs.length }, { docs: 20, total: 23, limit: 20, page: 1, pages: 2 });
  const seen = [...first.docs, ...(await list('?page=2')).docs].map((doc: { _id: string }) => doc._id);
  assert.deepEqual(seen.toSorted(), ids.toSorted());
  const times = first.docs.map((doc: { creation_time: string }) => doc.creation_time);
  assert.deepEqual(times, times.toSorted().reverse(), 'newest first');
  assert.deepEqual(await list('?page=9&limit=10'), { docs: [], total: 23, limit: 10, page: 9, pages: 3 });
  assert.deepEqual((await list('?limit=23')).pages, 1);
  const capped = await list('?limit=100000&unknown=1&low_latency_playback=true');
  assert.deepEqual([capped.limit, capped.docs.length, capped.pages], [100, 23, 1]);
  // What a client that reads on until the last page sees.
  let page = 1;
  for (let pages = 0; page !== pages; page++) pages = (await list(`?page=${page}&limit=5`)).pages;
  assert.equal(page, 5);
  for (const query of [
    'page=0',
    'page=-1',
    'page=1.5',
    'page=x',
    'page=',
    'page=1&page=2',
    'page=1e9',
    'page[$gt]=0&page=;',
    'page=99999999999999999999',
  ]) {
    const { status, body } = await fresh.call('GET', `/live_streams?${query}`);
    assert.equal(status, 400, query);
    assert.match(body.message, /^page must be a whole number from 1 to 1000000000\.$/, query);
  }
  const { status, body } = await fresh.call('GET', '/live_streams?limit=0');
  assert.deepEqual([status, body.message], [400, 'limit must be a whole number from 1 up.']);
  await fresh.stop();

  const again = await startApi(fresh.dataDir);
  assert.equal((await again.client.liveStreams.list()).total, 23, 'a restart finds everything again');
  await again.stop();
  again.remove();
});

test('S01 S14 who may not: no token, wrong token, revoked token, the other environment, the other organization', async () => {
  const { client, store, call, basic, secrets } = api;
  const mine = await client.liveStreams.create({ name: 'mine' });
  const development = await store.tokens.create({ ...api.owner, environment: 'development' }, { name: 'Development' });
  await execute(
    api.dataDir,
    `insert into organizations (id, name, created_ms) values ('o2', 'Other', 1);
    insert into environments values ('o2', 'production'), ('o2', 'development');
    insert into users (id, organization_id, role, created_ms) values ('u2', 'o2', 'owner', 1);
    insert into access_tokens (id, organization_id, environment, user_id, name, secret_hash, created_ms)
      select 'foreign', 'o2', 'production', 'u2', 'x', secret_hash, 1
      from access_tokens where id = '${development.id}'`,
  );
  const revoked = await store.tokens.create(api.owner, { name: 'Revoked' });
  assert.equal(
    (await call('GET', '/live_streams', null, { authorization: basic(revoked.id, revoked.secret) })).status,
    200,
  );
  await store.tokens.revoke(api.owner, revoked.id);

  const nobody: Record<string, string> = {
    none: '',
    revoked: basic(revoked.id, revoked.secret),
    'wrong secret': basic(secrets.id, `${secrets.secret}0`),
    'no secret': basic(secrets.id, ''),
    'unknown id': basic('0'.repeat(24), secrets.secret),
    'no colon': `Basic ${Buffer.from(secrets.id).toString('base64')}`,
    'no base64': 'Basic ???',
    bearer: `Bearer ${secrets.secret}`,
    huge: basic('x'.repeat(2000), 'y'),
  };
  const routes: [string, string][] = [
    ['GET', '/live_streams'],
    ['POST', '/live_streams'],
    ['PUT', '/live_streams'],
    ['GET', `/live_streams/${mine._id}`],
    ['PATCH', `/live_streams/${mine._id}`],
    ['DELETE', `/live_streams/${mine._id}`],
    ['GET', '/no/such/path'],
  ];
  for (const [who, authorization] of Object.entries(nobody)) {
    for (const [method, path] of routes) {
      const { status, headers, body } = await call(method, path, null, { authorization });
      assert.equal(status, 401, `${who}: ${method} ${path}`);
      assert.equal(headers.get('www-authenticate'), 'Basic realm="LiveAPI", charset="UTF-8"');
      assert.deepEqual([body.statusCode, body.error, typeof body.message], [401, 'Unauthorized', 'string']);
    }
  }
  const missing = await call('GET', `/live_streams/${'0'.repeat(24)}`);
  for (const id of [development.id, 'foreign']) {
    const authorization = basic(id, development.secret);
    for (const [method, path] of routes.slice(3, 6)) {
      const { status, text } = await call(method, path, method === 'PATCH' ? '{"enabled":false}' : null, {
        authorization,
        ...(method === 'PATCH' && JSON_TYPE),
      });
      assert.deepEqual([status, text], [404, missing.text], `${id}: ${method}`);
    }
    assert.equal((await call('GET', '/live_streams', null, { authorization })).body.total, 0);
    const own = await createClient({
      baseUrl: api.baseUrl,
      tokenId: id,
      secret: development.secret,
    }).liveStreams.create();
    assert.equal(own.environment, id === 'foreign' ? 'production' : 'development');
    assert.equal(own.organization === mine.organization, id !== 'foreign');
  }
  assert.deepEqual(await client.liveStreams.get(mine._id), { ...mine, broadcasting_status: 'offline' });
});

test('what is not there: odd ids, unknown routes, other methods, malformed requests', async () => {
  for (const id of [
    'x',
    '..%2f..',
    "'%20or%201=1",
    '0'.repeat(24),
    'f'.repeat(500),
    'f'.repeat(9000),
    '%F0%9F%9A%A2',
  ]) {
    const { status, text } = await api.call('GET', `/live_streams/${id}`);
    assert.deepEqual(
      [status, text],
      [
        404,
        '{"statusCode":404,"error":"Not Found","message":"Live stream not found. GET /live_streams lists those that this access token reaches."}',
      ],
      id,
    );
  }
  const unknown = await api.call('GET', '/v9/streams?secret=1');
  assert.deepEqual(unknown.body, {
    statusCode: 404,
    error: 'Not Found',
    message: 'There is nothing at GET /v9/streams: /reference lists all that there is.',
  });
  for (const [method, path, allow] of [
    ['PUT', '/live_streams', 'GET, POST, HEAD'],
    ['DELETE', '/live_streams', 'GET, POST, HEAD'],
    ['POST', '/live_streams/x', 'GET, PATCH, DELETE, HEAD'],
    ['PUT', '/live_streams/x', 'GET, PATCH, DELETE, HEAD'],
    ['OPTIONS', '/live_streams', 'GET, POST, HEAD'],
    ['POST', '/health/ready', 'GET, HEAD'],
  ] as const) {
    const { status, headers, body } = await api.call(method, path);
    assert.deepEqual(
      [status, body.statusCode, body.error, headers.get('allow')],
      [405, 405, 'Method Not Allowed', allow],
    );
    assert.ok(body.message.includes(allow));
    assert.equal(headers.get('access-control-allow-origin'), '*');
    assert.equal(headers.get('access-control-allow-credentials'), null);
  }
  assert.equal((await api.call('GET', '/live_streams/')).status, 200, 'a slash too many is forgiven');
  const head = await fetch(`${api.baseUrl}/live_streams`, {
    method: 'HEAD',
    headers: { authorization: api.authorization },
  });
  assert.deepEqual(
    [head.status, head.headers.get('cache-control'), head.headers.get('server')],
    [200, 'no-store', null],
  );
  const malformed = await api.call('GET', '/live_streams/%zz');
  assert.deepEqual([malformed.status, malformed.body.statusCode, malformed.body.error], [400, 400, 'Bad Request']);
  assert.match(await api.raw('GARBAGE\r\n\r\n'), /^HTTP\/1\.1 400 .*"statusCode":400/s);
  // The contract's GETs carry a content type.
  assert.equal(
    (await api.call('GET', '/live_streams', null, { 'content-type': 'application/json;charset=UTF-8' })).status,
    200,
  );
  const gone = await api.client.liveStreams.create();
  const deleted = await api.call('DELETE', `/live_streams/${gone._id}`, null, JSON_TYPE);
  assert.deepEqual([deleted.status, deleted.body], [200, { success: true }]);
});

test('L38 health is open and says no more than it must; without its store the API answers 503 and shows nothing', async () => {
  const own = await startApi();
  const health = async (path: string) => {
    const answer = await fetch(`${own.baseUrl}/health/${path}`);
    return [answer.status, await answer.text()];
  };
  assert.deepEqual(await health('live'), [200, '{"status":"ok"}']);
  assert.deepEqual(await health('ready'), [200, '{"status":"ok"}']);
  await own.store.close();
  assert.deepEqual(await health('live'), [200, '{"status":"ok"}']);
  const unready = (message: string) => [
    503,
    JSON.stringify({ statusCode: 503, error: 'Service Unavailable', message }),
  ];
  assert.deepEqual(
    await health('ready'),
    unready('The database does not answer: try again in a moment; the log says more.'),
  );
  const { status, headers, body } = await own.call('POST', '/live_streams');
  assert.deepEqual([status, headers.get('retry-after')], [503, '1']);
  assert.deepEqual(body, {
    statusCode: 503,
    error: 'Service Unavailable',
    message: 'The server cannot do this for now. Try again in a moment.',
  });
  await own.stop();
  own.remove();

  const draining = await startApi();
  draining.drain();
  const answer = await fetch(`${draining.baseUrl}/health/ready`);
  assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '1']);
  assert.equal((await fetch(`${draining.baseUrl}/health/live`)).status, 200);
  assert.equal((await draining.call('GET', '/live_streams')).status, 200, 'requests are still answered');
  await draining.stop();
  draining.remove();

  const broken = await startApi();
  broken.live.isOnline = () => {
    throw new Error('internal detail');
  };
  const { _id } = await broken.client.liveStreams.create();
  const failed = await broken.call('GET', `/live_streams/${_id}`);
  assert.deepEqual([failed.status, failed.body.error], [500, 'Internal Server Error']);
  assert.match(failed.body.message, /^An error on the server's side\. Its log says more under req-\w+\.$/);
  assert.ok(broken.logged.some((line) => line.includes('internal detail') && line.includes('"reqId"')));
  await broken.stop();
  broken.remove();
});

test('S21 no secret reaches the log, not at debug level either', async () => {
  const { logged, client, secrets, authorization, call } = api;
  const { ingest } = await client.liveStreams.create({ settings: { embed_password: 'canary-embed' } });
  await call('POST', '/live_streams', '{"settings":{"embed_password":"canary-embed', JSON_TYPE);
  await call('GET', `/no/${'x'.repeat(100)}?token=canary-query`);
  const text = logged.join('');
  assert.match(text, /"reqId":"req-\w+".*"method":"POST","path":"\/live_streams","status":200/);
  for (const secret of [
    secrets.secret,
    authorization.slice(6),
    ingest.key.split('=')[1]!,
    'canary-embed',
    'canary-query',
  ]) {
    assert.ok(!text.includes(secret), secret);
  }
});
