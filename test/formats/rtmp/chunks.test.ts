import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AUTHORISED_LIMITS, ChunkReader, ChunkWriter, writeMessage } from '../../../src/formats/rtmp/index.ts';
import { assertProtocolError, feed, hex, type Message, readMessages } from './peer.ts';

type Row = [type: number, timestamp: number, streamId: number, body: string];
const rows = (messages: Message[]): Row[] =>
  messages.map(({ type, timestamp, streamId, body }) => [type, timestamp, streamId, body.toString('hex')]);
const setChunkSize = (size: number) =>
  writeMessage(2, 1, 0, 0, Buffer.from([size >>> 24, size >>> 16, size >>> 8, size]), 128);
const bytesOf = (length: number, value = 0xaa) => Buffer.alloc(length, value);

/** Read and written the same way: chunk stream, message, chunk size. */
const bothWays: [name: string, bytes: string, chunkStreamId: number, row: Row, chunkSize: number][] = [
  ['fmt 0', '06 000021 000002 09 01000000 aabb', 6, [9, 33, 1, 'aabb'], 128],
  ['B11 empty', '04 000021 000000 08 01000000', 4, [8, 33, 1, ''], 128],
  ['B06 csid 63', '3f 000000 000001 08 01000000 aa', 63, [8, 0, 1, 'aa'], 128],
  ['B06 csid 64', '00 00 000000 000001 08 01000000 aa', 64, [8, 0, 1, 'aa'], 128],
  ['B06 csid 319', '00 ff 000000 000001 08 01000000 aa', 319, [8, 0, 1, 'aa'], 128],
  ['B06 csid 320', '01 0001 000000 000001 08 01000000 aa', 320, [8, 0, 1, 'aa'], 128],
  ['B06 csid 65599', '01 ffff 000000 000001 08 01000000 aa', 65_599, [8, 0, 1, 'aa'], 128],
  ['fmt 3 continues', '06 000021 000003 09 01000000 aabb c6 cc', 6, [9, 33, 1, 'aabbcc'], 2],
  ['B01 extended', '06 ffffff 000001 09 01000000 00ffffff aa', 6, [9, 0xffffff, 1, 'aa'], 128],
  ['B01 just not extended', '06 fffffe 000001 09 01000000 aa', 6, [9, 0xfffffe, 1, 'aa'], 128],
  [
    'B03 extended, repeated',
    '06 ffffff 000003 09 01000000 f0000000 aabb c6 f0000000 cc',
    6,
    [9, 0xf0000000, 1, 'aabbcc'],
    2,
  ],
  [
    'B03 extended, long csid',
    '01 0001 ffffff 000002 09 01000000 80000000 aa c10001 80000000 bb',
    320,
    [9, 2 ** 31, 1, 'aabb'],
    1,
  ],
];

