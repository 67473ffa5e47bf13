import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LiveWindow, type LiveWindowOptions, Part, type RunStart, type Waiter } from '../../src/segments/index.ts';
import { newLiveWindow } from '../support/live-window.ts';

function start(startedAtMs: number): RunStart {
  return {
    startedAtMs,
    main: { init: Buffer.from('main'), codecs: 'avc1.64001f' },
    audio: { init: Buffer.from('audio'), codecs: 'mp4a.40.2' },
  };
}

function newWindow(options: Partial<LiveWindowOptions> = {}): LiveWindow {
  const window = newLiveWindow(options);
  window.open({ targetDurationS: 2, partTargetUs: 500_000 });
  return window;
}

/** A segment of `parts` parts of half a second, 1000 bytes in main and 100 in audio each. */
function push(window: LiveWindow, parts = 4): void {
  for (let i = 0; i < parts; i++) {
    window.addPart(
      new Part({ durationUs: 500_000, independent: i === 0, main: Buffer.alloc(1000), audio: Buffer.alloc(100) }),
    );
  }
  window.closeSegment();
}

const msns = (window: LiveWindow): number[] => window.listed().map((segment) => segment.msn);

test('H16 H17 H18 H19 H23 the window slides: six segments, three target durations, the removed stay fetchable', () => {
  let now = 0;
  const window = newWindow({ clock: () => now });
  window.startRun(start(1_000_000));
  for (let i = 0; i < 6; i++) {
    push(window);
    now += 2000;
  }
  assert.deepEqual(msns(window), [100, 101, 102, 103, 104, 105]);
  assert.equal(window.discontinuitySequence, 100);
  push(window);
  assert.deepEqual(msns(window), [101, 102, 103, 104, 105, 106]);
  assert.equal(window.discontinuitySequence, 101, 'the break before the first segment left with it');
  // Removed at 12 s; lasts 2 s, and the longest playlist lasted 12 s before and 14 s with the segment then in progress.
  now = 12_000 + 2000 + 14_000 - 1;
  push(window);
  assert.equal(window.segment(100)?.parts.length, 4);
  now += 1;
  push(window);
  assert.equal(window.segment(100), undefined);
  assert.equal(window.segment(101)?.msn, 101);
  assert.equal(window.segment(window.nextMsn)?.complete, false);
  assert.equal(window.segment(window.nextMsn + 1), undefined);
  assert.equal(window.segment(-5), undefined);

  // Short segments: three target durations decide. Long windows: minWindowMs does.
  const short = newWindow({ clock: () => now });
  short.startRun(start(0));
  for (let i = 0; i < 20; i++) push(short, 1);
  assert.equal(short.listed().length, 12);
  const long = newWindow({ minWindowMs: 60_000 });
  long.startRun(start(0));
  for (let i = 0; i < 40; i++) push(long);
  assert.equal(long.listed().length, 30);
});

test('H21 H24 F21 runs: one break each, numbers go on, dates never go back, no part of the run before', () => {
  const window = newWindow();
  window.startRun(start(1_000_000));
  push(window);
  window.addPart(new Part({ durationUs: 500_000, independent: true, main: Buffer.alloc(1), audio: null }));
  window.pause();
  assert.deepEqual([window.inProgress, window.paused], [null, true]);
  assert.deepEqual(msns(window), [100, 101], 'what had come is a segment');
  // The publisher came back, left at once, and came back again, with a clock that says 1 s less than has been shown.
  window.startRun(start(1_001_000));
  window.pause();
  window.startRun(start(1_001_500));
  assert.equal(window.paused, false);
  push(window);
  push(window);
  const shown = window.listed().map((segment) => [segment.msn, segment.run, segment.discontinuity, segment.dateTimeUs]);
  assert.deepEqual(shown, [
    [100, 0, true, 1_000_000_000],
    [101, 0, false, 1_002_000_000],
    [102, 2, true, 1_002_500_000],
    [103, 2, false, 1_004_500_000],
  ]);
  // The time line jumped without a pause: what was in progress is closed first.
  window.addPart(new Part({ durationUs: 500_000, independent: true, main: Buffer.alloc(1), audio: null }));
  window.startRun(start(2_000_000));
  assert.equal(window.segment(104)?.complete, true);
  assert.deepEqual(
    [window.inProgress?.msn, window.inProgress?.discontinuity, window.inProgress?.dateTimeUs],
    [105, true, 2_000_000_000],
  );
  assert.equal(window.init(0, 'main')?.toString(), 'main');
  assert.equal(window.init(9, 'main'), undefined);
});

test('F10 H46 which parts the playlist contains', () => {
  const window = newWindow();
  window.startRun(start(0));
  push(window);
  assert.equal(window.hasPart(99, 50), true, 'long gone');
  assert.equal(window.hasPart(100, 3), true);
  assert.equal(window.hasPart(100, 4), false, 'is part 0 of 101');
  assert.equal(window.hasPart(101, 0), false);
  window.addPart(new Part({ durationUs: 500_000, independent: true, main: Buffer.alloc(1), audio: null }));
  assert.equal(window.hasPart(100, 4), true);
  assert.equal(window.hasPart(101, 0), true);
  assert.equal(window.hasPart(101, 1), false);
  assert.equal(window.hasPart(102, 0), false);
});

