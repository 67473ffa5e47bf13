// What a source sends is bounded in bytes, in things and in the work of one turn, whatever its bytes say.
import assert from 'node:assert/strict';
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { Fmp4Demuxer, writeInit, writePart } from '../../src/formats/fmp4/index.ts';
import { HlsMedia } from '../../src/ingest/pull/hls-media.ts';
import { isMultivariant, readPlaylist } from '../../src/ingest/pull/hls-playlist.ts';
import { hlsSource } from '../../src/ingest/pull/hls-source.ts';
import { Pulls } from '../../src/ingest/pull/index.ts';
import { Pacer } from '../../src/ingest/pull/pacer.ts';
import { targetOf } from '../../src/ingest/pull/rtmp-source.ts';
import { rtspInput } from '../../src/ingest/pull/rtsp.ts';
import { type AudioTrack, type Packet, parseAacConfig } from '../../src/media/index.ts';
import { createOutbound } from '../../src/outbound/index.ts';
import { startRtmpReceiver } from '../support/bad-rtmp-server.ts';
import { runChild } from '../support/child.ts';
import { makeFlv } from '../support/encoder.ts';
import { until } from '../support/until.ts';
import { startPullStation } from './pull-station.ts';
import { pull, serve } from './pulled-source.ts';
import { startRtspServer } from './scripted-rtsp.ts';

const config = parseAacConfig(Buffer.from([0x11, 0x90]));
const track: AudioTrack = { kind: 'audio', codec: 'aac', timescale: 48_000, config };
const frame = (ms: number, data = Buffer.alloc(1)): Packet => ({ track, dts: ms * 48, pts: ms * 48, key: true, data });
const notices = { unsupported: () => {}, dropped: () => {} };
const media = () => new HlsMedia(notices, async (work) => work());

test('S74 the pacer: lanes of 100,000 packets are merged, held back by their number, and released in order', async () => {
  const released: Packet[] = [];
  const pacer = new Pacer((packet) => released.push(packet));
  const [one, two] = [pacer.lane(), pacer.lane()];
  const packets = Array.from({ length: 100_000 }, (_, index) => frame(index / 100));
  one(packets);
  two(packets);
  let room = false;
  void pacer.room(60_000).then(() => {
    room = true;
  });
  await until('some are released', 5000, () => released.length > 500);
  assert.equal(room, false, 'there are too many, however short they are');
  assert.ok(
    released.every(({ dts }, index) => index === 0 || dts >= released[index - 1]!.dts),
    'in the order of their times',
  );
  pacer.close();
  assert.ok(released.length < 100_000);
});

test('G12 a lane that has nothing to give does not hold the others', async () => {
  const released: Packet[] = [];
  const pacer = new Pacer((packet) => released.push(packet));
  const [picture, sound] = [pacer.lane(), pacer.lane()];
  picture([frame(0), frame(5)]);
  assert.equal(released.length, 0);
  sound([]);
  await until('the picture goes on', 5000, () => released.length === 2);
  pacer.close();
});

test('S74 segments of more frames than a segment has, and frames that share their bytes, are none', async () => {
  const adts = Buffer.from([0xff, 0xf1, 0x4c, 0x80, 0x01, 0x1f, 0xfc, 0]);
  const frames = (count: number) => Buffer.concat(Array.from({ length: count }, () => adts));
  assert.equal((await media().read(frames(5000), true)).length, 5000);
  await assert.rejects(media().read(frames(100_000), true), { code: 'media_invalid' });

  const packets = Array.from({ length: 40 }, (_, index) => frame((index * 64) / 3, Buffer.alloc(200, index)));
  const samples = { decodeTime: 0, packets, endDts: 40 * 1024 };
  const part = writePart({ sequence: 1, video: null, audio: samples });
  const demuxer = new Fmp4Demuxer(notices);
  demuxer.init(writeInit({ audio: track }));
  assert.equal(demuxer.media(part).length, 40);
  const moof = part.subarray(0, part.indexOf('mdat') - 4);
  // The first fragment points to where the second one's data is, and into it.
  assert.throws(() => demuxer.media(Buffer.concat([moof, part])), { code: 'media_invalid', message: /overlap/ });

  const free = Buffer.alloc(1 << 20);
  free.writeUInt32BE(free.length);
  free.write('free', 4);
  const reader = media();
  reader.map(writeInit({ audio: track }));
  const read = await reader.read(Buffer.concat([part, free]), true);
  assert.deepEqual([read.length, read.every(({ data }) => data.buffer.byteLength < free.length)], [40, true]);
});

