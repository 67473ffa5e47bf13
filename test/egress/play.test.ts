import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { Feeds, FlvHttp, Players, RtmpPlayers } from '../../src/egress/index.ts';
import { Player } from '../../src/egress/player.ts';
import { RtmpServer } from '../../src/ingest/rtmp/index.ts';
import { LiveRegistry } from '../../src/live/index.ts';
import { type Child, runChild, startChild } from '../support/child.ts';
import { type Clip, makeFlv } from '../support/encoder.ts';
import { type FlvTag, readFlvTags, type SentFrame, sentFrames } from '../support/flv-frames.ts';
import { ingestUrl, startServer } from '../support/server.ts';
import { playUrl, type SessionPlayer } from '../support/session-player.ts';
import { publishTags } from '../support/session-publisher.ts';
import { until } from '../support/until.ts';

const log = createLogger('silent');
const ID = `lv_${'0'.repeat(31)}1`;
const UNKNOWN = `lv_${'0'.repeat(31)}9`;
const CLIP: Clip = {
  seconds: 3,
  video: { size: '320x180', fps: 25, gopS: 1, bFrames: 2, kbps: 400 },
  audio: { rate: 48_000, channels: 2 },
};
const NGINX_RTMP = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

/** RTMP ingest, players and HTTP-FLV, wired as the app wires them, with keys that are never refused. */
async function station(
  t: TestContext,
  options: {
    maxPlayers?: number;
    reconnectWindowMs?: number;
    wanted?: () => Promise<boolean>;
    mayPlay?: () => Promise<boolean>;
  } = {},
) {
  const { reconnectWindowMs = 100 } = options;
  const registry = new LiveRegistry({ reconnectWindowMs, takeoverAfterMs: 300, log, onBroadcast: () => {} });
  const feeds = new Feeds({ mergeMs: 20, log });
  const players = new Players({
    feeds,
    find: (playbackId) => registry.find(playbackId),
    mayCome: () => options.wanted !== undefined,
    mayPlay: options.mayPlay ?? (async () => true),
    wanted: options.wanted ?? (async () => false),
    maxPlayers: options.maxPlayers ?? 1000,
    log,
  });
  const rtmp = new RtmpServer({
    host: '127.0.0.1',
    port: 0,
    publisherTimeoutMs: 5000,
    maxConnections: 1000,
    maxConnectionsPerAddress: 1000,
    failuresPerMinute: 10,
    players: new RtmpPlayers(players),
    registry,
    log,
    authoriser: {
      authorise: async ({ playbackId }) => ({
        ok: true,
        authorisation: { liveStreamId: playbackId, playbackId, userId: 'user', discontinuities: 0 },
      }),
    },
  });
  await rtmp.start();
  const flv = new FlvHttp({ players, publicUrl: 'https://example.com/media', log });
  const web = http.createServer((req, res) => (flv.handles(req.url!) ? flv.handle(req, res) : res.destroy()));
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    registry.close();
    players.close();
    await rtmp.close();
    web.closeAllConnections();
    web.close();
    assert.equal(feeds.size, 0, 'no feed outlives its consumers');
    assert.equal(players.count, 0);
  });
  const rtmpUrl = (path: string) => `rtmp://127.0.0.1:${rtmp.port}/${path}`;
  const httpUrl = (path: string) => `http://127.0.0.1:${(web.address() as AddressInfo).port}${path}`;
  const publish = async (tags: readonly FlvTag[], how: { loop?: boolean; offsetMs?: number } = {}) => {
    const publisher = publishTags(tags, rtmpUrl(`live/${ID}?password=00000000`), { loop: true, ...how });
    await publisher.accepted;
    return publisher;
  };
  return { registry, feeds, players, rtmp, rtmpUrl, httpUrl, publish };
}

const show = ({ kind, key, hash }: SentFrame): string => `${kind}${key ? '!' : ''} ${hash}`;

/** What was sent in a loop, `rounds` times. */
const source = (tags: readonly FlvTag[], rounds: number): SentFrame[] => {
  const round = sentFrames(tags).frames;
  return Array.from({ length: rounds }, () => round).flat();
};

