// Pulls over HTTP-FLV, which the test itself serves: what is true of every source. Frames are compared by their hashes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { monotonicMs } from '../../src/base/index.ts';
import { encodeAmf0 } from '../../src/formats/amf/index.ts';
import { writeFlvHeader, writeFlvTag } from '../../src/formats/flv/index.ts';
import type { Publisher } from '../../src/live/index.ts';
import { execute } from '../support/database.ts';
import { makeFlv } from '../support/encoder.ts';
import { FLV_DATA, FLV_VIDEO, readFlvTags } from '../support/flv-frames.ts';
import { until } from '../support/until.ts';
import { findRun, startFlvSource, startPullStation } from './pull-station.ts';

const flv = await makeFlv({
  seconds: 6,
  video: { gopS: 1, size: '320x180', kbps: 200 },
  audio: { rate: 48_000, channels: 1 },
});
const hashes = (frames: readonly { readonly hash: string }[]) => frames.map(({ hash }) => hash);

/** Other pictures, so that it shows which one is on air. */
const other = await makeFlv({
  seconds: 6,
  video: { gopS: 1, size: '160x90', kbps: 100 },
  audio: { rate: 48_000, channels: 1 },
});

test('L45 FLV over HTTP: every frame arrives, the state is true; a source that goes and comes back is taken up again', async () => {
  const station = await startPullStation();
  const source = await startFlvSource(flv);
  const { id } = await station.create({ enabled: true, url: source.url.replace('//', '//viewer:s3cret-7@') });
  const status = await station.untilState(id, 'online');
  assert.deepEqual(
    [status.protocol, status.urlIndex, status.attempt, status.lastError, status.severity],
    ['pull-flv', 0, 1, null, null],
  );
  assert.equal(status.url, source.url.replace('//', '//viewer:****@'));
  assert.ok(source.asked[0]!.endsWith(`Basic ${Buffer.from('viewer:s3cret-7').toString('base64')}`));
  await until('three seconds of frames', 20_000, () => station.received.length > 200);
  // It begins with the first key frame: what sound came before it is left out.
  assert.ok([0, 1, 2].includes(findRun(source.sent(), hashes(station.received))), 'no frame is missing or changed');
  assert.ok(station.received[0]!.key);
  await until('the bit rate is known', 5000, () => station.pulls.status(id)!.bitrate > 50);
  assert.deepEqual(
    station.events
      .filter(({ kind }) => kind !== 'warning')
      .map((event) => (event.kind === 'connected' ? event.publisher.protocol : event.kind)),
    ['pull-flv'],
  );

  source.fail(404);
  const retrying = await station.untilState(id, 'retrying');
  assert.equal(retrying.severity, 'retrying');
  await until('404 is told of', 5000, () => station.pulls.status(id)!.lastError?.code === 'not_found');
  assert.ok(retrying.nextRetryMs! > 0);
  await until('it tries again and again', 10_000, () => station.pulls.status(id)!.attempt > 3);
  source.fail(null);
  await station.untilState(id, 'online');
  await until('frames of a second run', 10_000, () => station.received.at(-1)!.run === 1);
  const last = station.received.filter(({ run }) => run === 1);
  assert.ok(last[0]!.key && [0, 1, 2].includes(findRun(source.sent(), hashes(last))));
  source.fail(401);
  const refused = await station.untilState(id, 'refused');
  assert.deepEqual([refused.severity, refused.lastError!.code], ['gave_up', 'unauthorized']);
  assert.ok(refused.nextRetryMs! - Date.now() > 200_000);
  // What it is told to do changes: it does not wait.
  source.fail(null);
  await station.change(id, { url: source.url });
  await station.untilState(id, 'online', 2000);
  assert.ok(!station.lines.some((line) => /s3cret|live\.flv/.test(line)), 'no password and no path in the log');
});

