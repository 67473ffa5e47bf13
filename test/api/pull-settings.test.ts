// settings.pulling_mode, the lease behind it, and the backup encoder's key.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CodedError } from '../../src/base/index.ts';
import type { LiveStream } from '../../src/contract/index.ts';
import type { PullStatus } from '../../src/live/index.ts';
import type { VideoTrack } from '../../src/media/index.ts';
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
const create = (pulling_mode?: object) => api.client.liveStreams.create(pulling_mode && { settings: { pulling_mode } });
const patch = ({ _id }: LiveStream, pulling_mode: object | null) =>
  send('PATCH', `/live_streams/${_id}`, { settings: { pulling_mode } });
const modeOf = async ({ _id }: LiveStream) => (await api.store.pulls.pull(_id))?.pullingMode ?? null;

test('what does not fit together is refused, naming the field; the rest is kept as it is', async () => {
  const url = 'rtmp://a.example/live/x';
  const weekly = { days: [1, 5], from: '22:00', to: '02:00', time_zone: 'Europe/Vienna' };
  const once = { start: '2026-03-01T10:00:00Z', end: '2026-03-01T12:00:00Z' };
  const wrong: [object, RegExp][] = [
    [{ enabled: true }, /\.url must be an rtmp\(s\):\/\/.* while pulling_mode is enabled/],
    [{ url: 'file:///etc/passwd' }, /\.url must be an rtmp/],
    [{ url: 'concat:http://a.example/' }, /\.url must be an rtmp/],
    [{ urls: [url, 'ftp://a.example/'] }, /\.urls\.1 must be an rtmp/],
    [{ urls: [5] }, /\.urls\.0 must be a text/],
    [{ urls: Array(11).fill(url) }, /\.urls must be a list of at most 10/],
    [{ enabled: 'yes' }, /\.enabled must be true or false/],
    [{ start: 'sometimes' }, /\.start must be one of always, on_demand, schedule/],
    [{ encoder: 'wins' }, /\.encoder must be one of takes_over, refused/],
    [{ stop_after_idle_s: 0 }, /\.stop_after_idle_s must be a whole number from 5 to 86400/],
    [{ enabled: true, url, start: 'schedule' }, /\.schedule must be a list of times/],
    [{ schedule: [{ ...weekly, ...once }] }, /\.schedule\.0 must be either/],
    [{ schedule: [{}] }, /\.schedule\.0 must be either/],
    [{ schedule: [once, { ...once, days: [1] }] }, /\.schedule\.1 must be either/],
    [{ schedule: [{ ...weekly, from: '24:00' }] }, /\.schedule\.0\.from must be a time such as 09:30/],
    [{ schedule: [{ from: '09:00' }] }, /\.schedule\.0\.to must be a time/],
    [{ schedule: [{ ...weekly, to: '22:00' }] }, /\.schedule\.0\.to must be another time/],
    [{ schedule: [{ ...weekly, days: [7] }] }, /\.schedule\.0\.days\.0 must be a whole number from 0 to 6/],
    [{ schedule: [{ ...weekly, time_zone: 'Moon/Base' }] }, /\.schedule\.0\.time_zone must be a time zone/],
    [{ schedule: [{ ...once, end: 'soon' }] }, /\.schedule\.0\.end must be an ISO time/],
    [{ schedule: [{ start: once.end, end: once.start }] }, /\.schedule\.0\.end must be later than start/],
    [{ schedule: ['daily'] }, /\.schedule\.0 must be an object/],
  ];
  const stream = await create();
  for (const [mode, message] of wrong)
    for (const { status, body } of [
      await patch(stream, mode),
      await send('POST', '/live_streams', { settings: { pulling_mode: mode } }),
    ]) {
      assert.equal(status, 400, JSON.stringify(mode));
      assert.match(body.message, /^settings\.pulling_mode\./);
      assert.match(body.message, message);
    }
  assert.deepEqual((await api.client.liveStreams.get(stream._id)).settings.pulling_mode, {});
  const all = {
    enabled: true,
    url,
    urls: ['https://b.example/live/index.m3u8', 'srt://c.example:9000?streamid=x'],
    start: 'schedule',
    stop_after_idle_s: 60,
    schedule: [weekly, once],
    encoder: 'refused',
  };
  const kept = await patch(stream, { ...all, unknown: 1, schedule: [{ ...weekly, unknown: 1 }, once] });
  assert.deepEqual(kept.body.settings.pulling_mode, all);
  assert.deepEqual(await modeOf(stream), all);
  const { urls: _, schedule: __, ...rest } = { ...all, start: 'always' };
  const less = await patch(stream, { urls: null, schedule: null, start: 'always' });
  assert.deepEqual(less.body.settings.pulling_mode, rest);
  assert.deepEqual((await patch(stream, null)).body.settings.pulling_mode, {});
  assert.equal(await modeOf(stream), null);
});