/** What only others write. Chunks are of 128 bytes unless the row says so. */
const readOnly: [name: string, bytes: string, rows: Row[]][] = [
  [
    'B14 a clock for each chunk stream',
    '06 000064 000001 09 01000000 aa 04 00000a 000001 08 01000000 bb 46 000001 000001 09 cc 44 000001 000001 08 dd',
    [
      [9, 100, 1, 'aa'],
      [8, 10, 1, 'bb'],
      [9, 101, 1, 'cc'],
      [8, 11, 1, 'dd'],
    ],
  ],
  [
    'fmt 1, then fmt 2, then fmt 3 as new messages',
    '06 002710 000001 09 01000000 aa 46 000021 000002 08 bbbb 86 000022 cccc c6 dddd c6 eeee',
    [
      [9, 10_000, 1, 'aa'],
      [8, 10_033, 1, 'bbbb'],
      [8, 10_067, 1, 'cccc'],
      [8, 10_101, 1, 'dddd'],
      [8, 10_135, 1, 'eeee'],
    ],
  ],
  [
    'B04 fmt 3 as new message after fmt 0, as FFmpeg writes it',
    '04 000017 000001 08 01000000 aa c4 bb c4 cc',
    [
      [8, 23, 1, 'aa'],
      [8, 46, 1, 'bb'],
      [8, 69, 1, 'cc'],
    ],
  ],
  [
    'B04 fmt 3 as new message after fmt 0, as GStreamer writes it',
    '04 002710 000001 08 01000000 aa c4 bb',
    [
      [8, 10_000, 1, 'aa'],
      [8, 10_000, 1, 'bb'],
    ],
  ],
  ['B05 fmt 1 opens a chunk stream', '42 000005 000006 04 000700000001', [[4, 5, 0, '000700000001']]],
  [
    'B02 the extended time of fmt 1 is a delta',
    '06 000064 000001 09 01000000 aa 46 ffffff 000001 09 01000000 bb 86 ffffff 02000000 cc',
    [
      [9, 100, 1, 'aa'],
      [9, 100 + 0x1000000, 1, 'bb'],
      [9, 100 + 0x3000000, 1, 'cc'],
    ],
  ],
  [
    'B19 time passes 2^32',
    '06 ffffff 000001 09 01000000 ffffffff aa 46 000021 000001 09 bb',
    [
      [9, 0xffffffff, 1, 'aa'],
      [9, 32, 1, 'bb'],
    ],
  ],
  [
    'B03 not repeated in the continuation',
    '02 000000 000004 01 00000000 00000002 06 ffffff 000005 09 01000000 01000000 aabb c6 ccdd c6 ee',
    [[9, 2 ** 24, 1, 'aabbccddee']],
  ],
  [
    'B03 not repeated, and the payload looks like it at first',
    '02 000000 000004 01 00000000 00000003 06 ffffff 000007 09 01000000 01000000 aabbcc c6 010000 c6 01 04 000000 000001 08 01000000 ff',
    [
      [9, 2 ** 24, 1, 'aabbcc01000001'],
      [8, 0, 1, 'ff'],
    ],
  ],
  [
    'B03 fmt 3 as new message repeats it, or not',
    '06 ffffff 000001 09 01000000 01000000 aa 46 ffffff 000001 09 01000000 bb c6 01000000 cc c6 dd',
    [
      [9, 2 ** 24, 1, 'aa'],
      [9, 2 ** 25, 1, 'bb'],
      [9, 3 * 2 ** 24, 1, 'cc'],
      [9, 4 * 2 ** 24, 1, 'dd'],
    ],
  ],
  [
    'B09 chunk size changes in the middle of another message',
    '02 000000 000004 01 00000000 00000002 06 000000 000006 09 01000000 aabb 02 000000 000004 01 00000000 0000 c2 0003 c6 ccddee c6 ff',
    [[9, 0, 1, 'aabbccddeeff']],
  ],
  [
    'B10 interleaved, one aborted',
    '02 000000 000004 01 00000000 00000002 06 000000 000004 09 01000000 aabb 04 000005 000003 08 01000000 1122 02 000000 000004 02 00000000 0000 c2 0006 c4 33 06 000009 000001 09 01000000 ff',
    [
      [8, 5, 1, '112233'],
      [9, 9, 1, 'ff'],
    ],
  ],
  [
    'R16 a new header drops the unfinished message',
    '02 000000 000004 01 00000000 00000002 06 000000 000004 09 01000000 aabb 06 000007 000002 09 01000000 ccdd',
    [[9, 7, 1, 'ccdd']],
  ],
  [
    'B07 control on another chunk stream',
    '05 000000 000004 01 00000000 00000001 06 000000 000002 09 01000000 aa c6 bb',
    [[9, 0, 1, 'aabb']],
  ],
];

test('B01-B11 B14 B19 chunk forms, in one piece, byte by byte, and cut in two at every place', () => {
  const check = (name: string, bytes: Buffer, expected: Row[]) => {
    assert.deepEqual(rows(readMessages(bytes)), expected, name);
    assert.deepEqual(rows(readMessages(bytes, [1])), expected, `${name}, byte by byte`);
    for (let cut = 1; cut < bytes.length; cut++) {
      assert.deepEqual(rows(readMessages(bytes, [cut, bytes.length])), expected, `${name}, cut at ${cut}`);
    }
  };
  for (const [name, bytes, chunkStreamId, row, chunkSize] of bothWays) {
    const [type, timestamp, streamId, body] = row;
    const written = writeMessage(chunkStreamId, type, streamId, timestamp, hex(body), chunkSize);
    assert.equal(written.toString('hex'), hex(bytes).toString('hex'), name);
    check(name, chunkSize === 128 ? written : Buffer.concat([setChunkSize(chunkSize), written]), [row]);
  }
  for (const [name, bytes, expected] of readOnly) check(name, hex(bytes), expected);
});

