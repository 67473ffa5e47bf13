// What becomes of a live stream when encoders come, go, fight, fall silent or are stopped, and when the server dies.
import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import { ask, closeConnections, compareFrames } from '../conformance/index.ts';
import { collect, readMediaPlaylist, receivedOf } from '../support/collect.ts';
import { makeFlv, publishFile } from '../support/encoder.ts';
import { type FlvTag, readFlvTags, sentFrames } from '../support/flv-frames.ts';
import { ingestUrl, type LiveStream, startServer, type TestServer } from '../support/server.ts';
import { publishTags, type SessionPublisher } from '../support/session-publisher.ts';
import { patience, until } from '../support/until.ts';

const WINDOW_S = 4;
const SILENCE_S = 3;
const mainOf = (stream: LiveStream): string => stream.playback.hls_url.replace('index.m3u8', 'main.m3u8');

let flv: string;
let tags: FlvTag[];
before(async () => {
  flv = await makeFlv({
    seconds: 10,
    video: { size: '320x180', kbps: 300, gopS: 1 },
    audio: { rate: 48_000, channels: 2 },
  });
  tags = readFlvTags(flv);
});

/** Publishes round and round until the test is over. */
async function goLive(t: TestContext, stream: LiveStream): Promise<SessionPublisher> {
  const publisher = publishTags(tags, ingestUrl(stream), { loop: true });
  t.after(() => publisher.socket.destroy());
  await publisher.accepted;
  return publisher;
}

const playing = (stream: LiveStream) =>
  until('a playlist with media', 10_000, async () => {
    const playlist = await readMediaPlaylist(mainOf(stream));
    return playlist.ended ? null : playlist;
  });

suite('lifecycle', { concurrency: true, timeout: 90_000 }, () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      env: {
        LIVEAPI_RECONNECT_WINDOW_S: `${WINDOW_S}`,
        LIVEAPI_PUBLISHER_TIMEOUT_S: `${SILENCE_S}`,
        LIVEAPI_TAKEOVER_AFTER_MS: '1000',
        LIVEAPI_RTMP_FAILURES_PER_MINUTE: '1000',
        LIVEAPI_LOG_LEVEL: 'trace', // close() looks for secrets in all that was logged
      },
    });
  });
  after(async () => {
    closeConnections();
    await server.close();
  });

  test('two publishers on one key: the second is refused, the first loses nothing', async () => {
    const stream = await server.createLiveStream();
    const first = publishFile(flv, ingestUrl(stream));
    await server.untilStatus(stream._id, 'online');
    await assert.rejects(publishTags(tags, ingestUrl(stream)).accepted, /NetStream\.Publish/);
    const second = publishFile(flv, ingestUrl(stream));
    assert.notEqual((await second.ended).code, 0, 'ffmpeg is told that it was refused');
    assert.equal(await server.status(stream._id), 'online');
    assert.equal((await first.ended).code, 0, first.stderr());
    await until('the playlist has ended', 15_000, async () => (await readMediaPlaylist(mainOf(stream))).ended);
    const { runs } = await collect(mainOf(stream));
    assert.equal(runs.length, 1);
    assert.deepEqual(
      compareFrames(sentFrames(tags), { video: receivedOf(runs[0]!, 'video'), audio: receivedOf(runs[0]!, 'audio') })
        .problems,
      [],
    );
  });

  test('a silent publisher is taken over by the next with the same key', async (t) => {
    const stream = await server.createLiveStream();
    const silent = publishFile(flv, ingestUrl(stream), { loop: true });
    t.after(() => silent.stop('SIGKILL'));
    const before = await playing(stream);
    silent.process.kill('SIGSTOP');
    const next = await until(
      'the second is accepted',
      8000,
      async () => {
        const publisher = publishTags(tags, ingestUrl(stream), { loop: true });
        await publisher.accepted;
        return publisher;
      },
      200,
    );
    t.after(() => next.socket.destroy());
    assert.equal(await server.status(stream._id), 'online');
    const later = await until('the second run is listed', 10_000, async () => {
      const playlist = await readMediaPlaylist(mainOf(stream));
      return playlist.segments
        .filter(({ gap }) => !gap)
        .slice(1)
        .some(({ discontinuity }) => discontinuity)
        ? playlist
        : null;
    });
    assert.ok(later.mediaSequence >= before.mediaSequence && !later.ended);
    silent.process.kill('SIGCONT');
    await silent.ended; // its connection was closed when it was taken over
    assert.equal(await server.status(stream._id), 'online', 'the end of the first changes nothing');
  });

  test('stop by API cuts the encoder, and refuses it until the live stream is enabled again', async (t) => {
    const stream = await server.createLiveStream();
    const publisher = await goLive(t, stream);
    await playing(stream);
    const encoder = publishTags(tags, ingestUrl(await server.createLiveStream()), { loop: true });
    t.after(() => encoder.socket.destroy());
    await encoder.accepted;
    const startMs = performance.now();
    const patched = server.api('PATCH', `/live_streams/${stream._id}`, { enabled: false });
    await publisher.closed;
    t.diagnostic(`cut ${(performance.now() - startMs).toFixed(1)} ms after the request was sent`);
    assert.deepEqual([(await patched).enabled, (await patched).broadcasting_status], [false, 'offline']);
    await until(
      'viewers are told',
      2000,
      async () => (await ask(mainOf(stream))).status === 404 || (await readMediaPlaylist(mainOf(stream))).ended,
    );
    await assert.rejects(publishTags(tags, ingestUrl(stream)).accepted, /NetStream\.Publish/);
    assert.equal(await server.status(stream._id), 'offline');
    assert.equal(encoder.socket.destroyed, false, 'the neighbour goes on');
    await server.api('PATCH', `/live_streams/${stream._id}`, { enabled: true });
    await goLive(t, stream);
    await playing(stream);
    assert.equal(await server.status(stream._id), 'online');
  });

  test('delete cuts the encoder and leaves nothing to publish to or to play', async (t) => {
    const stream = await server.createLiveStream();
    const publisher = await goLive(t, stream);
    await playing(stream);
    assert.deepEqual(await server.api('DELETE', `/live_streams/${stream._id}`), { success: true });
    await publisher.closed;
    await assert.rejects(server.status(stream._id), /404/);
    await assert.rejects(publishTags(tags, ingestUrl(stream)).accepted, /NetStream\.Publish/);
    await until(
      'viewers are told',
      2000,
      async () => (await ask(mainOf(stream))).status === 404 || (await readMediaPlaylist(mainOf(stream))).ended,
    );
  });

  for (const [how, leave, limitMs] of [
    ['a goodbye', (publisher) => void publisher.stop(), 1000],
    ['FIN', (publisher) => void publisher.socket.end(), 1000],
    ['RST', (publisher) => void publisher.socket.resetAndDestroy(), 1000],
    ['silence', (publisher) => publisher.fallSilent(), SILENCE_S * 1000 + 1500],
  ] as [string, (publisher: SessionPublisher) => void, number][]) {
    test(`F22 ${how} makes the live stream offline, and ENDLIST comes after the reconnect window and not before`, async (t) => {
      const stream = await server.createLiveStream();
      const publisher = await goLive(t, stream);
      await playing(stream);
      assert.equal(await server.status(stream._id), 'online');
      leave(publisher);
      const leftMs = performance.now();
      await server.untilStatus(stream._id, 'offline', limitMs);
      const offlineMs = performance.now();
      t.diagnostic(`offline after ${Math.round(offlineMs - leftMs)} ms`);
      if (how === 'silence') {
        assert.ok(offlineMs - leftMs > SILENCE_S * 1000 - 1000, 'not taken for gone too early');
        await publisher.closed;
      }
      await until(
        'the playlist has ended',
        (WINDOW_S + 3) * 1000,
        async () => (await readMediaPlaylist(mainOf(stream))).ended,
      );
      const tookMs = performance.now() - offlineMs;
      t.diagnostic(`ended ${Math.round(tookMs)} ms after that`);
      assert.ok(tookMs > WINDOW_S * 1000 - 300 && tookMs < WINDOW_S * 1000 + 1000 * patience(), `${tookMs} ms`);
    });
  }
});

