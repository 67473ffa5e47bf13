import assert from 'node:assert/strict';
import { createHmac, randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import { type AmfObject, decodeAmf0, encodeAmf0 } from '../../../src/formats/amf/index.ts';
import { type SessionState, writeMessage } from '../../../src/formats/rtmp/index.ts';
import { assertProtocolError, feed, hex, Peer } from './peer.ts';

const AAC = hex('af 01 aabb');
const uint32 = (value: number) => hex((value >>> 0).toString(16).padStart(8, '0'));

test('A01 A03 handshake byte by byte, and all in one segment up to publish', () => {
  const c1 = randomFillSync(Buffer.alloc(1536));
  c1.writeUInt32BE(0, 4);
  const session = Buffer.concat([
    Buffer.from([3]),
    c1,
    Buffer.alloc(1536),
    Peer.command(0, 'connect', 1, { app: 'static' }),
    Peer.command(0, 'createStream', 2, null),
    Peer.command(1, 'publish', 3, null, 'name'),
    writeMessage(4, 8, 1, 40, AAC, 128),
  ]);
  for (const size of [1, 7, 65_536]) {
    const peer = new Peer();
    const states: SessionState[] = [];
    peer.session.receive(Buffer.alloc(0));
    feed(
      session,
      (piece) => {
        peer.session.receive(piece);
        if (states.at(-1) !== peer.session.state) states.push(peer.session.state);
      },
      [size],
    );
    const sent = Buffer.concat(peer.sent);
    assert.equal(sent[0], 3);
    assert.ok(sent.subarray(1 + 1536, 1 + 3072).equals(c1), 'S2 repeats C1');
    assert.ok(!sent.subarray(9, 1537).equals(c1.subarray(8)) && sent.subarray(9, 1537).some((byte) => byte !== 0));
    assert.equal(peer.publishes[0]?.streamName, 'name');
    assert.deepEqual(
      peer.media.map(({ timestampMs, body }) => [timestampMs, body.toString('hex')]),
      [[40, 'af01aabb']],
    );
    assert.equal(peer.session.bytesReceived, session.length);
    if (size === 65_536) assert.equal(peer.sent.length, 1, 'one write for all answers of one read');
    else assert.deepEqual(states, ['handshake', 'connecting', 'connected', 'publishing']);
  }
});

test('A02 digest handshake in both layouts', () => {
  const clientKey = Buffer.from('Genuine Adobe Flash Player 001');
  const serverKey = Buffer.from('Genuine Adobe Flash Media Server 001');
  const tail = hex('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae');
  const hmac = (key: Buffer, ...parts: Buffer[]) => createHmac('sha256', key).update(Buffer.concat(parts)).digest();
  const place = (bytes: Buffer, at: number) =>
    at + 4 + ((bytes[at]! + bytes[at + 1]! + bytes[at + 2]! + bytes[at + 3]!) % 728);
  for (const layout of [8, 772]) {
    const c1 = randomFillSync(Buffer.alloc(1536));
    c1.writeUInt32BE(0x0a002d02, 4);
    const at = place(c1, layout);
    hmac(clientKey, c1.subarray(0, at), c1.subarray(at + 32)).copy(c1, at);
    const peer = new Peer();
    peer.session.receive(Buffer.concat([Buffer.from([3]), c1]));
    const s1 = peer.sent[0]!.subarray(1, 1537);
    const s2 = peer.sent[0]!.subarray(1537);
    const found = place(s1, layout);
    assert.deepEqual(s1.subarray(found, found + 32), hmac(serverKey, s1.subarray(0, found), s1.subarray(found + 32)));
    const key = hmac(Buffer.concat([serverKey, tail]), c1.subarray(at, at + 32));
    assert.deepEqual(s2.subarray(1504), hmac(key, s2.subarray(0, 1504)));
    assert.ok(s1[4]! >= 3);
  }
  // A version, but no digest: the plain form.
  const peer = new Peer();
  const c1 = Buffer.alloc(1536, 9);
  peer.session.receive(Buffer.concat([Buffer.from([3]), c1]));
  assert.ok(peer.sent[0]!.subarray(1537).equals(c1));
});

test('R07 other versions and other protocols are refused at the first byte', () => {
  for (const bytes of ['\0', '\x02', '\x06', 'G', 'GET / HTTP/1.1\r\n', '\x16\x03\x01', 'PROXY TCP4 ']) {
    assertProtocolError(() => new Peer().session.receive(Buffer.from(bytes, 'latin1')), /^byte 0: RTMP version \d+/);
  }
});

test('C04 C05 C18 what is answered, with the transaction id that was asked with', () => {
  const peer = new Peer().connect({
    app: 'static',
    tcUrl: 'rtmp://localhost/static',
    objectEncoding: 3,
    fourCcList: ['av01', 'hvc1'],
    videoFourCcInfoMap: { '*': 7 },
    capsEx: 15,
  });
  assert.equal(peer.sent.length, 2, 'handshake, and one write for the whole answer to connect');
  assert.deepEqual(
    peer.replies.map(({ type, streamId }) => [type, streamId]),
    [
      [5, 0],
      [6, 0],
      [20, 0],
    ],
  );
  const [[name, id, properties, info]] = peer.commands() as [[string, number, AmfObject, AmfObject]];
  assert.deepEqual([name, id, info.code, info.objectEncoding], ['_result', 1, 'NetConnection.Connect.Success', 3]);
  assert.equal(typeof properties.fmsVer, 'string');
  assert.deepEqual(info.fourCcList, ['avc1', 'mp4a', 'Opus']);
  peer
    .command(0, 'releaseStream', 2, null, 'name')
    .command(0, 'FCPublish', 3, null, 'name')
    .command(0, 'createStream', 4, null)
    .command(0, 'createStream', 5, null)
    .command(0, '_checkbw', 6, null)
    .command(0, 'getStreamLength', 7, null, 'name')
    .command(0, 'whoKnows', 8, { a: 1 }, 2, 3)
    .command(0, 'whoKnows', 0, null);
  assert.deepEqual(
    peer.commands().map((command) => [...command.slice(0, 2), ...(typeof command[3] === 'object' ? [] : [command[3]])]),
    [
      ['_result', 2, undefined],
      ['_result', 3, undefined],
      ['onFCPublish', 3],
      ['_result', 4, 1],
      ['_result', 5, 2],
      ['_result', 6, undefined],
      ['_result', 7, 0],
      ['_result', 8, undefined],
    ],
  );
  assert.equal(new Peer().connect({}).commands()[0]![3]!.hasOwnProperty, undefined);
});

test('C06 C07 C14 C21 R28 publishing begins, stops and begins again; media counts only in between', () => {
  const peer = new Peer().connect().message(8, 0, AAC);
  assert.equal(peer.media.length, 0, 'media before publish');
  peer.commands();
  // Without createStream, without a type, on a stream id of its own.
  peer.command(99, 'publish', 0, null, 'name');
  assert.deepEqual(peer.publishes, [
    {
      app: 'static',
      tcUrl: 'rtmp://localhost/static',
      streamName: 'name',
      type: 'live',
      playKey: { playbackId: '', password: '' },
    },
  ]);
  assert.deepEqual(peer.statusCodes(), ['NetStream.Publish.Start']);
  peer.message(8, 100, AAC, 99).message(8, 120, AAC, 1);
  // FMLE style after Flash style, and the same publish again.
  peer.command(0, 'FCPublish', 5, null, 'name').command(99, 'publish', 0, null, 'name', 'live');
  peer.message(8, 140, AAC, 99).message(8, 150, Buffer.alloc(0), 99);
  assert.deepEqual(
    peer.media.map(({ timestampMs }) => timestampMs),
    [100, 120, 140],
  );
  assert.equal(peer.publishes.length, 1);

  const stops: ((peer: Peer) => Peer)[] = [
    (p) => p.command(99, 'publish', 0, null, false),
    (p) => p.command(0, 'FCUnpublish', 6, null, 'name').command(0, 'deleteStream', 7, null, 99),
    (p) => p.command(99, 'closeStream', 0, null),
    (p) => p.command(0, 'deleteStream', 0, null, 98).command(0, 'deleteStream', 0, null, 99),
  ];
  for (const [i, stop] of stops.entries()) {
    peer.media.length = 0;
    stop(peer);
    assert.equal(peer.unpublished, i + 1);
    assert.equal(peer.session.state, 'connected');
    peer.message(8, 160, AAC, 99).message(18, 0, encodeAmf0('onMetaData', {}), 99);
    assert.deepEqual([peer.media, peer.metadata], [[], []], 'media after the stop');
    peer.command(99, 'publish', 0, null, `again${i}`, 'record').message(8, 5, AAC, 99);
    assert.equal(peer.publishes.at(-1)!.streamName, `again${i}`);
    assert.equal(peer.publishes.at(-1)!.type, 'record');
    assert.deepEqual(
      peer.media.map(({ timestampMs }) => timestampMs),
      [5],
      'a fresh time line',
    );
  }

  for (const name of ['publish', 'play', 'createStream', 'whoKnows']) {
    assertProtocolError(() => new Peer().handshake().command(0, name, 1, null), /before connect/);
  }
  assertProtocolError(() => new Peer().connect().command(0, 'connect', 1, {}), /connect came twice/);
  for (let i = 0; i < 10_000; i++) peer.command(0, 'createStream', i + 10, null);
  assert.equal(peer.commands().at(-1)![3], 10_000);
});

test('C17 a second stream on the connection is refused, and the first goes on alone', () => {
  const peer = new Peer().publish().message(8, 0, AAC, 1);
  peer.commands();
  peer.command(2, 'publish', 0, null, 'other', 'live').message(8, 20, AAC, 2).message(8, 40, AAC, 1);
  assert.deepEqual(peer.statusCodes(), ['NetStream.Publish.BadName']);
  assert.deepEqual(
    peer.media.map(({ timestampMs }) => timestampMs),
    [0, 40],
  );
  peer.command(3, 'play', 0, null, 'other');
  assert.deepEqual([peer.statusCodes(), peer.plays], [['NetStream.Play.Failed'], []]);
  assertProtocolError(() => {
    for (let id = 4; id < 100; id++) peer.command(id, 'publish', 0, null, 'other', 'live');
  }, /again and again/);
});

test('C10 the answer to a publish may take its time: what comes meanwhile waits, within a bound', () => {
  const key = Buffer.alloc(200_000, 0x17);
  const peer = new Peer(false).publish('lv_0123456789abcdef0123456789abcdef?password=01234567');
  assert.equal(peer.session.state, 'authorising');
  assert.deepEqual(peer.publishes[0]!.playKey, {
    playbackId: 'lv_0123456789abcdef0123456789abcdef',
    password: '01234567',
  });
  assert.ok(!peer.statusCodes().includes('NetStream.Publish.Start'));
  const early = Buffer.concat([writeMessage(4, 8, 1, 10, AAC, 128), writeMessage(6, 9, 1, 20, key, 128)]);
  feed(early, (piece) => peer.session.receive(piece), [1, 65_536, 5, 3000]);
  assert.equal(peer.session.paused, true);
  assert.equal(peer.media.length, 0);
  peer.session.acceptPublish();
  assert.deepEqual(peer.statusCodes(), ['NetStream.Publish.Start']);
  assert.equal(peer.session.paused, false);
  assert.deepEqual(
    peer.media.map(({ kind, timestampMs, body }) => [kind, timestampMs, body.length]),
    [
      ['audio', 10, 4],
      ['video', 20, 200_000],
    ],
  );
  assert.ok(peer.media[1]!.body.equals(key));
  assert.throws(() => peer.session.acceptPublish(), /in state publishing/);

  const greedy = new Peer(false).publish();
  assertProtocolError(() => greedy.bytes(Buffer.alloc(300_000)), /more than 262144 bytes before/);

  // The encoder gave up and began again before the answer to its first request.
  const hasty = new Peer(false)
    .publish('one')
    .message(8, 0, AAC)
    .command(1, 'closeStream', 0, null)
    .command(1, 'publish', 0, null, 'two')
    .message(8, 7, AAC);
  hasty.session.acceptPublish();
  assert.deepEqual([hasty.session.state, hasty.unpublished, hasty.media.length], ['authorising', 1, 1]);
  hasty.session.acceptPublish();
  assert.deepEqual([hasty.publishes.length, hasty.media.map(({ timestampMs }) => timestampMs)], [2, [0, 7]]);

  const refused = new Peer(false).publish().message(8, 0, AAC);
  refused.commands();
  refused.session.refuse('NetStream.Publish.Denied', 'no');
  assert.deepEqual(refused.commands(), [
    [
      'onStatus',
      0,
      null,
      Object.assign(Object.create(null), { level: 'error', code: 'NetStream.Publish.Denied', description: 'no' }),
    ],
  ]);
  refused.message(8, 20, AAC).bytes(Buffer.alloc(1_000_000, 0xff));
  assert.deepEqual([refused.session.state, refused.media], ['refused', []]);

  const player = new Peer().connect().command(1, 'play', 2, null, 'lv_0123456789abcdef0123456789abcdef');
  assert.equal(player.plays[0]!.playKey.playbackId, 'lv_0123456789abcdef0123456789abcdef');
  player.commands();
  player.session.refusePlay('NetStream.Play.StreamNotFound', 'no');
  assert.deepEqual([player.statusCodes(), player.session.state], [['NetStream.Play.StreamNotFound'], 'refused']);
});

test('a player is told what it waits for, may stop and ask again, and sends nothing that counts', () => {
  const id = 'lv_0123456789abcdef0123456789abcdef';
  const peer = new Peer().connect({ app: id, tcUrl: `rtmp://localhost/${id}` }).command(0, 'createStream', 2, null);
  peer.commands();
  peer.command(1, 'play', 3, null, '').command(1, 'play', 4, null, '');
  assert.deepEqual(
    peer.plays.map(({ playKey, streamName, streamId, query }) => [playKey.playbackId, streamName, streamId, query]),
    [[id, '', 1, '']],
  );
  assert.deepEqual([peer.session.state, peer.replies], ['asking', []]);
  peer.session.acceptPlay();
  assert.deepEqual(
    peer.replies.map(({ type, streamId, body }) => [
      type,
      streamId,
      type === 4 ? body.toString('hex') : decodeAmf0(body).map((value) => (value as AmfObject | null)?.code ?? value),
    ]),
    [
      [4, 0, '000000000001'],
      [20, 1, ['onStatus', 0, null, 'NetStream.Play.Reset']],
      [20, 1, ['onStatus', 0, null, 'NetStream.Play.Start']],
      [18, 1, ['|RtmpSampleAccess', true, true]],
    ],
  );
  assert.throws(() => peer.session.acceptPlay(), /in state playing/);
  peer.commands();
  // Flash players say much that means nothing to a live stream; an answer is for who asked for one.
  for (const name of ['pause', 'seek', 'receiveAudio', 'receiveVideo', 'play2'])
    peer.command(1, name, 0, null, true, 0);
  peer.message(4, 0, hex('0003 00000001 00000bb8'), 0).message(8, 0, AAC).message(18, 0, encodeAmf0('onMetaData', {}));
  assert.deepEqual([peer.replies, peer.media, peer.metadata], [[], [], []]);
  peer.command(1, 'publish', 5, null, 'name', 'live').command(1, 'play', 6, null, 'other');
  assert.deepEqual(peer.statusCodes(), ['NetStream.Publish.BadName', 'NetStream.Play.Failed']);
  assert.deepEqual([peer.publishes, peer.session.state], [[], 'playing']);

  const stops: ((peer: Peer) => Peer)[] = [
    (p) => p.command(0, 'deleteStream', 7, null, 1),
    (p) => p.command(1, 'closeStream', 0, null),
    (p) => p.command(1, 'play', 0, null, false),
  ];
  for (const [i, stop] of stops.entries()) {
    stop(peer);
    assert.deepEqual([peer.playsStopped, peer.session.state], [i + 1, 'connected']);
    peer.command(1, 'play', 0, null, `static?n=${i}`);
    assert.deepEqual([peer.plays.at(-1)!.query, peer.session.state], [`n=${i}`, 'asking']);
    peer.session.acceptPlay();
  }
  peer.commands();
  peer.session.endPlay();
  assert.deepEqual(
    peer.replies.map(({ type, body }) => (type === 4 ? body.toString('hex') : (decodeAmf0(body)[3] as AmfObject).code)),
    ['NetStream.Play.UnpublishNotify', '000100000001'],
  );
  assert.equal(peer.session.state, 'refused');
  assertProtocolError(() => {
    const greedy = new Peer().connect();
    for (let i = 0; i < 100; i++) greedy.command(1, 'play', 0, null, 'x').command(1, 'closeStream', 0, null);
  }, /play again and again/);
});

test('B16 B18 R17 acknowledgements by the window of the peer or without one, pings, odd control messages', () => {
  const acknowledgements = (peer: Peer) =>
    peer.replies.filter(({ type }) => type === 3).map(({ body }) => body.readUInt32BE(0));
  const frame = Buffer.alloc(50_000, 0x27);
  for (const [window, least] of [
    [0, 3],
    [undefined, 3],
    [100_000, 70],
    [1, 80],
    [0xffffffff, 0],
  ] as const) {
    const peer = new Peer().publish();
    if (window !== undefined) peer.message(5, 0, uint32(window), 0);
    for (let i = 0; i < 80; i++) peer.message(9, i, frame);
    const sent = acknowledgements(peer);
    assert.ok(
      sent.length >= least && sent.length <= least + 12 + (window === 1 ? 10 : 0),
      `window ${window}: ${sent.length}`,
    );
    assert.ok(sent.every((count, i) => i === 0 || count > sent[i - 1]!));
    if (sent.length > 0) assert.ok(sent.at(-1)! <= peer.session.bytesReceived);
  }
  const peer = new Peer().publish();
  peer.commands();
  peer.message(4, 0, hex('0006 01020304'), 0);
  assert.deepEqual(
    peer.replies.map(({ type, body }) => [type, body.toString('hex')]),
    [[4, '000701020304']],
  );
  peer.replies.length = 0;
  for (const length of [0, 1, 3, 5]) {
    peer.message(4, 0, Buffer.alloc(length, 6), 0);
    if (length < 4)
      for (const type of [3, 5, 6])
        assertProtocolError(() => new Peer().publish().message(type, 0, Buffer.alloc(length), 0), /control message/);
  }
  for (let type = 0; type < 256; type++) peer.message(6, 0, Buffer.concat([uint32(1), Buffer.from([type])]), 0);
  peer.message(3, 0, uint32(100), 0).message(3, 0, uint32(50), 0);
  assert.deepEqual([peer.replies, peer.session.state], [[], 'publishing']);
});

test('B13 R18 aggregate messages, rebased', () => {
  const tag = (type: number, time: number, body: Buffer, length = body.length, back = 11 + body.length) => {
    const header = Buffer.alloc(11);
    header[0] = type;
    header.writeUIntBE(length, 1, 3);
    header.writeUIntBE(time & 0xffffff, 4, 3);
    header[7] = time >>> 24;
    return Buffer.concat([header, body, uint32(back)]);
  };
  const video = hex('27 01 000000 cc');
  const peer = new Peer().publish();
  peer.message(
    22,
    1000,
    Buffer.concat([
      tag(8, 500, AAC),
      tag(9, 520, video, undefined, 12345),
      tag(18, 520, encodeAmf0('onMetaData', { width: 1 })),
      tag(8, 523, AAC).subarray(0, -4),
    ]),
  );
  assert.deepEqual(
    peer.media.map(({ kind, timestampMs, body }) => [kind, timestampMs, body.toString('hex')]),
    [
      ['audio', 1000, 'af01aabb'],
      ['video', 1020, '2701000000cc'],
      ['audio', 1023, 'af01aabb'],
    ],
  );
  assert.equal(peer.metadata[0]!.width, 1);
  peer.message(22, 0, Buffer.alloc(0)).message(22, 0, Buffer.alloc(10));
  assert.equal(peer.media.length, 3);
  assertProtocolError(() => new Peer().publish().message(22, 0, tag(8, 0, AAC, 5000)), /5000 bytes claimed/);
  assertProtocolError(() => new Peer().publish().message(22, 0, tag(22, 0, tag(8, 0, AAC))), /inside another/);
});

test('B19 E03 R30 timestamps go on rising after 2^24, 2^31 and 2^32, and jumps backwards stay visible', () => {
  for (const edge of [2 ** 24, 2 ** 31, 2 ** 32]) {
    const peer = new Peer().publish();
    const times = [-40, -20, 0, 20].map((offset) => edge + offset);
    // Audio runs 30 ms ahead, so it crosses first.
    for (const time of times)
      peer.message(8, (time + 30) % 2 ** 32, AAC).message(9, time % 2 ** 32, hex('27 01 000000 cc'));
    assert.deepEqual(
      peer.media.map(({ timestampMs }) => timestampMs),
      times.flatMap((time) => [time + 30, time]),
    );
    peer.message(8, 5000, AAC);
    const last = peer.media.at(-1)!.timestampMs;
    assert.equal(((last % 2 ** 32) + 2 ** 32) % 2 ** 32, 5000);
    if (edge < 2 ** 31) assert.equal(last, 5000, 'a jump back to the beginning');
  }
  const negative = new Peer()
    .publish()
    .message(8, 5, AAC)
    .message(8, 2 ** 32 - 5, AAC);
  assert.deepEqual(
    negative.media.map(({ timestampMs }) => timestampMs),
    [5, -5],
  );
});

test('C02 D01 D03 metadata in every dress, AMF3 commands, and data that nobody can read', () => {
  const peer = new Peer().publish();
  const data = (...values: Parameters<typeof encodeAmf0>) => peer.message(18, 0, encodeAmf0(...values));
  data('@setDataFrame', 'onMetaData', new Map([['width', 1280]]));
  data('onMetaData', { videocodecid: 'avc1' }, 'trailing');
  data('@setDataFrame', 'onMetaData', {});
  for (const unread of [
    ['onMetaData'],
    ['onTextData', { text: 'x' }],
    ['onCuePoint', {}],
    ['@clearDataFrame', 'onMetaData'],
    [1, 2],
    [],
  ])
    data(...unread);
  peer.message(18, 0, Buffer.concat([encodeAmf0('onMetaData'), hex('03 ffff')]));
  peer.message(
    15,
    0,
    Buffer.concat([hex('00'), encodeAmf0('@setDataFrame', 'onMetaData'), hex('11 0a 0b 01 03 61 04 07 01')]),
  );
  assert.deepEqual(
    peer.metadata.map((metadata) => ({ ...metadata })),
    [{ width: 1280 }, { videocodecid: 'avc1' }, {}, { a: 7 }],
  );

  const flash = new Peer().connect();
  for (const lead of ['00', '']) {
    flash.commands();
    flash.message(17, 0, Buffer.concat([hex(lead), encodeAmf0('createStream', 9), hex('11 01')]), 0);
    assert.equal(flash.commands()[0]![1], 9);
  }
  flash.message(17, 0, Buffer.concat([hex('00'), encodeAmf0('publish', 0), hex('11 01 11 06 05 6869')]));
  assert.equal(flash.publishes[0]!.streamName, 'hi');
});

test('R25 R27 R29 arguments of every wrong kind and names of every odd one', () => {
  const odd = [
    null,
    undefined,
    true,
    0,
    Number.NaN,
    -0,
    Infinity,
    1e308,
    '',
    '..',
    '/',
    '%2e%2e',
    '?',
    '\n',
    '\x1b[31m',
    '\0',
    'х',
    'x'.repeat(15_000),
    new Date(0),
    [],
    [1],
    {},
    { app: 1, tcUrl: [] },
  ];
  for (const value of odd) {
    const peer = new Peer().connect(value);
    for (const name of [
      'createStream',
      'publish',
      'play',
      'FCPublish',
      'FCUnpublish',
      'deleteStream',
      'closeStream',
      'releaseStream',
      'getStreamLength',
      '_checkbw',
    ]) {
      peer.command(1, name, value, value, value, value).command(1, name, value).command(1, name);
    }
    for (const { streamName, app, type } of peer.publishes)
      assert.deepEqual([typeof streamName, typeof app, typeof type], ['string', 'string', 'string']);
    peer.command(1, 'publish', value, null, value, value);
    assert.ok(peer.publishes.length > 0);
    if (typeof value !== 'string')
      assertProtocolError(() => new Peer().connect().command(0, value, 1), /without a name/);
  }
  new Peer().connect().command(0, 'x'.repeat(65_000), 1);
  assertProtocolError(() => new Peer().connect().message(20, 0, Buffer.alloc(0), 0), /without a name/);
  assertProtocolError(() => new Peer().connect().message(20, 0, hex('02 ffff'), 0), /AMF/);
  assertProtocolError(() => new Peer().connect().message(20, 0, Buffer.alloc(65_537), 0), /65537 bytes/);
});