test('B08 R13 chunk sizes', () => {
  const body = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i));
  for (const size of [1, 128, 4096, 60_000, 65_536, 0x7fffffff]) {
    const bytes = Buffer.concat([setChunkSize(size), writeMessage(6, 22, 1, 7, body, size)]);
    const reader = new ChunkReader((type, timestamp, _streamId, read) => {
      assert.deepEqual([type, timestamp, read.equals(body)], [22, 7, true]);
      seen++;
    });
    reader.limits = AUTHORISED_LIMITS;
    let seen = 0;
    feed(bytes, (piece) => reader.receive(piece), [1000, 3, 65_536]);
    assert.equal(seen, 1);
  }
  for (const size of [0, 0x80000000, 0xffffffff])
    assertProtocolError(() => readMessages(setChunkSize(size)), /chunk size/);
  for (const length of [0, 1, 3]) {
    assertProtocolError(() => readMessages(writeMessage(2, 1, 0, 0, bytesOf(length), 128)), /control message of/);
    assertProtocolError(() => readMessages(writeMessage(2, 2, 0, 0, bytesOf(length), 128)), /control message of/);
  }
  assertProtocolError(() => readMessages(writeMessage(2, 1, 0, 0, bytesOf(70_000), 128)), /70000 bytes/);
  const changes = Array.from({ length: 1000 }, (_, i) => setChunkSize((i % 200) + 4));
  assert.equal(readMessages(Buffer.concat([...changes, writeMessage(6, 9, 1, 0, bytesOf(3), 3)])).length, 1);
});

test('B12 R14 claimed lengths cost nothing, and limits hold', () => {
  const claim = (id: number, length: number) => {
    const header = writeMessage(id, 9, 1, 0, Buffer.alloc(0), 128);
    header.writeUIntBE(length, header.length - 8, 3);
    return header;
  };
  const authorised = () => {
    const reader = new ChunkReader(() => {});
    reader.limits = AUTHORISED_LIMITS;
    return reader;
  };
  assertProtocolError(() => readMessages(claim(3, 2 ** 24 - 1)), /byte 0: .*16777215 bytes/);
  assertProtocolError(() => authorised().receive(claim(3, 2 ** 24 - 1)), /16777215 bytes/);
  assertProtocolError(() => readMessages(claim(3, 65_537)), /65537 bytes, 65536 are allowed/);

  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 100 }, () => {
    const reader = new ChunkReader(() => {});
    // 64 KiB claimed and one byte sent, on each of 64 chunk streams.
    for (let id = 3; id < 64; id++) reader.receive(Buffer.concat([claim(id, 65_536), Buffer.alloc(128)]));
    return reader;
  });
  const held = process.memoryUsage().arrayBuffers - before;
  assert.ok(held < 100 * 64 * 8192, `${held} bytes for ${readers.length} readers`);

  assertProtocolError(() => {
    const reader = new ChunkReader(() => {});
    for (let id = 2; id <= 66; id++) reader.receive(writeMessage(id, 9, 1, 0, bytesOf(1), 128));
  }, /more than 64 chunk streams/);

  const unfinished = authorised();
  unfinished.receive(setChunkSize(0x7fffffff));
  unfinished.receive(Buffer.concat([claim(4, 10_485_760), bytesOf(10_485_759)]));
  unfinished.receive(bytesOf(1));
  const sums = authorised();
  sums.receive(setChunkSize(1_000_000));
  for (let id = 3; id < 19; id++) sums.receive(Buffer.concat([claim(id, 10_000_000), bytesOf(1_000_000)]));
  assertProtocolError(
    () => sums.receive(Buffer.concat([claim(19, 10_000_000), bytesOf(1_000_000)])),
    /unfinished messages/,
  );
});

