import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AmfInput, decodeAmf0, encodeAmf0 } from '../../../src/formats/amf/index.ts';
import { ClientSession, writeMessage } from '../../../src/formats/rtmp/index.ts';
import { assertProtocolError, hex, Peer, readMessages } from './peer.ts';

const OPTIONS = {
  app: 'static',
  tcUrl: 'rtmp://localhost/static',
  streamName: 'lv_0123456789abcdef0123456789abcdef?password=01234567',
};

/** A client whose server is played by the test. */
function newClient() {
  const log: string[] = [];
  const sent: Buffer[] = [];
  const client = new ClientSession(OPTIONS, {
    send: (bytes) => sent.push(bytes),
    published: () => log.push('published'),
    refused: (code, description) => log.push(`refused ${code} ${description}`),
  });
  const takeSent = () => Buffer.concat(sent.splice(0));
  /** Names of the commands, and what else was sent, since the last call. */
  const commands = () =>
    readMessages(takeSent()).map(({ type, body }) => (type === 20 ? decodeAmf0(body) : [type, body.toString('hex')]));
  const answer = (streamId: number, ...values: AmfInput[]) =>
    client.receive(writeMessage(3, 20, streamId, 0, encodeAmf0(...values), 128));
  const shakeHands = () => {
    client.start();
    client.receive(Buffer.concat([Buffer.from([3]), Buffer.alloc(3072)]));
    takeSent();
  };
  return { client, log, takeSent, commands, answer, shakeHands };
}

test('A04 C2 leaves as soon as S0 and S1 are in, connect after S2', () => {
  const { client, takeSent } = newClient();
  client.start();
  const c0c1 = takeSent();
  assert.deepEqual([c0c1.length, c0c1[0]], [1537, 3]);
  const s1 = Buffer.alloc(1536, 7);
  for (const byte of Buffer.concat([Buffer.from([3]), s1])) client.receive(Buffer.from([byte]));
  assert.deepEqual(takeSent(), s1);
  client.receive(Buffer.alloc(1535));
  assert.equal(client.state, 'handshake');
  client.receive(Buffer.alloc(1));
  assert.equal(client.state, 'connecting');
  const [connect] = readMessages(takeSent());
  assert.deepEqual(decodeAmf0(connect!.body).slice(0, 2), ['connect', 1]);
  assertProtocolError(() => {
    const other = newClient();
    other.client.start();
    other.client.receive(Buffer.from('HTTP/1.1'));
  }, /version 72/);
});

test('G07 servers that answer with transaction id 0, twice, with errors for what they do not know, and with more than was asked', () => {
  const { client, log, commands, answer, shakeHands } = newClient();
  shakeHands();
  answer(0, 'onBWDone', 0, null, 8192);
  answer(0, '_result', 0, { fmsVer: 'x' }, { level: 'status', code: 'NetConnection.Connect.Success' });
  const asked = commands();
  assert.deepEqual(
    asked.slice(1).map(([name, id]) => [name, id]),
    [
      ['releaseStream', 2],
      ['FCPublish', 3],
      ['createStream', 4],
    ],
  );
  answer(0, '_error', 2, null, { level: 'error', code: 'NetConnection.Call.Failed' });
  answer(0, '_result', 1, null, { code: 'NetConnection.Connect.Success' });
  answer(0, 'onFCPublish', 0, null, { code: 'NetStream.Publish.Start' });
  answer(0, '_result', 0, null, 7);
  answer(0, '_result', 4, null, 7);
  assert.deepEqual(commands(), [['publish', 5, null, OPTIONS.streamName, 'live']]);
  client.receive(writeMessage(2, 4, 0, 0, hex('0006 0000abcd'), 128));
  client.receive(writeMessage(2, 3, 0, 0, hex('00001234'), 128));
  assert.deepEqual(commands(), [[4, '00070000abcd']]);
  assert.equal(client.bytesAcknowledged, 0x1234);
  assert.throws(() => client.sendAudio(0, hex('af01')), /in state publishing/);
  answer(7, 'onStatus', 0, null, { level: 'status', code: 'NetStream.Publish.Start' });
  answer(7, 'onStatus', 0, null, { level: 'status', code: 'NetStream.Publish.Start' });
  assert.deepEqual([log, client.state], [['published'], 'published']);
  client.receive(writeMessage(2, 5, 0, 0, hex('00001000'), 128));
  assert.deepEqual(
    commands().map(([type]) => type),
    [3],
  );
  client.receive(writeMessage(3, 20, 0, 0, encodeAmf0('onFun', 0, 'x'.repeat(3000)), 128));
  assert.deepEqual(
    commands().map(([type]) => type),
    [3],
  );
  client.stop();
  assert.deepEqual(
    commands().map(([name, , , argument]) => [name, argument]),
    [
      ['FCUnpublish', OPTIONS.streamName],
      ['deleteStream', 7],
    ],
  );
  answer(7, 'onStatus', 0, null, { level: 'error', code: 'NetStream.Publish.BadName' });
  assert.deepEqual(log, ['published']);
});