/** `got` is a piece of `sent` without a gap, of each track (ffmpeg puts them in an order of its own), from a key frame on. */
function assertUnbroken(got: readonly FlvTag[], sent: readonly SentFrame[], what: string): void {
  const { frames, aacConfig, avcConfig } = sentFrames(got);
  assert.ok(frames.length > 30, `${what}: only ${frames.length} frames`);
  assert.ok(aacConfig || avcConfig, `${what} has configurations`);
  if (avcConfig)
    assert.ok(
      frames.find(({ kind }) => kind === 'video')!.key,
      `${what} begins with a key frame: ${frames.slice(0, 4).map(show)}`,
    );
  for (const kind of ['video', 'audio']) {
    const own = frames.filter((frame) => frame.kind === kind);
    const theirs = sent.filter((frame) => frame.kind === kind).map(show);
    const begin = own.length > 0 ? theirs.indexOf(show(own[0]!)) : 0;
    assert.deepEqual(own.map(show), theirs.slice(begin, begin + own.length), `${what}: ${kind}`);
    assert.ok(
      own.every(({ dtsMs }, i) => i === 0 || dtsMs > own[i - 1]!.dtsMs),
      `${what}: ${kind} times rise`,
    );
  }
}

async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'liveapi-play-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** nginx-rtmp pulls `url` as soon as it has started, and records what comes. */
async function startNginx(folder: string, url: string): Promise<Child> {
  const config = `load_module ${NGINX_RTMP};
user root; daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 64; }
rtmp { server { listen unix:${folder}/rtmp; application copy { live on; record all; record_path ${folder}; pull ${url} name=copy static; } } }
`;
  await writeFile(join(folder, 'nginx.conf'), config);
  return startChild('nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder]);
}

const record = (input: string, output: string): Child =>
  startChild('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-i', input, '-c', 'copy', '-f', 'flv', output]);

test('G02 our client, ffmpeg, nginx-rtmp and HTTP-FLV get what was published, from a key frame on, up to the end', async (t) => {
  const { registry, players, rtmpUrl, httpUrl, publish } = await station(t);
  const folder = await scratch(t);
  const tags = readFlvTags(await makeFlv(CLIP));
  const publisher = await publish(tags);
  const first = playUrl(rtmpUrl(`live/${ID}`));
  await first.untilTags(10);
  // Whoever comes later begins at once, with the GOP that is in the cache.
  const second = playUrl(rtmpUrl(ID));
  await second.playing;
  const nginx = await startNginx(folder, rtmpUrl(`static/${ID}`));
  t.after(() => nginx.stop());
  const [viaRtmp, viaHttp] = [join(folder, 'rtmp.flv'), join(folder, 'http.flv')];
  const ffmpegs = [record(rtmpUrl(`live/${ID}?a=b`), viaRtmp), record(httpUrl(`/media/live/${ID}.flv`), viaHttp)];
  await until('all five play', 10_000, () => players.count === 5);
  assert.equal(players.audience(ID).players, 5);
  await first.untilTags(first.tags.length + 120);
  await publisher.stop();
  const ends = await Promise.all([first.ended, second.ended]);
  for (const end of ends) assert.equal(end?.kind, 'ended', 'the end of the broadcast is told');
  for (const ffmpeg of ffmpegs) assert.deepEqual([(await ffmpeg.ended).code, ffmpeg.stderr()], [0, '']);
  await until('all have left', 5000, () => players.count === 0);
  await nginx.stop('SIGTERM');
  assert.equal(registry.size, 0);
  const viaNginx = (await readdir(folder)).find((name) => name.startsWith('copy'))!;
  const results: [string, readonly FlvTag[]][] = [
    ['our client', first.tags],
    ['our second client', second.tags],
    ['nginx-rtmp', readFlvTags(join(folder, viaNginx))],
    ['ffmpeg by RTMP', readFlvTags(viaRtmp)],
    ['ffmpeg by HTTP-FLV', readFlvTags(viaHttp)],
  ];
  const sent = source(tags, 10);
  const lastOf = (of: readonly FlvTag[], kind: string) =>
    sentFrames(of).frames.findLast((frame) => frame.kind === kind)?.hash;
  for (const [what, got] of results) {
    assertUnbroken(got, sent, what);
    for (const kind of ['video', 'audio']) assert.equal(lastOf(got, kind), lastOf(first.tags, kind), `${what}'s end`);
  }
  const { width, height, videocodecid, audiocodecid, stereo } = second.metadata()!;
  assert.deepEqual([width, height, videocodecid, audiocodecid, stereo], [320, 180, 7, 10, true]);
  assert.equal(second.metadata()!.liveapi_via, ID, 'who takes it in again finds a loop');
  assert.ok(players.bytesOut > 5 * 50_000 && players.dropped === 0);
});