test('L45 failover within three seconds of silence, at once on an error, and back to the first', async () => {
  const station = await startPullStation({ timings: { provenMs: 500 } });
  const [first, second] = [await startFlvSource(flv), await startFlvSource(other)];
  const { id } = await station.create({ enabled: true, urls: [first.url, second.url] });
  await station.untilState(id, 'online');
  await until('it has proved itself', 5000, () => station.received.length > 100);
  first.fallSilent();
  const silentMs = performance.now();
  await until('the second plays', 10_000, () => second.sent().includes(station.received.at(-1)!.hash));
  const tookMs = station.received.find(({ hash }) => second.sent().includes(hash))!.atMs - silentMs;
  assert.ok(tookMs < 9000, `the second one came after ${Math.round(tookMs)} ms`);
  assert.equal(station.pulls.status(id)!.urlIndex, 1);
  assert.equal(station.pulls.status(id)!.lastError!.code, 'silent');
  first.resume();
  await until('the second has proved itself', 5000, () => station.received.filter(({ run }) => run === 1).length > 100);
  second.fail(500);
  await until('the first plays again', 5000, () => station.received.at(-1)!.run === 2);
  assert.equal(station.pulls.status(id)!.urlIndex, 0);
  assert.ok(first.sent().includes(station.received.at(-1)!.hash));
  // Nothing of it ended the broadcast.
  assert.equal(station.events.filter(({ kind }) => kind === 'disconnected').length, 0);
  // A URL that is not in use may change without anybody noticing; the one in use may not.
  const asked = first.asked.length;
  await station.change(id, { urls: [first.url, `${second.url}?other`] });
  await station.change(id, { urls: [first.url] });
  await station.pulls.check({ enabled: true, urls: [first.url] });
  assert.equal(station.state(id), 'online');
  assert.equal(first.asked.length, asked);
  second.fail(null);
  await station.change(id, { urls: [second.url] });
  await until('the new one plays', 2000, () => second.sent().includes(station.received.at(-1)!.hash));
});

test('an encoder takes over from a pull and gives it back; by setting it is refused; a stopped live stream is not pulled', async () => {
  const station = await startPullStation();
  const source = await startFlvSource(flv);
  const { id } = await station.create({ enabled: true, url: source.url });
  await station.untilState(id, 'online');
  const encoder = (name: string): Publisher & { ended: string | null } => ({
    id: name,
    protocol: 'rtmp',
    remoteAddress: '127.0.0.1',
    lastDataMs: monotonicMs(),
    bytesReceived: 0,
    closed: false,
    ended: null,
    close(reason) {
      this.ended = reason;
    },
  });
  const publish = async (name: string) => {
    const target = (await station.store.pulls.pull(id))!;
    return station.registry.claim(target.authorisation, encoder(name), station.registry.ticket());
  };
  const claimed = await publish('one');
  assert.ok(claimed.ok);
  assert.equal(station.state(id), 'standby');
  await until('a pull that nobody needs holds no connection', 2000, () => source.open === 0);
  claimed.claim.release('stopped');
  await station.untilState(id, 'online');

  await station.change(id, { encoder: 'refused' });
  await until('the encoder is refused', 5000, async () => {
    const answer = await publish('two');
    if (answer.ok) answer.claim.release('stopped');
    return !answer.ok && answer.reason === 'pull_holds';
  });
  await station.untilState(id, 'online');

  // `enabled: false`: written first, then stopped in the same tick, and it stays stopped.
  await station.store.liveStreams.update(station.owner, id, { enabled: false });
  station.registry.stop(id, 'disabled');
  assert.equal(station.registry.isOnline(id), false);
  assert.equal(station.pulls.status(id), null);
  station.pulls.changed(id);
  await until('the source is let go of', 5000, () => source.open === 0);
  const asked = source.asked.length;
  await station.store.liveStreams.update(station.owner, id, { enabled: true });
  station.pulls.changed(id);
  await station.untilState(id, 'online', 2000);
  assert.equal(source.asked.length, asked + 1, 'nobody asked meanwhile');
  await station.store.liveStreams.delete(station.owner, id);
  station.registry.stop(id, 'deleted');
  assert.equal(station.pulls.status(id), null);
  await until('the source is let go of', 5000, () => source.open === 0);
});

test('a pull that was switched off and on while it connected connects anew, and does not wait until all are read again', async () => {
  const station = await startPullStation();
  const source = await startFlvSource(flv);
  source.fallSilent();
  const { id } = await station.create({ enabled: true, url: source.url });
  await until('it has connected', 5000, () => source.open === 1);
  // Off and on in the store before anybody has read it: what is asked for since the stop is void.
  station.registry.stop(id, 'disabled');
  Object.assign(station.store.pulls, { pulls: () => new Promise(() => {}) });
  source.resume();
  await station.untilState(id, 'online');
  assert.equal(source.asked.length, 2);
});

