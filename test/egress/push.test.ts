import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Packet } from '../../src/media/index.ts';
import { type Manners, type Published, startRtmpReceiver } from '../support/bad-rtmp-server.ts';
import { makeFlv } from '../support/encoder.ts';
import { flvPackets } from '../support/media-frames.ts';
import { until } from '../support/until.ts';
import { LIVE_STREAM, platform, type Station, startStation } from './station.ts';

let clip: Packet[] = [];

before(async () => {
  clip = flvPackets(
    await makeFlv({
      seconds: 4,
      video: { size: '320x180', gopS: 0.5, kbps: 200 },
      audio: { rate: 48_000, channels: 2 },
    }),
  );
});

/** Keys, queries and paths of platforms are nobody's business but theirs (G11). */
const SECRETS = /secret|hidden/;

const url = (port: number, path = '/hidden-app') => `rtmp://127.0.0.1:${port}${path}`;

/** Fails unless all that `stream` got is in one row in what was sent, and nothing of it is missing or twice. */
function assertContiguous(stream: Published, sent: readonly string[], what: string): void {
  const from = sent.indexOf(stream.frames[0]?.hash ?? '');
  assert.ok(from >= 0, `${what}: begins with a frame that was sent`);
  const got = stream.frames.map(({ hash }) => hash);
  const wanted = sent.slice(from, from + got.length);
  assert.deepEqual(got.length, wanted.length, what);
  // Each frame's place by its kind: audio and video are each in the order in which they were sent.
  assert.ok(
    got.every((hash, n) => hash === wanted[n]),
    `${what}: a frame is missing, twice or at another place`,
  );
  const times = stream.frames.map(({ ms }) => ms);
  assert.ok(
    times.every((ms, n) => n === 0 || ms >= times[n - 1]! - 60),
    `${what}: timestamps rise`,
  );
}

/** Metadata first, then each configuration before the frames that need it, and a key frame before all other video. */
function assertBegins({ seen }: Published): void {
  const first = (begin: string) => seen.findIndex((what) => what.startsWith(begin));
  assert.equal(seen[0], 'metadata');
  assert.ok(first('avc') > 0 && first('avc') < first('V'), 'the video configuration, then a key frame');
  assert.ok(first('v') < 0 || first('V') < first('v'), 'the first picture is a key frame');
  assert.ok(first('aac') > 0 && first('aac') < seen.findIndex((what) => /^a.{20}/.test(what)), 'audio configuration');
}

/** A publisher that never runs out, on air. */
async function onAir(station: Station, speed = 1) {
  await station.claim();
  return station.play(clip, speed);
}

