import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  avcConfigFromFrame,
  hasIdr,
  parseAvcConfig,
  sameAvcConfig,
  toLengthPrefixed,
  x264KeyframeInterval,
} from '../../src/media/index.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const invalid = { code: 'media_invalid' };

/** 1920x1080 at 29.97, Baseline. */
const PLAIN = hex('0142c028ffe100176742c028da01e0089f97011000003e90000ea600f1832a01000468ce0fc8');
const SPS = PLAIN.subarray(8, 8 + 0x17);
const PPS = PLAIN.subarray(-4);

test('H05 H06 what configuration records say', () => {
  for (const [record, codecString, width, height, frameRate] of [
    [PLAIN.toString('hex'), 'avc1.42c028', 1920, 1080, 30000 / 1001],
    [
      '01640028ffe1001a67640028acd94078044fde0220000003002000000643e2c5b2c001000468fe8fcbfdf8f800',
      'avc1.640028',
      1920,
      1080,
      25,
    ], // interlaced
    [
      '017a0020ffe10018677a0020bcb402802dd808800000030080000032078c195001000468ce0fc8fef8f800',
      'avc1.7a0020',
      1280,
      720,
      50,
    ], // 4:2:2
    [
      '01f4000cffe1001a67f4000c9196834fe78bc044000003000400000301e03c50aa8001000568ce0f1920fff8f800',
      'avc1.f4000c',
      202,
      102,
      60,
    ], // 4:4:4
    [
      '0164000cffe1001a6764000cf2d069fcf1780b64000003000400000301e03c50aa8001000468ce0fc8fcf8f800',
      'avc1.64000c',
      202,
      102,
      60,
    ], // grey
    [
      '0164001effe1001e6764001eacd940a02ff970e6a02040480000030008000003018078b16cb001000568ef8fcc03fdf8f800',
      'avc1.64001e',
      640,
      360,
      24,
    ], // scaling matrices
  ] as const) {
    const config = parseAvcConfig(hex(record));
    assert.deepEqual(
      [config.codecString, config.width, config.height, config.frameRate, config.nalLengthSize],
      [codecString, width, height, frameRate, 4],
    );
    assert.equal(config.record.toString('hex'), record, 'H59');
  }
});

test('D11 reserved bits, several parameter sets, trailing bytes and a broken VUI are accepted', () => {
  const parse = (record: Buffer) => [parseAvcConfig(record).width, parseAvcConfig(record).height];
  const sets = (sps: Buffer[], pps: Buffer[], head = '0142c028 03') =>
    Buffer.concat([
      hex(head),
      Buffer.from([sps.length]),
      ...sps.flatMap(sized),
      Buffer.from([pps.length]),
      ...pps.flatMap(sized),
    ]);
  const sized = (nal: Buffer) => [Buffer.from([nal.length >> 8, nal.length & 255]), nal];
  assert.deepEqual(parse(sets([SPS], [PPS])), [1920, 1080]);
  assert.deepEqual(parse(sets([SPS, SPS, SPS], [PPS, PPS])), [1920, 1080]);
  assert.deepEqual(parse(Buffer.concat([PLAIN, Buffer.alloc(9, 0xab)])), [1920, 1080]);
  assert.deepEqual(parse(sets([SPS], [])), [1920, 1080]);
  const cut = parseAvcConfig(sets([SPS.subarray(0, 14)], [PPS]));
  assert.deepEqual([cut.width, cut.frameRate], [1920, null]);
  const annexB = parseAvcConfig(Buffer.concat([hex('00000001'), SPS, hex('000001'), PPS]));
  assert.deepEqual(annexB.record, PLAIN);

  for (let length = 0; length < PLAIN.length; length++) {
    assert.throws(() => parseAvcConfig(PLAIN.subarray(0, length)), invalid, `${length} bytes`);
  }
  for (const bad of [
    Buffer.concat([hex('02'), PLAIN.subarray(1)]),
    sets([], [PPS]),
    sets([SPS], [PPS], '0142c028 fe'), // lengths of three bytes
    hex('0164001f ffe1 0005 4001 0c01ff 01 0004 68ce0fc8'), // an HEVC parameter set
    sets([hex('6742c028 da 00 00 00')], [PPS]),
  ]) {
    assert.throws(() => parseAvcConfig(bad), invalid);
  }
});

