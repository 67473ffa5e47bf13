import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CodedError } from '../../../src/base/index.ts';
import { type AmfInput, type AmfValue, decodeAmf0, encodeAmf0 } from '../../../src/formats/amf/index.ts';

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');
const object = (members: Record<string, AmfValue>): AmfValue => Object.assign(Object.create(null), members);

function assertProtocolError(run: () => unknown, message?: RegExp): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof CodedError, `${error}`);
    assert.equal(error.code, 'rtmp_protocol');
    if (message) assert.match(error.message, message);
    return true;
  });
}

/** What is read and written the same way. */
const bothWays: [name: string, bytes: string, value: AmfValue][] = [
  ['number', '00 3ff0000000000000', 1],
  ['negative zero', '00 8000000000000000', -0],
  ['infinity', '00 7ff0000000000000', Infinity],
  ['true', '01 01', true],
  ['false', '01 00', false],
  ['string', '02 0003 c3a961', 'éa'],
  ['empty string', '02 0000', ''],
  ['null', '05', null],
  ['undefined', '06', undefined],
  ['object', '03 0001 61 00 4000000000000000 0001 62 05 0000 09', object({ a: 2, b: null })],
  ['nested object', '03 0001 61 03 0000 09 0000 09', object({ a: object({}) })],
  ['strict array', '0a 00000002 05 01 01', [null, true]],
  ['date', '0b 4271d5b3e4000000 0000', new Date(1225596485632)],
];

/** What only others write. */
const readOnly: [name: string, bytes: string, value: AmfValue][] = [
  ['ECMA array', '08 00000001 0001 61 05 0000 09', object({ a: null })],
  ['ECMA array, count zero', '08 00000000 0001 61 05 0000 09', object({ a: null })],
  ['ECMA array, count too high', '08 ffffffff 0001 61 05 0000 09', object({ a: null })],
  ['ECMA array without end marker', '08 00000001 0001 61 05', object({ a: null })],
  ['object without end marker', '03 0001 61 05', object({ a: null })],
  ['object with half an end marker', '03 0001 61 05 0000', object({ a: null })],
  ['unsupported', '0d', undefined],
  ['long string', '0c 00000002 6869', 'hi'],
  ['XML document', '0f 00000004 3c612f3e', '<a/>'],
  ['typed object', '10 0003 666f6f 0001 61 05 0000 09', object({ a: null })],
  ['date that is none', '0b 7ff8000000000000 0000', new Date(Number.NaN)],
  ['reference', '0a 00000002 03 0001 61 05 0000 09 07 0001', [object({ a: null }), object({ a: null })]],
  ['invalid UTF-8', '02 0002 ff61', '\ufffda'],
  ['empty key', '03 0000 05 0000 09', object({ '': null })],
];

/** Behind the marker 0x11 that switches to AMF3. */
const amf3: [name: string, bytes: string, value: AmfValue][] = [
  ['undefined', '00', undefined],
  ['null', '01', null],
  ['false', '02', false],
  ['true', '03', true],
  ['integer of one byte', '04 7f', 127],
  ['integer of two bytes', '04 8100', 128],
  ['integer of four bytes', '04 bfffffff', 268435455],
  ['negative integer', '04 ffffffff', -1],
  ['double', '05 3ff8000000000000', 1.5],
  ['string', '06 05 6869', 'hi'],
  ['XML document', '07 09 3c612f3e', '<a/>'],
  ['date', '08 01 4271d5b3e4000000', new Date(1225596485632)],
  ['array', '09 05 01 02 03', [false, true]],
  ['array with names', '09 03 03 61 04 05 01 03', object({ a: 5, 0: true })],
  ['object with traits', '0a 23 03 41 03 61 03 62 04 01 04 02', object({ a: 1, b: 2 })],
  ['dynamic object', '0a 0b 01 03 61 03 01', object({ a: true })],
  [
    'object by traits and string references',
    '09 05 01 0a 13 01 03 61 06 00 0a 01 06 00',
    [object({ a: 'a' }), object({ a: 'a' })],
  ],
  ['object by reference', '09 05 01 0a 0b 01 01 0a 02', [object({}), object({})]],
  ['XML', '0b 09 3c612f3e', '<a/>'],
  ['byte array', '0c 05 0102', Buffer.from([1, 2])],
  ['vector of int', '0d 03 00 ffffffff', [-1]],
  ['vector of uint', '0e 03 00 ffffffff', [4294967295]],
  ['vector of double', '0f 03 00 3ff8000000000000', [1.5]],
  ['vector of objects', '10 03 00 01 03', [true]],
  ['dictionary', '11 05 00 06 03 61 03 04 07 02', object({ a: true, 7: false })],
];

