// The database goes away or becomes slow: who publishes and who watches must not notice, and the API must say so and not hang. The
// tests wait more than they compute: they run side by side, each with servers of its own.
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, suite, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, closeConnections } from '../conformance/index.ts';
import { readMediaPlaylist } from '../support/collect.ts';
import { makeFlv } from '../support/encoder.ts';
import { type FlvTag, readFlvTags } from '../support/flv-frames.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { ingestUrl, type LiveStream, startServer, type TestServer } from '../support/server.ts';
import { publishTags } from '../support/session-publisher.ts';
import { patience, until } from '../support/until.ts';

const mainOf = (stream: LiveStream): string => stream.playback.hls_url.replace('index.m3u8', 'main.m3u8');

/** How long Postgres is away (L19). */
const AWAY_MS = 60_000;

let tags: FlvTag[];
before(async () => {
  const clip = {
    seconds: 10,
    video: { size: '320x180', kbps: 300, gopS: 1 },
    audio: { rate: 48_000, channels: 2 },
  } as const;
  tags = readFlvTags(await makeFlv(clip));
});
after(closeConnections);

async function ownPostgres(t: TestContext): Promise<TestPostgres> {
  const postgres = await startPostgres();
  t.after(() => postgres.close());
  return postgres;
}

/** A live stream on air with a viewer that polls. `stop` tells what the viewer saw. */
async function onAir(t: TestContext, server: TestServer) {
  const stream = await server.createLiveStream();
  const publisher = publishTags(tags, ingestUrl(stream), { loop: true });
  t.after(() => publisher.socket.destroy());
  await publisher.accepted;
  await until(
    'a playlist with media',
    15_000,
    async () => (await readMediaPlaylist(mainOf(stream))).segments.length > 1,
  );
  const newest = async () => {
    // A broadcast's first segment begins with one.
    const { segments } = await readMediaPlaylist(mainOf(stream));
    return {
      number: segments.at(-1)!.msn,
      discontinuities: segments.slice(1).filter((segment) => segment.discontinuity).length,
    };
  };
  return { stream, publisher, newest };
}

/** One request that must not hang; where it took long, that goes into the report. */
async function request(t: TestContext, server: TestServer, path: string) {
  const began = performance.now();
  const auth = Buffer.from(`${server.tokenId}:${server.secret}`).toString('base64');
  const answer = await fetch(server.publicUrl + path, {
    headers: { authorization: `Basic ${auth}` },
    signal: AbortSignal.timeout(10_000 * patience()),
  });
  const tookMs = Math.round(performance.now() - began);
  if (tookMs > 3000) t.diagnostic(`${path}: ${answer.status} after ${tookMs} ms`);
  return answer;
}

/** The media goes on: three more segments (two seconds each) while `meanwhile` lasts, and no break in them. */
async function watched(
  newest: () => Promise<{ number: number; discontinuities: number }>,
  meanwhile: () => Promise<void>,
) {
  const first = await newest();
  await meanwhile();
  await until('three more segments', 15_000, async () => (await newest()).number >= first.number + 3);
  assert.equal((await newest()).discontinuities, 0);
}

async function says503(t: TestContext, server: TestServer, stream: LiveStream): Promise<void> {
  for (const path of [`/live_streams/${stream._id}`, '/live_streams']) {
    const answer = await request(t, server, path);
    assert.equal(answer.status, 503, path);
    assert.equal(answer.headers.get('retry-after'), '1');
    assert.equal(((await answer.json()) as { statusCode: number }).statusCode, 503);
  }
  assert.equal((await request(t, server, '/health/live')).status, 200, 'L38');
  assert.equal((await request(t, server, '/health/ready')).status, 503, 'L38');
}

/** What the API answers again when the database is back, without a restart. */
const works = (server: TestServer, stream: LiveStream) =>
  until('the API works again', 20_000, async () => (await server.status(stream._id)) === 'online');