/** A Baseline SPS of so many macroblocks, with cropping if given (left, right, top, bottom). */
function baselineSps(across: number, down: number, crop: readonly number[] = []): Buffer {
  const ue = (value: number) => {
    const binary = (value + 1).toString(2);
    return '0'.repeat(binary.length - 1) + binary;
  };
  const cropping = crop.length > 0 ? `1${crop.map(ue).join('')}` : '0';
  // Id, frame numbers, picture order of type 2, one reference, no gaps; the size; frames only; no VUI; the stop bit.
  const bits = `${ue(0)}${ue(0)}${ue(2)}${ue(1)}0${ue(across - 1)}${ue(down - 1)}11${cropping}01`;
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0');
  return Buffer.from([0x67, 66, 0xc0, 40, ...padded.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2))]);
}

test('R31 parameter sets cut at each byte, of absurd sizes and cropping, and as many as fit', () => {
  const record = (...sets: Buffer[]) =>
    Buffer.concat([
      hex('0142c028ff'),
      Buffer.from([0xe0 | sets.length]),
      ...sets.flatMap((sps) => [Buffer.from([sps.length >> 8, sps.length & 255]), sps]),
      hex('01 0004'),
      PPS,
    ]);
  const size = (sps: Buffer) => {
    const { width, height } = parseAvcConfig(record(sps));
    return `${width}x${height}`;
  };
  // Where the size is told it stands, whatever is missing behind it; before that nothing is made up.
  const cuts = Array.from({ length: SPS.length }, (_, length) => {
    try {
      return size(SPS.subarray(0, length));
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'media_invalid', String(error));
      return 'refused';
    }
  });
  const told = cuts.indexOf('1920x1080');
  assert.ok(told > 4 && told < SPS.length - 4, `${cuts}`);
  assert.deepEqual(new Set(cuts.slice(0, told)), new Set(['refused']));
  assert.deepEqual(new Set(cuts.slice(told)), new Set(['1920x1080']));

  assert.equal(size(baselineSps(1, 1)), '16x16');
  assert.equal(size(baselineSps(1024, 1024)), '16384x16384');
  assert.equal(size(baselineSps(120, 68, [0, 0, 0, 4])), '1920x1080');
  for (const [across, down, ...crop] of [
    [1025, 1],
    [1, 1025],
    [2 ** 28, 2 ** 28],
    [2 ** 31, 1],
    [1, 1, 4, 4, 0, 0],
    [1, 1, 0, 0, 0, 8],
    [120, 68, 2 ** 31, 2 ** 31, 0, 0],
    [120, 68, 0, 2 ** 32 - 2, 0, 0],
  ])
    assert.throws(() => size(baselineSps(across!, down!, crop)), invalid, `${across}x${down} ${crop}`);
  const many = Array.from({ length: 31 }, () => SPS);
  assert.equal(parseAvcConfig(record(...many)).width, 1920);
  assert.throws(() => parseAvcConfig(record(...many).subarray(0, 300)), invalid);
});

test('D07 the same configuration is the same, whatever its reserved bits; another length size is not', () => {
  const config = parseAvcConfig(PLAIN);
  const edited = (byte: number) => {
    const copy = Buffer.from(PLAIN);
    copy[4] = byte;
    return parseAvcConfig(copy);
  };
  assert.ok(sameAvcConfig(config, parseAvcConfig(Buffer.from(PLAIN))));
  assert.ok(!sameAvcConfig(config, edited(0xfd)));
  // Frames are always handed on with 4-byte lengths, and the record says so.
  assert.deepEqual([edited(0xfd).nalLengthSize, edited(0xfd).record[4]! & 3], [2, 3]);
});

