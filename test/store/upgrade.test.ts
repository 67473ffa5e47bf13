// An upgrade and the way back, with a server of an earlier version out of this repository's history: both work on one Postgres.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { Webhook } from 'standardwebhooks';
import { ask, closeConnections } from '../conformance/index.ts';
import { readMediaPlaylist } from '../support/collect.ts';
import { readFlvTags } from '../support/flv-frames.ts';
import { startPostgres } from '../support/postgres.ts';
import { ingestUrl, type LiveStream, startServer, type TestServer } from '../support/server.ts';
import { publishTags } from '../support/session-publisher.ts';
import { until } from '../support/until.ts';

/** The first version that any number of processes may share a Postgres with: since then each step of the schema must keep to L37. */
const EARLIER = '31138fda3a0c';

const root = fileURLToPath(new URL('../..', import.meta.url));
const sh = (script: string) => spawnSync('sh', ['-c', script], { cwd: root, encoding: 'utf8' });

/** The earlier version in a folder of its own, with the packages of today. Null where the history is not at hand. */
function earlierVersion(): string | null {
  const there = () => sh(`git cat-file -e ${EARLIER}^{commit}`).status === 0;
  // A shallow clone has none of it, but mostly a way to it.
  if (!there()) sh('git fetch --quiet --unshallow');
  if (!there()) return null;
  const folder = mkdtempSync(join(tmpdir(), 'liveapi-earlier-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const { status, stderr } = sh(`git archive ${EARLIER} -- . ':!test' | tar -x -C ${folder}`);
  assert.equal(status, 0, stderr);
  for (const name of ['node_modules', 'dist']) symlinkSync(join(root, name), join(folder, name));
  return folder;
}

/** Takes webhooks, checks their signatures, and keeps them by id. */
async function receiver() {
  const events = new Map<string, { readonly event: string; readonly number: number; readonly times: number }>();
  const endpoint = { url: '', secret: '' };
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    const { id, event, number } = new Webhook(endpoint.secret).verify(
      body,
      request.headers as Record<string, string>,
    ) as { id: string; event: string; number: number };
    events.set(id, { event, number, times: (events.get(id)?.times ?? 0) + 1 });
    response.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  after(() => server.close());
  endpoint.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  return { endpoint, events };
}

const tags = readFlvTags('src/cli/clip/demo.flv');

/** Publishes to that server, and reads from it. The live stream may have been made by the other. */
async function broadcast(t: TestContext, server: TestServer, stream: LiveStream) {
  const key = { ...stream.ingest, server: `rtmp://127.0.0.1:${server.rtmpPort}/live` };
  const publisher = publishTags(tags, ingestUrl({ ...stream, ingest: key }), { loop: true });
  t.after(() => publisher.socket.destroy());
  await publisher.accepted;
  const main = `${server.publicUrl}${new URL(stream.playback.hls_url).pathname.replace('index.m3u8', 'main.m3u8')}`;
  const newest = async () => (await readMediaPlaylist(main)).segments.at(-1)?.msn;
  const first = await until('it plays', 15_000, newest);
  return {
    publisher,
    /** Three segments more than at the start, the first run still, from one connection. */
    async goesOn() {
      await until('three more segments', 20_000, async () => (await newest())! >= first + 3);
      const { segments } = await readMediaPlaylist(main);
      assert.ok(!segments.slice(1).some(({ discontinuity }) => discontinuity));
      assert.ok(!publisher.socket.destroyed);
    },
  };
}

test(`L37 ${EARLIER} and this version on one Postgres: upgrade, side by side, back, upgrade again`, async (t) => {
  const source = earlierVersion();
  if (!source) return t.skip(`${EARLIER} is not in this clone: \`git fetch --unshallow\` brings the history`);
  const postgres = await startPostgres();
  t.after(() => postgres.close());
  const databaseUrl = await postgres.create('l37');
  const env = {
    LIVEAPI_DATABASE_URL: databaseUrl,
    LIVEAPI_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    LIVEAPI_OUTBOUND_ALLOW: '127.0.0.0/8',
    LIVEAPI_WEBHOOK_ALLOW_HTTP: 'true',
  };
  const query = async <T>(sql: string) => {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    return (await client.query(sql).finally(() => client.end())).rows as T[];
  };
  const steps = async () => (await query<{ name: string }>('select name from kysely_migration')).length;
  /** Until every process has looked at who else lives: whoever is taken for dead loses what it holds. */
  const beaten = async (nodes: number) => {
    const beats = () => query<{ id: string; beat: string }>('select id, beat from nodes');
    const before = new Map((await beats()).map(({ id, beat }) => [id, Number(beat)]));
    assert.equal(before.size, nodes);
    await until('a beat of each process', 30_000, async () =>
      (await beats()).every(({ id, beat }) => Number(beat) >= before.get(id)! + 1),
    );
  };

  const old = await startServer({ env, source });
  t.after(() => old.close());
  t.after(closeConnections);
  const stepsBefore = await steps();
  const { endpoint, events } = await receiver();
  Object.assign(endpoint, await old.api('POST', '/webhook_endpoints', { url: endpoint.url }));
  const first = await old.createLiveStream({ name: 'made before' });
  const onOld = await broadcast(t, old, first);

  const today = await startServer({ env, beside: old });
  t.after(() => today.close());
  t.diagnostic(`${stepsBefore} steps of the schema before, ${await steps()} after`);
  assert.ok((await steps()) > stepsBefore, 'today knows a step that the earlier version does not');

  await t.test('side by side', async () => {
    assert.equal((await today.api('GET', `/live_streams/${first._id}`)).ingest.key, first.ingest.key);
    assert.equal((await old.api('PATCH', `/live_streams/${first._id}`, { name: 'by the old' })).name, 'by the old');
    assert.equal((await today.api('GET', `/live_streams/${first._id}`)).name, 'by the old');
    const settings = { abr: true, pulling_mode: { enabled: false, url: 'rtmp://127.0.0.1:9998/app/key' } };
    const second = await today.createLiveStream({ name: 'made by today', settings });
    assert.equal((await old.api('GET', `/live_streams/${second._id}`)).ingest.key, second.ingest.key);
    await old.api('PATCH', `/live_streams/${second._id}`, { settings: { abr: false } });
    await today.api('PATCH', `/live_streams/${second._id}`, { name: 'by today' });
    assert.equal((await old.api('GET', `/live_streams/${second._id}`)).name, 'by today');
    const platform = { name: 'Tube', server: 'rtmp://127.0.0.1:9999/live', key: 'abc-def', enabled: false };
    for (const [one, other] of [
      [old, today],
      [today, old],
    ] as const) {
      await one.api('POST', `/live_streams/${second._id}/platforms`, platform);
      const { platforms } = await other.api<{ platforms: { server: string }[] }>('GET', `/live_streams/${second._id}`);
      assert.equal(platforms.at(-1)!.server, platform.server);
    }
    const ended = [await broadcast(t, old, second), await broadcast(t, today, await old.createLiveStream())];
    await beaten(2);
    for (const one of [onOld, ...ended]) await one.goesOn();
    for (const { publisher } of ended) await publisher.stop();
  });

  await t.test('and back', async () => {
    await today.stop();
    await onOld.goesOn();
    await onOld.publisher.stop();
    await old.restart();
    assert.equal((await old.api('GET', `/live_streams/${first._id}`)).name, 'by the old');
    const third = await old.createLiveStream({ name: 'made after the way back' });
    const again = await broadcast(t, old, third);
    await today.restart();
    assert.equal((await today.api('GET', `/live_streams/${third._id}`)).ingest.key, third.ingest.key);
    await today.api('DELETE', `/live_streams/${first._id}`);
    await beaten(2);
    await again.goesOn();
    await again.publisher.stop();
  });

  await t.test('every event is told once, whoever wrote it and whoever sends it', async () => {
    await until('the last event', 20_000, () => [...events.values()].some(({ event }) => event === 'stream-removed'));
    const newest = async () => (await today.api<{ last_number: number }>('GET', '/events?limit=1')).last_number;
    const complete = () => [...events.values()].map(({ number }) => number).sort((a, b) => a - b);
    await until('all events', 30_000, async () => complete().at(-1) === (await newest()) && complete());
    const numbers = complete();
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => numbers[0]! + i),
    );
    t.diagnostic(`${events.size} events told`);
    assert.deepEqual(
      [...events.values()].filter(({ times }) => times > 1),
      [],
    );
  });
  for (const server of [old, today]) assert.equal((await ask(`${server.publicUrl}/health/ready`)).status, 200);
});
