import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FlvReader, type FlvTag, parseAudioTag, parseVideoTag } from '../../../src/formats/flv/index.ts';
import { ClientSession, ServerSession } from '../../../src/formats/rtmp/index.ts';
import { type Media, Peer } from './peer.ts';

const folder = mkdtempSync(join(tmpdir(), 'rtmp-test-'));
const source = join(folder, 'source.flv');
const KEY = 'lv_0123456789abcdef0123456789abcdef?password=01234567';

async function ffmpeg(...args: string[]): Promise<void> {
  const child = spawn('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...args]);
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += text));
  const [code] = await once(child, 'close');
  assert.equal(code, 0, stderr);
}

/** The audio and video tags of a file, without the end of sequence that only files have. */
function mediaOf(path: string): Media[] {
  const tags: FlvTag[] = [];
  new FlvReader((tag) => tags.push(tag)).push(readFileSync(path));
  return tags.flatMap(({ type, timestampMs, body }) => (type === 'data' ? [] : [{ kind: type, timestampMs, body }]));
}

function assertSameMedia(actual: Media[], expected: Media[]): void {
  for (const kind of ['audio', 'video'] as const) {
    const one = actual.filter((media) => media.kind === kind);
    const other = expected.filter((media) => media.kind === kind);
    assert.equal(one.length, other.length, kind);
    for (const [i, { timestampMs, body }] of one.entries()) {
      assert.equal(timestampMs, other[i]!.timestampMs, `${kind} ${i}`);
      assert.ok(body.equals(other[i]!.body), `${kind} ${i}`);
    }
  }
}

before(async () => {
  const inputs = [
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=320x180:rate=30',
    '-f',
    'lavfi',
    '-i',
    'sine=frequency=440:sample_rate=44100',
  ];
  const codecs = [
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-bf',
    '2',
    '-g',
    '30',
    '-pix_fmt',
    'yuv420p',
    '-c:a',
    'aac',
    '-ac',
    '2',
  ];
  await ffmpeg(...inputs, ...codecs, '-t', '3', source);
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Lets FFmpeg publish to a server made of ServerSession, and returns what arrived. */
async function publish(chunkSize: number, url: (port: number) => string[], ...more: string[]) {
  const media: Media[] = [];
  const seen = { key: '', metadata: 0, unpublished: 0, error: undefined as unknown };
  const server = createServer({ noDelay: true }, (socket: Socket) => {
    const session = new ServerSession(
      {
        send: (bytes) => socket.write(bytes),
        publish: ({ playKey }) => {
          seen.key = `${playKey.playbackId}?password=${playKey.password}`;
          setImmediate(() => session.acceptPublish());
        },
        play: () => session.refusePlay('NetStream.Play.StreamNotFound', ''),
        media: (kind, timestampMs, body) => media.push({ kind, timestampMs, body }),
        metadata: () => seen.metadata++,
        unpublish: () => seen.unpublished++,
        playStopped: () => {},
      },
      { chunkSize },
    );
    socket.on('data', (bytes: Buffer) => {
      try {
        session.receive(bytes);
        bytes.fill(0);
      } catch (error) {
        seen.error = error;
        socket.destroy();
      }
    });
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await ffmpeg('-i', source, '-c', 'copy', ...more, '-f', 'flv', ...url((server.address() as AddressInfo).port));
  } finally {
    server.close();
    await once(server, 'close');
  }
  assert.equal(seen.error, undefined);
  assert.deepEqual(
    { ...seen, metadata: seen.metadata > 0 },
    { key: KEY, metadata: true, unpublished: 1, error: undefined },
  );
  return media;
}

test('what FFmpeg publishes arrives as it would write it to a file, at its own chunk size and at ours', async () => {
  const file = join(folder, 'copy.flv');
  await ffmpeg('-i', source, '-c', 'copy', '-f', 'flv', file);
  const expected = mediaOf(file);
  assert.ok(expected.length > 200);
  assertSameMedia(await publish(128, (port) => [`rtmp://127.0.0.1:${port}/static/${KEY}`]), expected);
  const settings = (port: number) => [
    '-rtmp_app',
    'static',
    '-rtmp_playpath',
    KEY,
    '-rtmp_tcurl',
    `rtmp://127.0.0.1:${port}/static/`,
    '-rtmp_flashver',
    'FMLE/3.0',
    '-rtmp_conn',
    'O:1',
    '-rtmp_conn',
    'NS:name:value',
    '-rtmp_conn',
    'NB:yes:1',
    '-rtmp_conn',
    'O:0',
    '-rtmp_live',
    'live',
    `rtmp://127.0.0.1:${port}/ignored`,
  ];
  assertSameMedia(await publish(65_536, settings), expected);
  for (const { kind, body } of expected) {
    const { codec, kind: what } = kind === 'audio' ? parseAudioTag(body) : parseVideoTag(body);
    assert.equal(codec, kind === 'audio' ? 'aac' : 'avc');
    assert.notEqual(what, 'other');
  }
});

test('B01 B03 B19 FFmpeg crosses 2^24 ms', async () => {
  const late = ['-output_ts_offset', '16776', '-copyts'];
  const file = join(folder, 'late.flv');
  await ffmpeg('-i', source, '-c', 'copy', ...late, '-f', 'flv', file);
  const expected = mediaOf(file);
  assert.ok(expected[3]!.timestampMs < 2 ** 24 && expected.at(-1)!.timestampMs > 2 ** 24);
  assertSameMedia(await publish(128, (port) => [`rtmp://127.0.0.1:${port}/static/${KEY}`], ...late), expected);
});

test('a file published by our client is what our server receives', () => {
  const expected = mediaOf(source);
  const peer = new Peer();
  let seen = 0;
  const client = new ClientSession(
    { app: 'static', tcUrl: 'rtmp://localhost/static', streamName: KEY },
    { send: (bytes) => peer.bytes(bytes), published: () => {}, refused: (code) => assert.fail(code) },
  );
  client.start();
  while (peer.sent.length > seen) client.receive(peer.sent[seen++]!);
  assert.equal(client.state, 'published');
  for (const { kind, timestampMs, body } of expected) {
    if (kind === 'audio') client.sendAudio(timestampMs, body);
    else client.sendVideo(timestampMs, body);
  }
  assertSameMedia(peer.media, expected);
});