test('G01 50 players, of which 10 read nothing or next to nothing: the others lose no frame, and memory is bounded', async (t) => {
  const { feeds, players, rtmpUrl, publish } = await station(t);
  const tags = readFlvTags(await makeFlv({ ...CLIP, video: { ...CLIP.video, size: '640x360', kbps: 6000 } }));
  const publisher = await publish(tags);
  const good = Array.from({ length: 40 }, () => playUrl(rtmpUrl(`live/${ID}`)));
  const bad = Array.from({ length: 10 }, () => playUrl(rtmpUrl(`live/${ID}`)));
  await Promise.all([...good, ...bad].map(({ playing }) => playing));
  for (const [i, { socket }] of bad.entries()) {
    socket.pause();
    // 1 kB/s: what node has read meanwhile comes with the first.
    if (i < 5) t.after(() => clearInterval(timer));
    const timer = setInterval(() => i < 5 && socket.read(1024), 1000);
    if (i >= 5) clearInterval(timer);
  }
  await good[0]!.untilTags(200);
  const longest = Math.max(...good.map((player) => player.tags.length));
  await Promise.all(good.map((player) => player.untilTags(longest)));
  const sent = source(tags, 10);
  for (const [i, player] of good.entries()) assertUnbroken(player.tags, sent, `player ${i}`);
  assert.equal(players.count, 50);
  assert.ok(feeds.bytes < 34e6, `${feeds.bytes} bytes in the feed`);
  assert.equal(feeds.size, 1, 'all read the same bytes');
  await publisher.stop();
});

test('a player that does not read is cut after 20 s, one that loses frames for a minute too', () => {
  let cut = '';
  let dropping = 0;
  const cursor = {
    next: () => ({ bytes: Buffer.alloc(10), startMs: 0, endMs: 0, key: true, configs: false, video: 1, audio: 0 }),
    restarts: false,
    head: () => Buffer.alloc(0),
    metadata: () => ({}),
    dropped: 7,
    droppingMs: () => dropping,
    dueInMs: () => 0,
    held: { bytes: 0 },
    rewind: () => {},
    ended: false,
    close: () => {},
  };
  const sink = {
    id: 'player',
    write: () => false,
    metadata: () => Buffer.alloc(0),
    end: () => {},
    cut: (reason: string) => {
      cut = reason;
    },
  };
  const player = new Player(
    sink,
    () => cursor,
    () => {},
  );
  player.pump();
  const now = performance.now();
  assert.equal(player.bytesOut, 10, 'nothing is written to a full socket');
  player.pump();
  assert.deepEqual([player.bytesOut, player.failure(now + 19_000)], [10, null]);
  assert.equal(player.failure(now + 20_100), 'stalled');
  player.drained();
  assert.deepEqual([player.bytesOut, player.failure(now + 19_000)], [20, null]);
  dropping = 60_001;
  assert.equal(player.failure(now), 'too_slow');
  player.cut('too_slow');
  player.drained();
  assert.deepEqual([cut, player.bytesOut], ['too_slow', 20]);
});

