// Platforms beyond the contract's table (contract-liveapi.test.ts): what is masked, how they fare, what is told of them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  hideEnd,
  type LiveStream,
  maskServer,
  maskUrl,
  type Platform,
  type PlatformTemplate,
} from '../../src/contract/index.ts';
import type { BroadcastEvent, PlatformStatus } from '../../src/live/index.ts';
import { openStore } from '../../src/store/index.ts';
import { databaseFor, dump, execute } from '../support/database.ts';
import { startApi } from './start-api.ts';

let api: Awaited<ReturnType<typeof startApi>>;
before(async () => {
  api = await startApi();
});
after(async () => {
  await api.stop();
  api.remove();
});

const send = (method: string, path: string, body: object = {}) =>
  api.call(method, path, JSON.stringify(body), { 'content-type': 'application/json' });

async function add(body: object): Promise<{ path: string; stream: LiveStream; platform: Platform }> {
  const stream = await api.client.liveStreams.create({ name: 'Regatta' });
  const path = `/live_streams/${stream._id}/platforms`;
  const { status, body: platform } = await send('POST', path, body);
  assert.equal(status, 200, JSON.stringify(platform));
  return { path: `${path}/${platform._id}`, stream, platform };
}

const target = async ({ _id }: LiveStream) => (await api.store.platforms.platforms(_id))[0]!;

test('G11 keys are masked in every answer, in servers too; the mask sent back changes nothing; at rest they are sealed', async () => {
  const key = 'canary-key-with-end-9876';
  const { path, stream, platform } = await add({ server: 'rtmps://a.example:443/app', key });
  assert.deepEqual([platform.key, platform.server], ['****9876', 'rtmps://a.example:443/app']);
  const real = async () => (({ server, key }) => ({ server, key }))(await target(stream));
  assert.deepEqual(await real(), { server: 'rtmps://a.example:443/app', key });
  const same = await send('PATCH', path, { key: '****9876', server: platform.server, name: 'Again' });
  assert.deepEqual([same.status, same.body.name, same.body.key], [200, 'Again', '****9876']);
  assert.equal((await real()).key, key);
  for (const wrong of [{ key: '****9875' }, { key: '****' }, { server: 'rtmp://a.example/app/****abcd' }]) {
    const { status, body } = await send('PATCH', path, wrong);
    assert.deepEqual([status, /is masked, and not as it is shown/.test(body.message)], [400, true]);
  }
  // Of a short key nothing is shown.
  assert.equal((await send('PATCH', path, { key: 'short' })).body.key, '****');
  assert.equal((await send('PATCH', path, { key: '****' })).status, 200);
  assert.equal((await real()).key, 'short');

  // Servers that hold the key: at the end of the path where there is no other, and in the query.
  const servers = [
    ['rtmp://b.example/app/canary-in-the-path-1234', 'rtmp://b.example/app/****1234'],
    ['rtmp://b.example/app/canary-in-the-path-1234/', 'rtmp://b.example/app/****1234'],
    ['rtmp://b.example/app?auth=canary-in-the-query-1&n=7', 'rtmp://b.example/app?auth=****ry-1&n=****'],
    ['rtmp://b.example/app?canary-as-the-query', 'rtmp://b.example/app?****uery'],
    ['rtmp://b.example/app', 'rtmp://b.example/app'],
  ] as const;
  for (const [server, shown] of servers) {
    const { path, stream, platform } = await add({ server });
    assert.equal(platform.server, shown);
    const patched = await send('PATCH', path, { server: shown, key: '' });
    assert.deepEqual([patched.status, patched.body.server], [200, shown]);
    assert.equal((await target(stream)).server, server);
    assert.equal((await api.client.liveStreams.get(stream._id)).platforms[0]!.server, shown);
  }
  const list = await api.call('GET', '/live_streams?limit=100');
  const log = await api.call('GET', '/events?limit=100');
  for (const text of [list.text, log.text, await dump(api.dataDir), api.logged.join('')])
    assert.ok(!text.includes('canary'), 'no key anywhere');
});

test('S55 what is masked takes no time, whatever it is made of', () => {
  for (const piece of ['/', '?', 'a/', '?a', '&', '=', '@', ':@', '*']) {
    const long = `rtmp://a.example/${piece.repeat(100_000)}`;
    // Linear, or a test of minutes.
    for (const mask of [(url: string) => maskServer(url, ''), maskUrl, hideEnd]) assert.ok(mask(long).length > 0);
  }
  assert.equal(maskUrl('https://u:p:w@a.example/x?token=abc&y=2'), 'https://u:****@a.example/x?token=****&y=2');
  assert.equal(hideEnd('rtmps://a.example/app/key/?token=x'), 'rtmps://a.example/app/***');
});