test('G02 G03 G08 a platform gets metadata, configurations, then every frame from a key frame on; an encoder that drops is waited for; the end says goodbye', async () => {
  const receiver = await startRtmpReceiver();
  const station = startStation();
  station.platforms = [platform('p', `${url(receiver.port)}/`, { key: 'secret?a=1&b=2' })];
  const encoder = await onAir(station);
  const online = await station.untilState('p', 'online');
  assert.equal(online.severity, null);
  assert.equal(online.attempt, 1);
  assert.ok(online.connectedSinceMs! <= Date.now());
  const [stream] = await until(
    'frames come',
    5000,
    () => (receiver.published[0]?.frames.length ?? 0) > 30 && receiver.published,
  );
  assert.deepEqual([stream!.app, stream!.streamName], ['hidden-app', 'secret?a=1&b=2']);
  assert.equal(stream!.tcUrl, url(receiver.port));
  assertBegins(stream!);
  const { width, height, encoder: name, liveapi_via: via } = stream!.metadata.at(-1)!;
  assert.deepEqual([width, height, name, via], [320, 180, 'LiveAPI', LIVE_STREAM]);

  // The encoder is away for a moment: the connection stays, and the time line goes on.
  encoder.stop();
  station.leave();
  const before = stream!.frames.length;
  await until(
    'the last frames are there',
    5000,
    () => stream!.frames.length === station.sent.length - station.sent.indexOf(stream!.frames[0]!.hash),
  );
  const again = await onAir(station);
  await until('frames go on', 5000, () => stream!.frames.length > before + 60);
  assert.equal(receiver.attempts, 1);
  assert.equal(station.status('p')?.state, 'online');
  assert.ok(stream!.seen.filter((what) => what === 'avc').length === 2, 'configurations are sent again');
  again.stop();
  await until('all frames are there', 5000, () => stream!.frames.at(-1)!.hash === station.sent.at(-1));
  assertContiguous(stream!, station.sent, 'platform');
  assert.equal(stream!.frames[0]!.hash, station.sent[0], 'nothing of the beginning is missed');

  // A failure of the platform itself: configurations and a key frame begin the next connection.
  const third = station.play(clip);
  await receiver.kill();
  const failed = await until('the loss is noticed', 5000, () => station.status('p')?.lastError && station.status('p'));
  assert.ok(['connection_lost', 'unreachable'].includes(failed!.lastError!.code));
  await receiver.open();
  await until('it is back', 5000, () => receiver.published.length === 2 && receiver.published[1]!.frames.length > 20);
  const back = receiver.published[1]!;
  assertBegins(back);
  third.stop();
  station.end();
  await until('goodbye', 5000, () => back.stopped && back.closed);
  // While it was away somebody refused the connection: another error, so that is told too.
  const told = station.told('p').filter((what) => what !== 'error unreachable');
  const lost = ['connected', 'disconnected lost', 'error connection_lost'];
  assert.deepEqual(told, [...lost, 'connected', 'disconnected stream_ended']);
  assert.equal(station.events.at(-1)!.kind, 'disconnected', 'after all that happened to platforms');
  assert.deepEqual(station.pushes.statuses(LIVE_STREAM), []);
  assert.doesNotMatch(station.lines.join('\n'), SECRETS);
});

test('L40 L41 retries show when and why, go on for as long as the broadcast, and come back; a refusal is told once and hardly retried', async () => {
  const receiver = await startRtmpReceiver();
  await receiver.kill();
  const refusing = await startRtmpReceiver({ refuse: 'NetStream.Publish.BadName', description: 'bad secret-key' });
  const station = startStation({ timings: { retryMs: 10, maxRetryMs: 40, refusedMs: 1000, steadyMs: 200 } });
  station.storeFailures = 3;
  station.platforms = [platform('away', url(receiver.port)), platform('bad', url(refusing.port))];
  await onAir(station);
  const retrying = await until(
    'many attempts',
    10_000,
    () => {
      const status = station.status('away');
      return status && status.state === 'retrying' && status.attempt > 10 && status;
    },
    1,
  );
  assert.equal(retrying.severity, 'retrying');
  assert.equal(retrying.lastError!.code, 'unreachable');
  assert.ok(retrying.nextRetryMs! >= retrying.sinceMs && retrying.nextRetryMs! <= retrying.sinceMs + 41);
  assert.equal(retrying.connectedSinceMs, null);
  assert.deepEqual(station.told('away'), ['error unreachable'], 'told once, not with each retry');

  const refused = await station.untilState('bad', 'refused');
  assert.equal(refused.severity, 'gave_up');
  assert.match(refused.lastError!.message, /NetStream\.Publish\.BadName/);
  assert.doesNotMatch(refused.lastError!.message, SECRETS);
  assert.ok(refused.nextRetryMs! - refused.sinceMs > 850, 'about as long as the setting');
  const seen = refusing.attempts;
  assert.deepEqual(station.told('bad'), ['error refused']);
  // The same refusal at the next attempt is no news.
  await until('it is tried again', 5000, () => refusing.attempts > seen);
  await station.untilState('bad', 'refused');
  assert.deepEqual(station.told('bad'), ['error refused']);

  // The service takes the key now, and somebody asks for another attempt.
  refusing.manners = 'ok';
  assert.equal(station.pushes.restart(LIVE_STREAM, 'bad'), true);
  assert.equal(station.pushes.restart(LIVE_STREAM, 'nobody'), false);
  await station.untilState('bad', 'online', 3000);
  assert.deepEqual(station.told('bad'), ['error refused', 'connected']);

  await receiver.open();
  await station.untilState('away', 'online');
  await until('attempts are forgotten after a while online', 5000, () => station.status('away')!.attempt === 0);
  assert.equal(station.status('away')!.severity, null);
  await until('its bit rate is known', 5000, () => station.status('away')!.bitrate > 100);
  assert.equal(station.pushes.totals().states.online, 2);
  assert.ok(station.pushes.totals().retries > 10);
  assert.doesNotMatch(station.lines.join('\n'), SECRETS);
  station.end();
});

