import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CodedError } from '../../../src/base/index.ts';
import { type AmfInput, decodeAmf0, encodeAmf0 } from '../../../src/formats/amf/index.ts';
import {
  ClientSession,
  type PlayEnd,
  PlaySession,
  ServerSession,
  withStreamId,
  writeMessage,
} from '../../../src/formats/rtmp/index.ts';
import { assertProtocolError, feed, hex, type Media, readMessages } from './peer.ts';

const OPTIONS = { app: 'live', tcUrl: 'rtmp://localhost/live', streamName: 'name?token=x' };
const HANDSHAKE = Buffer.concat([Buffer.from([3]), Buffer.alloc(3072)]);
const AAC = hex('af 01 aabb');
const command = (streamId: number, ...values: AmfInput[]) =>
  writeMessage(3, 20, streamId, 0, encodeAmf0(...values), 128);
const status = (code: string, level = 'status') => command(1, 'onStatus', 0, null, { level, code });

/** A player whose server is played by the test. */
function newPlayer() {
  const sent: Buffer[] = [];
  const media: Media[] = [];
  const ends: PlayEnd[] = [];
  const log: string[] = [];
  const player = new PlaySession(OPTIONS, {
    send: (bytes) => sent.push(bytes),
    playing: () => log.push('playing'),
    media: (kind, timestampMs, body) => media.push({ kind, timestampMs, body }),
    metadata: (metadata) => log.push(`metadata ${Object.keys(metadata)}`),
    ended: (end) => ends.push(end),
  });
  const receive = (...bytes: Buffer[]) => {
    for (const piece of bytes) feed(piece, (part) => player.receive(part));
  };
  const takeSent = () => Buffer.concat(sent.splice(0));
  const asked = () => {
    player.start();
    receive(HANDSHAKE, command(0, '_result', 1, {}, {}), command(0, '_result', 4, null, 1));
  };
  return { player, sent, media, ends, log, receive, takeSent, asked };
}

test('G07 a player asks in order, takes odd answers, and gets metadata, media and aggregates on one rising time line', () => {
  const { player, media, log, receive, takeSent } = newPlayer();
  player.start();
  receive(HANDSHAKE);
  const sentFirst = takeSent();
  assert.deepEqual([sentFirst[0], sentFirst.subarray(1537, 3073)], [3, Buffer.alloc(1536)], 'C2 repeats S1');
  assert.deepEqual(decodeAmf0(readMessages(sentFirst.subarray(3073))[0]!.body).slice(0, 2), ['connect', 1]);
  receive(command(0, 'onBWDone', 0, null, 8192), command(0, '_result', 0, {}, {}), command(0, '_result', 1, {}, {}));
  const asked = readMessages(takeSent());
  assert.deepEqual(
    asked.filter(({ type }) => type === 20).map(({ body }) => decodeAmf0(body).slice(0, 2)),
    [
      ['FCSubscribe', 3],
      ['createStream', 4],
    ],
  );
  receive(command(0, '_error', 3, null, { level: 'error', code: 'NetConnection.Call.Failed' }));
  receive(command(0, '_result', 0, null, 5), command(0, '_result', 4, null, 5));
  const [play, buffer] = readMessages(takeSent());
  assert.deepEqual([decodeAmf0(play!.body), play!.streamId], [['play', 5, null, 'name?token=x', -2000], 5]);
  assert.deepEqual([buffer!.type, buffer!.body.toString('hex')], [4, '000300000005000003e8']);
  assert.equal(player.state, 'asking');

  receive(status('NetConnection.Connect.ReconnectRequest'), status('NetStream.Play.Reset'));
  receive(status('NetStream.Play.Start'), status('NetStream.Play.Start'));
  assert.deepEqual([player.state, log.splice(0)], ['playing', ['playing']]);
  receive(writeMessage(2, 4, 0, 0, hex('0006 0000abcd'), 128));
  assert.deepEqual(
    readMessages(takeSent()).map(({ body }) => body.toString('hex')),
    ['00070000abcd'],
  );
  // Any chunk size, set in the middle.
  receive(writeMessage(2, 1, 0, 0, hex('0000ea60'), 128));
  receive(writeMessage(5, 18, 1, 0, encodeAmf0('|RtmpSampleAccess', true, true), 60_000));
  receive(writeMessage(5, 18, 1, 0, encodeAmf0('onMetaData', { width: 1280 }), 60_000));
  receive(writeMessage(5, 18, 1, 0, encodeAmf0('@setDataFrame', 'onMetaData', { fps: 25 }), 60_000));
  receive(writeMessage(5, 18, 1, 0, Buffer.from([2, 255, 255]), 60_000));
  receive(writeMessage(6, 9, 1, 2 ** 32 - 20, hex('17 00 000000 0164001f'), 60_000));
  receive(writeMessage(6, 9, 1, 2 ** 32 - 10, Buffer.alloc(200_000, 0x27), 60_000));
  receive(writeMessage(4, 8, 1, 5, AAC, 60_000), writeMessage(4, 8, 1, 6, Buffer.alloc(0), 60_000));
  const aggregate = Buffer.concat([hex('08 000004 000064 00 000000'), AAC, hex('0000000f')]);
  receive(writeMessage(6, 22, 1, 25, aggregate, 60_000));
  assert.deepEqual(log, ['metadata width', 'metadata fps']);
  assert.deepEqual(
    media.map(({ kind, timestampMs, body }) => [kind, timestampMs - 2 ** 32, body.length]),
    [
      ['video', -20, 9],
      ['video', -10, 200_000],
      ['audio', 5, 4],
      ['audio', 25, 4],
    ],
  );
  player.close();
  receive(writeMessage(4, 8, 1, 50, AAC, 60_000), Buffer.alloc(1000, 0xff));
  assert.deepEqual([player.state, media.length], ['stopped', 4]);
});

