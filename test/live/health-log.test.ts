import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { HealthLog, LiveRegistry, type Publisher, SampleSeries } from '../../src/live/index.ts';
import type { AudioTrack, VideoTrack } from '../../src/media/index.ts';

test('a series holds 720 samples at most: neighbours become one, and nothing that was dropped is lost', () => {
  const series = new SampleSeries(2);
  const sample = (i: number, more = {}) => {
    const none = { keyFrameIntervalS: Number.NaN, driftMs: Number.NaN };
    return { at: 1_800_000_000 + 2 * i, bitrateKbps: i, frameRate: 25, ...none, dropped: 1, viewers: 2, ...more };
  };
  for (let i = 0; i < 719; i++) series.add(sample(i));
  assert.deepEqual([series.length, series.intervalS], [719, 2]);
  series.add(sample(719, { driftMs: 40 }));
  assert.deepEqual([series.length, series.intervalS], [360, 4]);
  for (let i = 720; i < 5000; i++) series.add(sample(i));
  assert.deepEqual([series.length, series.intervalS], [625, 16]);
  const at = series.column('at') as number[];
  assert.equal(at[0], 1_800_000_000);
  assert.deepEqual([...new Set(at.slice(1).map((value, i) => value - at[i]!))], [16]);
  assert.deepEqual(series.column('bitrateKbps').slice(0, 2), [3.5, 11.5]);
  assert.equal(
    series.column('dropped').reduce((a, b) => a! + b!, 0),
    5000,
  );
  assert.deepEqual(
    series.column('driftMs').filter((value) => value !== null),
    [40],
  );
});

test('a health log knows the running and the last broadcast, with what happened in them', async () => {
  const log = createLogger('silent');
  const video = { kind: 'video', codec: 'avc', timescale: 1000, config: {} } as VideoTrack;
  const audio = { kind: 'audio', codec: 'aac', timescale: 1000, config: {} } as AudioTrack;
  const stream = { liveStreamId: 'id', playbackId: 'lv_00', userId: 'user', discontinuities: 0 };
  const registry = new LiveRegistry({
    reconnectWindowMs: 60_000,
    takeoverAfterMs: 1000,
    onBroadcast: () => {},
    onEvent: (event) => health.note(event),
    log,
  });
  const health = new HealthLog({ broadcasts: () => registry.broadcasts(), viewers: () => 7 });
  const publisher = (id: string): Publisher => {
    const told = { id, protocol: 'rtmp', address: '::1', lastDataMs: 0, bytesReceived: 0, closed: false } as const;
    return { ...told, close: () => {} } as unknown as Publisher;
  };
  const begin = async (id: string) => {
    const answer = await registry.claim(stream, publisher(id), registry.ticket());
    assert.ok(answer.ok);
    return answer.claim;
  };
  assert.equal(health.report('id'), null);
  const claim = await begin('a');
  claim.refuseCodec('VP6');
  for (let ms = 0; ms <= 4000; ms += 40) {
    claim.write({ track: video, dts: ms, pts: ms, key: ms % 2000 === 0, data: Buffer.alloc(1000) });
    claim.write({ track: audio, dts: ms, pts: ms, key: true, data: Buffer.alloc(10) });
  }
  health.sample();
  claim.release('stopped');
  health.sample();
  const away = health.sinceMs('id')!;
  await begin('b');
  assert.ok(health.sinceMs('id')! >= away);
  const running = health.report('id')!;
  assert.equal(running.endedMs, null);
  assert.deepEqual(running.samples.column('keyFrameIntervalS'), [2, null]);
  assert.deepEqual(running.samples.column('viewers'), [7, 7]);
  assert.deepEqual(running.samples.column('bitrateKbps')[1], 0);
  registry.stop('id', 'disabled');
  assert.equal(health.sinceMs('id'), null);
  const last = health.report('id')!;
  assert.equal(last.broadcastId, running.broadcastId);
  assert.ok(last.endedMs! >= last.startedMs);
  assert.deepEqual(
    last.moments.map(({ code, severity }) => [code, severity]),
    [
      ['unsupported_codec', 'error'],
      ['encoder_away', 'warning'],
    ],
  );
  assert.ok(last.moments.every(({ clearedMs, atMs }) => clearedMs !== null && clearedMs >= atMs));
  await begin('c');
  assert.notEqual(health.report('id')!.broadcastId, last.broadcastId);
  registry.close();
  health.close();
});