test('a change touches the platform that it is about and no other; names change nothing; added, disabled and removed at once', async () => {
  const [a, b, c] = await Promise.all([startRtmpReceiver(), startRtmpReceiver(), startRtmpReceiver()]);
  const station = startStation();
  const one = platform('a', url(a.port));
  const two = platform('b', url(b.port));
  station.platforms = [one, two];
  const encoder = await onAir(station);
  await Promise.all([station.untilState('a', 'online'), station.untilState('b', 'online')]);
  await until('both get frames', 5000, () => a.published[0]!.frames.length > 5 && b.published[0]!.frames.length > 5);
  const within2s = async (what: string, seen: () => boolean) => void (await until(what, 2000, seen, 5));

  station.set([{ ...one, name: 'another' }, two, platform('c', url(c.port))]);
  await within2s('added while on air', () => (c.published[0]?.frames.length ?? 0) > 0);
  assert.equal(a.attempts, 1, 'a name is not a reason to reconnect');

  station.set([{ ...one, key: 'secret-2' }, two, platform('c', url(c.port), { enabled: false })]);
  await within2s('another key', () => a.published[1]?.streamName === 'secret-2' && a.published[1].frames.length > 0);
  await within2s('disabled', () => c.published[0]!.stopped && c.published[0]!.closed);
  assert.ok(a.published[0]!.stopped, 'the old key says goodbye');
  assert.equal(station.status('c'), undefined);

  station.set([{ ...one, key: 'secret-2', codecs: ['av1'] }, two, platform('c', url(c.port))]);
  const foreign = await station.untilState('a', 'refused');
  assert.equal(foreign.lastError!.code, 'codec_unsupported', 'G09');
  assert.match(foreign.lastError!.message, /h264/);
  await within2s('enabled again', () => (c.published[1]?.frames.length ?? 0) > 0);

  station.set([two]);
  await within2s('removed', () => c.published[1]!.closed);
  await until('the other has gone on', 5000, () => b.published[0]!.frames.length > 60);
  encoder.stop();
  await until('all is there', 5000, () => b.published[0]!.frames.at(-1)!.hash === station.sent.at(-1));
  assert.equal(b.attempts, 1);
  assertContiguous(b.published[0]!, station.sent, 'the platform that nothing was changed of');
  assert.deepEqual(station.told('a'), [
    'connected',
    'disconnected changed',
    'connected',
    'disconnected changed',
    'error codec_unsupported',
  ]);
  assert.deepEqual(station.told('c'), ['connected', 'disconnected disabled', 'connected', 'disconnected removed']);
  await station.pushes.close();
  assert.deepEqual(station.told('b'), ['connected', 'disconnected shutdown']);
  assert.ok(b.published[0]!.stopped, 'shutdown says goodbye');
});

test('a platform that is changed again and again has one connection at a time: the last waits for the first', async () => {
  const goodbyeMs = 1500;
  const receiver = await startRtmpReceiver('deaf');
  const station = startStation({ timings: { goodbyeMs } });
  const one = platform('a', url(receiver.port));
  station.platforms = [one];
  const encoder = await onAir(station);
  await station.untilState('a', 'online');
  const startMs = performance.now();
  station.set([{ ...one, key: 'secret-2' }]);
  await until('the first says goodbye', 5000, () => station.told('a').includes('disconnected changed'));
  station.set([{ ...one, key: 'secret-3' }]);
  await until('connected again', 10_000, () => receiver.attempts > 1);
  assert.ok(performance.now() - startMs >= goodbyeMs - 10);
  encoder.stop();
  station.end();
});