test('G11 passwords in its addresses are masked, and stay when the mask is sent back; no event and no dump has them', async () => {
  const urls = [
    'https://viewer:canary-pass@a.example/live.m3u8?token=canary-token&x=1',
    'rtsp://cam:canary-2@b.example/1',
  ];
  const shown = ['https://viewer:****@a.example/live.m3u8?token=****oken&x=1', 'rtsp://cam:****@b.example/1'];
  const stream = await create({ enabled: true, url: urls[0], urls: [urls[1]] });
  assert.deepEqual(stream.settings.pulling_mode, { enabled: true, url: shown[0], urls: [shown[1]] });
  // In another order, with a new one.
  const { status, body } = await patch(stream, { url: shown[1], urls: [shown[0], 'rtmp://c.example/live/x'] });
  assert.deepEqual([status, body.settings.pulling_mode.url], [200, shown[1]]);
  const mode = await modeOf(stream);
  assert.deepEqual([mode!.url, ...mode!.urls!], [urls[1], urls[0], 'rtmp://c.example/live/x']);
  const wrong = await patch(stream, { url: 'rtsp://cam:****@elsewhere.example/1' });
  assert.deepEqual([wrong.status, /\.url must be an address with its password/.test(wrong.body.message)], [400, true]);
  await send('PATCH', `/live_streams/${stream._id}`, { enabled: false });
  const texts = [await dump(api.dataDir), (await api.call('GET', '/events?limit=100')).text, api.logged.join('')];
  for (const text of texts) assert.ok(!text.includes('canary'));
});

test('a pulling mode is looked at before it is kept, told on when it changes, and shown with its state', async () => {
  const seen: object[] = [];
  api.live.checkPull = async (mode) => {
    seen.push(mode);
    if (mode.url?.includes('127.0.0.1')) throw new CodedError('destination_refused', 'This destination is refused.');
  };
  const refused = await send('POST', '/live_streams', { settings: { pulling_mode: { url: 'rtmp://127.0.0.1/x' } } });
  assert.deepEqual([refused.status, refused.body.message], [400, 'This destination is refused.']);
  const stream = await create({ enabled: true, url: 'rtmp://a.example/x' });
  assert.deepEqual(api.live.changed.slice(-1), [`pull ${stream._id}`]);
  // What comes of the change is looked at, not the change.
  assert.equal((await patch(stream, { encoder: 'refused' })).status, 200);
  assert.deepEqual(seen.at(-1), { enabled: true, url: 'rtmp://a.example/x', encoder: 'refused' });
  const before = api.live.changed.length;
  assert.equal((await patch(stream, { url: 'rtmp://127.0.0.1/x' })).status, 400);
  assert.equal((await modeOf(stream))!.url, 'rtmp://a.example/x');
  await api.client.liveStreams.update(stream._id, { name: 'no change to the pull' });
  assert.equal(api.live.changed.length, before);
  const sinceMs = Date.parse('2026-03-01T10:00:00.000Z');
  const status: PullStatus = {
    state: 'online',
    sinceMs,
    severity: null,
    urlIndex: 1,
    url: 'rtmp://b.example/x',
    protocol: 'pull-rtmp',
    attempt: 0,
    nextRetryMs: null,
    lastError: null,
    bitrate: 812.4,
    bytesReceived: 99,
    connectedSinceMs: Date.now(),
  };
  api.live.pulls.set(stream._id, status);
  const { pulling_status } = await api.client.liveStreams.get(stream._id);
  assert.deepEqual(pulling_status, {
    state: 'online',
    severity: null,
    since: '2026-03-01T10:00:00.000Z',
    attempt: 0,
    next_retry: null,
    last_error: null,
    bitrate: 812,
    uptime_s: pulling_status!.uptime_s,
    url: 'rtmp://b.example/x',
    url_index: 1,
    protocol: 'pull-rtmp',
    bytes_received: 99,
  });
  await api.client.liveStreams.delete(stream._id);
  assert.deepEqual(api.live.changed.slice(before), [`pull ${stream._id}`]);
});