test('G07 every way in which a server ends what it plays has its name, and nothing follows', () => {
  const eof = writeMessage(2, 4, 0, 0, hex('0001 00000001'), 128);
  const complete = encodeAmf0('onPlayStatus', { code: 'NetStream.Play.Complete' });
  const redirect = { code: 302, redirect: 'rtmp://127.0.0.1/else' };
  const cases: [bytes: Buffer, kind: PlayEnd['kind'], code: string][] = [
    [eof, 'ended', 'NetStream.Play.Stop'],
    [status('NetStream.Play.UnpublishNotify'), 'ended', 'NetStream.Play.UnpublishNotify'],
    [status('NetStream.Play.Stop'), 'ended', 'NetStream.Play.Stop'],
    [writeMessage(5, 18, 1, 0, complete, 128), 'ended', 'NetStream.Play.Complete'],
    [status('NetStream.Play.StreamNotFound'), 'not_found', 'NetStream.Play.StreamNotFound'],
    [status('NetStream.Play.StreamNotFound', 'error'), 'not_found', 'NetStream.Play.StreamNotFound'],
    [status('NetStream.Play.Failed', 'error'), 'refused', 'NetStream.Play.Failed'],
    [command(0, '_error', 5, null, { code: 'NetStream.Failed' }), 'refused', 'NetStream.Failed'],
    [command(0, 'close'), 'refused', 'close'],
    [
      command(1, 'onStatus', 0, null, { level: 'error', code: 'NetConnection.Connect.Rejected', ex: redirect }),
      'redirected',
      'NetConnection.Connect.Rejected',
    ],
  ];
  for (const [bytes, kind, code] of cases)
    for (const playing of [true, false]) {
      const { ends, media, receive, asked, takeSent } = newPlayer();
      asked();
      if (playing) receive(status('NetStream.Play.Start'));
      takeSent();
      receive(bytes, eof, bytes, writeMessage(4, 8, 1, 50, AAC, 128));
      assert.deepEqual(ends, [{ kind, code, description: '' }]);
      assert.deepEqual([media.length, takeSent().length], [0, 0], code);
    }
  // Before the message stream too: the connection itself is sent elsewhere, and that address stays with its owner.
  const early = newPlayer();
  early.player.start();
  const rejected = { level: 'error', code: 'NetConnection.Connect.Rejected', description: 'go', ex: redirect };
  early.receive(HANDSHAKE, command(0, '_error', 1, {}, rejected));
  assert.deepEqual(early.ends, [{ kind: 'redirected', code: 'NetConnection.Connect.Rejected', description: 'go' }]);
  const refusals: unknown[] = [];
  const client = new ClientSession(OPTIONS, {
    send: () => {},
    published: () => {},
    refused: (...refusal) => refusals.push(refusal),
  });
  client.start();
  client.receive(HANDSHAKE);
  client.receive(command(0, '_result', 1, {}, rejected));
  assert.deepEqual(refusals, [['NetConnection.Connect.Rejected', 'go', 'rtmp://127.0.0.1/else']]);
});

