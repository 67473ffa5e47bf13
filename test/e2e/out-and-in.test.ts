// Two servers: one pushes to the other as to any platform, and the other fetches from the first as from any source. All of it as the
// API tells it, over a kill of the process too.
import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, suite, type TestContext, test } from 'node:test';
import type { Event, LiveStream, Platform, Stats } from '../../src/contract/index.ts';
import { ask, closeConnections } from '../conformance/index.ts';
import { type Clip, makeFlv, publishFile } from '../support/encoder.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const CLIP: Clip = {
  seconds: 12,
  video: { size: '320x180', kbps: 300, fps: 30 },
  audio: { rate: 44_100, channels: 2 },
};
const ENV = { LIVEAPI_OUTBOUND_ALLOW: '127.0.0.0/8', LIVEAPI_RECONNECT_WINDOW_S: '2' };

suite('out to platforms, in from URLs', { timeout: 180_000 }, () => {
  let [here, there]: TestServer[] = [];
  before(async () => {
    await makeFlv(CLIP);
    [here, there] = await Promise.all([startServer({ env: ENV }), startServer({ env: ENV })]);
  });
  after(async () => {
    closeConnections();
    await Promise.all([here, there].map((server) => server?.close()));
  });

  const create = (server: TestServer, body: object = {}) => server.api<LiveStream>('POST', '/live_streams', body);
  const read = (server: TestServer, { _id }: LiveStream) => server.api<LiveStream>('GET', `/live_streams/${_id}`);
  const untilRead = (server: TestServer, stream: LiveStream, what: string, ready: (stream: LiveStream) => unknown) =>
    until(what, 30_000, async () => {
      const now = await read(server, stream);
      return ready(now) ? now : null;
    });
  const statsOf = (server: TestServer, { _id }: LiveStream) => server.api<Stats>('GET', `/live_streams/${_id}/stats`);
  const eventsOf = async (server: TestServer, { _id }: LiveStream, event: string) => {
    const path = `/live_streams/${_id}/events?limit=100${event && `&event=${event}`}`;
    return (await server.api<{ docs: Event[] }>('GET', path)).docs;
  };
  async function publish(t: TestContext, stream: LiveStream): Promise<void> {
    const { server, key } = stream.ingest;
    const encoder = publishFile(await makeFlv(CLIP), `${server}/${key}`, { loop: true });
    t.after(() => encoder.stop('SIGKILL'));
    await here!.untilStatus(stream._id, 'online');
  }

  test('L03 G11 a platform follows the live stream, shows its state and hides its key; a pull feeds another one', async (t) => {
    const [a, b] = [here!, there!];
    const [source, target] = await Promise.all([create(a, { name: 'source' }), create(b, { name: 'target' })]);
    const path = `/live_streams/${source._id}/platforms`;
    const { server, key } = target.ingest;
    const platform = await a.api<Platform>('POST', path, { server, key });
    assert.deepEqual([platform.key, platform.broadcasting_status], [`****${key.slice(-4)}`, 'offline']);
    await publish(t, source);

    const online = ({ platforms: [one] }: LiveStream) => one?.status?.state === 'online' && one;
    const shown = await untilRead(a, source, 'the platform is online', online);
    assert.equal(shown.platforms[0]!.broadcasting_status, 'online');
    assert.ok(shown.platforms[0]!.status!.uptime_s !== null && shown.platforms[0]!.status!.last_error === null);
    await b.untilStatus(target._id, 'online');
    const sent = await until('bytes are counted', 10_000, async () => {
      const [[url, push] = []] = Object.entries((await statsOf(a, source)).push_stats);
      return push && push.sent_bytes > 0 && { url, status: push.status };
    });
    assert.deepEqual(sent, { url: `${server}/****${key.slice(-4)}`, status: 'running' });
    const metrics = (await ask(`${a.publicUrl}/metrics`)).body.toString();
    assert.match(metrics, /^liveapi_pushes\{state="online"\} 1$/m);

    // Back the other way: the other server plays what is on air here.
    const pull_urls = shown.pull_urls!;
    assert.equal(pull_urls.rtmp, `rtmp://127.0.0.1:${a.rtmpPort}/${source.ingest.key.split('?')[0]}`);
    const pulling_mode = { enabled: true, url: pull_urls.rtmp!, stop_after_idle_s: 60 };
    const pulled = await create(b, { name: 'pulled', settings: { pulling_mode } });
    const fed = await untilRead(b, pulled, 'the pull is online', (now) => now.pulling_status?.state === 'online');
    assert.deepEqual([fed.broadcasting_status, fed.pulling_status!.protocol], ['online', 'pull-rtmp']);
    assert.equal((await statsOf(b, pulled)).published_via, 'pull-rtmp');
    const begin = await firstBytes(pull_urls.flv!);
    assert.equal(begin.toString('latin1', 0, 3), 'FLV');
    assert.equal((await b.api<LiveStream>('PATCH', `/live_streams/${pulled._id}`, { enabled: false })).enabled, false);
    await untilRead(
      b,
      pulled,
      'the pull is off',
      (now) => now.broadcasting_status === 'offline' && !now.pulling_status,
    );

    // Paused and resumed, while live.
    await a.api('PATCH', `${path}/${platform._id}`, { enabled: false, key: platform.key });
    await b.untilStatus(target._id, 'offline');
    assert.equal((await read(a, source)).platforms[0]!.broadcasting_status, 'offline');
    await a.api('PATCH', `${path}/${platform._id}`, { enabled: true });
    await untilRead(a, source, 'the platform is online again', online);
    await a.api('POST', `${path}/${platform._id}/restart`);
    await until('it has connected anew', 20_000, async () => {
      const events = await eventsOf(a, source, 'stream-platform-connected');
      return events.length === 3;
    });

    await a.kill9();
    await a.restart();
    const ended = await until('its end is told', 20_000, async () => {
      const events = await eventsOf(a, source, 'stream-platform-disconnected');
      return events.length >= 3 && events;
    });
    assert.equal(ended.length, 3, 'once for each time it was connected');
    const { reason, stream, platform: subject } = ended[0]!.payload as Record<string, { _id: string }> & object;
    assert.deepEqual([reason, stream!._id, subject!._id], ['server_restarted', source._id, platform._id]);
    assert.ok(!JSON.stringify(ended).includes(key), 'no key in an event');
    await publish(t, source);
    await untilRead(a, source, 'the platform is online after the restart', online);
    await b.untilStatus(target._id, 'online');
    assert.deepEqual(await a.api('DELETE', `${path}/${platform._id}`), { success: true });
    await b.untilStatus(target._id, 'offline');
    const names = (await eventsOf(a, source, '')).map(({ event }) => event);
    assert.deepEqual(names.slice(0, 2), ['stream-platform-removed', 'stream-platform-disconnected']);
  });
});

/** What an endless answer begins with. */
function firstBytes(url: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = get(url, (response) => {
      response.once('data', (bytes: Buffer) => {
        resolve(bytes);
        request.destroy();
      });
    });
    request.on('error', reject);
  });
}