test('C01 every AMF0 marker is read, and written where we write it', () => {
  for (const [name, bytes, value] of bothWays) {
    assert.deepStrictEqual(decodeAmf0(hex(bytes)), [value], name);
    assert.deepStrictEqual(encodeAmf0(value).toString('hex'), hex(bytes).toString('hex'), name);
  }
  for (const [name, bytes, value] of readOnly) assert.deepStrictEqual(decodeAmf0(hex(bytes)), [value], name);
  const map = new Map<string, AmfInput>([['a', [new Map()]]]);
  assert.deepStrictEqual(decodeAmf0(encodeAmf0(map)), [object({ a: [object({})] })]);
  assert.equal(encodeAmf0(map)[0], 8, 'a Map is written as ECMA array');
  const long = 'x'.repeat(65_536);
  assert.deepStrictEqual(decodeAmf0(encodeAmf0(long)), [long]);
  assert.deepStrictEqual(decodeAmf0(encodeAmf0(Buffer.from('x'))), [undefined], 'AMF0 has no bytes');
  for (const bytes of ['04', '0e', '12', 'ff', '05 07', '02 0005 61', '0b 00', '']) {
    if (bytes === '') assert.deepStrictEqual(decodeAmf0(hex(bytes)), []);
    else assertProtocolError(() => decodeAmf0(hex(bytes)));
  }
});

test('C02 AMF3 values inside AMF0, every marker', () => {
  for (const [name, bytes, value] of amf3) {
    assert.deepStrictEqual(decodeAmf0(hex(`11${bytes} 05`)), [value, null], name);
  }
});

test('R26 AMF3 bodies of every marker, cut at every byte, and markers and references that do not exist', () => {
  for (const [name, bytes] of amf3) {
    const whole = hex(`11${bytes}`);
    for (let end = 1; end < whole.length; end++) {
      assertProtocolError(() => decodeAmf0(whole.subarray(0, end)), /^AMF: /);
    }
    assert.ok(whole.length > 1, name);
  }
  for (let marker = 0x12; marker < 256; marker++)
    assertProtocolError(() => decodeAmf0(Buffer.from([0x11, marker, 1, 1, 1, 1])));
  for (const bytes of ['0a 02', '06 02', '0a 05', '09 02', '0a 07 03 41'])
    assertProtocolError(() => decodeAmf0(hex(`11${bytes}`)));
  // An object that contains itself, and Flash's own serialisation.
  assertProtocolError(() => decodeAmf0(hex('11 0a 0b 01 03 61 0a 00 01')), /from inside itself/);
});

test('R20 nesting ends at 32, without a deep recursion', () => {
  const repeat = (bytes: Buffer, count: number) => Buffer.alloc(bytes.length * count, bytes);
  const nested = (open: string, depth: number, close: string) =>
    Buffer.concat([repeat(hex(open), depth), hex('05'), repeat(hex(close), depth)]);
  const forms: [string, string][] = [
    ['03 0001 61', '0000 09'],
    ['08 00000001 0001 61', '0000 09'],
    ['0a 00000001', ''],
    ['10 0000 0001 61', '0000 09'],
    ['03 0001 61 0a 00000001', '0000 09'],
  ];
  for (const [open, close] of forms) {
    const levels = open.includes('0a') && open.startsWith('03') ? 2 : 1;
    assert.equal(decodeAmf0(nested(open, 32 / levels, close)).length, 1);
    for (const depth of [33, 1000, 20_000, 1_000_000]) {
      assertProtocolError(() => decodeAmf0(nested(open, depth, close)), /nested deeper than 32/);
    }
  }
  for (const open of ['09 03 01', '0a 0b 01 03 61', '10 03 00 01', '11 03 00 04 01']) {
    for (const depth of [33, 20_000])
      assertProtocolError(() => decodeAmf0(Buffer.concat([hex('11'), nested(open, depth, '')])), /nested/);
  }
  // Deep by references: each object holds the one before.
  const chain = Array.from(
    { length: 40 },
    (_, i) => `03 0001 61 ${i === 0 ? '05' : `07 ${i.toString(16).padStart(4, '0')}`} 0000 09`,
  );
  assertProtocolError(() => decodeAmf0(hex(`0a 00000028 ${chain.join('')}`)), /nested/);
});

