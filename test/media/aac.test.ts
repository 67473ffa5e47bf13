import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAacConfig, sameAacConfig } from '../../src/media/index.ts';

const hex = (text: string) => Buffer.from(text, 'hex');
const invalid = { code: 'media_invalid' };

/** A record out of fields: [value, bits]. */
function bits(...fields: [number, number][]): Buffer {
  const text = fields.map(([value, count]) => value.toString(2).padStart(count, '0')).join('');
  return Buffer.from((text.match(/.{1,8}/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2)));
}

test('E11 E12 every way to say rate, channels and object type', () => {
  for (const [record, codecString, sampleRate, channels, outputSampleRate, frameSamples = 1024] of [
    [hex('1190'), 'mp4a.40.2', 48000, 2, 48000],
    [hex('119056e500'), 'mp4a.40.2', 48000, 2, 48000], // says that there is no SBR
    [hex('1208'), 'mp4a.40.2', 44100, 1, 44100],
    [hex('123056e500'), 'mp4a.40.2', 44100, 6, 44100],
    [hex('160856e500'), 'mp4a.40.2', 7350, 1, 7350],
    [hex('100856e500'), 'mp4a.40.2', 96000, 1, 96000],
    [hex('1390'), 'mp4a.40.2', 22050, 2, 22050],
    [hex('13b8'), 'mp4a.40.2', 22050, 8, 22050],
    [hex('1194'), 'mp4a.40.2', 48000, 2, 48000, 960],
    [hex('2b118800'), 'mp4a.40.5', 24000, 2, 48000], // explicit HE-AAC
    [hex('eb098800'), 'mp4a.40.29', 24000, 1, 48000], // explicit HE-AACv2
    [hex('131056e598'), 'mp4a.40.5', 24000, 2, 48000], // behind the core, backward compatible
    [hex('130856e59d4880'), 'mp4a.40.29', 24000, 1, 48000],
    [bits([2, 5], [15, 4], [37800, 24], [2, 4], [0, 3]), 'mp4a.40.2', 37800, 2, 37800],
    [bits([31, 5], [0, 6], [3, 4], [2, 4], [0, 3]), null, 0, 0, 0],
    // A program config element: front pair and single, one LFE, a comment of one byte.
    [
      bits(
        [2, 5],
        [3, 4],
        [0, 4],
        [0, 3],
        [0, 4],
        [1, 2],
        [3, 4],
        [2, 4],
        [0, 4],
        [0, 4],
        [1, 2],
        [0, 3],
        [0, 4],
        [0, 3],
        [1, 1],
        [0, 4],
        [0, 1],
        [1, 4],
        [0, 4],
        [0, 6],
        [1, 8],
        [65, 8],
      ),
      'mp4a.40.2',
      48000,
      4,
      48000,
    ],
  ] as const) {
    if (codecString === null) {
      assert.throws(() => parseAacConfig(record), invalid);
      continue;
    }
    const config = parseAacConfig(record);
    assert.deepEqual(
      [config.codecString, config.sampleRate, config.channels, config.outputSampleRate, config.frameSamples],
      [codecString, sampleRate, channels, outputSampleRate, frameSamples],
      `${record.toString('hex')}`,
    );
    const sent = record.toString('hex');
    record.fill(0);
    assert.equal(config.record.toString('hex'), sent, 'H59: an own copy');
  }
  assert.ok(sameAacConfig(parseAacConfig(hex('1190')), parseAacConfig(hex('1190'))));
  assert.ok(!sameAacConfig(parseAacConfig(hex('1190')), parseAacConfig(hex('1210'))));
});

test('D11 R31 what cannot be read or played is refused with its reason', () => {
  for (const [record, reason] of [
    ['', /too early/],
    ['11', /too early/],
    ['0990', /object type 1 /],
    ['f94040', /object type 42|too early/],
    ['16f0', /rate|reserved/],
    ['1700', /rate/],
    ['11c8', /reserved/],
    ['1180', /too early/],
  ] as const) {
    assert.throws(
      () => parseAacConfig(hex(record)),
      (error: Error & { code: string }) => error.code === 'media_invalid' && reason.test(error.message),
      record,
    );
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
      try {
        const { sampleRate, channels } = parseAacConfig(bytes);
        assert.ok(sampleRate >= 1000 && channels > 0);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'media_invalid', String(error));
      }
    }),
    { numRuns: 3000 },
  );
});
