import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ToPackets, writeAudioTag } from '../../../src/formats/flv/index.ts';

const HOUR_MS = 3_600_000;
const AAC_44100 = Buffer.from('1210', 'hex');

/** The decoding times, in samples, of AAC frames at 44.1 kHz that RTMP dates so, in whole milliseconds. */
function clocked(times: Iterable<number>): number[] {
  const packets = new ToPackets({ unsupported: assert.fail, dropped: assert.fail });
  packets.audio(0, writeAudioTag('config', AAC_44100));
  const frame = writeAudioTag('frame', Buffer.of(1));
  return Array.from(times, (ms) => packets.audio(Math.round(ms), frame)!.dts);
}

/** An hour of frames by an encoder whose sound clock runs at `rate` times its millisecond clock, with jitter of ±8 ms. */
function* hour(rate: number): Generator<number> {
  for (let i = 0, ms = 0; ms < HOUR_MS; i++) {
    ms = (i * 1024_000) / 44_100 / rate;
    yield ms + ((i * 7919) % 17) - 8;
  }
}

test('E07 frames of 23.2 ms dated in whole milliseconds abut to the sample, for an hour', () => {
  const dts = clocked(hour(1));
  assert.ok(dts.length > 155_000);
  assert.ok(dts.every((at, i) => i === 0 || at === dts[i - 1]! + 1024));
});

test('E08 drift of 100 in a million, to either side, is worked off by at most a millisecond a frame and does not add up', () => {
  for (const rate of [1.0001, 0.9999]) {
    const times = [...hour(rate)];
    const dts = clocked(times);
    let corrected = 0;
    for (let i = 1; i < dts.length; i++) {
      const step = dts[i]! - dts[i - 1]! - 1024;
      assert.ok(Math.abs(step) <= 44, `frame ${i} is moved by ${step} samples`);
      if (step !== 0) corrected++;
      const offMs = (dts[i]! * 1000) / 44_100 - times[i]!;
      assert.ok(Math.abs(offMs) < 45, `frame ${i} is ${offMs} ms off`);
    }
    // 360 ms in an hour, a millisecond each.
    assert.ok(corrected > 250, `${corrected} corrections`);
  }
});

test('E09 frames that are missing leave a gap of their own length, and what follows abuts again', () => {
  const whole = Array.from({ length: 400 }, (_, i) => (i * 1024_000) / 44_100);
  const lost = (i: number) => (i >= 100 && i < 110) || (i >= 300 && i < 345);
  const dts = clocked(whole.filter((_, i) => !lost(i)));
  const kept = whole.flatMap((ms, i) => (lost(i) ? [] : [ms]));
  const steps = dts.slice(1).map((at, i) => at - dts[i]!);
  assert.deepEqual(
    steps.flatMap((step, i) => (step === 1024 ? [] : [i + 1])),
    [100, 290],
    'the two gaps and no other step',
  );
  for (const i of [100, 290]) assert.ok(Math.abs((dts[i]! * 1000) / 44_100 - kept[i]!) <= 1, 'after it, on time');
});