test('G12 on demand: starts with the first viewer, stops when nobody watches, and starts again', async () => {
  const station = await startPullStation({ reconnectWindowMs: 200 });
  const source = await startFlvSource(flv);
  const { id, playbackId } = await station.create({
    enabled: true,
    url: source.url,
    start: 'on_demand',
    stop_after_idle_s: 2,
  });
  await station.untilState(id, 'waiting');
  assert.equal(station.pulls.wanted(`lv_${'0'.repeat(32)}`), null, 'what is no pull costs nothing');
  assert.equal(source.asked.length, 0);
  const answers = await Promise.all([1, 2, 3].map(() => station.pulls.wanted(playbackId)));
  assert.deepEqual(answers, [true, true, true]);
  assert.equal(station.state(id), 'online');
  assert.equal(source.asked.length, 1, 'one pull for all of them');
  assert.equal(station.pulls.wanted(playbackId), null, 'it plays');
  station.viewers.set(playbackId, 3);
  const watched = await until('it outlasts its idle time', 15_000, () => {
    const status = station.pulls.status(id)!;
    return Date.now() - status.sinceMs > 3000 && status;
  });
  assert.equal(watched.state, 'online', 'while somebody watches it goes on');
  station.viewers.set(playbackId, 0);
  const leftMs = performance.now();
  await station.untilState(id, 'waiting', 15_000);
  assert.ok(performance.now() - leftMs > 900);
  await until('the source is let go of', 2000, () => source.open === 0);
  assert.equal(source.asked.length, 1);
  assert.equal(await station.pulls.wanted(playbackId), true);
  // A source that does not come: viewers are told so, and not left waiting.
  source.fail(404);
  await until('it is gone', 5000, () => station.state(id) !== 'online');
  assert.equal(await station.pulls.wanted(playbackId), false);
});

test('L45 no two processes pull the same: the second one waits until the first is gone', async () => {
  const station = await startPullStation();
  const source = await startFlvSource(flv);
  const { id } = await station.create({ enabled: false, url: source.url });
  // Another process on the same database, which lives, and holds the lease.
  await execute(station.dataDir, "insert into nodes (id, beat, process) select 'other', 1, process from nodes limit 1");
  await execute(station.dataDir, `update live_streams set pull_node = 'other' where id = '${id}'`);
  await station.change(id, { enabled: true });
  await until('it has asked for the lease', 5000, () => station.state(id) === 'waiting');
  assert.equal(await station.store.pulls.acquirePull(id), false);
  assert.equal(source.asked.length, 0);
  await execute(station.dataDir, "delete from nodes where id = 'other'");
  await station.untilState(id, 'online');
  assert.equal(source.asked.length, 1);
  await station.change(id, { enabled: false });
  await until('it is off', 2000, () => station.pulls.status(id) === null);
});

test('S37 S38 loops: a source that names this live stream, our own address, and what the guard refuses', async () => {
  const station = await startPullStation({
    outbound: { ownAddresses: [{ address: 'live.test', port: 443 }], resolve: async () => ['127.0.0.1'] },
  });
  const { id, playbackId } = await station.create({ enabled: false });
  const source = await startFlvSource(flv, {
    metadata: [encodeAmf0('onMetaData', new Map([['liveapi_via', `${'a'.repeat(24)},${id}`]]))],
  });
  await station.change(id, { enabled: true, url: source.url });
  const refused = await station.untilState(id, 'refused');
  assert.equal(refused.lastError!.code, 'loop');
  // What plays this live stream is not even asked, whatever name it has.
  const asked = source.asked.length;
  const own = source.url.replace('/live.flv', `/hls/user/${playbackId}/index.m3u8`);
  await station.change(id, { url: own });
  const { message } = await until('it is refused', 5000, () => {
    const { lastError } = station.pulls.status(id)!;
    return lastError?.code === 'destination_refused' && lastError;
  });
  assert.match(message, /comes from this live stream itself/);
  assert.equal(source.asked.length, asked);
  assert.equal(station.received.length, 0);
  for (const [url, message] of [
    ['https://live.test/hls/x/index.m3u8', /settings\.pulling_mode\.url: .*leads back to this server/],
    ['http://10.0.0.1/a.flv', /does not connect to that host/],
    ['http://127.0.0.1:22/a.flv', /Port 22/],
    ['srt://127.0.0.1/', /must name its port/],
    ['srt://127.0.0.1:9000?mode=listener', /mode=caller/],
    ['srt://127.0.0.1:9000?passphrase=short', /10 to 64/],
  ] as const)
    await assert.rejects(station.pulls.check({ enabled: true, url }), (error: Error) => {
      assert.match(error.message, message);
      return true;
    });
  await assert.rejects(
    station.pulls.check({ enabled: true, url: source.url, urls: ['http://u:p4ssword@192.168.0.1/'] }),
    (error: Error) => {
      assert.match(error.message, /^settings\.pulling_mode\.urls\.0: /);
      assert.doesNotMatch(error.message, /p4ssword/);
      return true;
    },
  );
  await station.pulls.check({ enabled: false, url: 'http://10.0.0.1/' });
});