test('H28 kill -9 and restart: the API is truthful, numbers do not go back, nothing is left online, the encoder comes back', {
  timeout: 90_000,
}, async (t) => {
  const server = await startServer();
  t.after(() => server.close());
  const [stream, idle] = [await server.createLiveStream({ name: 'survivor' }), await server.createLiveStream()];
  const { broadcasting_status: _, ...known } = await server.api('GET', `/live_streams/${stream._id}`);
  await goLive(t, stream);
  const before = await until('three segments', 15_000, async () => {
    const playlist = await readMediaPlaylist(mainOf(stream));
    return playlist.segments.filter(({ gap }) => !gap).length >= 3 ? playlist : null;
  });
  const { uri } = before.segments.at(-1)!;
  closeConnections();
  await server.kill9();
  const downMs = performance.now();
  await server.restart();
  t.diagnostic(`ready ${Math.round(performance.now() - downMs)} ms after the kill`);

  const list = await server.api<{ docs: LiveStream[] }>('GET', '/live_streams?limit=100');
  assert.deepEqual(
    list.docs.map(({ broadcasting_status }) => broadcasting_status),
    ['offline', 'offline'],
  );
  assert.deepEqual(new Set(list.docs.map(({ _id }) => _id)), new Set([stream._id, idle._id]));
  const { broadcasting_status, ...again } = await server.api('GET', `/live_streams/${stream._id}`);
  assert.deepEqual([again, broadcasting_status], [known, 'offline']);
  assert.equal((await ask(mainOf(stream))).status, 404);

  await goLive(t, stream);
  await server.untilStatus(stream._id, 'online');
  const later = await playing(stream);
  const lastBefore = before.mediaSequence + before.segments.length - 1;
  assert.ok(later.mediaSequence > lastBefore, `MEDIA-SEQUENCE ${later.mediaSequence} after ${lastBefore}`);
  assert.ok(
    later.discontinuitySequence! >= before.discontinuitySequence!,
    `DISCONTINUITY-SEQUENCE ${later.discontinuitySequence} after ${before.discontinuitySequence}`,
  );
  const names = [...later.segments.map((segment) => segment.uri), ...later.openParts.map((part) => part.uri)];
  assert.ok(
    names.every((name) => name.split('/')[0] !== uri.split('/')[0]),
    'no name is used again',
  );
});

test('SIGTERM with an encoder and waiting viewers: everybody is let go, and the process ends with 0', {
  timeout: 60_000,
}, async (t) => {
  const server = await startServer();
  const stream = await server.createLiveStream();
  const publisher = await goLive(t, stream);
  const playlist = await playing(stream);
  const newest = playlist.mediaSequence + playlist.segments.length - 1;
  const waiting = ask(`${mainOf(stream)}?_HLS_msn=${newest + 2}&_HLS_part=0`).then(
    ({ status }) => status,
    () => 'closed',
  );
  const startMs = performance.now();
  await server.close();
  t.diagnostic(`closed in ${Math.round(performance.now() - startMs)} ms; the viewer got ${await waiting}`);
  await publisher.closed;
  closeConnections();
});
