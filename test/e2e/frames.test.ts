// Every coded frame that an encoder sends comes out of HLS with the same bytes and the same timing.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { closeConnections, compareFrames } from '../conformance/index.ts';
import { collect, readMediaPlaylist, receivedOf } from '../support/collect.ts';
import { type Clip, makeFlv, publishFile } from '../support/encoder.ts';
import { readFlvTags, sentFrames } from '../support/flv-frames.ts';
import { ingestUrl, startServer, type TestServer } from '../support/server.ts';
import { publishTags, type SessionOptions } from '../support/session-publisher.ts';
import { until } from '../support/until.ts';

const SECONDS = 7;
const video = { size: '320x180', kbps: 300 };
const audio = { rate: 48_000, channels: 2 } as const;

/** `session`: pushed by our own RTMP client with these options; otherwise by ffmpeg. */
const CASES: readonly (readonly [string, Omit<Clip, 'seconds'>, SessionOptions?])[] = [
  ['H.264 without B-frames, AAC 48 kHz stereo', { video, audio }],
  [
    'H.264 with B-frames, AAC 44.1 kHz stereo',
    { video: { ...video, bFrames: 3 }, audio: { rate: 44_100, channels: 2 } },
  ],
  [
    'H.264 with B-frames at 25/s, AAC 48 kHz mono',
    { video: { ...video, bFrames: 2, fps: 25, gopS: 1 }, audio: { rate: 48_000, channels: 1 } },
  ],
  ['H.264 at 60/s, AAC 44.1 kHz mono', { video: { ...video, fps: 60 }, audio: { rate: 44_100, channels: 1 } }],
  ['audio only, 48 kHz stereo', { audio }],
  ['audio only, 44.1 kHz mono', { audio: { rate: 44_100, channels: 1 } }],
  ['video only', { video }],
  ['video only with B-frames', { video: { ...video, bFrames: 3 } }],
  ['chunks of 128 bytes', { video, audio }, { chunkSize: 128 }],
  ['chunks of 60,000 bytes', { video: { ...video, bFrames: 3 }, audio }, { chunkSize: 60_000 }],
  ['configuration sent again before each key frame', { video: { ...video, gopS: 1 }, audio }, { repeatConfig: true }],
  // H67: the publisher's clock passes the limits of 24, 31 and 32 bits in the middle of the run.
  ['H67 timestamps across 2^24 ms', { video, audio }, { offsetMs: 2 ** 24 - 3000 }],
  ['H67 timestamps across 2^31 ms', { video, audio }, { offsetMs: 2 ** 31 - 3000 }],
  ['H67 timestamps across 2^32 ms', { video: { ...video, bFrames: 3 }, audio }, { offsetMs: 2 ** 32 - 3000 }],
];

suite('H65 H14 every coded frame comes out as it went in', { concurrency: 7, timeout: 120_000 }, () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({ env: { LIVEAPI_RECONNECT_WINDOW_S: '0' } });
  });
  after(async () => {
    closeConnections();
    await server.close();
  });

  for (const [name, clip, session] of CASES) {
    test(name, async () => {
      const flv = await makeFlv({ seconds: SECONDS, ...clip });
      const tags = readFlvTags(flv);
      const sent = sentFrames(tags);
      assert.equal(
        sent.frames.filter(({ kind }) => kind === 'video').length,
        clip.video ? SECONDS * (clip.video.fps ?? 30) : 0,
      );
      const stream = await server.createLiveStream({ name });
      if (session) {
        const publisher = publishTags(tags, ingestUrl(stream), session);
        await publisher.accepted;
        await publisher.sent;
        await publisher.stop();
      } else {
        const encoder = publishFile(flv, ingestUrl(stream));
        assert.equal((await encoder.ended).code, 0, encoder.stderr());
      }
      const mainUrl = stream.playback.hls_url.replace('index.m3u8', 'main.m3u8');
      await until('the playlist has ended', 10_000, async () => (await readMediaPlaylist(mainUrl)).ended);

      const { playlist, runs } = await collect(mainUrl);
      assert.equal(runs.length, 1, 'one run');
      const received = { video: receivedOf(runs[0]!, 'video'), audio: receivedOf(runs[0]!, 'audio') };
      assert.deepEqual(compareFrames(sent, received).problems, []);
      if (clip.video)
        assert.ok(
          runs[0]!.init.find(({ kind }) => kind === 'video')!.config.equals(sent.avcConfig!),
          'avcC is the one that was sent',
        );
      if (clip.audio)
        assert.ok(
          runs[0]!.init.find(({ kind }) => kind === 'audio')!.config.equals(sent.aacConfig!),
          'AudioSpecificConfig is the one that was sent',
        );

      const lead = received.video ?? received.audio!;
      const last = lead.samples.at(-1)!;
      const realS = (last.dts + last.duration - lead.samples[0]!.dts) / lead.timescale;
      const listedS = playlist.segments.reduce((sum, { durationS }) => sum + durationS, 0);
      assert.ok(
        Math.abs(realS - listedS) <= last.duration / lead.timescale,
        `EXTINF sums to ${listedS}, the media last ${realS}`,
      );

      const audioUrl = mainUrl.replace('main.m3u8', 'audio.m3u8');
      if (clip.audio) {
        const alone = await collect(audioUrl);
        const onlyAudio = { ...sent, frames: sent.frames.filter(({ kind }) => kind === 'audio') };
        assert.deepEqual(
          compareFrames(onlyAudio, { video: null, audio: receivedOf(alone.runs[0]!, 'audio') }).problems,
          [],
          'audio rendition',
        );
        assert.deepEqual(
          alone.runs[0]!.init.map(({ kind }) => kind),
          ['audio'],
        );
      } else await assert.rejects(readMediaPlaylist(audioUrl), /^Error: 404/);
    });
  }
});