test('F30 bytes are bounded: the oldest go first, and initialization segments with the last segment of their run', () => {
  let told = 0;
  const window = newWindow({ maxBytes: 20_000, minWindowMs: 3_600_000, onFull: () => told++ });
  window.startRun(start(0));
  push(window);
  window.startRun(start(10_000));
  for (let i = 0; i < 3; i++) push(window);
  assert.equal(told, 0);
  for (let i = 0; i < 47; i++) {
    push(window);
    assert.ok(window.bytes <= 20_000, `${window.bytes} bytes`);
  }
  assert.deepEqual(msns(window), [147, 148, 149, 150], 'four segments of 4400 bytes; the fifth began to come');
  assert.equal(window.segment(146), undefined);
  assert.equal(window.discontinuitySequence, 102, 'both breaks left');
  assert.equal(window.init(0, 'main'), undefined);
  assert.ok(window.init(1, 'main'));
  assert.equal(told, 1, 'whoever runs the server is told, once');
});

test('H04 bandwidth: peak over half to one and a half target durations, average over all, both with headroom', () => {
  const window = newWindow();
  window.startRun(start(0));
  assert.deepEqual(window.bandwidth('main'), { peak: 10_000, average: 10_000 });
  window.addPart(
    new Part({ durationUs: 500_000, independent: true, main: Buffer.alloc(100_000), audio: Buffer.alloc(10_000) }),
  );
  // 1.6 Mbit/s so far.
  assert.deepEqual(window.bandwidth('main'), { peak: 1_760_000, average: 1_760_000 });
  const segment = (bytes: number): void => {
    for (let i = 0; i < 4; i++)
      window.addPart(
        new Part({
          durationUs: 500_000,
          independent: i === 0,
          main: Buffer.alloc(bytes / 4),
          audio: Buffer.alloc(8000),
        }),
      );
    window.closeSegment();
  };
  window.closeSegment();
  for (let i = 0; i < 4; i++) segment(500_000);
  segment(1_000_000);
  // The segment of half a second counts only with its neighbour: 600 kB in 2.5 s. 1 MB in 2 s is the peak.
  assert.equal(window.bandwidth('main').peak, 4_400_000);
  assert.equal(window.bandwidth('main').average, Math.ceil((((3_100_000 * 8) / 10.5) * 1.1) / 10_000) * 10_000);
  assert.equal(window.bandwidth('audio').peak, 150_000);
});

test('F11 waiters: woken once for what is reported in one go, forgotten when done, told of their deadline', async () => {
  let now = 0;
  const window = newWindow({ clock: () => now });
  window.startRun(start(0));
  await turn();
  const seen: number[] = [];
  const waiter = (
    done: (calls: number) => boolean,
    deadlineMs = 1e9,
  ): Waiter & { calls: number; late: boolean; gone: boolean } => ({
    calls: 0,
    late: false,
    deadlineMs,
    gone: false,
    onChange() {
      seen.push(window.nextMsn);
      return done(++this.calls);
    },
    onDeadline() {
      this.late = true;
    },
  });
  const patient = waiter((calls) => calls === 2);
  window.wait(patient);
  push(window);
  assert.equal(patient.calls, 0, 'not in the middle of the caller');
  await turn();
  assert.deepEqual([patient.calls, seen], [1, [101]]);
  push(window);
  await turn();
  assert.equal(window.waiters, 0);
  push(window);
  await turn();
  assert.equal(patient.calls, 2);

  const left = waiter(() => false);
  window.wait(left);
  const many = Array.from({ length: 3000 }, () => waiter(() => true));
  for (const one of many) window.wait(one);
  push(window);
  while (window.waiters > 1) await new Promise(setImmediate);
  assert.ok(many.every((one) => one.calls === 1));
  left.gone = true;

  const later = waiter(() => false, 5001);
  // The window's timers do not keep a process alive; this test must.
  const alive = setInterval(() => {}, 1000);
  await new Promise<void>((onDeadline) => {
    window.wait(later);
    window.wait({ deadlineMs: 5000, gone: false, onChange: () => false, onDeadline });
    now = 5000;
  });
  clearInterval(alive);
  assert.deepEqual([window.waiters, later.late], [1, false]);
});

test('H26 the end: what was in progress is a segment, and nothing changes afterwards', () => {
  let ends = 0;
  const window = newWindow({ onEnd: () => ends++ });
  window.startRun(start(0));
  push(window);
  window.addPart(new Part({ durationUs: 500_000, independent: true, main: Buffer.alloc(1), audio: null }));
  window.end();
  const version = window.version;
  window.end();
  window.pause();
  window.startRun(start(5));
  push(window);
  assert.deepEqual([window.version, window.ended, msns(window), ends], [version, true, [100, 101], 1]);
});

test('H12 the target duration only rises', () => {
  const window = newWindow();
  window.raiseTargetDuration(1);
  assert.equal(window.targetDurationS, 2);
  window.raiseTargetDuration(5);
  assert.equal(window.targetDurationS, 5);
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
