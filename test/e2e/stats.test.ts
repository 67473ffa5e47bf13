// What the API says of a running broadcast, of its encoder and of its viewers; and what Prometheus reads.
import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import type { LiveState, Stats, StreamHealth, Usage } from '../../src/contract/index.ts';
import { parseMultivariant } from '../../src/formats/m3u8/index.ts';
import { ask, closeConnections } from '../conformance/index.ts';
import { startChild } from '../support/child.ts';
import { type Clip, makeFlv, publishFile } from '../support/encoder.ts';
import { ingestUrl, type LiveStream, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const SMALL = { size: '320x180', kbps: 300, fps: 30, bFrames: 2 };
const USUAL: Clip = { seconds: 12, video: SMALL, audio: { rate: 44_100, channels: 2, kbps: 96 } };

suite('stats', { concurrency: true, timeout: 120_000 }, () => {
  let server: TestServer;
  before(async () => {
    // Made before tests that run beside each other want it.
    await makeFlv(USUAL);
    server = await startServer({ env: { LIVEAPI_RECONNECT_WINDOW_S: '2', LIVEAPI_METRICS_STREAMS: 'true' } });
  });
  after(async () => {
    closeConnections();
    await server.close();
  });

  /** Real ffmpeg, in real time, until the test is over. */
  async function goLive(t: TestContext, clip: Clip): Promise<LiveStream> {
    const [stream, flv] = await Promise.all([server.createLiveStream(), makeFlv(clip)]);
    const encoder = publishFile(flv, ingestUrl(stream), { loop: true });
    t.after(() => encoder.stop('SIGKILL'));
    await server.untilStatus(stream._id, 'online');
    return stream;
  }

  const statsOf = (stream: LiveStream, prefix = '') =>
    server.api<Stats>('GET', `${prefix}/live_streams/${stream._id}/stats`);
  const statusOf = async (path: string) =>
    (
      await ask(`${server.publicUrl}${path}`, {
        headers: { authorization: `Basic ${Buffer.from(`${server.tokenId}:${server.secret}`).toString('base64')}` },
      })
    ).status;

  const untilStats = (what: string, stream: LiveStream, ready: (stats: Stats) => unknown, timeoutMs = 30_000) =>
    until(what, timeoutMs, async () => {
      const stats = await statsOf(stream);
      return ready(stats) ? stats : null;
    });

  /** Reads playlists as a player with this address would, until the test is over. */
  function watch(t: TestContext, url: string, everyMs = 1000): () => void {
    const timer = setInterval(() => void ask(url).catch(() => {}), everyMs);
    const stop = () => clearInterval(timer);
    t.after(stop);
    void ask(url);
    return stop;
  }

  async function mediaPlaylist(stream: LiveStream): Promise<string> {
    const { hls_url } = stream.playback;
    const text = await until('a playlist', 15_000, async () => {
      const answer = await ask(hls_url);
      return answer.status === 200 && answer.body.toString();
    });
    return new URL(parseMultivariant(text).variants[0]!.uri, hls_url).href;
  }

  test('health over time, how it stands now, and what was used of it', async (t) => {
    const stream = await goLive(t, USUAL);
    watch(t, await mediaPlaylist(stream));
    const { playback_id } = await report(stream, 'play', { startup_ms: 640 });
    const health = () => server.api<StreamHealth>('GET', `/live_streams/${stream._id}/health`);
    const { session, samples, moments } = await until('three samples with a viewer', 60_000, async () => {
      const found = await health();
      return found.samples.viewers.filter((viewers) => viewers === 1).length >= 3 && found;
    });
    assert.equal(session!.ended_at, null);
    assert.deepEqual([...new Set(Object.values(samples).map(({ length }) => length))], [samples.at.length]);
    assert.ok(samples.bitrate_kbps.at(-1)! > 100 && samples.frame_rate.at(-1)! > 10, JSON.stringify(samples));
    assert.ok(samples.key_frame_interval_s.at(-1)! > 0 && Math.abs(samples.drift_ms.at(-1)!) < 1000);
    assert.deepEqual(moments, []);
    const authorization = `Basic ${Buffer.from(`${server.tokenId}:${server.secret}`).toString('base64')}`;
    const now = (await ask(`${server.publicUrl}/updates?for_s=0`, { headers: { authorization } })).body.toString();
    const { live_streams } = JSON.parse(/^event: live\ndata: (.*)$/m.exec(now)![1]!) as { live_streams: LiveState[] };
    const state = live_streams.find(({ _id }) => _id === stream._id)!;
    assert.deepEqual([state.state, state.broadcasting_status, state.viewers], ['live', 'online', 1]);
    assert.ok(state.bitrate_kbps > 100 && Date.parse(state.since!) <= Date.now());

    const still = await ask(`${server.publicUrl}/live_streams/${stream._id}/still`, { headers: { authorization } });
    assert.deepEqual([still.status, still.headers['content-type']], [200, 'image/jpeg']);
    assert.equal(still.body.subarray(0, 3).toString('hex'), 'ffd8ff');
    await report(stream, 'watch', { watched_s: 3, playback_id });
    const used = await until('it is written', 30_000, async () => {
      const { docs } = await server.api<Usage>('GET', '/usage?group=live_stream');
      const found = docs.find(({ live_stream }) => live_stream === stream._id);
      return found && found.watch_s > 0 && found;
    });
    assert.deepEqual([used.plays, used.unique_viewers, used.watch_s, used.startup_ms!.p50], [1, 1, 3, 712]);
    assert.ok(
      used.streamed_s > 3 && used.viewer_s > 3 && used.bytes_in > 100_000 && used.bytes_out > 0,
      JSON.stringify(used),
    );
  });

  /** What a player would. */
  async function report(stream: LiveStream, event: string, more: object) {
    const [playback_id] = stream.ingest.key.split('?');
    const body = { playback_id, play_id: '0123456789abcdef', event, ...more };
    const answer = await fetch(`${server.publicUrl}/embed/beacon`, { method: 'POST', body: JSON.stringify(body) });
    assert.equal(answer.status, 204);
    return body;
  }

  test('stats of a running broadcast in both dialects; 404 before, after and for others', async (t) => {
    const idle = await server.createLiveStream();
    for (const prefix of ['', '/v2']) {
      assert.equal(await statusOf(`${prefix}/live_streams/${idle._id}/stats`), 404);
      assert.equal(await statusOf(`${prefix}/live_streams/${'0'.repeat(24)}/stats`), 404);
    }
    const stream = await goLive(t, USUAL);
    await mediaPlaylist(stream);
    const stats = await untilStats('ten seconds of it', stream, ({ lifetime }) => lifetime > 11_000);
    assert.deepEqual(await Promise.all(['', '/v2'].map(async (prefix) => Object.keys(await statsOf(stream, prefix)))), [
      Object.keys(stats),
      Object.keys(stats),
    ]);
    assert.deepEqual(
      [stats.status, stats.running, stats.alive, stats.published_via, stats.url, stats.retry_count, stats.push_stats],
      ['running', true, true, 'rtmp', 'publish://', 0, {}],
    );
    assert.match(stats.published_from, /127\.0\.0\.1$/);
    assert.ok(
      Math.abs(Date.now() - stats.opened_at - stats.lifetime) < 2000 && stats.start_running_at >= stats.opened_at,
    );
    // ffmpeg's rate control is no ruler.
    assert.ok(stats.bitrate > 250 && stats.bitrate < 600, `${stats.bitrate} kbit/s`);
    assert.ok(stats.input_bitrate >= stats.bitrate && stats.bytes_in > (stats.bitrate * stats.lifetime) / 8 / 2);
    const [video, audio] = stats.media_info.tracks;
    assert.deepEqual(
      { ...video, bitrate: 0, avg_fps: Math.round(video!.avg_fps!) },
      {
        track_id: 'v1',
        content: 'video',
        codec: 'h264',
        bitrate: 0,
        width: 320,
        height: 180,
        pixel_width: 320,
        pixel_height: 180,
        sar_width: 1,
        sar_height: 1,
        pix_fmt: 'yuv420p',
        fps: 30,
        avg_fps: 30,
        profile: 'High',
        level: video!.level,
        bframes: 2,
        gop_size: 60,
        last_gop: 60,
      },
    );
    assert.match(video!.level!, /^\d\.\d$/);
    assert.deepEqual(
      { ...audio, bitrate: 0 },
      { track_id: 'a1', content: 'audio', codec: 'aac', bitrate: 0, channels: 2, sample_rate: 44_100 },
    );
    await server.api('PATCH', `/live_streams/${stream._id}`, { enabled: false });
    assert.equal(await statusOf(`/live_streams/${stream._id}/stats`), 404);
  });

  test('advice: ffmpeg with key frames far apart is told to set the interval; without sound it is told that too', async (t) => {
    const far = await goLive(t, { seconds: 16, video: { ...SMALL, gopS: 8 }, audio: { rate: 48_000, channels: 2 } });
    const silent = await goLive(t, { seconds: 12, video: SMALL });
    const codes = ({ advice }: Stats) => advice.map(({ code }) => code).join();
    const stats = await untilStats('key frames far apart', far, (now) => codes(now) === 'key_frames_far_apart');
    assert.match(stats.advice[0]!.message, /Set the key frame interval to 2 s/);
    assert.equal(stats.advice[0]!.severity, 'warning');
    assert.ok(Math.abs(Date.parse(stats.advice[0]!.since) - Date.now()) < 5000);
    await untilStats('no sound', silent, (now) => codes(now) === 'no_audio');
    assert.equal(server.output().match(/encoder advice: There is no sound/g)?.length, 1, 'logged once');
  });

  test('viewers: up within 5 s and down within 15 s, by session; ffmpeg counts, a shared playlist does not', async (t) => {
    const stream = await goLive(t, USUAL);
    await untilStats('nobody watches', stream, ({ viewers }) => viewers === 0);
    const first = await mediaPlaylist(stream);
    const second = await mediaPlaylist(stream);
    const stops = [watch(t, first), watch(t, first, 700), watch(t, `${first}&_HLS_skip=YES`), watch(t, second)];
    const begun = performance.now();
    const stats = await untilStats('two viewers', stream, ({ viewers }) => viewers === 2, 5000);
    assert.ok(performance.now() - begun < 5000);
    assert.equal(stats.online_clients, 2);
    const player = startChild('ffmpeg', ['-v', 'error', '-nostdin', '-i', stream.playback.hls_url, '-f', 'null', '-']);
    t.after(() => player.stop('SIGKILL'));
    await untilStats('three with ffmpeg', stream, ({ viewers }) => viewers === 3);
    watch(t, stream.playback.hls_url.replace('index', 'main'));
    await until('bytes go out', 10_000, async () => (await statsOf(stream)).bytes_out > 100_000);
    assert.equal((await statsOf(stream)).viewers, 3);
    await player.stop('SIGKILL');
    for (const stop of stops) stop();
    await untilStats('all are gone', stream, ({ viewers }) => viewers === 0, 15_000);
  });

  test('S47 S03 metrics for this machine only, in the format that Prometheus reads', async (t) => {
    const stream = await goLive(t, USUAL);
    await mediaPlaylist(stream);
    await statsOf(stream);
    const url = `${server.publicUrl}/metrics`;
    const text = await until('a publisher', 10_000, async () => {
      const answer = await ask(url);
      assert.equal(answer.status, 200);
      assert.match(answer.headers['content-type']!, /^text\/plain; version=0\.0\.4/);
      return (
        /^liveapi_live_stream_bitrate_bits\{live_stream="\w+"\} [1-9]/m.test(answer.body.toString()) &&
        answer.body.toString()
      );
    });
    const value = (series: string) =>
      Number(new RegExp(`^${series.replace(/[{}"]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1]);
    for (const series of [
      'liveapi_publishers',
      'liveapi_broadcasts',
      'liveapi_broadcasts_total',
      'liveapi_ingest_bytes_total',
      'liveapi_playback_bytes_total',
      'liveapi_playback_requests_total{kind="multivariant"}',
      'liveapi_playlists_rendered_total',
      'liveapi_window_bytes',
      'liveapi_rtmp_connections',
      'liveapi_api_request_duration_seconds_count{method="GET",route="/live_streams/:id/stats",status="200"}',
      'liveapi_store_query_duration_seconds_count{outcome="ok"}',
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
    ])
      assert.ok(value(series) > 0, `${series} is ${value(series)}`);
    for (const series of [
      'liveapi_viewers',
      'liveapi_publish_refused_total{reason="unknown_key"}',
      'liveapi_dropped_packets_total',
    ])
      assert.ok(value(series) >= 0, series);
    // Every line is a comment or a sample; every family is described once.
    for (const line of text.trimEnd().split('\n'))
      assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"\n]*"(,\w+="[^"\n]*")*\})? \S+|)$/);
    const described = [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name);
    assert.equal(new Set(described).size, described.length);
    assert.ok(!text.includes(stream.ingest.key.split('?')[0]!) && !text.includes(server.secret));
    for (const header of ['x-forwarded-for', 'forwarded', 'via'])
      assert.equal((await ask(url, { headers: { [header]: '127.0.0.1' } })).status, 403, header);
  });
});

test('S47 S03 with a token, metrics are for its holder, and live streams are not named unless asked for', async (t) => {
  const token = 'a-long-and-random-token';
  const server = await startServer({ env: { LIVEAPI_METRICS_TOKEN: token } });
  t.after(async () => {
    closeConnections();
    await server.close();
  });
  const url = `${server.publicUrl}/metrics`;
  const status = async (authorization?: string) =>
    (await ask(url, { headers: { 'x-forwarded-for': '203.0.113.9', ...(authorization && { authorization }) } })).status;
  assert.deepEqual(
    await Promise.all([status(), status(`Bearer ${token}x`), status(`Basic ${token}`), status(`Bearer ${token}`)]),
    [403, 403, 403, 200],
  );
  const text = (await ask(url, { headers: { authorization: `Bearer ${token}` } })).body.toString();
  assert.ok(!text.includes('live_stream'));
});

test('L33 drain_s: not ready, no new encoder, who is on air goes on; a second SIGTERM ends it, in order', async () => {
  const server = await startServer({ env: { LIVEAPI_DRAIN_S: '600' } });
  const [stream, late] = [await server.createLiveStream(), await server.createLiveStream()];
  const flv = await makeFlv(USUAL);
  const encoder = publishFile(flv, ingestUrl(stream), { loop: true });
  let turnedAway: ReturnType<typeof publishFile> | undefined;
  try {
    await server.untilStatus(stream._id, 'online');
    process.kill(server.pid, 'SIGTERM');
    const ready = async () => (await ask(`${server.publicUrl}/health/ready`)).status;
    await until('it says that it is not ready', 10_000, async () => (await ready()) === 503);
    turnedAway = publishFile(flv, ingestUrl(late), { loop: true });
    await turnedAway.ended;
    assert.match(server.output(), /publish could not be checked/);
    const shown = await server.api<{ broadcasting_status: string }>('GET', `/live_streams/${stream._id}`);
    assert.equal(shown.broadcasting_status, 'online');
  } finally {
    // The second one; it ends with 0.
    await server.close();
    await encoder.stop('SIGKILL');
    await turnedAway?.stop('SIGKILL');
    closeConnections();
  }
});

test('L33 SIGTERM while on air: the broadcast ends in order, its end is written, and the process ends with 0', async () => {
  const server = await startServer();
  const stream = await server.createLiveStream();
  const flv = await makeFlv(USUAL);
  const encoder = publishFile(flv, ingestUrl(stream), { loop: true });
  try {
    await server.untilStatus(stream._id, 'online');
    const begun = performance.now();
    await server.restart();
    console.log(`# stopped on air and started again in ${Math.round(performance.now() - begun)} ms`);
    const output = server.output();
    assert.match(output, /"reason":"shutdown".*"msg":"broadcast closed"/);
    assert.match(output, /"msg":"closed"/);
    assert.ok(!/could not be written|event lost/.test(output));
    const { docs } = await server.api<{ docs: { event: string; payload: { reason?: string } }[] }>('GET', '/events');
    const told = docs.map(({ event, payload }) => `${event} ${payload.reason ?? ''}`.trim()).reverse();
    assert.deepEqual(
      told.filter((line) => /nected/.test(line)),
      ['stream-connected', 'stream-disconnected shutdown'],
    );
  } finally {
    await encoder.stop('SIGKILL');
    closeConnections();
    await server.close();
  }
});
