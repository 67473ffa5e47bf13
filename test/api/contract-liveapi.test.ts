// The contract's tables, row by row, as LiveAPI's clients see them: no prefix. Castr's side: contract-castr.test.ts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import axios from 'axios';
import { CodedError } from '../../src/base/index.ts';
import type { LiveStream, Platform } from '../../src/contract/index.ts';
import { dump } from '../support/database.ts';
import { startApi } from './start-api.ts';

const run = promisify(execFile);
const JSON_TYPE = { 'content-type': 'application/json' };

let api: Awaited<ReturnType<typeof startApi>>;
before(async () => {
  api = await startApi(undefined, {
    checkDestination: async (url) => {
      if (url.includes('127.0.0.1')) throw new CodedError('destination_refused', 'This destination is refused.');
    },
  });
});
after(async () => {
  await api.stop();
  api.remove();
});

const send = (method: string, path: string, body: unknown) => api.call(method, path, JSON.stringify(body), JSON_TYPE);
const events = async (liveStreamId: string): Promise<string[]> => {
  const { body } = await api.call('GET', `/live_streams/${liveStreamId}/events?limit=100`);
  return body.docs.map((event: { event: string }) => event.event);
};

test('the clients that exist create, list until the last page, change and delete', async () => {
  const auth = { username: api.secrets.id, password: api.secrets.secret };
  const { baseUrl } = api;
  const expect = (made: LiveStream) => {
    assert.match(made._id, /^[0-9a-f]{24}$/);
    assert.match(made.ingest.key, /^lv_[0-9a-f]{32}\?password=[0-9a-f]{8}$/);
    assert.deepEqual([made.enabled, made.platforms, made.settings], [true, [], { pulling_mode: {} }]);
    assert.equal(made.environment, 'production');
  };
  // axios with no body at all, and with the form type and length 0 that an old one sends.
  const plain = await axios.post(`${baseUrl}/live_streams`, undefined, { auth });
  assert.equal(plain.status, 200);
  expect(plain.data);
  const form = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '0' };
  expect((await axios.post(`${baseUrl}/live_streams`, '', { auth, headers: form })).data);
  expect((await axios.post(`${baseUrl}/live_streams`, {}, { auth })).data);
  // fetch with an empty object.
  const fetched = await fetch(`${baseUrl}/live_streams`, {
    method: 'POST',
    headers: { authorization: api.authorization, ...JSON_TYPE },
    body: '{}',
  });
  assert.equal(fetched.status, 200);
  expect((await fetched.json()) as LiveStream);
  // The guide's own curl: a JSON content type and no body.
  const credentials = `${auth.username}:${auth.password}`;
  const curl = async (...args: string[]) =>
    JSON.parse((await run('curl', ['-s', '--fail-with-body', '-u', credentials, ...args])).stdout);
  const type = 'Content-Type: application/json;charset=UTF-8';
  expect(await curl('-X', 'POST', '-H', type, `${baseUrl}/live_streams`));
  expect(await curl('-X', 'POST', `${baseUrl}/live_streams`));
  const named = await curl('-d', '{"name":"by curl"}', `${baseUrl}/live_streams`);
  assert.equal(named.name, 'by curl');
  assert.equal((await curl('-H', type, `${baseUrl}/live_streams/${named._id}`)).broadcasting_status, 'offline');

  // A client that asks for the next page until `page` is `pages`, and one that reads `success`.
  const ids: string[] = [];
  for (let page = 1, pages = Number.POSITIVE_INFINITY; page <= pages; page++) {
    const { data } = await axios.get(`${baseUrl}/live_streams`, { auth, params: { page, limit: 2 } });
    for (const field of ['total', 'limit', 'page', 'pages']) assert.ok(Number.isInteger(data[field]), field);
    ids.push(...data.docs.map((doc: LiveStream) => doc._id));
    pages = data.pages;
  }
  assert.equal(new Set(ids).size, 7);
  const patched = await axios.patch(`${baseUrl}/live_streams/${ids[0]}`, { enabled: false }, { auth });
  assert.equal(patched.data.enabled, false);
  for (const id of ids) {
    const { status, data } = await axios.delete(`${baseUrl}/live_streams/${id}`, { auth });
    assert.deepEqual([status, data], [200, { success: true }]);
  }
  const { data } = await axios.get(`${baseUrl}/live_streams`, { auth });
  assert.deepEqual(data, { docs: [], total: 0, limit: 20, page: 1, pages: 1 });
});