test('R47 L44 G07 hostile services: each gets its true state, none is waited for, and a good one beside them misses nothing', async () => {
  const station = startStation({
    timings: { setupMs: 600, retryMs: 30_000, maxRetryMs: 60_000, refusedMs: 60_000, stallNoticeMs: 200, stallMs: 600 },
  });
  const expected: [Manners, state: string, code: string][] = [
    ['mute', 'retrying', 'timeout'],
    ['endless_handshake', 'retrying', 'timeout'],
    ['no_answer', 'retrying', 'timeout'],
    ['hang_up', 'retrying', 'closed'],
    ['reset', 'retrying', 'connection_lost'],
    ['babble', 'retrying', 'protocol_error'],
    ['flood', 'retrying', 'protocol_error'],
    ['redirect', 'refused', 'redirected'],
    [{ refuse: 'NetStream.Publish.Denied' }, 'refused', 'refused'],
    [{ refuse: 'NetStream.Publish.BadName', description: 'Already publishing' }, 'retrying', 'busy'],
    [{ refuse: 'NetStream.Failed', description: 'secret-key is full' }, 'retrying', 'rejected'],
  ];
  const bad = await Promise.all(expected.map(([manners]) => startRtmpReceiver(manners)));
  const [good, moving] = await Promise.all([startRtmpReceiver(), startRtmpReceiver('move')]);
  station.platforms = [
    platform('good', url(good.port)),
    platform('moving', url(moving.port)),
    platform('port', 'rtmp://127.0.0.1:22/app'),
    platform('own', 'rtmp://192.168.0.1:8443/app'),
    ...bad.map(({ port }, n) => platform(String(n), url(port))),
  ];
  const encoder = await onAir(station);
  for (const [n, [manners, state, code]] of expected.entries()) {
    const status = await until(`an error of ${JSON.stringify(manners)}`, 15_000, () => {
      const now = station.status(String(n));
      return now?.lastError && now;
    });
    assert.deepEqual([status.state, status.lastError!.code], [state, code], JSON.stringify(manners));
    assert.doesNotMatch(status.lastError!.message, SECRETS);
    assert.ok(status.nextRetryMs !== null);
  }
  for (const id of ['port', 'own']) assert.equal(station.status(id)?.lastError?.code, 'not_allowed', id);
  assert.equal(station.status('moving')?.state, 'online', 'a request to reconnect elsewhere is not followed');
  assert.ok(moving.published[0]!.frames.length > 0);
  encoder.stop();
  await until(
    'the good one has everything',
    5000,
    () => good.published[0]!.frames.at(-1)?.hash === station.sent.at(-1),
  );
  assertContiguous(good.published[0]!, station.sent, 'good');
  assert.equal(good.published[0]!.frames.length, station.sent.length);
  assert.doesNotMatch(station.lines.join('\n'), SECRETS);
});

test('L42 G01 G05 a service that takes nothing is stalled, then restarted; a slow one loses frames up to a key frame; nobody else does', async () => {
  const [deaf, slow, good] = await Promise.all([
    startRtmpReceiver('deaf'),
    startRtmpReceiver('slow'),
    startRtmpReceiver(),
  ]);
  const station = startStation({ timings: { stallNoticeMs: 300, stallMs: 1000, retryMs: 100 } });
  station.platforms = [
    platform('deaf', url(deaf.port)),
    platform('slow', url(slow.port)),
    platform('good', url(good.port)),
  ];
  await station.claim();
  await Promise.all(['deaf', 'slow', 'good'].map((id) => station.untilState(id, 'online')));
  // Large frames, so that the kernel's buffers are full soon: 40 Mbit/s.
  const track = clip.find((packet) => packet.track.kind === 'video')!.track;
  const large = Array.from({ length: 25 }, (_, n) => {
    const data = Buffer.alloc(200_000, n);
    data.writeUInt32BE(data.length - 4);
    data[4] = n === 0 ? 0x65 : 0x41;
    return { track, dts: n * 40, pts: n * 40, key: n % 5 === 0, data };
  });
  const encoder = station.play(large);
  await station.untilState('deaf', 'stalled', 15_000);
  deaf.manners = 'ok';
  const restarted = await until('restarted', 10_000, () => deaf.published.length === 2 && station.status('deaf'));
  assert.equal(restarted.lastError!.code, 'stalled');
  await until('it gets frames now', 5000, () => deaf.published[1]!.frames.length > 5);
  assert.equal(station.status('deaf')!.state, 'online');
  assert.deepEqual(station.told('deaf'), ['connected', 'disconnected stalled', 'error stalled', 'connected']);
  await until('the slow one loses frames, or is restarted', 15_000, () => {
    const status = station.status('slow')!;
    return status.dropped > 0 || status.lastError?.code === 'stalled';
  });
  encoder.stop();
  await until('the good one has everything', 5000, () => good.published[0]!.frames.length === station.sent.length);
  assertContiguous(good.published[0]!, station.sent, 'good');
  assert.equal(station.status('good')!.dropped, 0);
  station.end();
});

