// Five minutes of a consumer that takes less than there is, by a clock of the test's own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Packet, VideoTrack } from '../../src/media/index.ts';

let now = performance.now();
// Before anybody holds on to it.
performance.now = () => now;
const { createLogger } = await import('../../src/base/index.ts');
const { Feeds } = await import('../../src/egress/index.ts');
const { Broadcast } = await import('../../src/live/index.ts');

const config = { record: Buffer.from('avc'), width: 640, height: 360, frameRate: 25 };
const track = { kind: 'video', codec: 'avc', timescale: 1000, config } as VideoTrack;
const frame = (ms: number, key: boolean): Packet => ({ track, dts: ms, pts: ms, key, data: Buffer.alloc(50) });

test('G01 who takes 60 % of the bit rate is found out, and is never further behind than 20 s', async () => {
  const log = createLogger('silent');
  const stream = { liveStreamId: 'id', playbackId: 'lv_00', userId: 'user', discontinuities: 0 };
  const broadcast = new Broadcast('b', stream, log);
  const feeds = new Feeds({ mergeMs: 0, log });
  const [good, slow] = [0, 1].map(() => feeds.open(broadcast, 'rtmp', { onMore: () => {} }));
  const startMs = now;
  let [credit, behindMs, droppingMs] = [0, 0, 0];
  for (let n = 0; n < 7500; n++) {
    now = startMs + n * 40;
    broadcast.write(frame(n * 40, n % 50 === 0));
    await null;
    assert.ok(good!.next());
    assert.equal(good!.droppingMs(now), 0);
    for (credit += 0.6; credit >= 1; credit--) {
      const batch = slow!.next();
      if (batch) behindMs = Math.max(behindMs, n * 40 - batch.endMs);
    }
    droppingMs = Math.max(droppingMs, slow!.droppingMs(now));
  }
  assert.ok(droppingMs > 60_000, `${droppingMs} ms of losses are seen`);
  assert.ok(behindMs > 15_000 && behindMs <= 20_000, `${behindMs} ms behind`);
  assert.ok(slow!.dropped > 2000 && good!.dropped === 0);
  good!.close();
  slow!.close();
});
