import assert from 'node:assert/strict';
import { test } from 'node:test';
import { opusSamples, parseOpusConfig, sameOpusConfig } from '../../src/media/index.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const HEAD = '4f70757348656164';
const STEREO = hex(`${HEAD} 01 02 3801 80bb0000 0000 00`);

test('Opus packets say how long they last (RFC 6716, 3.1 and 3.2)', () => {
  for (const [packet, samples] of [
    ['f8fffe', 960], // CELT, 20 ms
    ['fcfffe', 960], // in stereo
    ['e0', 120], // CELT, 2.5 ms
    ['00', 480], // SILK, 10 ms
    ['18', 2880], // SILK, 60 ms
    ['60', 480], // hybrid, 10 ms
    ['78', 960],
    ['f9', 1920], // two frames of the same size
    ['fa', 1920], // of different sizes
    ['fb06', 5760], // six
    ['fb43', 2880], // three, with padding
  ] as const)
    assert.equal(opusSamples(hex(packet)), samples, packet);
  for (const packet of ['', 'fb', 'fb00', 'fb07', '1b03'])
    assert.throws(() => opusSamples(hex(packet)), { code: 'media_invalid' }, packet);
});

test('OpusHead is read, kept as it is, and compared', () => {
  const config = parseOpusConfig(STEREO, 960);
  assert.deepEqual(config, {
    record: STEREO,
    codecString: 'opus',
    sampleRate: 48000,
    frameSamples: 960,
    channels: 2,
    outputSampleRate: 48000,
  });
  assert.ok(sameOpusConfig(config, parseOpusConfig(STEREO, 960)));
  assert.ok(!sameOpusConfig(config, parseOpusConfig(STEREO, 480)));
  const surround = hex(`${HEAD} 01 06 3801 80bb0000 0000 01 04 02 000401020305`);
  assert.equal(parseOpusConfig(surround, 960).channels, 6);
  for (const [wrong, message] of [
    [STEREO.subarray(0, 18), /no OpusHead/],
    [hex(`${HEAD.replace('4f', '4e')} 01 02 3801 80bb0000 0000 00`), /no OpusHead/],
    [hex(`${HEAD} 10 02 3801 80bb0000 0000 00`), /version 16/],
    [hex(`${HEAD} 01 00 3801 80bb0000 0000 00`), /0 channels/],
    [hex(`${HEAD} 01 03 3801 80bb0000 0000 00`), /3 channels/],
    [hex(`${HEAD} 01 02 3801 80bb0000 0000 ff`), /family 255/],
    [surround.subarray(0, -1), /cut short/],
  ] as const)
    assert.throws(() => parseOpusConfig(wrong, 960), { code: 'media_invalid', message });
});