test('L45 what is pulled is found; one process at a time has the lease, until it lets go or is gone', async () => {
  const { pulls } = api.store;
  const stream = await create({ enabled: true, url: 'rtmp://a.example/x' });
  const [playbackId = ''] = stream.ingest.key.split('?');
  const mine = async () => (await pulls.pulls()).filter(({ authorisation }) => authorisation.playbackId === playbackId);
  assert.equal((await mine()).length, 1);
  assert.equal(await pulls.pull('lv_x'), null);
  await send('PATCH', `/live_streams/${stream._id}`, { enabled: false });
  assert.deepEqual([await mine(), await pulls.pull(stream._id)], [[], null]);
  await send('PATCH', `/live_streams/${stream._id}`, { enabled: true });

  const { dataDir } = api;
  const other = await openStore({ dataDir, ...(await databaseFor(dataDir)), log: api.app.log as never });
  try {
    await Promise.all([api.store.recover(), other.recover()]);
    const both = await Promise.all([pulls.acquirePull(stream._id), other.pulls.acquirePull(stream._id)]);
    assert.deepEqual(both.toSorted(), [false, true], 'one of them');
    const [holder, loser] = both[0] ? [pulls, other.pulls] : [other.pulls, pulls];
    assert.equal(await holder.acquirePull(stream._id), true, 'again is true again');
    await loser.releasePull(stream._id);
    assert.equal(await loser.acquirePull(stream._id), false, 'what is not ours is not released');
    await holder.releasePull(stream._id);
    assert.equal(await loser.acquirePull(stream._id), true);
    await execute(dataDir, `update live_streams set pull_node = 'gone' where id = '${stream._id}'`);
    assert.equal(await holder.acquirePull(stream._id), true, 'its holder is gone');
    assert.equal(await holder.acquirePull('0'.repeat(24)), false);
  } finally {
    await other.close();
  }
});

test('the backup encoder has a key of its own, which is rotated by itself and says who it is', async () => {
  const made = await create();
  const [playbackId = '', backup = ''] = made.ingest.backup_key!.split('?password=');
  const [same, primary = ''] = made.ingest.key.split('?password=');
  assert.equal(playbackId, same);
  const authorise = async (password: string) => {
    const answer = await api.store.authorise({ playbackId, password });
    return answer.ok ? [answer.authorisation.priority, answer.authorisation.giveBack] : answer.reason;
  };
  assert.deepEqual(await Promise.all([primary, backup, 'x', ''].map(authorise)), [
    [0, true],
    [1, true],
    'unknown',
    'unknown',
  ]);
  const settings = { backup_encoder: { give_back: false } };
  assert.deepEqual((await api.client.liveStreams.update(made._id, { settings })).settings, {
    pulling_mode: {},
    ...settings,
  });
  assert.deepEqual(await authorise(backup), [1, false]);

  const rotated = await api.client.liveStreams.rotateKey(made._id, { which: 'backup' });
  assert.equal(rotated.ingest.key, made.ingest.key);
  assert.deepEqual(api.live.stopped.slice(-1), [`${made._id} key_rotated backup`]);
  assert.equal(await authorise(backup), 'unknown');
  assert.deepEqual(await authorise(rotated.ingest.backup_key!.split('=')[1]!), [1, false]);
  const both = await api.client.liveStreams.rotateKey(made._id, { overlap_s: 60 });
  assert.equal(both.ingest.backup_key, rotated.ingest.backup_key);
  assert.deepEqual(await authorise(primary), [0, false], 'the overlap is the primary one');
  const refused = await send('POST', `/live_streams/${made._id}/rotate_key`, { which: 'backup', overlap_s: 5 });
  assert.deepEqual(
    [refused.status, refused.body.message],
    [400, 'overlap_s must be 0: the backup key has no overlap.'],
  );
  assert.ok(!(await dump(api.dataDir)).includes(backup), 'sealed');
});

test('a URL is looked at before it is kept: a masked one with its password, a wrong one never', async () => {
  const url = 'rtmp://viewer:s3cret-7@a.example/live/x';
  const stream = await create({ url });
  const asked: string[][] = [];
  const before = api.live.testPull;
  api.live.testPull = async (url, stream, owner) => {
    asked.push([url, stream.id, owner]);
    return before(url, stream, owner);
  };
  const test = (body: object) => send('POST', `/live_streams/${stream._id}/pull/test`, body);
  const { status, body } = await test({ url: stream.settings.pulling_mode!.url });
  assert.equal(status, 200);
  assert.deepEqual(body, {
    ok: false,
    code: 'timeout',
    message: 'The source has given no frame in time.',
    protocol: null,
    video: null,
    audio: null,
  });
  assert.deepEqual(asked, [[url, stream._id, api.owner.organizationId]]);
  for (const wrong of [{}, { url: '' }, { url: 'ftp://a.example/' }, { url: 'rtmp://x:****@a.example/' }])
    assert.equal((await test(wrong)).status, 400);
  assert.equal(asked.length, 1);
  const video = { kind: 'video', codec: 'avc', timescale: 1000, config: { width: 320, height: 180 } } as VideoTrack;
  api.live.testPull = async () => ({
    error: null,
    protocol: 'pull-ts',
    video,
    audio: null,
    frameRate: 25,
    unsupported: ['AC-3'],
  });
  assert.deepEqual(await api.client.liveStreams.testPull(stream._id, { url: 'http://b.example/x.ts' }), {
    ok: true,
    code: null,
    message: 'The live stream can be fed from it. AC-3 is not carried and left out.',
    protocol: 'pull-ts',
    video: { codec: 'avc', width: 320, height: 180, frame_rate: 25 },
    audio: null,
  });
  api.live.testPull = before;
});