test('L43 one live stream to 20 platforms, five of them killed and restarted 20 times: the others lose no frame', async () => {
  const receivers = await Promise.all(Array.from({ length: 20 }, () => startRtmpReceiver()));
  const station = startStation({ timings: { retryMs: 20, maxRetryMs: 60 }, mergeMs: 30 });
  station.platforms = receivers.map(({ port }, n) => platform(String(n), url(port)));
  const encoder = await onAir(station, 3);
  for (const n of receivers.keys()) await station.untilState(String(n), 'online');
  const mortal = receivers.slice(0, 5);
  await Promise.all(
    mortal.map(async (receiver, n) => {
      for (let deaths = 1; deaths <= 20; deaths++) {
        await receiver.kill();
        await until('it is missed', 10_000, () => station.status(String(n))!.state !== 'online', 5);
        await receiver.open();
        await until(
          `life ${deaths + 1} of ${n}`,
          10_000,
          () => {
            const life = receiver.published.at(-1)!;
            return !life.closed && life.frames.length > 0;
          },
          5,
        );
      }
    }),
  );
  encoder.stop();
  const survivors = receivers.slice(5);
  for (const [n, { published, attempts }] of survivors.entries()) {
    await until('everything is there', 10_000, () => published[0]!.frames.length === station.sent.length);
    assert.equal(attempts, 1);
    assertContiguous(published[0]!, station.sent, `survivor ${n}`);
    assert.equal(station.status(String(n + 5))!.dropped, 0);
  }
  for (const { published } of mortal) {
    assert.ok(published.length > 20);
    for (const life of published.filter(({ frames }) => frames.length > 0)) {
      if (life.seen.some((what) => what.startsWith('V'))) assertBegins(life);
      assertContiguous(life, station.sent, 'a life of those that were killed');
    }
  }
  station.end();
});

test('audio is kept, muted or silent, and a delay delays, each for its platform alone', async () => {
  const receivers = await Promise.all([1, 2, 3, 4].map(() => startRtmpReceiver()));
  const station = startStation();
  const [keep, mute, silence, late] = receivers as [
    (typeof receivers)[0],
    (typeof receivers)[0],
    (typeof receivers)[0],
    (typeof receivers)[0],
  ];
  station.platforms = [
    platform('keep', url(keep!.port)),
    platform('mute', url(mute!.port), { audio: 'mute' }),
    platform('silence', url(silence!.port), { audio: 'silence' }),
    platform('late', url(late!.port), { delayMs: 1500 }),
  ];
  const encoder = await onAir(station);
  const startedMs = performance.now();
  await until('the delayed one begins', 10_000, () => (late!.published[0]?.frames.length ?? 0) > 0);
  assert.ok(performance.now() - startedMs >= 1450, 'not before its time');
  assert.ok(keep!.published[0]!.frames.length > 60, 'the others are far ahead');
  encoder.stop();
  await until('all have ended', 5000, () => keep!.published[0]!.frames.length === station.sent.length);
  const kinds = ({ published }: typeof keep) =>
    new Set(published[0]!.seen.map((what) => what.slice(0, what.length > 8 ? 1 : 8)));
  assert.ok(!kinds(mute).has('a') && !kinds(mute).has('aac'), 'muted: no audio at all');
  const quiet = new Set(silence!.published[0]!.seen.filter((what) => /^a.{20}/.test(what)));
  assert.deepEqual([...quiet].length, 1, 'one frame of silence again and again');
  assert.ok(!station.sent.includes([...quiet][0]!.slice(1)));
  const video = (stream: Published) =>
    stream.seen.filter((what) => /^[vV].{20}/.test(what)).map((what) => what.slice(1));
  assert.deepEqual(video(mute!.published[0]!), video(keep!.published[0]!));
  assert.deepEqual(video(silence!.published[0]!), video(keep!.published[0]!));
  // The end does not cut off what a delay holds back.
  station.end();
  await until('the delayed one says goodbye', 10_000, () => late!.published[0]!.closed);
  assert.ok(late!.published[0]!.stopped);
  assert.equal(late!.published[0]!.frames.at(-1)!.hash, station.sent.at(-1));
  assert.equal(late!.published[0]!.frames.length, station.sent.length);
});

