// The contract's tables as Castr v2's clients see them, under /v2, and where the two dialects differ over one store (§3).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LiveStream } from '../../src/contract/index.ts';
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

const get = (path: string) => api.call('GET', path);
const send = (method: string, path: string, body?: unknown) =>
  api.call(method, path, body === undefined ? null : JSON.stringify(body), JSON_TYPE);

test('one store, two dialects: recording, platforms and the filter differ, all else is the same', async () => {
  const castr = (await send('POST', '/v2/live_streams', { name: 'Cam' })).body as LiveStream;
  const liveapi = (await send('POST', '/live_streams', {})).body as LiveStream;
  assert.deepEqual(castr.settings, { pulling_mode: {}, cloud_recording: false }, 'opt-in');
  assert.deepEqual(liveapi.settings, { pulling_mode: {} }, 'always on');
  assert.equal(castr.broadcasting_status, undefined);
  assert.deepEqual((await get(`/v2/live_streams/${liveapi._id}`)).body.settings, {
    cloud_recording: true,
    pulling_mode: {},
  });
  const same = { ...castr, broadcasting_status: 'offline' };
  assert.deepEqual((await get(`/v2/live_streams/${castr._id}`)).body, same);
  assert.deepEqual((await get(`/live_streams/${castr._id}`)).body, same);
  for (const body of [{ settings: { cloud_recording: true } }, { name: 'x', settings: { abr: true } }]) {
    const { settings } = (await send('POST', '/v2/live_streams', body)).body;
    assert.equal(settings.cloud_recording, 'cloud_recording' in body.settings);
  }
  const patch = async (path: string, cloud_recording: unknown) =>
    (await send('PATCH', `${path}/live_streams/${castr._id}`, { settings: { cloud_recording } })).body.settings;
  assert.equal((await patch('', null)).cloud_recording, undefined, "back to LiveAPI's default: yes");
  assert.equal((await patch('/v2', null)).cloud_recording, false, "back to Castr's: no");
  assert.equal((await patch('/v2', true)).cloud_recording, true);

  // The filter is Castr's alone.
  const low = (await send('POST', '/v2/live_streams', { settings: { low_latency_playback: true } })).body as LiveStream;
  assert.equal(low.playback.ll_embed_url, low.playback.embed_url);
  const ids = async (path: string) => (await get(path)).body.docs.map((doc: LiveStream) => doc._id);
  assert.deepEqual(await ids('/v2/live_streams?low_latency_playback=true'), [low._id]);
  assert.equal((await get('/v2/live_streams?low_latency_playback=true')).body.total, 1);
  assert.ok(!(await ids('/v2/live_streams?low_latency_playback=false')).includes(low._id));
  assert.equal((await ids('/v2/live_streams')).length, 5);
  assert.equal((await ids('/live_streams?low_latency_playback=true')).length, 5);
  await send('PATCH', `/v2/live_streams/${low._id}`, { settings: { low_latency_playback: false } });
  assert.deepEqual((await get('/v2/live_streams?low_latency_playback=true')).body, {
    docs: [],
    total: 0,
    limit: 20,
    page: 1,
    pages: 1,
  });
  assert.equal((await get('/v2/live_streams?low_latency_playback=maybe')).status, 400);

  // POST and PATCH of a platform answer the whole live stream here, the platform there.
  const platforms = `/live_streams/${castr._id}/platforms`;
  const added = await send('POST', `/v2${platforms}`, { server: 'rtmp://a.example/live', key: 'k', name: 'A' });
  assert.equal(added.status, 200);
  assert.deepEqual([added.body._id, added.body.platforms.length], [castr._id, 1]);
  const [platform] = (added.body as LiveStream).platforms;
  assert.match(platform!._id, /^[0-9a-f]{24}$/);
  const paused = await send('PATCH', `/v2${platforms}/${platform!._id}`, { enabled: false });
  assert.deepEqual([paused.body._id, paused.body.platforms[0].enabled], [castr._id, false]);
  const resumed = await send('PATCH', `${platforms}/${platform!._id}`, { enabled: true });
  assert.deepEqual(resumed.body, platform);
  assert.deepEqual((await send('DELETE', `/v2${platforms}/${platform!._id}`)).body, { success: true });
  assert.deepEqual((await send('DELETE', `/v2/live_streams/${castr._id}`)).body, { success: true });
  assert.equal((await get(`/live_streams/${castr._id}`)).status, 404);
  assert.equal((await send('POST', `/v2/live_streams/${liveapi._id}/rotate_key`)).body._id, liveapi._id);
});

