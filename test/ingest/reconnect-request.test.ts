import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { type AmfObject, type AmfValue, decodeAmf0, encodeAmf0 } from '../../src/formats/amf/index.ts';
import { writeAudioTag } from '../../src/formats/flv/index.ts';
import { ChunkReader, MessageType, writeMessage } from '../../src/formats/rtmp/index.ts';
import { startServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const HANDSHAKE_BYTES = 3073;
const RECONNECT_REQUEST = 'NetConnection.Connect.ReconnectRequest';

/** An encoder that says in its connect what it is told to, publishes sound, and keeps the commands that come back. */
async function encoder(t: TestContext, port: number, key: string, connect: AmfObject) {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  t.after(() => socket.destroy());
  const commands: AmfValue[][] = [];
  let handshakeLeft = HANDSHAKE_BYTES;
  const reader = new ChunkReader((type, _timestamp, _streamId, body) => {
    if (type === MessageType.commandAmf0) commands.push(decodeAmf0(body));
  });
  socket.on('data', (bytes) => {
    const skip = Math.min(handshakeLeft, bytes.length);
    handshakeLeft -= skip;
    reader.receive(bytes.subarray(skip));
  });
  socket.on('error', () => {}); // 'close' follows
  await once(socket, 'connect');
  const send = (type: number, streamId: number, timestamp: number, body: Buffer) =>
    socket.write(writeMessage(3, type, streamId, timestamp, body, 128));
  const command = (streamId: number, ...values: Parameters<typeof encodeAmf0>) =>
    send(MessageType.commandAmf0, streamId, 0, encodeAmf0(...values));
  socket.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(HANDSHAKE_BYTES - 1)]));
  command(0, 'connect', 1, { app: 'static', tcUrl: `rtmp://127.0.0.1:${port}/static`, ...connect });
  command(0, 'createStream', 2, null);
  command(1, 'publish', 3, null, key, 'live');
  const codes = () => commands.filter(([name]) => name === 'onStatus').map(([, , , info]) => (info as AmfObject).code);
  await until('the publish is answered', 10_000, () => codes().length > 0);
  let timestamp = 0;
  const sound = (body: Buffer) => send(MessageType.audio, 1, timestamp++, body);
  if (codes()[0] === 'NetStream.Publish.Start') {
    sound(writeAudioTag('config', Buffer.from([0x11, 0x90])));
    setInterval(() => socket.writable && sound(writeAudioTag('frame', Buffer.from([1]))), 50).unref();
  }
  return { socket, commands, codes };
}

test('C19 L33 while the server drains, encoders that understand it are asked to connect anew and read until they leave; others are told nothing', {
  timeout: 120_000,
}, async (t) => {
  const server = await startServer({ env: { LIVEAPI_DRAIN_S: '6' } });
  t.after(() => server.close());
  const streams = [await server.createLiveStream(), await server.createLiveStream()];
  const [modern, plain] = streams as [(typeof streams)[0], (typeof streams)[0]];
  const asked = await encoder(t, server.rtmpPort, modern.ingest.key, { capsEx: 0x0d });
  const others = await encoder(t, server.rtmpPort, plain.ingest.key, { capsEx: 0x0e });
  const [, , , success] = asked.commands[0]!;
  assert.equal((success as AmfObject).capsEx, 1, 'connect is answered with what we can do of it');
  await Promise.all(streams.map(({ _id }) => server.untilStatus(_id, 'online')));

  const closed = server.close();
  await until('it is asked', 10_000, () => asked.codes().includes(RECONNECT_REQUEST));
  const request = asked.commands.findLast(([name]) => name === 'onStatus')!;
  assert.deepEqual(request.slice(0, 3), ['onStatus', 0, null]);
  const { level, code, description, ...more } = request[3] as Record<string, string>;
  assert.deepEqual([level, code, more], ['status', RECONNECT_REQUEST, {}], 'and no tcUrl: the one that it knows');
  assert.ok(description);

  assert.equal(await server.status(modern._id), 'online', 'it is read until it leaves');
  const again = await encoder(t, server.rtmpPort, modern.ingest.key, { capsEx: 1 });
  assert.deepEqual(again.codes(), ['NetStream.Publish.Failed'], 'who comes back to the one that stops is not taken');
  asked.socket.destroy();
  assert.equal(await server.status(plain._id), 'online');
  const lastWords = new Promise((resolve) => others.socket.on('close', resolve));
  await closed;
  await lastWords;
  assert.deepEqual(others.codes(), ['NetStream.Publish.Start'], 'it has not said that it understands it');
});
