import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CodedError } from '../../../src/base/index.ts';
import { type AmfInput, encodeAmf0 } from '../../../src/formats/amf/index.ts';
import { writeMessage } from '../../../src/formats/rtmp/index.ts';
import { feed, hex, Peer } from './peer.ts';

const message = (type: number, timestamp: number, body: Buffer) =>
  writeMessage(type === 9 ? 6 : 4, type, 1, timestamp, body, 128);
const data = (...values: AmfInput[]) => encodeAmf0('@setDataFrame', 'onMetaData', ...values);

/** All that a publisher says after the handshake, with something of every kind. */
const SESSION = Buffer.concat([
  Peer.command(0, 'connect', 1, { app: 'static', flashVer: 'x', tcUrl: 'rtmp://localhost/static', list: [1, [2]] }),
  Peer.command(0, 'releaseStream', 2, null, 'name'),
  Peer.command(0, 'FCPublish', 3, null, 'name'),
  Peer.command(0, 'createStream', 4, null),
  Peer.command(1, 'publish', 5, null, 'name', 'live'),
  message(
    18,
    0,
    data(
      new Map<string, AmfInput>([
        ['width', 1280],
        ['date', new Date(0)],
        ['deep', { deeper: [{}] }],
      ]),
    ),
  ),
  message(15, 0, Buffer.concat([hex('00'), data(), hex('11 0a 13 01 03 61 06 00 0a 01 06 00')])),
  message(9, 0, hex('17 00 000000 0164001f')),
  message(8, 0, hex('af 00 1210')),
  message(9, 40, Buffer.alloc(300, 0x17)),
  message(8, 0xffffff, Buffer.alloc(200, 0xaf)),
  message(9, 0x1000010, Buffer.alloc(300, 0x27)),
  message(22, 5, hex('08 000004 000005 00 000000 af01aabb 0000000f')),
  writeMessage(2, 4, 0, 0, hex('0006 00000001'), 128),
  writeMessage(2, 1, 0, 0, hex('00001000'), 128),
  writeMessage(6, 9, 1, 80, Buffer.alloc(1000, 0x27), 4096),
  writeMessage(3, 20, 0, 0, encodeAmf0('FCUnpublish', 6, null, 'name'), 4096),
  writeMessage(3, 20, 0, 0, encodeAmf0('deleteStream', 7, null, 1), 4096),
]);

test('C03 R11 R43 a session with bits flipped, pieces cut out, repeated and overwritten ends in order or not at all', () => {
  const change = fc.record({
    kind: fc.constantFrom('flip', 'cut', 'repeat', 'overwrite'),
    at: fc.nat(SESSION.length - 1),
    count: fc.integer({ min: 1, max: 40 }),
    value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
  });
  const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 3 });
  let refused = 0;
  let published = 0;
  const run = (bytes: Buffer, cuts: readonly number[]) => {
    const peer = new Peer().handshake();
    try {
      feed(bytes, (piece) => peer.session.receive(piece), cuts);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      assert.equal(error.code, 'rtmp_protocol');
      refused++;
    }
    if (peer.media.length > 0) published++;
    return peer;
  };
  assert.deepEqual([run(SESSION, [65_536]).media.length, refused], [7, 0]);
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), sizes, (changes, cuts) => {
      let bytes = Buffer.from(SESSION);
      for (const { kind, at, count, value } of changes) {
        const piece = bytes.subarray(at, at + count);
        if (kind === 'flip') bytes[at] = bytes[at]! ^ (1 << (value & 7));
        else if (kind === 'overwrite') piece.fill(value);
        else if (kind === 'cut') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)]);
        else bytes = Buffer.concat([bytes.subarray(0, at + count), piece, bytes.subarray(at + count)]);
      }
      run(bytes, cuts);
    }),
    { numRuns: 10_000 },
  );
  // Both outcomes happen, so the changes reach all layers.
  assert.ok(refused > 1000 && published > 1000, `${refused} refused, ${published} published`);
  assert.equal(({} as Record<string, unknown>).a, undefined);
});