test('settings: the union, merged deeply, null goes back to the default, unknown ignored', async () => {
  const { _id } = await api.client.liveStreams.create();
  const patch = async (settings: unknown) => (await send('PATCH', `/live_streams/${_id}`, { settings })).body.settings;
  const all = {
    pulling_mode: { enabled: false, url: 'https://a.example/live.m3u8' },
    abr: true,
    cloud_recording: false,
    low_latency_playback: true,
    varying_rewind: 7200,
    embed_password: 'open sesame',
    country_block: ['DE'],
    country_whitelist: ['AT', 'CH'],
    domain_whitelist: ['example.com'],
    chat_enabled: false,
  };
  assert.deepEqual(await patch({ ...all, unknown: 1 }), all);
  const merged = { ...all, country_whitelist: ['CH'], pulling_mode: { ...all.pulling_mode, enabled: true } };
  assert.deepEqual(await patch({ country_whitelist: ['CH'], pulling_mode: { enabled: true } }), merged);
  const { body } = await api.call('GET', `/live_streams/${_id}`);
  assert.equal(body.playback.ll_embed_url, body.playback.embed_url, 'low_latency_playback adds its page');
  const none = Object.fromEntries(Object.keys(all).map((key) => [key, null]));
  const { abr: _, embed_password: __, ...rest } = merged;
  assert.deepEqual(await patch({ abr: null, embed_password: null }), rest);
  assert.deepEqual(await patch(none), { pulling_mode: {} });
  assert.equal((await api.call('GET', `/live_streams/${_id}`)).body.playback.ll_embed_url, undefined);
});

