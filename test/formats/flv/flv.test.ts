import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CodedError } from '../../../src/base/index.ts';
import {
  FlvReader,
  type FlvTag,
  isConfiguration,
  type MediaTag,
  parseAudioTag,
  parseVideoTag,
  writeAudioTag,
  writeFlvHeader,
  writeFlvTag,
  writeVideoTag,
} from '../../../src/formats/flv/index.ts';

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');
const summary = ({ codec, kind, key, compositionMs, data }: MediaTag) =>
  `${codec} ${kind}${key ? ' key' : ''} ${compositionMs} ${data.toString('hex')}`.trim();

const video: [bytes: string, expected: string][] = [
  ['17 00 000000 0164001f', 'avc config key 0 0164001f'],
  ['17 01 000042 aabb', 'avc frame key 66 aabb'],
  ['27 01 ffffbe aabb', 'avc frame -66 aabb'],
  ['27 01 7fffff aa', 'avc frame 8388607 aa'],
  ['27 01 800000 aa', 'avc frame -8388608 aa'],
  ['47 01 000000 aa', 'avc frame key 0 aa'],
  ['17 02 000000', 'avc end key 0'],
  ['17 01 000000', 'avc other key 0'],
  ['17 00 000000', 'avc other key 0'],
  ['17 09 000000 aa', 'avc other key 0 aa'],
  ['17 01 00', 'avc other key 0'],
  ['57 00', 'avc other 0'],
  ['', 'unknown other 0'],
  ['1c 00 000000 01', 'hevc config key 0 01'],
  ['22 aa', 'h263 other 0'],
  ['22 aa000000 bb', 'h263 frame 0 aa000000bb'],
  ['10 00000000 aa', 'unknown frame key 0 00000000aa'],
  // Enhanced RTMP
  ['90 61766331 0164', 'avc config key 0 0164'],
  ['a1 61766331 ffffbe aabb', 'avc frame -66 aabb'],
  ['a3 61766331 aabb', 'avc frame 0 aabb'],
  ['92 61766331', 'avc end key 0'],
  ['94 61766331 0200', 'avc other key 0'],
  ['90 68766331 01', 'hevc config key 0 01'],
  ['a1 61763031 0a0b', 'av1 frame 0 0a0b'],
  ['a1 76703039 0a', 'vp9 frame 0 0a'],
  ['a1 7a7a7a7a 0a', 'unknown frame 0 0a'],
  ['d0 00', 'unknown other 0'],
  ['96 10 68766331 00 aa', 'hevc other key 0'],
  // ModEx: two modifiers (three bytes, then one), then coded frames; one that claims 65,536 bytes
  ['a7 02 000001 07 00 ff 03 61766331 aa', 'avc frame 0 aa'],
  ['a7 ff ffff 00', 'unknown other 0'],
  ['a7', 'unknown other 0'],
];

const audio: [bytes: string, expected: string][] = [
  ['af 00 1210', 'aac config key 0 1210'],
  ['af 01 aabb', 'aac frame key 0 aabb'],
  ['a3 01 aa', 'aac frame key 0 aa'],
  ['af 01', 'aac other key 0'],
  ['af 00', 'aac other key 0'],
  ['af', 'aac other key 0'],
  ['', 'unknown other key 0'],
  ['2f aa', 'mp3 frame key 0 aa'],
  ['b2 aa', 'speex frame key 0 aa'],
  ['72 aa', 'alaw frame key 0 aa'],
  ['90 6d703461 1210', 'aac config key 0 1210'],
  ['91 6d703461 aa', 'aac frame key 0 aa'],
  ['90 4f707573 01', 'opus config key 0 01'],
  ['92 4f707573', 'opus end key 0'],
  ['95 11 666c6143', 'unknown other key 0'],
  ['91 2e6d7033 aa', 'mp3 frame key 0 aa'],
];

test('D11 D13 D14 D15 E01 E12 what video and audio bodies are, legacy and Enhanced RTMP', () => {
  for (const [bytes, expected] of video) assert.equal(summary(parseVideoTag(hex(bytes))), expected, bytes);
  for (const [bytes, expected] of audio) assert.equal(summary(parseAudioTag(hex(bytes))), expected, bytes);
  for (const bytes of ['17 00 000000 0164', '90 61766331 0164'])
    assert.equal(isConfiguration('video', hex(bytes)), true);
  assert.equal(isConfiguration('video', hex('17 01 000000 aa')), false);
  assert.equal(isConfiguration('audio', hex('af 00 1210')), true);
  assert.equal(isConfiguration('audio', hex('af 01 1210')), false);
});

test('R32 R35 every body of up to 12 bytes is taken apart without an error, and data is a view on it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      const body = Buffer.from(bytes);
      for (const parsed of [parseVideoTag(body), parseAudioTag(body)]) {
        assert.ok(parsed.data.length === 0 || parsed.data.buffer === body.buffer);
        assert.ok(parsed.compositionMs >= -0x800000 && parsed.compositionMs <= 0x7fffff);
      }
    }),
    { numRuns: 10_000 },
  );
});

test('R45 tags written are the tags read, however the file is cut', () => {
  const tag = fc
    .tuple(
      fc.constantFrom('audio' as const, 'video' as const, 'data' as const),
      fc.nat(0xffffffff),
      fc.uint8Array({ maxLength: 40 }),
    )
    .map(([type, timestampMs, bytes]): FlvTag => ({ type, timestampMs, body: Buffer.from(bytes) }));
  fc.assert(
    fc.property(
      fc.array(tag, { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (tags, sizes) => {
        const file = Buffer.concat([writeFlvHeader({ audio: true, video: true }), ...tags.map(writeFlvTag)]);
        const read: FlvTag[] = [];
        const reader = new FlvReader((tag) => read.push(tag));
        for (let offset = 0, i = 0; offset < file.length; i++) {
          const end = offset + sizes[i % sizes.length]!;
          reader.push(file.subarray(offset, end));
          offset = end;
        }
        assert.deepStrictEqual(read, tags);
      },
    ),
    { numRuns: 10_000 },
  );
  const body = writeVideoTag('frame', true, -40, Buffer.from([1, 2]));
  assert.equal(summary(parseVideoTag(body)), 'avc frame key -40 0102');
  assert.equal(summary(parseVideoTag(writeVideoTag('config', true, 0, Buffer.from([1])))), 'avc config key 0 01');
  assert.equal(summary(parseAudioTag(writeAudioTag('frame', Buffer.from([9])))), 'aac frame key 0 09');
  assert.equal(summary(parseAudioTag(writeAudioTag('config', Buffer.from([0x12, 0x10])))), 'aac config key 0 1210');
});

test('what is no FLV file is refused', () => {
  for (const bytes of ['RIFF12345678', 'FLV\x01\x05\0\0\0\x01', 'FLV\x01\x05\xff\0\0\0']) {
    assert.throws(
      () => new FlvReader(() => {}).push(Buffer.from(bytes, 'latin1')),
      (error: unknown) => error instanceof CodedError && error.code === 'media_invalid',
    );
  }
});