test('G08 a player stays while the encoder is away, and its time goes on', async (t) => {
  const { registry, rtmpUrl, httpUrl, publish } = await station(t, { reconnectWindowMs: 20_000 });
  const tags = readFlvTags(await makeFlv(CLIP));
  const publisher = await publish(tags);
  const player = playUrl(rtmpUrl(`live/${ID}`));
  await player.untilTags(40);
  publisher.socket.resetAndDestroy();
  await until('the encoder is gone', 5000, () => !registry.isOnline(ID), 5);
  const before = player.tags.length;
  // Who comes meanwhile is answered at once, and waits.
  const waiting = await fetch(httpUrl(`/live/${ID}.flv`));
  assert.equal(waiting.status, 200);
  const again = await publish(tags, { offsetMs: 500_000 });
  await player.untilTags(before + 60);
  const reader = waiting.body!.getReader();
  assert.equal(Buffer.from((await reader.read()).value!).toString('latin1', 0, 3), 'FLV');
  registry.close();
  while (!(await reader.read()).done);
  assert.equal((await player.ended)?.kind, 'ended');
  await again.closed;
  const sent = source(tags, 10);
  const restart = player.tags.findIndex(({ body }, i) => i >= 40 && body[1] === 0);
  assert.ok(restart >= 40, 'configurations are sent again');
  assertUnbroken(player.tags.slice(0, restart), sent, 'before');
  assertUnbroken(player.tags.slice(restart), sent, 'after');
  assert.equal(sentFrames(player.tags.slice(restart)).frames[0]!.hash, sent[0]!.hash, 'from the first frame on');
  const [last, next] = [player.tags[restart - 1]!.timestampMs, player.tags[restart]!.timestampMs];
  assert.ok(next > last && next < last + 20_000, `${last} to ${next}`);
});

test('audio alone and video alone play', async (t) => {
  const plays = async (clip: Clip) => {
    const { rtmpUrl, httpUrl, publish } = await station(t);
    const tags = readFlvTags(await makeFlv(clip));
    const publisher = await publish(tags);
    const player = playUrl(rtmpUrl(`live/${ID}`));
    await player.untilTags(60);
    const response = await fetch(httpUrl(`/live/${ID}.flv`));
    assert.deepEqual(
      [response.status, response.headers.get('content-type'), response.headers.get('access-control-allow-origin')],
      [200, 'video/x-flv', '*'],
    );
    const reader = response.body!.getReader();
    const { value } = await reader.read();
    assert.deepEqual([...value!.subarray(0, 5)], [0x46, 0x4c, 0x56, 1, clip.video ? 1 : 4]);
    assert.ok(
      Buffer.from(value!).includes(`liveapi_via\x02\0${String.fromCharCode(ID.length)}${ID}`),
      'its way is told',
    );
    await publisher.stop();
    while (!(await reader.read()).done);
    await player.ended;
    assertUnbroken(player.tags, source(tags, 10), clip.video ? 'video' : 'audio');
  };
  await Promise.all([plays({ seconds: 2, audio: CLIP.audio! }), plays({ seconds: 2, video: CLIP.video! })]);
});