test('S13 platforms: added, changed, paused and removed; keys only where they belong; 100 at most; events for it', async () => {
  const { _id } = await api.client.liveStreams.create({ name: 'multi' });
  const path = `/live_streams/${_id}/platforms`;
  const made = await send('POST', path, {
    template: 'custom',
    server: 'rtmp://push.example.net/live',
    key: 'canary-platform-key',
    enabled: true,
  });
  assert.equal(made.status, 200);
  const { _id: id, ...platform }: Platform = made.body;
  assert.match(id, /^[0-9a-f]{24}$/);
  assert.deepEqual(platform, {
    template: 'custom',
    name: 'push.example.net',
    enabled: true,
    server: 'rtmp://push.example.net/live',
    key: '****-key',
    broadcasting_status: 'offline',
    audio: 'keep',
    delay_s: 0,
    codecs: ['h264', 'aac'],
  });
  const read = async (): Promise<LiveStream> => (await api.call('GET', `/live_streams/${_id}`)).body;
  assert.deepEqual((await read()).platforms, [made.body]);
  assert.deepEqual((await api.client.liveStreams.list()).docs[0]!.platforms, [made.body]);

  const paused = await send('PATCH', `${path}/${id}`, {
    enabled: false,
    name: 'Backup',
    metadata: { title: 'Regatta' },
    _id: 'x',
    broadcasting_status: 'online',
  });
  const changed = { ...made.body, enabled: false, name: 'Backup', metadata: { title: 'Regatta' } };
  assert.deepEqual([paused.status, paused.body], [200, changed]);
  const more = await send('PATCH', `${path}/${id}`, { metadata: { description: 'Finals' }, key: 'canary-second-key' });
  assert.deepEqual(more.body, {
    ...changed,
    key: '****-key',
    metadata: { title: 'Regatta', description: 'Finals' },
  });
  for (const [template, server] of [
    ['youtube', 'rtmps://a.rtmps.youtube.com/live2'],
    ['Twitch', 'rtmp://live.twitch.tv/app'],
  ]) {
    const { status, body } = await send('POST', path, { template, key: 'k?x=1&y=2' });
    assert.deepEqual([status, body.server, body.template, body.key], [200, server, template, '****']);
  }
  const wrong: [object, RegExp][] = [
    [{ key: 'x' }, /^server is missing: only templates that name youtube, facebook, twitch, .* bring their own\.$/],
    [{ template: 'constructor' }, /^server is missing/],
    [{ server: 'http://a.example/' }, /^server must be an rtmp:\/\/ or rtmps:\/\/ URL/],
    [{ server: 'rtmp://' }, /^server must be/],
    [{ server: 'rtmp://user:secret@a.example/live' }, /^server must be .* without a user name/],
    [{ server: 'rtmp://a.example/live stream' }, /^server must be/],
    [{ server: 'file:///etc/passwd' }, /^server must be/],
    [{ server: 'rtmp://127.0.0.1/live' }, /^This destination is refused/],
    [{ server: 5 }, /^server must be a text/],
    [{ server: 'rtmp://a.example/x', key: '****-key' }, /^key or server is masked/],
    [{ server: 'rtmp://a.example/x', delay_s: 61 }, /^delay_s must be a whole number from 0 to 60/],
    [{ server: 'rtmp://a.example/x', audio: 'loud' }, /^audio must be one of keep, mute, silence/],
    [{ server: 'rtmp://a.example/x', codecs: ['h266'] }, /^codecs\.0 must be one of h264/],
    [{ server: 'rtmp://a.example/x', enabled: 'no' }, /^enabled must be true or false/],
    [{ server: 'rtmp://a.example/x', key: null }, /^key must be a text/],
    [{ server: `rtmp://${'a'.repeat(2100)}` }, /^server must be a text of 1 to 2048 characters/],
    [{ server: 'rtmp://a.example/x', metadata: { title: 1 } }, /^metadata\.title must be a text/],
  ];
  for (const [body, message] of wrong) {
    const refused = await send('POST', path, body);
    assert.equal(refused.status, 400, JSON.stringify(body));
    assert.match(refused.body.message, message);
  }
  assert.equal((await send('PATCH', `${path}/${id}`, { server: 'rtmp://127.0.0.1/live' })).status, 400);
  assert.equal((await read()).platforms.length, 3);
  // Whoever lists events or reads the database learns no key.
  const log = await api.call('GET', `/live_streams/${_id}/events?limit=100`);
  assert.ok(!log.text.includes('canary'), 'no key in an event');
  assert.ok(!(await dump(api.dataDir)).includes('canary'), 'no key in the database');
  assert.ok(!api.logged.join('').includes('canary'), 'no key in the log');

  for (let i = (await read()).platforms.length; i < 100; i++)
    assert.equal((await send('POST', path, { server: `rtmp://h${i}.example/live` })).status, 200);
  const full = await send('POST', path, { server: 'rtmp://more.example/live' });
  assert.deepEqual([full.status, full.body.error], [409, 'Conflict']);
  assert.equal((await read()).platforms.length, 100);

  assert.deepEqual((await api.call('DELETE', `${path}/${id}`)).body, { success: true });
  const gone = await api.call('DELETE', `${path}/${id}`);
  assert.deepEqual([gone.status, gone.body.message.startsWith('Platform not found.')], [404, true]);
  assert.equal((await send('PATCH', `${path}/${id}`, {})).status, 404);
  assert.equal((await read()).platforms.length, 99);
  const names = await events(_id);
  assert.ok(names.includes('stream-platform-removed') && names.includes('stream-platform-added'));
  // A platform of another live stream is not there, by its own id either.
  const other = await api.client.liveStreams.create();
  const theirs = (await read()).platforms[0]!._id;
  for (const method of ['PATCH', 'DELETE'])
    assert.equal((await api.call(method, `/live_streams/${other._id}/platforms/${theirs}`)).status, 404);
  await api.client.liveStreams.delete(_id);
  assert.equal((await send('POST', path, { server: 'rtmp://a.example/live' })).status, 404);
});