test('D12 D13 frames become NAL units with 4-byte lengths', () => {
  const config = parseAvcConfig(PLAIN);
  const withSize = (nalLengthSize: 1 | 2 | 4) => ({ ...config, nalLengthSize });
  const good = hex('00000002 0910 00000003 658884');
  assert.equal(toLengthPrefixed(good, config), good, 'the same view');
  for (const [frame, size, out] of [
    ['02 0910 03 658884', 1, good.toString('hex')],
    ['0002 0910 0003 658884', 2, good.toString('hex')],
    ['00000001 0910 000001 658884', 4, good.toString('hex')],
    ['000001 0910 00000001 658884 0000', 4, good.toString('hex')],
    ['00000000 00000002 0910 00000003 658884', 4, good.toString('hex')], // an empty NAL unit
    ['00000006 00000001 0910 00000006 000001 658884', 4, good.toString('hex')], // start codes inside of lengths
    ['00000000', 4, ''],
    ['', 4, ''],
  ] as const) {
    assert.equal(Buffer.from(toLengthPrefixed(hex(frame), withSize(size))).toString('hex'), out, frame);
  }
  for (const frame of ['00000004 658884', '00000003 658884 00', 'ffffffff 65', '00 00', '7fffffff 6588 84']) {
    assert.throws(() => toLengthPrefixed(hex(frame), config), invalid, frame);
  }
  assert.ok(hasIdr(good));
  assert.ok(!hasIdr(hex('00000002 0910 00000003 418884')));
  assert.ok(!hasIdr(hex('00000001 09')));
});

test('D10 a configuration out of a key frame, in both forms', () => {
  const idr = hex('658884');
  const annexB = Buffer.concat([hex('00000001 0910 00000001'), SPS, hex('00000001'), PPS, hex('000001'), idr]);
  const prefixed = Buffer.from(toLengthPrefixed(annexB, parseAvcConfig(PLAIN)));
  for (const frame of [annexB, prefixed]) assert.deepEqual(avcConfigFromFrame(frame)?.record, PLAIN);
  const high = hex('017a0020ffe10018677a0020bcb402802dd808800000030080000032078c195001000468ce0fc8fef8f800');
  const frame = Buffer.concat([hex('00000001'), high.subarray(8, 32), hex('00000001'), high.subarray(35, 39)]);
  assert.deepEqual(avcConfigFromFrame(frame)?.record, high);
  assert.equal(avcConfigFromFrame(hex('00000003 658884')), null);
});

test("x264's own words tell the longest GOP", () => {
  const sei = (text: string) => {
    const nal = Buffer.concat([hex('0605ff'), Buffer.alloc(16), Buffer.from(text)]);
    return Buffer.concat([hex('00000002 0910'), Buffer.from([0, 0, 0, nal.length]), nal, hex('00000003 658884')]);
  };
  assert.equal(x264KeyframeInterval(sei('x264 - core 164 - options: keyint=48 keyint_min=25')), 48);
  assert.equal(x264KeyframeInterval(sei('x264 - core 164 - options: keyint=infinite keyint_min=536')), null);
  assert.equal(x264KeyframeInterval(sei('x264 - options: keyint_min=25')), null);
  assert.equal(x264KeyframeInterval(sei('another encoder: keyint=48')), null);
  assert.equal(x264KeyframeInterval(hex('00000003 658884')), null);
});

test('no bytes do more than throw media_invalid', () => {
  const config = parseAvcConfig(PLAIN);
  const tame = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'media_invalid', String(error));
    }
  };
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.nat({ max: PLAIN.length - 1 }),
      fc.nat(255),
      (bytes, at, value) => {
        const bent = Buffer.from(PLAIN);
        bent[at] = value;
        for (const input of [
          bytes,
          bent,
          Buffer.concat([PLAIN.subarray(0, at), bytes]),
          Buffer.concat([hex('00000001'), bytes]),
        ]) {
          tame(() => parseAvcConfig(input));
          tame(() => avcConfigFromFrame(input));
          tame(() => hasIdr(input));
          tame(() => x264KeyframeInterval(input));
          for (const nalLengthSize of [1, 2, 4] as const)
            tame(() => toLengthPrefixed(input, { ...config, nalLengthSize }));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