test('templates: what services want; their server is taken where a platform brings none', async () => {
  const { docs, total, pages } = await api.client.platforms.templates();
  assert.deepEqual([docs.length, pages], [total, 1]);
  const names = docs.map(({ template }: PlatformTemplate) => template);
  for (const name of ['youtube', 'facebook', 'twitch', 'kick', 'x', 'vimeo', 'custom'])
    assert.ok(names.includes(name), name);
  for (const { template, servers, key_help, codecs } of docs) {
    for (const server of servers) assert.match(server, /^rtmps?:\/\/[a-z0-9.-]+(:\d+)?\/[^\s]+$/, template);
    assert.ok(key_help && codecs.includes('h264') && codecs.includes('aac'), template);
    const { status, body } = await send(
      'POST',
      `/live_streams/${(await api.client.liveStreams.create())._id}/platforms`,
      {
        template,
        key: 'k',
      },
    );
    if (servers[0]) assert.equal((body as Platform).server.split('?')[0], servers[0].split('?')[0]);
    else assert.deepEqual([status, /^server is missing/.test(body.message)], [400, true]);
  }
  assert.equal((await api.call('GET', '/v2/platform_templates?limit=3')).body.docs.length, 3);
});

test('sound, delay and codecs: kept, changed, and handed to who pushes in its own words', async () => {
  const { path, stream, platform } = await add({ template: 'youtube', key: 'k', audio: 'silence', delay_s: 60 });
  assert.deepEqual(
    [platform.audio, platform.delay_s, platform.codecs],
    ['silence', 60, ['h264', 'hevc', 'av1', 'aac']],
  );
  const { audio, delayMs, codecs } = await target(stream);
  assert.deepEqual([audio, delayMs, codecs], ['silence', 60_000, ['avc', 'hevc', 'av1', 'aac']]);
  const { body } = await send('PATCH', path, { audio: 'mute', delay_s: 0, codecs: ['h264', 'aac'] });
  assert.deepEqual([body.audio, body.delay_s, body.codecs], ['mute', 0, ['h264', 'aac']]);
  assert.deepEqual((await target(stream)).codecs, ['avc', 'aac']);
  assert.equal((await send('PATCH', path, { codecs: [] })).status, 400);
});

test('how a push fares is shown beside it; changes reach what is on air; a restart needs a push', async () => {
  const { path, stream, platform } = await add({ server: 'rtmp://a.example/live', key: 'k' });
  const id = stream._id;
  assert.deepEqual(api.live.changed.slice(-1), [`platforms ${id}`]);
  assert.equal(platform.status, undefined);
  const sinceMs = Date.parse('2026-03-01T10:00:00.000Z');
  const status: PlatformStatus = {
    platformId: platform._id,
    state: 'retrying',
    sinceMs,
    severity: 'retrying',
    attempt: 3,
    nextRetryMs: sinceMs + 4000,
    lastError: { code: 'unreachable', message: 'No answer.', atMs: sinceMs },
    bitrate: 0.4,
    bytesSent: 12,
    dropped: 1,
    connectedSinceMs: null,
  };
  api.live.statuses.set(id, [status]);
  const shown = async () => (await api.client.liveStreams.get(id)).platforms[0]!;
  assert.deepEqual((await shown()).status, {
    state: 'retrying',
    severity: 'retrying',
    since: '2026-03-01T10:00:00.000Z',
    attempt: 3,
    next_retry: '2026-03-01T10:00:04.000Z',
    last_error: { code: 'unreachable', message: 'No answer.', at: '2026-03-01T10:00:00.000Z' },
    bitrate: 0,
    uptime_s: null,
    bytes_sent: 12,
    dropped: 1,
  });
  assert.equal((await shown()).broadcasting_status, 'offline');
  api.live.statuses.set(id, [{ ...status, state: 'online', connectedSinceMs: Date.now() - 5500 }]);
  const online = await shown();
  assert.deepEqual([online.broadcasting_status, online.status!.state], ['online', 'online']);
  assert.ok(online.status!.uptime_s! >= 5);
  assert.deepEqual((await api.client.platforms.update(id, platform._id, { name: 'B' })).status!.state, 'online');

  assert.equal((await api.client.platforms.restart(id, platform._id))._id, platform._id);
  assert.deepEqual(api.live.restarted, [platform._id]);
  api.live.idle = true;
  const refused = await send('POST', `${path}/restart`);
  assert.deepEqual([refused.status, /not on air/.test(refused.body.message)], [409, true]);
  assert.equal((await send('POST', `/live_streams/${id}/platforms/${'0'.repeat(24)}/restart`)).status, 404);
  const before = api.live.changed.length;
  assert.deepEqual(await api.client.platforms.delete(id, platform._id), { success: true });
  assert.deepEqual(api.live.changed.slice(before), [`platforms ${id}`]);
});

