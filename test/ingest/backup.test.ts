import assert from 'node:assert/strict';
import net from 'node:net';
import { after, test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { ClientSession } from '../../src/formats/rtmp/index.ts';
import { RtmpServer } from '../../src/ingest/rtmp/index.ts';
import { type BroadcastEvent, LiveRegistry, type Publisher, type Reader, VIA_NAME } from '../../src/live/index.ts';
import { makeFlv } from '../support/encoder.ts';
import { frameHash, readFlvTags, sentFrames } from '../support/flv-frames.ts';
import { publishTags } from '../support/session-publisher.ts';
import { until } from '../support/until.ts';

const PRIMARY = 'password=primary0';
const BACKUP = 'password=backup00';
const STREAM = '0123456789abcdef01234567';
const KEY = `lv_${'0'.repeat(31)}1`;
const log = createLogger('silent');

/** What came out of a broadcast, as its readers see it. */
interface Piece {
  readonly run: number;
  readonly startedAtMs: number;
  readonly frames: { readonly kind: string; readonly key: boolean; readonly hash: string }[];
}

async function ingest() {
  const runs: Piece[] = [];
  const told: BroadcastEvent[] = [];
  const reader: Reader = {
    name: 'test',
    onRun: ({ number, startedAtMs }) => runs.push({ run: number, startedAtMs, frames: [] }),
    onPacket: ({ track, key, data }) => runs.at(-1)!.frames.push({ kind: track.kind, key, hash: frameHash(data) }),
    onPause: () => {},
    onEnd: () => {},
  };
  const registry = new LiveRegistry({
    reconnectWindowMs: 60_000,
    takeoverAfterMs: 300,
    log,
    onEvent: (event) => told.push(event),
    onBroadcast: (broadcast) => broadcast.addReader(reader),
  });
  const server = new RtmpServer({
    host: '127.0.0.1',
    port: 0,
    publisherTimeoutMs: 20_000,
    maxConnections: 100,
    maxConnectionsPerAddress: 50,
    failuresPerMinute: 10,
    registry,
    log,
    authoriser: {
      authorise: async ({ playbackId, password }) => ({
        ok: true,
        authorisation: {
          liveStreamId: STREAM,
          playbackId,
          userId: 'user',
          discontinuities: 0,
          priority: BACKUP.endsWith(password) ? 1 : 0,
        },
      }),
    },
  });
  await server.start();
  after(async () => {
    registry.close();
    await server.close();
  });
  const url = `rtmp://127.0.0.1:${server.port}/static/${KEY}`;
  return { server, registry, runs, told, url };
}

test('two encoders: the backup takes over a silent primary from its last key frame, with one run, and gives back', async () => {
  const [one, other] = await Promise.all(
    ['testsrc2', 'testsrc'].map(async (source) =>
      readFlvTags(
        await makeFlv({
          seconds: 4,
          video: { source, size: '320x180', fps: 25, gopS: 1 },
          audio: { rate: 48_000, channels: 1 },
        }),
      ),
    ),
  );
  const hashes = (tags: typeof one) => new Set(sentFrames(tags!).frames.map(({ hash }) => hash));
  const [ofPrimary, ofBackup] = [hashes(one), hashes(other)];
  const { registry, runs, told, url } = await ingest();
  const primary = publishTags(one!, `${url}?${PRIMARY}`, { loop: true });
  await primary.accepted;
  const backup = publishTags(other!, `${url}?${BACKUP}`, { loop: true });
  await backup.accepted;
  // The backup has sent a whole group.
  await until('the primary is on air', 15_000, () => (runs[0]?.frames.length ?? 0) > 100);

  primary.fallSilent();
  await until('the backup is on air', 15_000, () => runs.length === 2 && runs[1]!.frames.length > 0);
  const first = runs[1]!.frames[0]!;
  assert.ok(
    first.kind === 'video' && first.key && ofBackup!.has(first.hash),
    'it begins with a key frame of the backup',
  );
  assert.ok(runs[1]!.startedAtMs <= Date.now());
  const stats = registry.stats(STREAM)!;
  assert.deepEqual([stats.active, stats.standby?.protocol], ['backup', 'rtmp']);
  assert.deepEqual([primary.socket.closed, backup.socket.closed], [false, false], 'encoders see nothing of it');

  // The encoder starts anew while its dead connection still hangs: it gets its place, and the live stream back.
  const again = publishTags(one!, `${url}?${PRIMARY}`, { loop: true, offsetMs: 1000 });
  await again.accepted;
  await primary.closed;
  await until('it has been given back', 15_000, () => runs.length === 3 && runs[2]!.frames.length > 20);
  const begin = runs[2]!.frames.find(({ kind }) => kind === 'video')!;
  assert.ok(begin.key && ofPrimary!.has(begin.hash));
  // The primary stops in order: no window, no gap.
  await again.stop();
  await until('the backup again', 15_000, () => runs.length === 4 && runs[3]!.frames.length > 20);
  await backup.stop();
  await until('nobody is left', 15_000, () => !registry.isOnline(STREAM));

  for (const [i, { frames }] of runs.entries()) {
    const wrong = i % 2 ? ofPrimary! : ofBackup!;
    const own = i % 2 ? ofBackup! : ofPrimary!;
    assert.ok(
      frames.every(({ hash }) => own.has(hash)),
      `run ${i} is of one encoder`,
    );
    assert.ok(frames.some(({ hash }) => !wrong.has(hash)));
  }
  assert.deepEqual(
    told.flatMap((event) =>
      event.kind === 'publisher_switched'
        ? [`${event.active} ${event.reason}`]
        : event.kind === 'warning'
          ? []
          : [event.kind],
    ),
    ['connected', 'backup silent', 'primary gave_back', 'backup stopped', 'reconnecting'],
  );
});

test('the way of the media is kept, and one that leads back to its own live stream is refused', async () => {
  const { server, registry, url } = await ingest();
  const publish = (via: unknown) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = net.connect({ port: server.port, host: '127.0.0.1' });
    const session: ClientSession = new ClientSession(
      { app: 'static', tcUrl: 'rtmp://127.0.0.1/static', streamName: `${KEY}?${PRIMARY}` },
      {
        send: (bytes) => socket.write(bytes),
        published: () => session.sendMetadata({ width: 1280, [VIA_NAME]: via as string }),
        refused: (code, description) => resolve(`${code} ${description}`),
      },
    );
    socket.on('connect', () => session.start());
    socket.on('data', (bytes) => session.receive(bytes));
    socket.on('error', () => {}); // 'close' follows
    return { socket, refused: promise, closed: new Promise((done) => socket.on('close', done)) };
  };
  const others = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(24));
  const broadcast = () => [...registry.broadcasts()][0];
  for (const via of [`${others[0]},${STREAM}`, STREAM, others.join()]) {
    const one = publish(via);
    assert.match(await one.refused, /^NetStream\.Publish\.Denied This stream comes from itself/);
    await one.closed;
    assert.equal(registry.isOnline(STREAM), false);
  }
  assert.equal(server.refused.loop, 3);
  const one = publish(`${others[0]}, ${others[1]},no id`);
  await until('the way is known', 15_000, () => broadcast()!.via.length > 0);
  assert.deepEqual(broadcast()!.via, others.slice(0, 2));
  one.socket.destroy();
  await until('it is gone', 15_000, () => !registry.isOnline(STREAM));
  assert.deepEqual(broadcast()!.via, []);
  // A pull that does not yield keeps encoders out, and they are told why.
  const pull: Publisher = {
    id: 'pull',
    protocol: 'pull-hls',
    yields: false,
    remoteAddress: '192.0.2.1',
    lastDataMs: 0,
    bytesReceived: 0,
    closed: false,
    close: () => {},
  };
  const authorisation = { liveStreamId: STREAM, playbackId: KEY, userId: 'user', discontinuities: 0 };
  assert.ok((await registry.claim(authorisation, pull, registry.ticket())).ok);
  await assert.rejects(publishTags([], `${url}?${PRIMARY}`).accepted, /BadName: A pull feeds this live stream/);
});
