// H84: the players that people have play hls_url from the first frame to the end, and end in order.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, suite, test } from 'node:test';
import { closeConnections } from '../conformance/index.ts';
import { type Child, startChild } from '../support/child.ts';
import { readMediaPlaylist } from '../support/collect.ts';
import { makeFlv, publishFile } from '../support/encoder.ts';
import { readFlvTags, sentFrames } from '../support/flv-frames.ts';
import { ingestUrl, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const SECONDS = 12;
/** Plays with mpv to the end, without a window or a sound device. The last values of what it says of itself on the way. */
async function playWithMpv(args: readonly string[]): Promise<{ child: Child; seen: Record<string, number> }> {
  const folder = await mkdtemp(join(tmpdir(), 'liveapi-mpv-'));
  const path = join(folder, 'ipc');
  const child = startChild('mpv', ['--no-config', '--vo=null', '--ao=null', `--input-ipc-server=${path}`, ...args]);
  const seen: Record<string, number> = {};
  const ipc = await until(
    'mpv listens',
    10_000,
    () =>
      new Promise<Socket>((resolve, reject) => {
        const socket = connect(path, () => resolve(socket)).once('error', reject);
      }),
  );
  ipc.on('error', () => {}); // mpv has ended
  for (const [id, name] of ['time-pos', 'frame-drop-count', 'decoder-frame-drop-count'].entries())
    ipc.write(`${JSON.stringify({ command: ['observe_property', id + 1, name] })}\n`);
  createInterface({ input: ipc }).on('line', (line) => {
    const { name, data } = JSON.parse(line) as { name?: string; data?: unknown };
    if (name && typeof data === 'number') seen[name] = data;
  });
  const { code } = await child.ended;
  await rm(folder, { recursive: true, force: true });
  assert.equal(code, 0, child.stdout() + child.stderr());
  return { child, seen };
}

suite('H84 players', { concurrency: true, timeout: 90_000 }, () => {
  let server: TestServer;
  let encoder: Child;
  let hlsUrl: string;
  let audioUrl: string;
  let sent: { video: number; audio: number };

  before(async () => {
    server = await startServer({ env: { LIVEAPI_RECONNECT_WINDOW_S: '0' } });
    const flv = await makeFlv({ seconds: SECONDS, video: { bFrames: 2 }, audio: { rate: 44_100, channels: 2 } });
    const { frames } = sentFrames(readFlvTags(flv));
    sent = {
      video: frames.filter(({ kind }) => kind === 'video').length,
      audio: frames.filter(({ kind }) => kind === 'audio').length,
    };
    const stream = await server.createLiveStream();
    hlsUrl = stream.playback.hls_url;
    audioUrl = hlsUrl.replace('index.m3u8', 'audio.m3u8');
    encoder = publishFile(flv, ingestUrl(stream));
    // Players that know no parts begin three segments before the end: with one there, that is the first frame.
    await until('the first whole segment', 15_000, async () =>
      (await readMediaPlaylist(audioUrl)).segments.some(({ gap }) => !gap),
    );
  });
  after(async () => {
    await encoder.stop();
    closeConnections();
    await server.close();
  });

  test('ffprobe reads every packet', async () => {
    const child = startChild('ffprobe', [
      '-v',
      'error',
      '-count_packets',
      '-show_entries',
      'stream=codec_type,nb_read_packets',
      '-of',
      'json',
      hlsUrl,
    ]);
    assert.equal((await child.ended).code, 0, child.stderr());
    const { streams } = JSON.parse(child.stdout()) as {
      streams: { codec_type: 'video' | 'audio'; nb_read_packets: string }[];
    };
    assert.deepEqual(
      Object.fromEntries(streams.map(({ codec_type, nb_read_packets }) => [codec_type, Number(nb_read_packets)])),
      sent,
    );
  });

  test('ffmpeg decodes every frame without an error', async () => {
    const child = startChild('ffmpeg', [
      '-v',
      'error',
      '-nostdin',
      '-progress',
      'pipe:1',
      '-i',
      hlsUrl,
      '-fps_mode',
      'passthrough',
      '-f',
      'null',
      '-',
    ]);
    assert.equal((await child.ended).code, 0, child.stderr());
    assert.equal(child.stderr(), '');
    assert.equal(
      Number(
        child
          .stdout()
          .match(/frame=(\d+)/g)
          ?.at(-1)
          ?.slice(6),
      ),
      sent.video,
    );
  });

  test('mpv plays to the end', async (t) => {
    const startMs = performance.now();
    const { seen } = await playWithMpv([hlsUrl]);
    const tookS = (performance.now() - startMs) / 1000;
    t.diagnostic(
      `at ${seen['time-pos']} s of ${SECONDS} after ${tookS.toFixed(1)} s, ${seen['frame-drop-count']} frames late`,
    );
    assert.ok(seen['time-pos']! > SECONDS - 0.2, JSON.stringify(seen));
    assert.equal(seen['decoder-frame-drop-count'] ?? 0, 0);
    assert.ok(tookS > SECONDS - 4, 'in real time');
  });

  test('mpv plays the audio alone to the end', async (t) => {
    const { seen } = await playWithMpv(['--no-video', audioUrl]);
    t.diagnostic(`position ${seen['time-pos']?.toFixed(2)} s`);
    assert.ok(seen['time-pos']! > SECONDS - 1.5, JSON.stringify(seen));
  });
});