test('what is not on air is not found, waits for a pull, and nobody gets in when all places are taken', async (t) => {
  const pulled = Promise.withResolvers<boolean>();
  let asked = 0;
  const { players, rtmpUrl, httpUrl, publish } = await station(t, {
    maxPlayers: 2,
    wanted: () => (++asked > 2 ? Promise.resolve(false) : pulled.promise),
  });
  const tags = readFlvTags(await makeFlv(CLIP));
  const early = playUrl(rtmpUrl(`live/${ID}`));
  const gone = playUrl(rtmpUrl(`live/${ID}`));
  await until('both are waited for', 5000, () => asked === 2, 5);
  assert.ok(players.full, 'those who wait have places too');
  gone.close();
  const publisher = await publish(tags);
  pulled.resolve(true);
  await early.untilTags(20);
  await until('one plays', 5000, () => players.count === 1);

  const lost = await playUrl(rtmpUrl(`live/${UNKNOWN}`)).ended;
  assert.deepEqual([lost?.kind, lost?.code], ['not_found', 'NetStream.Play.StreamNotFound']);
  assert.equal((await playUrl(rtmpUrl('live/nothing')).ended)?.kind, 'not_found');
  const answer = async (path: string, method = 'GET') => {
    const response = await fetch(httpUrl(path), { method });
    const { status, headers } = response;
    return [status, headers.get('access-control-allow-origin'), await response.text()];
  };
  assert.deepEqual(await answer(`/live/${UNKNOWN}.flv`), [404, '*', 'Not found\n']);
  assert.deepEqual(await answer(`/live/..%2f${ID}.flv`), [404, '*', 'Not found\n']);
  assert.deepEqual(await answer(`/live/${ID}.flv`, 'HEAD'), [200, '*', '']);
  assert.deepEqual(await answer(`/live/${ID}.flv`, 'OPTIONS'), [204, '*', '']);
  assert.deepEqual(await answer(`/live/${ID}.flv`, 'POST'), [405, '*', 'Method not allowed\n']);

  // One whose connection breaks while it is told that it plays has no place.
  let [accepted, broken] = [false, () => {}];
  const never = () => assert.fail('nothing is written to it');
  new RtmpPlayers(players).play(
    { playbackId: ID, query: '' },
    {
      id: 'broken',
      accept: () => {
        accepted = true;
        broken();
      },
      notFound: never,
      refuse: never,
      end: never,
      write: never,
      onDrain: () => {},
      onClose: (callback) => {
        broken = callback;
      },
      close: never,
    },
  );
  await until('it was accepted', 5000, () => accepted);
  assert.equal(players.count, 1);

  const second = playUrl(rtmpUrl(`live/${ID}`));
  await second.playing;
  await until('both places are taken', 5000, () => players.full);
  const third = await playUrl(rtmpUrl(`live/${ID}`)).ended;
  assert.deepEqual([third?.kind, third?.code], ['refused', 'NetStream.Play.Failed']);
  assert.deepEqual(await answer(`/live/${ID}.flv`), [503, '*', 'Not available now\n']);
  second.close();
  await until('a place is free', 5000, () => !players.full);
  await publisher.stop();
});

test('the server plays what its pull URLs say, and counts who plays', async (t) => {
  const server = await startServer();
  t.after(() => server.close());
  const stream = await server.createLiveStream();
  const publisher = publishTags(readFlvTags(await makeFlv(CLIP)), ingestUrl(stream), { loop: true });
  await publisher.accepted;
  const playbackId = stream.ingest.key.replace(/\?.*/, '');
  const players: SessionPlayer[] = [`live/${playbackId}`, playbackId].map((path) =>
    playUrl(`rtmp://127.0.0.1:${server.rtmpPort}/${path}`),
  );
  for (const player of players) await player.untilTags(20);
  // Joined in the middle, it is picture and sound, and nothing else.
  for (const url of [
    `rtmp://127.0.0.1:${server.rtmpPort}/${playbackId}`,
    `${server.publicUrl}/live/${playbackId}.flv`,
  ]) {
    const kinds = await runChild('ffprobe', [
      '-v',
      'error',
      '-analyzeduration',
      '2000000',
      '-show_entries',
      'stream=codec_type',
      '-of',
      'csv=p=0',
      url,
    ]);
    assert.deepEqual(kinds.trim().split('\n').sort(), ['audio', 'video']);
  }
  const [response] = (await once(
    http.get(`${server.publicUrl}/live/${playbackId}.flv`, { agent: false }),
    'response',
  )) as [http.IncomingMessage];
  const [begin] = (await once(response, 'data')) as [Buffer];
  assert.equal(begin.toString('latin1', 0, 3), 'FLV');
  await until('the three are counted', 5000, async () => {
    const stats = await server.api<{ viewers: number }>('GET', `/live_streams/${stream._id}/stats`);
    return stats.viewers === 3;
  });
  const metrics = await (await fetch(`${server.publicUrl}/metrics`)).text();
  assert.match(metrics, /^liveapi_players 3$/m);
  assert.match(metrics, /^liveapi_player_bytes_total [1-9]\d*$/m);
  await server.api('PATCH', `/live_streams/${stream._id}`, { enabled: false });
  for (const player of players) assert.equal((await player.ended)?.kind, 'ended', 'a command ends players too');
  await publisher.closed;
});