test('a server that refuses says why, whenever it does', () => {
  const refusals: [steps: (answer: ReturnType<typeof newClient>['answer']) => void, log: string][] = [
    [
      (answer) => answer(0, '_error', 1, null, { code: 'NetConnection.Connect.Rejected', description: 'no' }),
      'refused NetConnection.Connect.Rejected no',
    ],
    [
      (answer) => {
        answer(0, '_result', 1, null, {});
        answer(0, '_error', 4, null, { code: 'NetConnection.Call.Failed' });
      },
      'refused NetConnection.Call.Failed ',
    ],
    [
      (answer) => {
        answer(0, '_result', 1, null, {});
        answer(0, '_result', 4, null, 1);
        answer(1, 'onStatus', 0, null, { level: 'error', code: 'NetStream.Publish.BadName', description: 'taken' });
      },
      'refused NetStream.Publish.BadName taken',
    ],
    [(answer) => answer(0, 'close'), 'refused close '],
    [(answer) => answer(0, '_error', 1), 'refused  '],
  ];
  for (const [steps, expected] of refusals) {
    const { client, log, answer, shakeHands } = newClient();
    shakeHands();
    steps(answer);
    answer(0, 'close');
    assert.deepEqual([log, client.state], [[expected], 'refused']);
  }
  const { answer, shakeHands } = newClient();
  shakeHands();
  answer(0, '_result', 1, null, {});
  assertProtocolError(() => answer(0, '_result', 4, null, null), /no stream id/);
});

test('what our client publishes, our server receives', () => {
  for (const chunkSize of [128, 4096, 65_536]) {
    const peer = new Peer(false);
    const toServer: Buffer[] = [];
    const toClient: Buffer[] = [];
    const log: string[] = [];
    const client = new ClientSession(
      { ...OPTIONS, chunkSize },
      {
        send: (bytes) => toServer.push(bytes),
        published: () => log.push('published'),
        refused: (code) => log.push(code),
      },
    );
    let seen = 0;
    const run = () => {
      while (toServer.length > 0 || peer.sent.length > seen) {
        for (const bytes of toServer.splice(0)) peer.bytes(bytes);
        toClient.push(...peer.sent.slice(seen));
        seen = peer.sent.length;
        for (const bytes of toClient.splice(0)) client.receive(bytes);
      }
    };
    client.start();
    run();
    assert.deepEqual([peer.session.state, client.state], ['authorising', 'publishing']);
    assert.deepEqual(peer.publishes[0]!.playKey, { playbackId: OPTIONS.streamName.slice(0, 35), password: '01234567' });
    peer.session.acceptPublish();
    run();
    assert.deepEqual(log, ['published']);
    client.sendMetadata({ width: 1280, encoder: 'x' });
    const frames = [
      [0, 40],
      [33, 300_000],
      [0xffffff, 5000],
      [2 ** 31, 1],
      [2 ** 32 - 5, 200],
      [2 ** 32 + 10, 70_000],
    ] as const;
    for (const [time, length] of frames) {
      client.sendVideo(time, Buffer.alloc(length, 0x27));
      client.sendAudio(time, Buffer.alloc(100, 0xaf));
    }
    run();
    assert.deepEqual({ ...peer.metadata[0] }, { width: 1280, encoder: 'x' });
    assert.deepEqual(
      peer.media.map(({ kind, timestampMs, body }) => [kind, timestampMs, body.length, body[0], body.at(-1)]),
      frames.flatMap(([time, length]) => [
        ['video', time, length, 0x27, 0x27],
        ['audio', time, 100, 0xaf, 0xaf],
      ]),
    );
    client.stop();
    run();
    assert.deepEqual([peer.unpublished, peer.session.state, log], [1, 'connected', ['published']]);
  }
});