test('our player plays our server: what is written raw arrives byte for byte, and the end is told', () => {
  const frames: Media[] = [0, 40, 0xffffff, 2 ** 31].flatMap((timestampMs, i) => [
    { kind: 'video', timestampMs, body: Buffer.alloc(70_000 * (i + 1), 0x27) },
    { kind: 'audio', timestampMs, body: Buffer.alloc(100, 0xaf) },
  ]);
  const toServer: Buffer[] = [];
  const toPlayer: Buffer[] = [];
  const log: string[] = [];
  const media: Media[] = [];
  const server = new ServerSession(
    {
      send: (bytes) => toPlayer.push(bytes),
      publish: () => assert.fail('it plays'),
      play: ({ streamName, query, streamId }) => {
        log.push(`play ${streamName} ${query} ${streamId}`);
        server.acceptPlay();
      },
      playStopped: () => log.push('stopped'),
      media: () => {},
      metadata: () => {},
      unpublish: () => {},
    },
    { chunkSize: 60_000 },
  );
  const player = new PlaySession(OPTIONS, {
    send: (bytes) => toServer.push(bytes),
    playing: () => log.push('playing'),
    media: (kind, timestampMs, body) => media.push({ kind, timestampMs, body }),
    metadata: () => {},
    ended: ({ kind, code }) => log.push(`${kind} ${code}`),
  });
  const run = () => {
    while (toServer.length > 0 || toPlayer.length > 0) {
      for (const bytes of toServer.splice(0)) feed(bytes, (piece) => server.receive(piece), [100, 7]);
      for (const bytes of toPlayer.splice(0)) feed(bytes, (piece) => player.receive(piece), [5000, 1]);
    }
  };
  player.start();
  run();
  assert.deepEqual(log.splice(0), ['play name?token=x token=x 1', 'playing']);
  for (const { kind, timestampMs, body } of frames)
    toPlayer.push(writeMessage(kind === 'video' ? 6 : 4, kind === 'video' ? 9 : 8, 1, timestampMs, body, 60_000));
  run();
  assert.deepEqual(media, frames);
  assert.equal(server.state, 'playing');
  server.endPlay();
  server.endPlay();
  run();
  assert.deepEqual(log, ['ended NetStream.Play.UnpublishNotify']);
});

test('ready chunks can be copied for another message stream', () => {
  const messages = [0, 1, 128, 129, 1000].flatMap((length) =>
    [0, 0xfffffe, 0xffffff, 2 ** 32 - 1].map((time) => ({ length, time })),
  );
  const write = (streamId: number) =>
    Buffer.concat(messages.map(({ length, time }) => writeMessage(6, 9, streamId, time, Buffer.alloc(length, 7), 128)));
  const original = write(1);
  assert.ok(withStreamId(original, 0x01020304, 128).equals(write(0x01020304)));
  assert.ok(original.equals(write(1)), 'the original stays');
});

/** What a server may say to a player and to a publisher: something of every kind. */
const SERVED = Buffer.concat([
  HANDSHAKE,
  writeMessage(2, 5, 0, 0, hex('0026 25a0'), 128),
  writeMessage(2, 6, 0, 0, hex('002625a0 02'), 128),
  command(0, '_result', 1, { fmsVer: 'x', list: [1, [2]] }, { level: 'status', code: 'NetConnection.Connect.Success' }),
  command(0, 'onBWDone', 0, null),
  command(0, '_result', 3, null),
  command(0, '_result', 4, null, 1),
  writeMessage(2, 4, 0, 0, hex('0000 00000001'), 128),
  status('NetStream.Play.Start'),
  status('NetStream.Publish.Start'),
  writeMessage(5, 18, 1, 0, encodeAmf0('|RtmpSampleAccess', true, true), 128),
  writeMessage(5, 18, 1, 0, encodeAmf0('onMetaData', new Map([['width', 1280]])), 128),
  writeMessage(6, 9, 1, 0, hex('17 00 000000 0164001f'), 128),
  writeMessage(4, 8, 1, 0, hex('af 00 1210'), 128),
  writeMessage(6, 9, 1, 40, Buffer.alloc(300, 0x17), 128),
  writeMessage(2, 1, 0, 0, hex('00001000'), 128),
  writeMessage(6, 9, 1, 0x1000010, Buffer.alloc(5000, 0x27), 4096),
  writeMessage(6, 22, 1, 5, hex('08 000004 000005 00 000000 af01aabb 0000000f'), 4096),
  writeMessage(2, 4, 0, 0, hex('0006 00000001'), 4096),
  writeMessage(2, 3, 0, 0, hex('00001000'), 4096),
  writeMessage(2, 4, 0, 0, hex('0001 00000001'), 4096),
]);