test('R21 R22 R23 counts and lengths that the bytes do not bear out, and too many keys', () => {
  assertProtocolError(() => decodeAmf0(hex('0a ffffffff')), /4294967295 elements in 0 bytes/);
  assertProtocolError(() => decodeAmf0(hex('0a 00000005 05050505')));
  assertProtocolError(() => decodeAmf0(hex('02 ffff 61')));
  assertProtocolError(() => decodeAmf0(hex('0c ffffffff 61')));
  assertProtocolError(() => decodeAmf0(Buffer.concat([hex('0c 00010001'), Buffer.alloc(65_537)])), /65537/);
  assertProtocolError(() => decodeAmf0(hex('11 09 ffffffff 01')));
  assertProtocolError(() => decodeAmf0(hex('11 0f ffffffff 00')));
  const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, null]));
  assert.equal(Object.keys(decodeAmf0(encodeAmf0(keys(1024)))[0] as object).length, 1024);
  assertProtocolError(() => decodeAmf0(encodeAmf0(keys(1025))), /1024 keys/);
  const million = Buffer.concat([hex('03'), ...new Array(1_000_000).fill(hex('0001 61 05')), hex('0000 09')]);
  assertProtocolError(() => decodeAmf0(million), /1024 keys/);
  // Wide by references: each array holds the one before twenty times.
  const wide = Array.from(
    { length: 20 },
    (_, i) => `0a 00000014 ${(i === 0 ? '05' : `07 ${i.toString(16).padStart(4, '0')}`).repeat(20)}`,
  );
  assertProtocolError(() => decodeAmf0(hex(`0a 00000014 ${wide.join('')}`)), /more than 262144 values|nested/);
});

test('R24 R25 keys that mean something to JavaScript, references to nothing, odd numbers', () => {
  const names = ['__proto__', 'constructor', 'toString', '', 'x'.repeat(65_535), '\0', 'é'];
  const members = new Map<string, AmfInput>(names.map((name) => [name, { polluted: 1 }]));
  const [decoded] = decodeAmf0(encodeAmf0(members)) as [Record<string, AmfValue>];
  assert.deepEqual(Object.keys(decoded).sort(), [...names].sort());
  assert.equal(Object.getPrototypeOf(decoded), null);
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  const [dictionary] = decodeAmf0(hex('11 0a 0b 01 13 5f5f70726f746f5f5f 0a 01 01 01'));
  assert.equal(Object.getPrototypeOf(dictionary), null);
  assertProtocolError(() => decodeAmf0(hex('07 0000')), /reference/);
  assertProtocolError(() => decodeAmf0(hex('03 0001 61 07 0000 0000 09')), /from inside itself/);
  for (const value of [Number.NaN, -0, Infinity, 1e308]) assert.deepStrictEqual(decodeAmf0(encodeAmf0(value)), [value]);
  for (const time of [Number.NaN, 1e308, -1e308]) {
    const bytes = encodeAmf0(0);
    bytes.writeDoubleBE(time, 1);
    bytes[0] = 0x0b;
    assert.ok(Number.isNaN((decodeAmf0(Buffer.concat([bytes, hex('0000')]))[0] as Date).getTime()));
  }
});

test('R45 decode(encode(x)) is x, and any bytes decode or are refused in order', () => {
  const text = fc.string({ unit: 'binary', maxLength: 12 });
  const { value } = fc.letrec<{ value: AmfValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.oneof(
        fc.constantFrom<AmfValue>(null, undefined, true, false),
        fc.double(),
        text,
        fc.date({ noInvalidDate: false }),
      ),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(text, tie('value'), { maxKeys: 4, noNullPrototype: false }).map((members) => object(members)),
    ),
  }));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 3 }), (values) => {
      assert.deepStrictEqual(decodeAmf0(encodeAmf0(...values)), values);
    }),
    { numRuns: 10_000 },
  );
  const markers = fc.constantFrom(0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17);
  fc.assert(
    fc.property(fc.array(fc.oneof(markers, fc.nat(255)), { maxLength: 60 }), (bytes) => {
      try {
        encodeAmf0(...decodeAmf0(Buffer.from(bytes)));
      } catch (error) {
        assert.ok(error instanceof CodedError && error.code === 'rtmp_protocol', `${error}`);
      }
    }),
    { numRuns: 10_000 },
  );
});
