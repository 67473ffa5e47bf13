import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { type LiveWindow, Part, Shelf } from '../../src/segments/index.ts';

const NAME = `lv_${'1'.repeat(32)}`;
const ids = (n: number) => ({
  broadcastId: String(n).padStart(24, '0'),
  playbackId: NAME,
  userId: 'c'.repeat(24),
  discontinuitySequence: 8,
});

function play(window: LiveWindow, segments: number): void {
  window.open({ targetDurationS: 2, partTargetUs: 500_000 });
  window.startRun({ startedAtMs: 0, main: { init: Buffer.alloc(1), codecs: 'avc1.64001f' }, audio: null });
  for (let i = 0; i < segments; i++) {
    window.addPart(new Part({ durationUs: 2_000_000, independent: true, main: Buffer.alloc(10), audio: null }));
    window.closeSegment();
  }
}

test('H28 F20 numbers under one playback id go on, in this process and after a restart', () => {
  let wall = Date.UTC(2026, 0, 1);
  const options = { minWindowMs: 0, maxBytes: 1 << 20, keepAfterEndMs: 1000, wallClock: () => wall };
  const shelf = new Shelf(options);
  const first = shelf.open(ids(1));
  assert.equal(first.firstMsn, 365 * 24 * 3600);
  assert.equal(first.discontinuitySequence, 8, 'small: players walk up to it');
  play(first, 50);
  // The same second, and more segments than seconds went by.
  const second = shelf.open(ids(2));
  assert.equal(first.ended, true, 'the earlier one is over');
  assert.ok(second.firstMsn > first.nextMsn && second.discontinuitySequence > first.discontinuitySequence + 1);
  assert.equal(shelf.get(NAME), second);
  assert.equal(shelf.find(NAME, ids(1).broadcastId), first, 'its segments can still be fetched');
  shelf.close();
  wall += 100_000;
  const restarted = new Shelf(options);
  assert.ok(restarted.open(ids(3)).firstMsn > second.firstMsn);
  restarted.close();
});

test('H19 F32 an ended broadcast: playlist for a while, segments until no player can ask, then nothing', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const shelf = new Shelf({ minWindowMs: 0, maxBytes: 1 << 20, keepAfterEndMs: 60_000 });
  const window = shelf.open(ids(1));
  play(window, 6);
  window.end();
  mock.timers.tick(59_999);
  assert.equal(shelf.get(NAME), window);
  mock.timers.tick(1);
  assert.equal(shelf.get(NAME), undefined);
  assert.equal(shelf.find(NAME, ids(1).broadcastId), window);
  mock.timers.tick(24_000);
  assert.equal(shelf.find(NAME, ids(1).broadcastId), undefined);
  assert.equal(shelf.size, 0);

  // A new broadcast takes the place of an ended one, and is not taken away by the old one's timer.
  const second = shelf.open(ids(2));
  play(second, 1);
  second.end();
  const third = shelf.open(ids(3));
  mock.timers.tick(120_000);
  assert.equal(shelf.get(NAME), third);
  assert.equal(shelf.size, 1);
  shelf.close();
  mock.timers.reset();
});

test('H79 F28 unknown names leave nothing behind', () => {
  const shelf = new Shelf({ minWindowMs: 0, maxBytes: 1, keepAfterEndMs: 1 });
  for (let i = 0; i < 1000; i++) {
    assert.equal(shelf.get(`lv_${i}`), undefined);
    assert.equal(shelf.find(`lv_${i}`, 'x'), undefined);
  }
  assert.equal(shelf.size, 0);
});