test('a delay is kept over connections: nobody is connected and silent, what waited goes out, and a short broadcast goes out whole', async () => {
  const receiver = await startRtmpReceiver('impatient');
  const station = startStation({ timings: { leadMs: 300, retryMs: 20, maxRetryMs: 50 } });
  station.platforms = [platform('late', url(receiver.port), { delayMs: 2500 })];
  const encoder = await onAir(station);
  const startedMs = performance.now();
  await until('it begins', 15_000, () => (receiver.published[0]?.frames.length ?? 0) > 30);
  assert.ok(performance.now() - startedMs >= 2450);
  assert.equal(receiver.attempts, 1, 'not connected before there is something to send');
  assert.deepEqual(station.told('late'), ['connected']);
  // The platform breaks off: the next connection goes on where this one was, and not a delay later.
  const first = receiver.published[0]!;
  receiver.manners = 'ok';
  await receiver.kill();
  await until('it is missed', 5000, () => station.status('late')!.state !== 'online', 5);
  await receiver.open();
  await until('it goes on', 5000, () => (receiver.published[1]?.frames.length ?? 0) > 10);
  const second = receiver.published[1]!;
  assertBegins(second);
  assert.ok(
    station.sent.indexOf(second.frames[0]!.hash) <= station.sent.indexOf(first.frames.at(-1)!.hash) + 1,
    'nothing is missed',
  );
  encoder.stop();
  station.leave();
  await until(
    'what was sent before the encoder left',
    10_000,
    () => second.frames.at(-1)!.hash === station.sent.at(-1),
  );
  assertContiguous(second, station.sent.slice(station.sent.indexOf(second.frames[0]!.hash)), 'the second connection');
  station.end();
  await until('goodbye', 5000, () => second.closed);

  // It is over before its delay is: connected for it all the same.
  const from = station.sent.length;
  await station.claim();
  for (const packet of clip.slice(0, 40)) station.write(packet);
  station.end();
  await until('the short one', 10_000, () => receiver.published[2]?.closed);
  assert.deepEqual(
    receiver.published[2]!.frames.map(({ hash }) => hash),
    station.sent.slice(from),
  );
  assert.ok(receiver.published[2]!.stopped);
});

test('delays hold so much in memory and no more: who holds the most gives way and is told, the others go on', async () => {
  const receiver = await startRtmpReceiver();
  const station = startStation({ maxDelayBytes: 150_000, timings: { leadMs: 300 } });
  const [whole, mute, good] = [
    platform('whole', url(receiver.port), { delayMs: 60_000 }),
    platform('mute', url(receiver.port), { delayMs: 60_000, audio: 'mute' }),
    platform('good', url(receiver.port)),
  ];
  station.platforms = [whole, mute, good];
  const encoder = await onAir(station);
  await until('what is held is seen', 10_000, () => station.pushes.totals().delayBytes > 0);
  await until('one has failed', 15_000, () => station.told('whole').length > 0);
  const { lastError } = station.status('whole')!;
  assert.deepEqual([lastError!.code, station.told('mute')], ['delay_full', []]);
  assert.match(lastError!.message, /delay_s/);
  station.set([mute, good]);
  await until('the other one is too large alone', 15_000, () => station.told('mute').length > 0);
  station.set([good]);
  await until('nothing is held', 5000, () => station.pushes.totals().delayBytes === 0);
  await until('the third goes on', 10_000, () => receiver.published[0]!.frames.length > 100);
  encoder.stop();
  const [published] = receiver.published;
  await until('all of it', 5000, () => published!.frames.at(-1)!.hash === station.sent.at(-1));
  assertContiguous(published!, station.sent.slice(station.sent.indexOf(published!.frames[0]!.hash)), 'the third');
  assert.deepEqual([station.told('good'), receiver.published.length], [['connected'], 1]);
});