test('B15 R15 R16 R17 what has no sense ends with the place where sense was lost', () => {
  for (let type = 0; type < 256; type++) {
    const known = [1, 2, 3, 4, 5, 6, 8, 9, 15, 16, 17, 18, 19, 20, 22].includes(type);
    const bytes = Buffer.concat([
      writeMessage(6, 9, 1, 0, bytesOf(4), 128),
      writeMessage(6, type, 1, 0, hex('00000005'), 128),
    ]);
    if (known) assert.equal(readMessages(bytes).length, type < 3 ? 1 : 2);
    else assertProtocolError(() => readMessages(bytes), new RegExp(`^byte 16: there is no message type ${type}$`));
  }
  assertProtocolError(() => readMessages(hex('85 000001')), /chunk stream 5 begins without a header/);
  assertProtocolError(() => readMessages(hex('c1 0001')), /chunk stream 320 begins without a header/);
  // Every chunk stream id in every form, a partial message on each, and an abort of it, of none, of an unknown one.
  for (const abort of ['own', 'none', 'unknown']) {
    for (let id = 2; id < 65_600; id += id < 400 ? 1 : 997) {
      const begun = writeMessage(id, 9, 1, 0, bytesOf(200), 128).subarray(0, -60);
      const aborted = abort === 'own' ? id : 65_000;
      const abortion = writeMessage(id === 2 ? 3 : 2, 2, 0, 0, Buffer.from([0, 0, aborted >> 8, aborted]), 128);
      const rest = writeMessage(id, 9, 1, 0, bytesOf(5), 128);
      const before = Buffer.concat([
        begun.subarray(0, -(id < 64 ? 13 : id < 320 ? 14 : 15)),
        abort === 'none' ? hex('') : abortion,
        rest,
      ]);
      assert.deepEqual(rows(readMessages(before)), [[9, 0, 1, 'aaaaaaaaaa']], `${abort} ${id}`);
    }
  }
});

test('R19 one byte at a time costs the same for every byte', () => {
  const run = (bytes: Buffer) => {
    const reader = new ChunkReader(() => {});
    const start = process.cpuUsage();
    feed(bytes, (piece) => reader.receive(piece), [1]);
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  const message = writeMessage(6, 9, 1, 0, bytesOf(60_000), 128);
  run(message);
  const short = run(message);
  const long = run(
    Buffer.concat([setChunkSize(60_000), ...new Array(10).fill(writeMessage(6, 9, 1, 0, bytesOf(60_000), 60_000))]),
  );
  assert.ok(long < 10 * Math.max(short, 5000) * 3, `${short} us for one message, ${long} us for ten`);
});

test('B17 an acknowledgement counts modulo 2^32', () => {
  const writer = new ChunkWriter();
  writer.acknowledge(2 ** 32 + 5);
  assert.deepEqual(rows(readMessages(writer.take()!)), [[3, 0, 0, '00000005']]);
  assert.equal(writer.take(), null);
});

test('R45 messages written are the messages read, at any chunk size and however the bytes are cut', () => {
  const message = fc.record({
    chunkStreamId: fc.oneof(fc.integer({ min: 3, max: 10 }), fc.constantFrom(63, 64, 319, 320, 65_599)),
    type: fc.constantFrom(8, 9, 18, 20),
    streamId: fc.nat(3),
    timestamp: fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0xfffffe, 0xffffff, 0x1000000, 0xffffffff)),
    body: fc.uint8Array({ maxLength: 50 }),
  });
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 6 }),
      fc.integer({ min: 1, max: 60 }),
      sizes,
      (messages, chunkSize, cuts) => {
        const bytes = Buffer.concat([
          setChunkSize(chunkSize),
          ...messages.map((m) => writeMessage(m.chunkStreamId, m.type, m.streamId, m.timestamp, m.body, chunkSize)),
        ]);
        const expected = messages.map(
          ({ type, timestamp, streamId, body }): Row => [type, timestamp, streamId, Buffer.from(body).toString('hex')],
        );
        assert.deepEqual(rows(readMessages(bytes, cuts)), expected);
      },
    ),
    { numRuns: 10_000 },
  );
  // Any bytes at all: the same result however they are cut, also when the result is an error.
  const outcome = (bytes: Buffer, cuts: number[]) => {
    const messages: Message[] = [];
    const reader = new ChunkReader((type, timestamp, streamId, body) =>
      messages.push({ type, timestamp, streamId, body }),
    );
    let error = '';
    try {
      feed(bytes, (piece) => reader.receive(piece), cuts);
    } catch (thrown) {
      assertProtocolError(() => {
        throw thrown;
      }, /^byte \d+: /);
      error = (thrown as Error).message;
    }
    return { messages: rows(messages), error };
  };
  const likely = fc.constantFrom(0x02, 0x06, 0x46, 0x86, 0xc6, 0xc2, 0, 1, 8, 9, 255);
  fc.assert(
    fc.property(fc.array(fc.oneof(likely, fc.nat(255)), { maxLength: 80 }), sizes, (bytes, cuts) => {
      assert.deepEqual(outcome(Buffer.from(bytes), cuts), outcome(Buffer.from(bytes), [1000]));
    }),
    { numRuns: 10_000 },
  );
});