test('R47 a server with bits flipped, pieces cut out, repeated and overwritten ends both clients in order or not at all', () => {
  const change = fc.record({
    kind: fc.constantFrom('flip', 'cut', 'repeat', 'overwrite'),
    // The handshake says little: most changes go behind it.
    at: fc.oneof(
      { weight: 1, arbitrary: fc.nat(3072) },
      { weight: 9, arbitrary: fc.integer({ min: 3073, max: SERVED.length - 1 }) },
    ),
    count: fc.integer({ min: 1, max: 40 }),
    value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
  });
  const sizes = fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 3 });
  const seen = { errors: 0, media: 0, ends: 0, published: 0 };
  const run = (bytes: Buffer, cuts: readonly number[]) => {
    const { player, media, ends } = newPlayer();
    let published = 0;
    const client = new ClientSession(OPTIONS, { send: () => {}, published: () => published++, refused: () => {} });
    for (const session of [player, client]) {
      session.start();
      try {
        feed(bytes, (piece) => session.receive(piece), cuts);
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        assert.equal(error.code, 'rtmp_protocol');
        seen.errors++;
      }
    }
    assert.ok(ends.length <= 1 && published <= 1);
    seen.media += media.length > 0 ? 1 : 0;
    seen.ends += ends.length;
    seen.published += published;
    return { media, ends, published };
  };
  const clean = run(SERVED, [65_536]);
  assert.deepEqual([clean.media.length, clean.ends.length, clean.published, seen.errors], [5, 1, 1, 0]);
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), sizes, (changes, cuts) => {
      let bytes = Buffer.from(SERVED);
      for (const { kind, at, count, value } of changes) {
        const piece = bytes.subarray(at, at + count);
        if (kind === 'flip' && at < bytes.length) bytes[at] = bytes[at]! ^ (1 << (value & 7));
        else if (kind === 'overwrite') piece.fill(value);
        else if (kind === 'cut') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)]);
        else bytes = Buffer.concat([bytes.subarray(0, at + count), piece, bytes.subarray(at + count)]);
      }
      run(bytes, cuts);
    }),
    { numRuns: 3000 },
  );
  // All outcomes happen, so the changes reach all layers.
  assert.ok(seen.errors > 300 && seen.media > 300 && seen.ends > 300 && seen.published > 300, JSON.stringify(seen));
});

test('R47 R13 R14 R17 R20 R27 what a hostile server may make a client hold and do is bounded', () => {
  const deep = (marker: string) => Buffer.concat([encodeAmf0('onStatus', 0, null), hex(marker.repeat(10_000))]);
  const cases: [name: string, bytes: Buffer, message: RegExp][] = [
    ['R13 a chunk size of zero', writeMessage(2, 1, 0, 0, hex('00000000'), 128), /chunk size of 0/],
    ['R14 a message of 16 MiB', hex('06 000000 ffffff 09 01000000'), /16777215 bytes/],
    ['R17 a type that does not exist', writeMessage(3, 99, 0, 0, Buffer.alloc(1), 128), /no message type 99/],
    ['R20 nested arrays', writeMessage(3, 20, 0, 0, deep('0a00000001'), 128), /deep|levels|nest/],
    ['R27 a command without a name', command(0, 5, 1), /without a name/],
    [
      'R18 aggregates in aggregates',
      writeMessage(6, 22, 1, 0, hex('16 000000 000000 00 000000 00000000'), 128),
      /inside/,
    ],
  ];
  for (const [, bytes, message] of cases) {
    const { receive, asked } = newPlayer();
    asked();
    assertProtocolError(() => receive(bytes), message);
  }
  // 65 chunk streams, each with the beginning of a message.
  const { receive, asked } = newPlayer();
  asked();
  assertProtocolError(() => {
    for (let id = 3; id < 64; id++)
      receive(Buffer.concat([Buffer.from([id]), hex('000000 00ffff 09 01000000')]), Buffer.alloc(128));
    for (let id = 0; id < 10; id++)
      receive(Buffer.concat([Buffer.from([0, id]), hex('000000 00ffff 09 01000000')]), Buffer.alloc(128));
  }, /more than 64 chunk streams/);
  // Before there is a stream, a server may say little: as much as a stranger to our server.
  const early = newPlayer();
  early.player.start();
  early.receive(HANDSHAKE);
  assertProtocolError(() => early.receive(hex('06 000000 020000 09 01000000')), /131072 bytes/);
  // A server that answers everything again and again is answered once.
  const chatty = newPlayer();
  chatty.asked();
  chatty.takeSent();
  for (let i = 0; i < 1000; i++)
    chatty.receive(command(0, '_result', i % 5, {}, 1), status('NetStream.Play.Start'), command(0, 'onBWDone', 0));
  assert.ok(chatty.takeSent().length < 100, 'acknowledgements at the most');
  assert.deepEqual(chatty.log, ['playing']);
});