test('S74 playlists: durations that nobody waits for, endless lists, answers that do not block, crumbs', async () => {
  const head = '#EXTM3U\n#EXT-X-TARGETDURATION:3000000\n';
  const read = readPlaylist(Buffer.from(`${head}#EXTINF:1,\na.ts\n`));
  assert.ok(!isMultivariant(read) && read.targetDurationS === 60);
  assert.throws(() => readPlaylist(Buffer.from(head + '#EXTINF:1,\na.ts\n'.repeat(20_000))), /more than 25000 lines/);

  let loads = 0;
  const empty = Buffer.concat(Array.from({ length: 10 }, () => Buffer.from('471fff10'.padEnd(376, 'f'), 'hex')));
  const web = await serve((path, _request, response) => {
    if (path === '/crumbs') {
      let left = 3000;
      const crumb = () => void (response.write('#') && --left > 0 ? setImmediate(crumb) : response.end());
      crumb();
      return null;
    }
    if (path === '/a.ts') return empty;
    // Always something new.
    const items = Array.from({ length: ++loads }, () => '#EXTINF:1,\na.ts\n').join('');
    if (loads === 20) return `${head}#EXT-X-ENDLIST\n`;
    return `${head}#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n#EXT-X-PART-INF:PART-TARGET=0.000001\n${items}`;
  });
  const startMs = performance.now();
  assert.equal((await pull(hlsSource, `${web.url}/live`)).end.code, 'source_ended');
  assert.ok(performance.now() - startMs > 19 * 45, 'there is a pause between two of them');
  const { end } = await pull(hlsSource, `${web.url}/crumbs`);
  assert.deepEqual([end.code, /crumbs/.test(end.message)], ['bad_answer', true], end.message);
});

test('S70 without file descriptors ffmpeg is not started, and nothing else ends', async () => {
  const script = `
    import { openSync } from 'node:fs';
    import { createLogger } from './src/base/index.ts';
    import { Ffmpeg } from './src/ingest/pull/ffmpeg.ts';
    const ffmpeg = new Ffmpeg({ max: 2, log: createLogger('silent') });
    await ffmpeg.installed();
    for (;;) try { openSync('/dev/null'); } catch { break; }
    const job = { protocols: ['file'], input: ['-i', '/dev/null'] };
    const error = await ffmpeg.start(job, { data() {}, ended() {} }, new AbortController().signal).catch((e) => e);
    setImmediate(() => { process._rawDebug('after: ' + error.code); process.exit(error.code === 'too_many_requests' ? 0 : 1); });`;
  await runChild('sh', ['-c', 'ulimit -n 100; exec "$0" --input-type=module -e "$1"', process.execPath, script]);
});

test('S72 RTSP: what a camera that plays leaves unanswered ends nothing', async () => {
  const flv = await makeFlv({ seconds: 2, video: { gopS: 1, size: '320x180' }, audio: { rate: 48_000, channels: 1 } });
  const server = await startRtspServer(flv, { ignores: 'GET_PARAMETER' });
  const outbound = createOutbound({ allow: ['127.0.0.0/8'], ownListeners: () => [] });
  const input = await rtspInput(`rtsp://127.0.0.1:${server.port}/cam`, outbound, new AbortController().signal);
  // In ffmpeg's place.
  const local = input.input.at(-1)!;
  const socket = net.connect(Number(new URL(local).port), '127.0.0.1');
  let heard = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    heard = Buffer.concat([heard, bytes]).subarray(-100_000);
  });
  socket.on('error', () => {});
  let cseq = 0;
  const ask = (method: string) => socket.write(`${method} ${local} RTSP/1.0\r\nCSeq: ${++cseq}\r\n\r\n`);
  ask('PLAY');
  await until('it plays', 5000, () => heard.includes('CSeq: 1\r\n') && heard.length > 2000);
  for (let n = 0; n < 200; n++) ask('GET_PARAMETER');
  await until('all have been asked', 5000, () => server.requests.length === 201);
  heard = Buffer.alloc(0);
  await until('it goes on', 5000, () => heard.length > 20_000);
  assert.deepEqual([input.reason!(), socket.destroyed], [null, false]);
  // What it cannot do without is still answered.
  ask('SETUP');
  await until('the answer', 5000, () => heard.includes('CSeq: 202\r\n'));
  input.release!();
  await until('all is closed', 5000, () => socket.destroyed && server.open === 0);
  await outbound.close();
});

