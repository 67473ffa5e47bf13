import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { noUsage, type UsageRow } from '../../src/live/index.ts';
import { openStore } from '../../src/store/index.ts';
import { databaseFor, onPostgres } from '../support/database.ts';
import { type Api, ask, type Browser, setUp } from './people.ts';
import { startApi } from './start-api.ts';

let api: Api;
let owner: Browser;
before(async () => {
  api = await startApi();
  owner = await setUp(api);
});
after(async () => {
  await api.stop();
  api.remove();
});

const row = (liveStreamId: string, day: string, counts: Partial<UsageRow>): UsageRow => {
  return { ...noUsage(), startups: new Map(), liveStreamId, day, ...counts };
};

test('usage: what several processes add is summed by day and by live stream, of one environment', async () => {
  const { usage } = api.store;
  const create = async (name: string) => (await api.client.liveStreams.create({ name }))._id;
  const [a, b, gone] = [await create('a'), await create('b'), await create('gone')];
  const rows = [
    row(a, '2026-03-01', { streamedMs: 60_000, viewerMs: 5000, bytesIn: 5e9, plays: 2, startups: new Map([[5, 2]]) }),
    row(b, '2026-03-01', { viewerMs: 9_000_000, uniqueViewers: 3 }),
    row(a, '2026-03-03', {
      stalls: 1,
      startups: new Map([
        [5, 90],
        [20, 10],
      ]),
    }),
    row(gone, '2026-03-03', { errors: 7 }),
    row('f00dfacef00dfacef00dface', '2026-03-03', { errors: 100 }),
  ];
  await usage.add(rows);
  // Another process of the same database, at the same moment; the rows in another order.
  const other = await openStore({
    dataDir: api.dataDir,
    ...(await databaseFor(api.dataDir)),
    log: createLogger('silent'),
  });
  try {
    await Promise.all([usage.add(rows), other.usage.add(rows.toReversed())]);
  } finally {
    await other.close();
  }
  await api.call('DELETE', `/live_streams/${gone}`);

  const days = (await api.call('GET', '/usage?from=2026-03-01&to=2026-03-03')).body;
  assert.deepEqual(
    days.docs.map(({ day }: { day: string }) => day),
    ['2026-03-01', '2026-03-02', '2026-03-03'],
  );
  const nothing = { streamed_s: 0, viewer_s: 0, bytes_in: 0, bytes_out: 0, plays: 0, unique_viewers: 0 };
  const none = { ...nothing, watch_s: 0, startup_ms: null, stalls: 0, errors: 0 };
  assert.deepEqual(days.docs[1], { day: '2026-03-02', ...none });
  const first = { streamed_s: 180, viewer_s: 27_015, bytes_in: 15e9, plays: 6, unique_viewers: 9 };
  assert.deepEqual(days.docs[0], { day: '2026-03-01', ...none, ...first, startup_ms: { p50: 101, p95: 101 } });
  assert.deepEqual(days.docs[2].startup_ms, { p50: 101, p95: 818 });
  assert.deepEqual(days.total, { ...none, ...first, stalls: 3, errors: 21, startup_ms: { p50: 101, p95: 818 } });

  const streams = (await api.call('GET', '/v2/usage?from=2026-03-01&to=2026-03-31&group=live_stream')).body;
  assert.deepEqual(
    streams.docs.map((doc: Record<string, unknown>) => [doc.live_stream, doc.name, doc.viewer_s, doc.errors]),
    [
      [b, 'b', 27_000, 0],
      [a, 'a', 15, 0],
      [gone, undefined, 0, 21],
    ],
  );
  assert.deepEqual(streams.total, days.total);

  owner.environment = 'development';
  assert.deepEqual((await owner.ok('GET', '/usage?from=2026-03-01&to=2026-03-03')).total, none);
  owner.environment = undefined;
  assert.equal((await api.call('GET', '/usage')).body.docs.length, 30);
  for (const query of [
    'from=2026-03-02&to=2026-03-01',
    'to=2026-02-30',
    'from=x',
    'from=2024-01-01&to=2026-01-01',
    'group=x',
  ])
    assert.equal((await api.call('GET', `/usage?${query}`)).status, 400, query);
});

test('beacon: from any page, as JSON or text, without a cookie; bounded', async () => {
  const report = { playback_id: 'lv_x', play_id: '0123456789abcdef', event: 'watch', watched_s: 12.5 };
  const foreign = { origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site' };
  const post = async (body: string, headers: Record<string, string>) => {
    const answer = await fetch(`${api.baseUrl}/embed/beacon`, {
      method: 'POST',
      body,
      headers: { ...foreign, ...headers },
    });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
  for (const type of ['text/plain;charset=UTF-8', 'application/json']) {
    const answer = await post(JSON.stringify(report), { 'content-type': type, 'user-agent': 'player' });
    assert.deepEqual([answer.status, answer.text], [204, '']);
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    assert.equal(answer.headers.get('set-cookie'), null);
  }
  assert.deepEqual(api.live.reports, ['watch 12500 127.0.0.1 player', 'watch 12500 127.0.0.1 player']);
  const text = { 'content-type': 'text/plain' };
  assert.equal((await post('{', text)).status, 400);
  assert.equal((await post(JSON.stringify({ ...report, play_id: 'x' }), text)).status, 400);
  assert.equal((await post(JSON.stringify({ ...report, code: 'x'.repeat(5000) }), text)).status, 413);
  assert.equal((await ask(api, 'GET', '/embed/beacon')).status, 405);

  const dataDir = mkdtempSync(join(tmpdir(), 'liveapi-api-'));
  const off = await startApi(dataDir, { limits: { embedAnalytics: false } });
  try {
    const answer = await fetch(`${off.baseUrl}/embed/beacon`, { method: 'POST', body: JSON.stringify(report) });
    assert.deepEqual([answer.status, off.live.reports], [204, []]);
  } finally {
    await off.stop();
    rmSync(dataDir, { recursive: true });
  }
});

test('status: for owners of the first organization, with the database as it answers', async () => {
  assert.equal((await api.call('GET', '/status')).status, 403, 'no token is an owner');
  owner.organization = (await owner.ok('POST', '/organizations', { name: 'A later one' }))._id;
  assert.equal((await owner.ask('GET', '/status')).status, 403, 'whoever is signed in can make an organization');
  owner.organization = undefined;
  const status = await owner.ok('GET', '/status');
  assert.equal(status.database.ok, true);
  assert.equal(status.database.kind, onPostgres ? 'postgres' : 'sqlite');
  assert.ok(status.database.ms >= 0 && Date.parse(status.started_at) <= Date.now());
  assert.match(status.version, /^\d+\./);
  const { disk, ffmpeg, nodes, on_air, viewers, memory, event_loop_p99_ms } = status;
  assert.deepEqual(
    { disk, ffmpeg, nodes, on_air, viewers, memory, event_loop_p99_ms },
    {
      ...{ disk: { free: 1, total: 2 }, ffmpeg: null, nodes: [], on_air: 5, viewers: 6 },
      ...{ memory: { rss: 3 }, event_loop_p99_ms: 4.5 },
    },
  );
});
