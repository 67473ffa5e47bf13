// Pulls over RTMP from servers of another maker and of ours, and a whole server that pulls.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { ask } from '../conformance/index.ts';
import { startRtmpReceiver } from '../support/bad-rtmp-server.ts';
import { makeFlv } from '../support/encoder.ts';
import { type FlvTag, readFlvTags, sentFrames } from '../support/flv-frames.ts';
import { startNginxRtmp } from '../support/nginx-rtmp.ts';
import { ingestUrl, startServer } from '../support/server.ts';
import { publishTags } from '../support/session-publisher.ts';
import { until } from '../support/until.ts';
import { findRun, type PullStation, startFlvSource, startPullStation } from './pull-station.ts';
import { startRtspServer } from './scripted-rtsp.ts';

const flv = await makeFlv({
  seconds: 6,
  video: { gopS: 1, size: '320x180', kbps: 200 },
  audio: { rate: 48_000, channels: 1 },
});
const tags: FlvTag[] = readFlvTags(flv);
/** What a publisher in a loop has sent, more often than any test needs. */
const video = sentFrames(tags).frames.filter(({ kind }) => kind === 'video');
const looped = Array.from({ length: 6 }, () => video.map(({ hash }) => hash)).flat();
/** Every frame of the picture of one run, from a key frame on. */
const isWhole = ({ received }: PullStation, run: number): boolean => {
  const frames = received.filter((frame) => frame.kind === 'video' && frame.run === run);
  return (
    frames.length > 30 &&
    frames[0]!.key &&
    findRun(
      looped,
      frames.map(({ hash }) => hash),
    ) >= 0
  );
};

test('L45 RTMP from nginx and from our own server: no frame is missing; it is taken up again when the source comes back', async () => {
  const station = await startPullStation({ timings: { failoverMs: 2000, silenceMs: 2000, firstFrameMs: 3000 } });
  const nginx = await startNginxRtmp();
  after(() => nginx.close());
  const publish = async (url: string) => {
    const publisher = publishTags(tags, url, { loop: true });
    after(() => publisher.socket.destroy());
    await publisher.accepted;
    return publisher;
  };
  let publisher = await publish(`${nginx.url}/cam`);
  const { id } = await station.create({ enabled: true, url: `${nginx.url}/cam` });
  assert.equal((await station.untilState(id, 'online')).protocol, 'pull-rtmp');
  await until('frames from nginx', 15_000, () => station.received.length > 150);
  assert.ok(isWhole(station, 0));
  await publisher.stop();
  await until('the source is missed', 15_000, () => station.pulls.status(id)!.lastError !== null);
  publisher = await publish(`${nginx.url}/cam`);
  await until('a second run', 20_000, () => station.received.filter(({ run }) => run === 1).length > 150);
  assert.ok(isWhole(station, 1));
  await publisher.stop();

  // Our own server says what is the matter.
  const server = await startServer();
  after(() => server.close());
  const stream = await server.createLiveStream();
  const playbackId = stream.ingest.key.replace(/\?.*/, '');
  await station.change(id, { url: `rtmp://127.0.0.1:${server.rtmpPort}/${playbackId}` });
  await until('it is not on air', 15_000, () => station.pulls.status(id)!.lastError?.code === 'not_found');
  const before = station.received.length;
  publisher = await publish(ingestUrl(stream));
  await until('frames from our server', 20_000, () => station.received.length > before + 150);
  assert.ok(isWhole(station, station.received.at(-1)!.run));
  await server.api('PATCH', `/live_streams/${stream._id}`, { enabled: false });
  await until('it is over', 15_000, () => station.pulls.status(id)!.lastError?.code === 'source_ended');
});

test('R47 servers that say nothing, whisper or babble end in a true state', async () => {
  const station = await startPullStation({ timings: { firstFrameMs: 1500 } });
  for (const [manners, code] of [
    ['mute', 'timeout'],
    ['endless_handshake', 'timeout'],
    ['babble', 'bad_answer'],
  ] as const) {
    const server = await startRtmpReceiver(manners);
    after(() => server.kill());
    const { id } = await station.create({ enabled: true, url: `rtmp://127.0.0.1:${server.port}/live/cam` });
    await until(`${manners}: ${code}`, 10_000, () => {
      const { state, lastError } = station.pulls.status(id)!;
      if (lastError?.code !== code) throw new Error(`${state} ${JSON.stringify(lastError)}`);
      return state === 'retrying' || state === 'connecting';
    });
    await station.change(id, { enabled: false });
  }
  assert.equal(station.received.length, 0);
});

test('G18 a whole server: its own addresses are refused, a viewer starts a pull and waits for it, and no ffmpeg outlives it', async () => {
  const source = await startFlvSource(flv);
  const camera = await startRtspServer(flv);
  const server = await startServer({ env: { LIVEAPI_OUTBOUND_ALLOW: '127.0.0.0/8' } });
  after(() => server.close());
  for (const url of [`http://127.0.0.1:${server.httpPort}/hls/a/index.m3u8`, `rtmp://localhost:${server.rtmpPort}/a`])
    await assert.rejects(
      server.createLiveStream({ settings: { pulling_mode: { enabled: true, url } } }),
      /400 .*settings\.pulling_mode\.url/,
    );
  const onDemand = await server.createLiveStream({
    settings: { pulling_mode: { enabled: true, url: source.url, start: 'on_demand', stop_after_idle_s: 60 } },
  });
  const status = async (id: string) =>
    (await server.api<{ pulling_status?: { state: string } }>('GET', `/live_streams/${id}`)).pulling_status?.state;
  assert.equal(await status(onDemand._id), 'waiting');
  assert.equal(source.asked.length, 0);
  const index = await ask(onDemand.playback.hls_url);
  assert.deepEqual([index.status, source.asked.length], [200, 1]);
  assert.match(index.body.toString(), /main\.m3u8/);
  assert.equal(await status(onDemand._id), 'online');
  // Changed while it plays: off at once, and who comes now does not wait.
  await server.api('PATCH', `/live_streams/${onDemand._id}`, { enabled: false });
  assert.notEqual(await status(onDemand._id), 'online');
  await until('the source is let go of', 5000, () => source.open === 0);
  assert.equal((await ask(onDemand.playback.hls_url.replace(/lv_.{4}/, 'lv_0000'))).status, 404);

  const rtsp = await server.createLiveStream({
    settings: { pulling_mode: { enabled: true, url: `rtsp://127.0.0.1:${camera.port}/` } },
  });
  await until('the camera is online', 20_000, async () => (await status(rtsp._id)) === 'online');
  const children = () =>
    readdirSync('/proc').filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return command.includes('-protocol_whitelist') && ffmpegs.has(Number(pid));
      } catch {
        return false;
      }
    });
  const ffmpegs = new Set(
    readdirSync('/proc').flatMap((pid) => {
      try {
        const parent = Number(
          readFileSync(`/proc/${pid}/stat`, 'latin1')
            .replace(/^.*\) /s, '')
            .split(' ')[1],
        );
        return parent === server.pid ? [Number(pid)] : [];
      } catch {
        return [];
      }
    }),
  );
  assert.equal(children().length, 1);
  await server.kill9();
  await until('ffmpeg goes with the server', 5000, () => children().length === 0);
  // The next one takes up what it had, without being told.
  await server.restart();
  await until('the camera is online again', 20_000, async () => (await status(rtsp._id)) === 'online');
  assert.equal(camera.connections, 2);
});