test('S72 without file descriptors for its relay an RTSP source leaves no connection open', async () => {
  const script = `
    import { openSync, closeSync } from 'node:fs';
    import net from 'node:net';
    import { rtspInput } from './src/ingest/pull/rtsp.ts';
    const accepted = [];
    const camera = net.createServer((socket) => accepted.push(socket)).listen(0, '127.0.0.1', () => {
      const upstream = net.connect(camera.address().port, '127.0.0.1', async () => {
        while (accepted.length === 0) await new Promise(setImmediate);
        const fds = [];
        for (;;) try { fds.push(openSync('/dev/null')); } catch { break; }
        const outbound = { connectTcp: async () => ({ socket: upstream, destination: { host: '127.0.0.1', port: 1, path: '/' } }) };
        const error = await rtspInput('rtsp://x/', outbound, new AbortController().signal).catch((e) => e);
        fds.forEach(closeSync);
        process.exit(error.code === 'EMFILE' && upstream.destroyed ? 0 : 1);
      });
    });`;
  await runChild('sh', ['-c', 'ulimit -n 100; exec "$0" --input-type=module -e "$1"', process.execPath, script]);
});

test('changes that cannot be read while all is being read make no second series of readings', async () => {
  const outbound = createOutbound({ allow: [], ownListeners: () => [] });
  const station = await startPullStation();
  const calls: number[] = [];
  let fail = () => {};
  const pulls = new Pulls({
    source: {
      ...station.store.pulls,
      pulls: () => {
        calls.push(performance.now());
        return new Promise((_, reject) => {
          fail = () => reject(new Error('away'));
        });
      },
      pull: async () => {
        throw new Error('away');
      },
    },
    registry: station.registry,
    outbound,
    audience: () => 0,
    maxFfmpeg: 1,
    log: createLogger('silent'),
  });
  pulls.start();
  for (let round = 1; round <= 3; round++) {
    await until('all are read', 10_000, () => calls.length === round);
    pulls.changed('a'.repeat(24));
    // The change has failed before the reading of all does.
    await new Promise((resolve) => setImmediate(resolve));
    fail();
  }
  await until('all are read', 10_000, () => calls.length === 4);
  await pulls.close();
  await outbound.close();
  const gaps = calls.slice(1).map((ms, index) => ms - calls[index]!);
  assert.ok(
    gaps.every((ms) => ms > 990),
    String(gaps),
  );
});

test('L45 RTMP: app and name of a URL as FFmpeg has them; the words of a source that refuses are not repeated', async () => {
  for (const [path, app, streamName] of [
    ['a', 'a', ''],
    ['a/b', 'a', 'b'],
    ['a/b/c', 'a/b', 'c'],
    ['live/_definst_/cam/1?t=x/y', 'live/_definst_', 'cam/1?t=x/y'],
    ['vod/mp4:folder/film', 'vod', 'mp4:folder/film'],
  ])
    assert.deepEqual(targetOf(`rtmp://host:1/${path}`), { app, tcUrl: `rtmp://host:1/${app}`, streamName });
  const station = await startPullStation();
  const server = await startRtmpReceiver({
    refuse: 'NetConnection.Connect.Rejected',
    description: 'token 9f8e7d is expired',
  });
  const { id } = await station.create({ enabled: true, url: `rtmp://127.0.0.1:${server.port}/live/cam?token=9f8e7d` });
  const { message } = await until('it fails', 10_000, () => station.pulls.status(id)!.lastError);
  assert.doesNotMatch(message, /9f8e7d|expired/);
  server.kill();
});
