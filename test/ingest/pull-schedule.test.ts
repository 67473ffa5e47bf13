import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isScheduled, nextScheduled } from '../../src/ingest/pull/schedule.ts';

const at = (iso: string): number => Date.parse(iso);
const MINUTE = 60_000;

test('a schedule follows the clocks of its time zone, over midnight and over both changes of the clocks', () => {
  const office = [{ days: [1, 2, 3, 4, 5], from: '09:30', to: '17:00', time_zone: 'Europe/Vienna' }];
  // A virtual clock walks through March, when the clocks go forward: whatever it shows in Vienna decides.
  let [open, minutes] = [false, 0];
  for (let now = at('2026-03-23T00:00:00Z'); now < at('2026-04-06T00:00:00Z'); now += MINUTE) {
    const was = open;
    open = isScheduled(office, now);
    if (open) minutes++;
    if (open === was) continue;
    const shown = new Date(now).toLocaleString('en-GB', {
      timeZone: 'Europe/Vienna',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
    });
    assert.match(shown, open ? /^(Mon|Tue|Wed|Thu|Fri) 09:30$/ : / 17:00$/, new Date(now).toISOString());
    if (open) assert.equal(nextScheduled(office, now - 60 * MINUTE), now, 'it was foretold');
  }
  assert.equal(minutes, 10 * 450);
  assert.equal(isScheduled(office, at('2026-03-27T08:30:00Z')), true, 'winter: an hour before UTC');
  assert.equal(isScheduled(office, at('2026-03-30T07:30:00Z')), true, 'summer: two');
  assert.equal(isScheduled(office, at('2026-03-30T15:00:00Z')), false);
  // Foretold on the other side of the change, and from within.
  assert.equal(nextScheduled(office, at('2026-03-27T16:00:00Z')), at('2026-03-30T07:30:00Z'));
  assert.equal(nextScheduled(office, at('2026-10-23T15:00:00Z')), at('2026-10-26T08:30:00Z'));

  const night = [{ days: [6], from: '22:00', to: '02:00' }];
  for (const [time, expected] of [
    ['2026-03-07T21:59:59Z', false],
    ['2026-03-07T22:00:00Z', true],
    ['2026-03-08T01:59:59Z', true],
    ['2026-03-08T02:00:00Z', false],
    ['2026-03-08T22:30:00Z', false],
    ['2026-03-07T01:00:00Z', false],
  ] as const)
    assert.equal(isScheduled(night, at(time)), expected, time);
  assert.equal(nextScheduled(night, at('2026-03-07T22:00:00Z')), at('2026-03-14T22:00:00Z'));

  const once = [{ start: '2026-03-01T10:00:00Z', end: '2026-03-01T12:00:00+01:00' }];
  assert.deepEqual(
    ['2026-03-01T09:59:59Z', '2026-03-01T10:00:00Z', '2026-03-01T10:59:59Z', '2026-03-01T11:00:00Z'].map((time) =>
      isScheduled(once, at(time)),
    ),
    [false, true, true, false],
  );
  assert.equal(nextScheduled(once, at('2026-03-01T10:00:00Z')), null);
  assert.equal(nextScheduled([...once, ...night], at('2026-02-28T23:00:00Z')), at('2026-03-01T10:00:00Z'));
  assert.equal(isScheduled([], at('2026-03-01T10:00:00Z')), false);
});
