import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { encodeAmf0 } from '../../src/formats/amf/index.ts';
import {
  AUTHORISED_LIMITS,
  ChunkReader,
  MessageType,
  type PlayEnd,
  PlaySession,
  writeMessage,
} from '../../src/formats/rtmp/index.ts';
import {
  type PlayerConnection,
  type PlayerEnd,
  type Players,
  type PlayRequest,
  RtmpServer,
  type RtmpServerOptions,
} from '../../src/ingest/rtmp/index.ts';
import { LiveRegistry } from '../../src/live/index.ts';
import { runChild } from '../support/child.ts';
import { makeFlv } from '../support/encoder.ts';
import { FLV_AUDIO, FLV_DATA, FLV_VIDEO, readFlvTags, sentFrames } from '../support/flv-frames.ts';
import { publishTags } from '../support/session-publisher.ts';
import { until } from '../support/until.ts';

const ID = `lv_${'0'.repeat(31)}1`;
const log = createLogger('silent');
const folder = mkdtempSync(join(tmpdir(), 'rtmp-play-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A server whose players are served by `play`, and what became of them. */
async function serving(
  play: (connection: PlayerConnection, request: PlayRequest) => void,
  options: Partial<RtmpServerOptions> = {},
) {
  const requests: PlayRequest[] = [];
  const ends: PlayerEnd[] = [];
  const players: Players = {
    play(request, connection) {
      requests.push(request);
      connection.onClose((reason) => ends.push(reason));
      play(connection, request);
    },
  };
  const registry = new LiveRegistry({ reconnectWindowMs: 0, takeoverAfterMs: 0, log, onBroadcast: () => {} });
  const server = new RtmpServer({
    host: '127.0.0.1',
    port: 0,
    publisherTimeoutMs: 10_000,
    maxConnections: 100,
    maxConnectionsPerAddress: 50,
    failuresPerMinute: 10,
    authoriser: { authorise: async () => ({ ok: false, reason: 'unknown' }) },
    registry,
    log,
    players,
    ...options,
  });
  await server.start();
  after(() => server.close());
  return { server, requests, ends };
}

/** A player of ours on a socket of its own. */
function player(port: number, app: string, streamName: string) {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  const ends: PlayEnd[] = [];
  const times: number[] = [];
  const session = new PlaySession(
    { app, tcUrl: `rtmp://127.0.0.1/${app}`, streamName },
    {
      send: (bytes) => socket.write(bytes),
      playing: () => {},
      media: (_kind, timestampMs) => times.push(timestampMs),
      metadata: () => {},
      ended: (end) => ends.push(end),
    },
  );
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => {}); // a cut connection may come as a reset; 'close' follows
  socket.on('connect', () => session.start());
  socket.on('data', (bytes) => session.receive(bytes));
  return { socket, session, ends, times, closed };
}

const sound = (ms: number): Buffer => writeMessage(4, 8, 1, ms, Buffer.from('af01aabb', 'hex'), 60_000);

test('ffmpeg plays by every URL that names the stream, and gets each frame as it was written, up to the end', async () => {
  const source = await makeFlv({
    seconds: 3,
    video: { size: '320x180', fps: 25, gopS: 1, bFrames: 2 },
    audio: { rate: 48_000, channels: 2 },
  });
  const tags = readFlvTags(source);
  const types: Record<number, number> = { [FLV_VIDEO]: 6, [FLV_AUDIO]: 4, [FLV_DATA]: 5 };
  const messages = tags.map(({ type, timestampMs, body }) =>
    writeMessage(types[type]!, type, 1, timestampMs, body, 60_000),
  );
  const { server, requests, ends } = await serving((connection) => {
    connection.accept();
    // As fast as the socket takes it.
    let next = 0;
    const pump = () => {
      while (next < messages.length) if (!connection.write(messages[next++]!)) return;
      connection.end();
    };
    connection.onDrain(pump);
    pump();
  });
  const expected = sentFrames(tags);
  for (const [i, path] of [ID, `live/${ID}`, `static/${ID}?token=a&b=c`].entries()) {
    const file = join(folder, `${i}.flv`);
    const url = `rtmp://127.0.0.1:${server.port}/${path}`;
    await runChild('ffmpeg', ['-v', 'error', '-y', '-i', url, '-c', 'copy', '-f', 'flv', file]);
    const played = sentFrames(readFlvTags(file));
    const hashes = (kind: string, frames = played.frames) =>
      frames.filter((frame) => frame.kind === kind).map(({ hash, key }) => `${key} ${hash}`);
    for (const kind of ['video', 'audio'])
      assert.deepEqual(hashes(kind), hashes(kind, expected.frames), `${path}: ${kind}`);
    assert.deepEqual(played.avcConfig, expected.avcConfig);
  }
  assert.deepEqual(
    requests.map(({ playbackId, query }) => [playbackId, query]),
    [
      [ID, ''],
      [ID, ''],
      [ID, 'token=a&b=c'],
    ],
  );
  await until('every connection is closed', 15_000, () => server.connections === 0);
  assert.deepEqual(ends, ['ended', 'ended', 'ended']);
});

test('who is not served is told why; who stops may play again; who waits may leave', async () => {
  const waiting: PlayerConnection[] = [];
  const { server, requests, ends } = await serving((connection, { query }) => {
    if (query === 'full') connection.refuse('no place');
    else if (query === 'wait') waiting.push(connection);
    else if (query === 'play') connection.accept();
    else connection.notFound('look at the URL');
  });
  for (const [name, kind, code] of [
    ['nobody', 'not_found', 'NetStream.Play.StreamNotFound'],
    [`${ID}?full`, 'refused', 'NetStream.Play.Failed'],
  ]) {
    const one = player(server.port, 'live', name!);
    await one.closed;
    assert.deepEqual(
      one.ends.map((end) => [end.kind, end.code]),
      [[kind, code]],
    );
    assert.ok(one.ends[0]!.description.length > 0);
  }
  assert.deepEqual(
    [requests.map(({ playbackId }) => playbackId), ends.splice(0)],
    [
      ['', ID],
      ['refused', 'refused'],
    ],
  );
  assert.equal(server.refused.play, 2);

  const one = player(server.port, 'live', `${ID}?wait`);
  await until('it waits', 15_000, () => waiting.length === 1);
  one.socket.write(writeMessage(3, 20, 0, 0, encodeAmf0('deleteStream', 0, null, 1), 128));
  one.socket.write(writeMessage(3, 20, 1, 0, encodeAmf0('play', 0, null, `${ID}?play`), 128));
  await until('it plays something else', 15_000, () => one.session.state === 'playing');
  assert.deepEqual(ends.splice(0), ['stopped']);
  waiting[0]!.accept();
  assert.equal(waiting[0]!.write(sound(1)), false, 'the first request is void');
  one.socket.resetAndDestroy();
  await until('the reset is noticed', 15_000, () => ends.length === 1);
  assert.ok(['reset', 'closed'].includes(ends[0]!));

  const gone = player(server.port, 'live', `${ID}?wait`);
  await until('it waits', 15_000, () => waiting.length === 2);
  gone.socket.end();
  await until('all are gone', 15_000, () => server.connections === 0);
  assert.equal(waiting[1]!.closed, true);
});

test('R10 R28 a player that asks and does not read is cut; what it sends is bounded and never published', async () => {
  const connections: PlayerConnection[] = [];
  const { server, ends } = await serving((connection) => {
    connections.push(connection);
    connection.accept();
  });
  const one = player(server.port, 'live', ID);
  await until('it plays', 15_000, () => one.session.state === 'playing');
  const [connection] = connections;
  // A publish on the same connection is refused, and the player goes on.
  one.socket.write(writeMessage(3, 20, 1, 0, encodeAmf0('publish', 0, null, ID, 'live'), 128));
  one.socket.write(writeMessage(4, 8, 1, 0, Buffer.alloc(1000, 0xaf), 128));
  for (const name of ['pause', 'seek', 'receiveAudio', 'receiveVideo', 'play2'])
    one.socket.write(writeMessage(3, 20, 1, 0, encodeAmf0(name, 0, null, true, 0), 128));
  await until('the publish is refused', 15_000, () => one.ends.length === 1);
  assert.equal(one.ends[0]!.code, 'NetStream.Publish.BadName');
  assert.equal(connection!.closed, false);
  // It stops reading: the socket fills, which the server's owner is told, and questions pile up behind it.
  one.socket.pause();
  let writes = 0;
  while (connection!.write(Buffer.alloc(60_000)) && writes < 1000) {
    writes++;
    await new Promise(setImmediate);
  }
  assert.ok(writes < 1000, 'false when it is full');
  const held = connection!.writableLength;
  const question = writeMessage(3, 20, 0, 0, encodeAmf0('whoKnows', 9, null), 128);
  const questions = Buffer.concat(Array.from({ length: 1000 }, () => question));
  const flood = setInterval(() => one.socket.writable && one.socket.write(questions), 1);
  await until('it is cut', 15_000, () => ends.length === 1);
  clearInterval(flood);
  assert.deepEqual(ends, ['silent']);
  assert.ok(held < 2 << 20, `${held} bytes held`);
  one.socket.destroy();
  await until('no socket is left', 15_000, () => server.connections === 0);
});

test('players have places like encoders: those that wait give way, those that play do not, and drain and close are told', async () => {
  const connections: PlayerConnection[] = [];
  const { server, ends } = await serving(
    (connection, { query }) => {
      connections.push(connection);
      if (query === 'play') connection.accept();
    },
    { maxConnections: 2 },
  );
  const first = player(server.port, 'live', `${ID}?play`);
  await until('the first plays', 15_000, () => first.session.state === 'playing');
  const second = player(server.port, 'live', `${ID}?wait`);
  await until('the second waits', 15_000, () => connections.length === 2);
  const third = player(server.port, 'live', `${ID}?play`);
  await until('the third plays', 15_000, () => third.session.state === 'playing');
  await second.closed;
  assert.deepEqual([ends, server.connections], [['silent'], 2]);
  // Full, and then not any more.
  let drained = 0;
  connections[0]!.onDrain(() => drained++);
  const batch = Buffer.concat(Array.from({ length: 20_000 }, (_, i) => sound(i)));
  let written = 0;
  while (connections[0]!.write(batch)) written++;
  await until('it has drained', 15_000, () => drained > 0 && first.times.length === (written + 1) * 20_000);
  connections[0]!.close('too_slow');
  await first.closed;
  await server.close();
  assert.deepEqual(ends, ['silent', 'too_slow', 'shutdown']);
  await third.closed;
});

test('players are not counted as encoders: however many play, a publisher gets in', async () => {
  const authorisation = { liveStreamId: ID, playbackId: ID, userId: 'user', discontinuities: 0 };
  const { server } = await serving((connection) => connection.accept(), {
    maxConnections: 2,
    authoriser: { authorise: async () => ({ ok: true, authorisation }) },
  });
  const players: ReturnType<typeof player>[] = [];
  while (players.length < 5) {
    const one = player(server.port, 'live', ID);
    players.push(one);
    await until('it plays', 15_000, () => one.session.state === 'playing');
  }
  const encoder = publishTags([], `rtmp://127.0.0.1:${server.port}/live/${ID}?password=00000000`);
  await encoder.accepted;
  const last = player(server.port, 'live', ID);
  await until('one more plays', 15_000, () => last.session.state === 'playing');
  assert.deepEqual([server.connections, server.refused.too_many], [7, 0]);
  for (const { ends } of players) assert.deepEqual(ends, []);
  await encoder.stop();
});

test('media comes on the message stream that the player asked on, whatever its number', async () => {
  const { server } = await serving((connection) => {
    connection.accept();
    connection.write(Buffer.concat([sound(1), sound(2)]));
  });
  const heard: [number, number][] = [];
  const messages = new ChunkReader((type, ms, streamId) => type === MessageType.audio && heard.push([ms, streamId]), 0);
  messages.limits = AUTHORISED_LIMITS;
  // Before the first message: the three parts of the handshake.
  let skip = 1 + 1536 + 1536;
  const one = player(server.port, 'live', ID);
  one.socket.on('data', (bytes) => {
    const rest = bytes.subarray(skip);
    skip = Math.max(0, skip - bytes.length);
    if (rest.length > 0) messages.receive(rest);
  });
  await until('it plays', 15_000, () => heard.length === 2);
  one.socket.write(writeMessage(3, 20, 0, 0, encodeAmf0('deleteStream', 0, null, 1), 128));
  one.socket.write(writeMessage(3, 20, 0, 0, encodeAmf0('createStream', 9, null), 128));
  one.socket.write(writeMessage(3, 20, 2, 0, encodeAmf0('play', 0, null, ID), 128));
  await until('it plays again', 15_000, () => heard.length === 4);
  assert.deepEqual(heard, [
    [1, 1],
    [2, 1],
    [1, 2],
    [2, 2],
  ]);
  one.socket.destroy();
});