test('S20 R41 key rotation: a new password, the same URLs; the old one dies at once, or after the overlap', async () => {
  const made = await api.client.liveStreams.create();
  const [playbackId, first] = made.ingest.key.split('?password=') as [string, string];
  const may = async (password: string) => (await api.store.authorise({ playbackId, password })).ok;
  const rotate = async (body?: object) =>
    (await api.call('POST', `/live_streams/${made._id}/rotate_key`, body && JSON.stringify(body), JSON_TYPE)) as {
      status: number;
      body: LiveStream;
    };
  api.live.online.add(made._id);
  const once = await rotate();
  assert.equal(once.status, 200);
  const [samePlaybackId, second] = once.body.ingest.key.split('?password=') as [string, string];
  assert.equal(samePlaybackId, playbackId);
  assert.match(second, /^[0-9a-f]{8}$/);
  assert.notEqual(second, first);
  assert.deepEqual(once.body.playback, made.playback);
  assert.deepEqual(api.live.stopped.at(-1), `${made._id} key_rotated`);
  assert.deepEqual([await may(first), await may(second)], [false, true]);

  const stops = api.live.stopped.length;
  const third = (await rotate({ overlap_s: 3600 })).body.ingest.key.split('=')[1]!;
  assert.equal(api.live.stopped.length, stops, 'nobody is cut while there is an overlap');
  assert.deepEqual([await may(first), await may(second), await may(third)], [false, true, true]);
  const fourth = (await rotate({ overlap_s: 3600 })).body.ingest.key.split('=')[1]!;
  assert.deepEqual([await may(second), await may(third), await may(fourth)], [false, true, true], 'one at a time');
  const fifth = (await rotate({ overlap_s: 0 })).body.ingest.key.split('=')[1]!;
  assert.deepEqual([await may(third), await may(fourth), await may(fifth)], [false, false, true]);

  const clock = Date.now;
  const sixth = (await rotate({ overlap_s: 60 })).body.ingest.key.split('=')[1]!;
  try {
    Date.now = () => clock() + 59_000;
    assert.deepEqual([await may(fifth), await may(sixth)], [true, true]);
    Date.now = () => clock() + 61_000;
    assert.deepEqual([await may(fifth), await may(sixth)], [false, true]);
  } finally {
    Date.now = clock;
  }
  for (const overlap_s of [-1, 86_401, 1.5, '5', null]) {
    const { status } = await rotate({ overlap_s } as object);
    assert.equal(status, 400, String(overlap_s));
  }
  assert.equal((await api.call('POST', `/live_streams/${'0'.repeat(24)}/rotate_key`)).status, 404);
  assert.equal((await events(made._id)).filter((name) => name === 'stream-key-rotated').length, 5);
});

test('what is not here yet answers in its shape: empty lists, 404 for one, 501 with what is possible instead', async () => {
  const { _id } = await api.client.liveStreams.create();
  const stream = `/live_streams/${_id}`;
  const page = { docs: [], total: 0, limit: 20, page: 1, pages: 1 };
  const rows: [string, string, number, unknown][] = [
    ['GET', `${stream}/temporary_recordings`, 200, []],
    ['GET', `${stream}/temporary_recordings/${_id}`, 404, /^Recording not found/],
    [
      'POST',
      `${stream}/temporary_recordings/${_id}`,
      501,
      /^This server has no recordings yet\. Record at the encoder/,
    ],
    ['GET', `${stream}/recordings`, 200, []],
    ['GET', `${stream}/recordings?page=3&limit=7`, 200, { ...page, limit: 7, page: 3 }],
    ['GET', `${stream}/recordings?limit=500`, 200, { ...page, limit: 100 }],
    ['GET', `${stream}/recordings?start_time=2026-01-01T00:00:00.000Z`, 200, []],
    ['GET', `${stream}/epg`, 501, /^This server has no programme guide yet\./],
    ['GET', '/videos', 200, page],
    ['GET', '/videos?page=2', 200, { ...page, page: 2 }],
    ['POST', '/videos', 501, /^This server has no videos yet\./],
    ['GET', `/videos/${_id}`, 404, /^Video not found/],
    ['DELETE', `/videos/${_id}`, 404, /^Video not found/],
    ['POST', `/videos/${_id}/uploads`, 501, /^This server has no videos yet\./],
    ['PATCH', `/videos/${_id}`, 405, /^PATCH is not possible here/],
    ['GET', `${stream}/stats`, 404, /[Ss]tream not found upstream/],
  ];
  for (const [method, path, status, expected] of rows) {
    const answer = await api.call(method, path);
    assert.equal(answer.status, status, `${method} ${path}`);
    if (expected instanceof RegExp) {
      assert.match(answer.body.message, expected);
      assert.deepEqual([answer.body.statusCode, typeof answer.body.error], [status, 'string']);
    } else assert.deepEqual(answer.body, expected, `${method} ${path}`);
    if (!path.startsWith(stream)) continue;
    const missing = await api.call(method, path.replace(_id, '0'.repeat(24)));
    assert.deepEqual([missing.status, missing.body.message.startsWith('Live stream not found.')], [404, true], path);
  }
});