/** Passes connections on to Postgres; every answer takes `delayMs`. Counts the connections that are open. */
async function startSlowLink(
  port: number,
  delayMs: () => number,
): Promise<{ port: number; most: () => number; server: Server }> {
  const open = new Set<Socket>();
  let most = 0;
  const server = createServer((client) => {
    const upstream = connectTcp(port, '127.0.0.1');
    open.add(client);
    most = Math.max(most, open.size);
    client.pipe(upstream);
    upstream.on('data', (bytes) => setTimeout(() => client.write(bytes), delayMs()));
    const end = () => {
      open.delete(client);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, most: () => most, server };
}

suite('the database is away', { concurrency: true }, () => {
  test('L19 Postgres stands still, then is gone for a minute: live streams and viewers go on, the API says 503, all recovers by itself', async (t) => {
    const postgres = await ownPostgres(t);
    const env = { LIVEAPI_DATABASE_URL: await postgres.create('l19') };
    const server = await startServer({ env });
    t.after(() => server.close());
    const { stream, publisher, newest } = await onAir(t, server);
    const other = await server.createLiveStream();
    const pid = server.pid;
    try {
      await watched(newest, async () => {
        postgres.freeze();
        // The token was verified a moment ago: what is remembered of it must have been forgotten.
        await delay(1100);
        await says503(t, server, stream);
        await assert.rejects(publishTags(tags, ingestUrl(other)).accepted, 'a new publisher is refused for now');
      });
    } finally {
      postgres.thaw();
    }
    await works(server, stream);
    const first = await newest();
    await postgres.stop();
    const backAtMs = performance.now() + AWAY_MS;
    await until('an answer that the database is away', 10_000, async () => {
      return (await request(t, server, `/live_streams/${stream._id}`)).status === 503;
    });
    while (performance.now() < backAtMs) {
      await watched(newest, () => says503(t, server, stream));
      await delay(5000);
    }
    const { number } = await newest();
    t.diagnostic(`${number - first.number} segments while Postgres was away for ${AWAY_MS / 1000} s`);
    assert.ok(
      number - first.number >= AWAY_MS / 4000,
      'segments of two seconds; half of them would show that it goes on',
    );
    await postgres.start();
    await works(server, stream);
    assert.equal(server.pid, pid);
    assert.ok(!publisher.socket.destroyed, 'one connection from the beginning to the end');
    assert.ok((await postgres.connections()) <= 11, 'it comes back with no more connections than its pool has');
    const late = publishTags(tags, ingestUrl(other), { loop: true });
    t.after(() => late.socket.destroy());
    await late.accepted;
    assert.ok(!server.output().includes(postgres.password), 'the password of the database is in no log');
  });

  test('L19 another program holds the SQLite file: live streams go on, writes are answered with 503, all recovers by itself', async (t) => {
    const server = await startServer();
    t.after(() => server.close());
    const { stream, newest } = await onAir(t, server);
    const other = new DatabaseSync(join(server.dataDir, 'liveapi.db'));
    await watched(newest, async () => {
      other.exec('begin exclusive');
      const asked = Array.from({ length: 8 }, () =>
        ask(`${server.publicUrl}/live_streams`, {
          alone: true,
          method: 'POST',
          headers: { authorization: `Basic ${Buffer.from(`${server.tokenId}:${server.secret}`).toString('base64')}` },
        }),
      );
      for (const { status } of await Promise.all(asked)) assert.equal(status, 503);
    });
    other.exec('rollback');
    other.close();
    await works(server, stream);
    await server.createLiveStream();
  });

  test('L20 two seconds for each answer of the database: media unaffected, few connections, what is asked is answered', async (t) => {
    const postgres = await ownPostgres(t);
    let delayMs = 0;
    const link = await startSlowLink(postgres.port, () => delayMs);
    t.after(() => link.server.close());
    const url = (await postgres.create('l20')).replace(`:${postgres.port}/`, `:${link.port}/`);
    const server = await startServer({ env: { LIVEAPI_DATABASE_URL: url } });
    t.after(() => server.close());
    const { stream, newest } = await onAir(t, server);
    await watched(newest, async () => {
      delayMs = 2000;
      await delay(1100);
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => request(t, server, `/live_streams/${stream._id}`)),
      );
      for (const { status } of answers) assert.ok(status === 200 || status === 503, `${status}`);
    });
    t.diagnostic(`${link.most()} connections at most`);
    assert.ok(link.most() <= 11);
    delayMs = 0;
    await works(server, stream);
  });
});