test('sub-second streams: their own resource, an embed page and nothing to set; live streams do not see them', async () => {
  for (const prefix of ['/v2', '']) {
    const path = `${prefix}/sub_second_streams`;
    const made = (await send('POST', path, { name: 'Auction', settings: { abr: true } })).body;
    const [playbackId, password] = made.ingest.key.split('?password=');
    assert.deepEqual(made, {
      _id: made._id,
      name: 'Auction',
      enabled: true,
      ingest: { server: 'rtmp://in.example.test/static', key: made.ingest.key, backup_key: made.ingest.backup_key },
      playback: { embed_url: `https://live.example.test/base/embed/${playbackId}` },
      platforms: [],
      settings: {},
      user: made.user,
      environment: 'production',
      organization: made.organization,
      creation_time: made.creation_time,
    });
    assert.equal((await api.store.authorise({ playbackId, password })).ok, true);
    const shown = { ...made, broadcasting_status: 'offline' };
    assert.deepEqual((await get(`${path}/${made._id}`)).body, shown);
    assert.deepEqual((await get(path)).body, { docs: [shown], total: 1, limit: 20, page: 1, pages: 1 });
    assert.ok(!(await get('/v2/live_streams?limit=100')).text.includes(made._id));
    for (const [method, other] of [
      ['GET', ''],
      ['PATCH', ''],
      ['DELETE', ''],
      ['POST', '/rotate_key'],
      ['POST', '/platforms'],
      ['GET', '/stats'],
    ] as const)
      assert.equal((await api.call(method, `/v2/live_streams/${made._id}${other}`)).status, 404, method + other);
    const stopped = await send('PATCH', `${path}/${made._id}`, { enabled: false, name: 'Over' });
    assert.deepEqual(stopped.body, { ...shown, enabled: false, name: 'Over' });
    assert.equal(api.live.stopped.at(-1), `${made._id} disabled`);
    assert.deepEqual((await send('DELETE', `${path}/${made._id}`)).body, { success: true });
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const gone = await api.call(method, `${path}/${made._id}`);
      assert.deepEqual([gone.status, gone.body.message.startsWith('Sub-second stream not found.')], [404, true]);
    }
    const live = (await send('POST', '/live_streams')).body;
    assert.equal((await get(`${path}/${live._id}`)).status, 404);
  }
});

test("Castr's videos are folders, and what is not here yet says so", async () => {
  const { _id } = (await send('POST', '/v2/live_streams', {})).body;
  const page = { docs: [], total: 0, limit: 20, page: 1, pages: 1 };
  const rows: [string, string, number, unknown][] = [
    ['GET', '/v2/videos', 200, page],
    ['POST', '/v2/videos', 501, undefined],
    ['PATCH', `/v2/videos/${_id}`, 404, undefined],
    ['DELETE', `/v2/videos/${_id}`, 404, undefined],
    ['GET', `/v2/videos/${_id}/contents`, 404, undefined],
    ['DELETE', `/v2/videos/${_id}/contents/${_id}`, 404, undefined],
    ['POST', `/v2/videos/${_id}/uploads`, 501, undefined],
    ['GET', `/v2/live_streams/${_id}/temporary_recordings`, 200, []],
    ['GET', `/v2/live_streams/${_id}/recordings`, 200, []],
    ['GET', `/v2/live_streams/${_id}/recordings?page=1`, 200, page],
    ['GET', `/v2/live_streams/${_id}/epg`, 501, undefined],
    ['GET', `/v2/live_streams/${_id}/stats`, 404, undefined],
  ];
  for (const [method, path, status, body] of rows) {
    const answer = await api.call(method, path);
    assert.equal(answer.status, status, `${method} ${path}`);
    if (body) assert.deepEqual(answer.body, body, path);
    else assert.deepEqual([answer.body.statusCode, typeof answer.body.message], [status, 'string'], path);
  }
  const refused = await api.call('GET', '/v2/live_streams', null, { authorization: 'Bearer x' });
  assert.deepEqual([refused.status, refused.body.statusCode, refused.body.error], [401, 401, 'Unauthorized']);
  assert.equal((await get('/v2/shows')).status, 404);
});