test('L03 what happens to a platform on air is told once: when it is removed, when its live stream is, when its process is gone', async () => {
  const { path, stream, platform } = await add({ server: 'rtmp://a.example/live/canary-at-the-end', key: '' });
  let [broadcastId, number] = ['0'.repeat(24), 0];
  type Told = BroadcastEvent extends infer E
    ? E extends BroadcastEvent
      ? Omit<E, 'broadcastId' | 'liveStreamId' | 'number' | 'atMs'>
      : never
    : never;
  const tell = (event: Told) =>
    api.store.broadcasts.tell({
      ...event,
      broadcastId,
      liveStreamId: stream._id,
      number: ++number,
      atMs: Date.now(),
    } as BroadcastEvent);
  const begin = (first = true) =>
    tell({ kind: 'connected', first, publisher: { id: 'p', protocol: 'rtmp', address: '192.0.2.1' } });
  const platformId = platform._id;
  const all = async () => (await api.client.events.list({ live_stream: stream._id, limit: 100 })).docs;
  const names = async () => (await all()).map(({ event }) => event.replace('stream-', '')).reverse();

  await begin();
  await tell({ kind: 'platform_error', platformId, code: 'unreachable', message: 'No answer.', severity: 'retrying' });
  await tell({ kind: 'platform_connected', platformId });
  await tell({ kind: 'platform_disconnected', platformId, reason: 'lost' });
  // Its beginning was never written, so it has no end.
  await tell({ kind: 'platform_disconnected', platformId, reason: 'lost' });
  await tell({ kind: 'platform_connected', platformId });
  // Told twice after a failure.
  number--;
  await tell({ kind: 'platform_connected', platformId });
  const to = { id: 'q', protocol: 'rtmps', address: '192.0.2.2' } as const;
  const from = { id: 'p', protocol: 'rtmp', address: '192.0.2.1' } as const;
  await tell({ kind: 'publisher_switched', from, to, active: 'backup', reason: 'silent' });
  await tell({ kind: 'disconnected', reason: 'window_over' });
  const told = ['created', 'platform-added', 'connected', 'platform-error'];
  told.push('platform-connected', 'platform-disconnected', 'platform-connected', 'publisher-switched');
  told.push('platform-disconnected', 'disconnected');
  assert.deepEqual(await names(), told);
  const [, , switched, , , , error] = (await all()).map(({ payload }) => payload as Record<string, unknown>);
  assert.deepEqual(error!.error, { code: 'unreachable', message: 'No answer.', severity: 'retrying' });
  assert.deepEqual((error!.platform as Platform).server, 'rtmp://a.example/live/***');
  assert.deepEqual([switched!.active, switched!.to], ['backup', { protocol: 'rtmps', address: '192.0.2.2' }]);

  // Removed while it is connected.
  [broadcastId, number] = ['1'.repeat(24), 0];
  await begin();
  await tell({ kind: 'platform_connected', platformId });
  await send('DELETE', path);
  await tell({ kind: 'platform_disconnected', platformId, reason: 'removed' });
  told.push('connected', 'platform-connected', 'platform-disconnected', 'platform-removed');
  assert.deepEqual(await names(), told);

  // Its process is gone: another one tells the end, of the platform first.
  const other = await send('POST', `/live_streams/${stream._id}/platforms`, {
    server: 'rtmp://b.example/live',
    key: 'k',
  });
  await tell({ kind: 'platform_connected', platformId: other.body._id });
  await execute(api.dataDir, "update broadcasts set node = 'gone' where ended_ms is null");
  await api.store.recover();
  told.push('platform-added', 'platform-connected', 'platform-disconnected', 'disconnected');
  assert.deepEqual(await names(), told);
  // And with its live stream.
  [broadcastId, number] = ['2'.repeat(24), 0];
  await begin();
  await tell({ kind: 'platform_connected', platformId: other.body._id });
  await api.client.liveStreams.delete(stream._id);
  told.push('connected', 'platform-connected', 'platform-disconnected', 'disconnected', 'removed');
  assert.deepEqual(await names(), told);
});

test('rows of an older version are completed at the start: keys of backup encoders, what is pulled, servers that hold keys', async () => {
  const { stream } = await add({ server: 'rtmp://a.example/live', key: '' });
  const { ingest } = await api.client.liveStreams.update(stream._id, {
    settings: { pulling_mode: { enabled: true, url: 'rtmp://b.example/live/x' } },
  });
  const clear = 'rtmp://a.example/live/canary-in-clear-text';
  await execute(
    api.dataDir,
    `update platforms set server = '${clear}' where live_stream_id = '${stream._id}'; update live_streams set backup_password = null, pull_enabled = null where id = '${stream._id}'; delete from settings where name = 'platform_servers_sealed'`,
  );
  assert.equal((await api.client.liveStreams.get(stream._id)).ingest.backup_key, undefined);
  assert.equal((await api.client.liveStreams.get(stream._id)).platforms[0]!.server, 'rtmp://a.example/live/****text');
  const { dataDir } = api;
  await (await openStore({ dataDir, ...(await databaseFor(dataDir)), log: api.app.log as never })).close();
  const after = await api.client.liveStreams.get(stream._id);
  assert.match(after.ingest.backup_key!, /^lv_[0-9a-f]{32}\?password=[0-9a-f]{8}$/);
  assert.notEqual(after.ingest.backup_key, ingest.backup_key);
  assert.equal((await target(stream)).server, clear);
  assert.ok(!(await dump(dataDir)).includes('canary'));
  const pulled = await api.store.pulls.pulls();
  assert.deepEqual(
    pulled.map(({ authorisation }) => authorisation.liveStreamId),
    [stream._id],
  );
});
