import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { type Broadcast, PlayLog, startupBucket, startupMs, UsageLog, type UsageRow } from '../../src/live/index.ts';

const DAY_MS = Date.parse('2026-03-01T12:00:00Z');

/** A usage log over one broadcast of which everything can be set. */
function counted() {
  const broadcast = { id: 'b1', authorisation: { liveStreamId: 's', playbackId: 'lv_s' }, bytesIn: 0, publisher: {} };
  const onAir = new Set([broadcast]);
  const audience = { viewers: 0, bytesOut: 0 };
  const written: UsageRow[] = [];
  const state = { failing: false };
  const usage = new UsageLog({
    broadcasts: () => onAir as unknown as Set<Broadcast>,
    find: () => null,
    audience: () => audience,
    sink: {
      async add(rows) {
        if (state.failing) throw new Error('away');
        written.push(...rows);
      },
    },
    log: createLogger('silent'),
  });
  return { broadcast, onAir, audience, written, state, usage };
}

test('usage counts time with an encoder, viewers’ time and bytes, once each, over the end of a day and of the broadcast', async (t) => {
  const { broadcast, onAir, audience, written, state, usage } = counted();
  t.after(() => usage.close());
  const midnight = Date.parse('2026-03-02T00:00:00Z');
  usage.sample(midnight - 4000);
  Object.assign(broadcast, { bytesIn: 1000 });
  Object.assign(audience, { viewers: 3, bytesOut: 500 });
  usage.sample(midnight - 2000);
  usage.sample(midnight);
  Object.assign(broadcast, { bytesIn: 1500, publisher: null });
  usage.sample(midnight + 2000);
  // The process was stopped for an hour.
  usage.sample(midnight + 3_602_000);
  onAir.clear();
  usage.sample(midnight + 3_604_000);
  assert.equal(usage.find('lv_s'), 's', 'players report its end');
  usage.sample(midnight + 3_700_000);
  assert.equal(usage.find('lv_s'), null);
  state.failing = true;
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 10_000 });
  await usage.write();
  assert.deepEqual(written, []);
  state.failing = false;
  t.mock.timers.tick(10_000);
  await usage.write();
  const of = (day: string) => {
    const { streamedMs, viewerMs, bytesIn, bytesOut } = (written as UsageRow[]).find((row) => row.day === day)!;
    return { streamedMs, viewerMs, bytesIn, bytesOut };
  };
  assert.equal(written.length, 2);
  assert.deepEqual(of('2026-03-01'), { streamedMs: 2000, viewerMs: 6000, bytesIn: 1000, bytesOut: 500 });
  // Two seconds, ten of the hour, two, and ten of those after the end.
  assert.deepEqual(of('2026-03-02'), { streamedMs: 2000, viewerMs: 78_000, bytesIn: 500, bytesOut: 0 });
});

test('plays are counted once, watch time never faster than time goes, viewers once a day', (t) => {
  const { usage } = counted();
  t.after(() => usage.close());
  usage.sample(DAY_MS);
  const plays = new PlayLog(usage);
  const report = (
    atS: number,
    playId: string,
    event: 'play' | 'watch' | 'stall' | 'error' | 'end',
    more = {},
    by = 'x',
  ) => plays.report({ playbackId: 'lv_s', playId, event, ...more }, by, DAY_MS + 1000 * atS);
  report(0, 'a', 'play', { startupMs: 700 });
  report(0, 'a', 'play', { startupMs: 700 });
  report(10, 'a', 'watch', { watchedMs: 10_000 });
  report(10, 'a', 'stall');
  report(20, 'a', 'watch', { watchedMs: 19_000 });
  report(20, 'a', 'watch', { watchedMs: 19_000 });
  report(22, 'a', 'end', { watchedMs: 9e9 });
  // Of the same viewer, of another one, and one whose beginning nobody knows.
  report(30, 'b', 'play');
  report(30, 'c', 'play', {}, 'y');
  report(30, 'd', 'watch', { watchedMs: 5000 });
  report(40, 'd', 'end', { watchedMs: 15_000 });
  report(40, 'e', 'error');
  plays.report({ playbackId: 'lv_other', playId: 'f', event: 'play' }, 'z', DAY_MS);
  const row = usage.of('s', DAY_MS);
  assert.deepEqual([row.plays, row.uniqueViewers, row.stalls, row.errors], [3, 2, 1, 1]);
  assert.equal(row.watchMs, 19_000 + 17_000 + 10_000);
  assert.deepEqual([...row.startups], [[startupBucket(700), 1]]);
  assert.ok(startupMs(startupBucket(700)) >= 700 && startupMs(startupBucket(700) - 1) < 700);
  report(86_400, 'g', 'play');
  assert.equal(usage.of('s', DAY_MS + 86_400_000).uniqueViewers, 1);
});