test('L45 sources that jump, loop, change their codec, send what is no media or too little of it', async () => {
  const station = await startPullStation({ timings: { firstFrameMs: 1500 } });
  const tags = readFlvTags(flv).filter(({ type }) => type !== FLV_DATA);
  /** Bytes of the file's tags, their times moved by `byMs`. */
  const bytes = (byMs: number, count = tags.length) =>
    Buffer.concat(
      tags.slice(0, count).map(({ type, timestampMs, body }) => {
        return writeFlvTag({ type: type === FLV_VIDEO ? 'video' : 'audio', timestampMs: timestampMs + byMs, body });
      }),
    );
  const header = writeFlvHeader({ audio: true, video: true });
  const hevc = writeFlvTag({ type: 'video', timestampMs: 0, body: Buffer.from('1c0000000001', 'hex') });
  const bodies: Record<string, Buffer> = {
    '/jump.flv': Buffer.concat([header, bytes(0, 60), bytes(10_000, 60), bytes(3_000_000, 60)]),
    '/hevc.flv': Buffer.concat([header, bytes(0, 60), hevc]),
    '/page': Buffer.from('<!DOCTYPE html><title>Sign in</title>'),
    '/huge.flv': Buffer.concat([header, Buffer.from([9, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0])]),
    '/named.flv': Buffer.from('no FLV at all'),
    '/sniffed': Buffer.concat([header, bytes(0)]),
    '/empty.flv': header,
  };
  const server = http.createServer((request, response) => {
    if (request.url === '/loop.flv') return response.writeHead(302, { location: '/loop.flv' }).end();
    if (request.url === '/file.flv') return response.writeHead(302, { location: 'file:///etc/passwd' }).end();
    response.writeHead(200, { 'content-type': 'application/octet-stream' }).write(bodies[request.url!]!);
    if (request.url !== '/empty.flv') setTimeout(() => response.end(), 500);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  after(() => server.close().closeAllConnections());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const [path, code, state] of [
    ['/jump.flv', 'source_ended', 'retrying'],
    ['/hevc.flv', 'media_unsupported', 'refused'],
    ['/page', 'bad_answer', 'retrying'],
    ['/huge.flv', 'source_ended', 'retrying'],
    ['/named.flv', 'bad_answer', 'retrying'],
    ['/sniffed', 'source_ended', 'retrying'],
    ['/empty.flv', 'timeout', 'retrying'],
    ['/loop.flv', 'destination_refused', 'refused'],
    ['/file.flv', 'destination_refused', 'refused'],
  ] as const) {
    const { id } = await station.create({ enabled: true, url: base + path });
    await until(`${path}: ${code}`, 15_000, () => {
      const { lastError, ...status } = station.pulls.status(id)!;
      if (lastError?.code !== code) throw new Error(`${status.state} ${JSON.stringify(lastError)}`);
      return status.state === state;
    });
    await station.change(id, { enabled: false });
  }
  const runs = new Set(station.received.map(({ run }) => run));
  assert.ok(runs.has(0) && runs.has(1) && runs.has(2), 'a jump is a new run, not an end');
});

test('a look at a URL says what it gives, feeds nothing, and leaves nothing behind', async () => {
  const station = await startPullStation();
  const stream = await station.create({});
  const { id } = stream;
  const source = await startFlvSource(flv);
  const look = await station.pulls.test(source.url, stream, 'someone');
  assert.deepEqual(
    [look.error, look.protocol, look.frameRate && Math.round(look.frameRate)],
    [null, 'pull-flv', look.video?.config.frameRate && Math.round(look.video.config.frameRate)],
  );
  const { width, height } = look.video!.config;
  assert.deepEqual(
    [width, height, look.audio!.config.outputSampleRate, look.audio!.config.channels],
    [320, 180, 48_000, 1],
  );
  await until('its connection is closed', 5000, () => source.open === 0);
  assert.equal(station.registry.isOnline(id), false);
  assert.equal(station.events.length, 0);
  source.fail(404);
  const missing = await station.pulls.test(source.url, stream, 'someone');
  assert.deepEqual([missing.error?.code, missing.video, missing.audio], ['not_found', null, null]);
  const loop = await startFlvSource(flv, {
    metadata: [encodeAmf0('onMetaData', new Map([['liveapi_via', `${'a'.repeat(24)},${id}`]]))],
  });
  assert.equal((await station.pulls.test(loop.url, stream, 'someone')).error?.code, 'loop');
  const own = `${source.url}/hls/u/${stream.playbackId}/index.m3u8`;
  await assert.rejects(station.pulls.test(own, stream, 'someone'), { code: 'destination_refused', message: /itself/ });
  await assert.rejects(station.pulls.test('http://10.0.0.1/live.flv', stream, 'someone'), {
    code: 'destination_refused',
  });
  // Two of one owner at a time, whatever others do.
  source.fail(null);
  const looks = ['a', 'a', 'b', 'a'].map((owner) => station.pulls.test(source.url, stream, owner));
  await assert.rejects(looks[3]!, { code: 'too_many_requests' });
  for (const answer of await Promise.all(looks.slice(0, 3))) assert.equal(answer.error, null);
  await until('all connections are closed', 5000, () => source.open + loop.open === 0);
  assert.ok(!station.lines.some((line) => line.includes('live.flv')), 'no path in the log');
});
