import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LiveWindow, Part, PartMemory } from '../../src/segments/index.ts';
import { newLiveWindow } from '../support/live-window.ts';

const PART_US = 500_000;

/** Half an hour of segments of four parts, about as large and never just as large; each byte of a part is its number. */
function broadcast(ask: (window: LiveWindow, msn: number) => void): { blocks: Set<ArrayBufferLike>; parts: number } {
  let nowMs = 0;
  const window = newLiveWindow({ firstMsn: 0, clock: () => nowMs });
  const memory = new PartMemory();
  const blocks = new Set<ArrayBufferLike>();
  const take = (bytes: number, fill: number) => {
    const buffer = memory.take(bytes).fill(fill);
    assert.equal(buffer.length, bytes);
    blocks.add(buffer.buffer);
    return buffer;
  };
  window.open({ targetDurationS: 2, partTargetUs: PART_US });
  window.startRun({ startedAtMs: 0, main: { init: Buffer.alloc(1), codecs: 'avc1' }, audio: null });
  let parts = 0;
  for (let msn = 0; msn < 900; msn++) {
    for (let i = 0; i < 4; i++, parts++) {
      const main = take(100_000 + ((parts * 7919) % 20_000) + (i === 0 ? 50_000 : 0), parts % 251);
      const audio = take(5000 + (parts % 40), parts % 241);
      window.addPart(new Part({ durationUs: PART_US, independent: i === 0, main, audio }, memory));
      nowMs += PART_US / 1000;
      ask(window, msn);
    }
    window.closeSegment();
  }
  return { blocks, parts };
}

test('memory of parts that nobody asked for is used again', () => {
  const { blocks, parts } = broadcast(() => {});
  assert.equal(parts, 3600);
  // The window holds some 16 segments, those that may still be fetched included: 128 blocks, and what is between them.
  assert.ok(blocks.size < 300, `${blocks.size} blocks for ${2 * parts} parts`);
});

test('whoever has had a part may keep it: its memory is not used again, and what is read is the part', () => {
  const kept: { bytes: Buffer; value: number }[] = [];
  const { blocks } = broadcast((window, msn) => {
    // Now a segment just before it goes, now one in the middle, now the part that has just been added.
    const segment = window.segment(Math.max(0, msn - (msn % 15)));
    if (!segment || msn % 3 > 0) return;
    segment.parts.forEach((part, i) => {
      const number = segment.msn * 4 + i;
      if (kept.length < 2000) kept.push({ bytes: part.main, value: number % 251 });
      kept.push({ bytes: part.audio!, value: number % 241 });
    });
  });
  assert.ok(kept.length > 3000 && blocks.size > 400, `${kept.length} kept, ${blocks.size} blocks`);
  for (const { bytes, value } of kept) assert.ok(bytes.every((byte) => byte === value));
});

test('a part that has left is gone, unless somebody had asked for it before', () => {
  const memory = new PartMemory();
  const part = () => {
    const main = memory.take(1000).fill(1);
    return new Part({ durationUs: PART_US, independent: true, main, audio: main }, memory);
  };
  const [left, read] = [part(), part()];
  assert.equal(left.length, 1000, 'what both renditions share counts once');
  const bytes = read.audio!;
  for (const each of [left, read]) each.release();
  assert.throws(() => left.main, /the part is gone/);
  assert.throws(() => left.audio, /the part is gone/);
  assert.equal(left.released, true);
  assert.equal(read.main, bytes);
  assert.equal(read.released, false);
  const [next, other] = [memory.take(1000), memory.take(1000)];
  assert.notEqual(next.buffer, other.buffer, 'given back once, although it was both renditions');
  assert.ok(next.buffer !== bytes.buffer && other.buffer !== bytes.buffer);
});

test('what a publisher with huge parts leaves is not kept: 16 MiB at most', () => {
  const memory = new PartMemory();
  const parts = Array.from({ length: 20 }, () => memory.take(2 << 20));
  const left = new Set(parts.map((part) => part.buffer));
  assert.equal(left.size, 20);
  for (const part of parts) memory.giveBack(part);
  const next = Array.from({ length: 20 }, () => memory.take(2 << 20));
  assert.equal(next.filter((part) => left.has(part.buffer)).length, 8);
  memory.giveBack(memory.take(17 << 20));
  memory.giveBack(next[0]!);
  assert.equal(memory.take(2 << 20).buffer, next[0]!.buffer, 'the count of what is free holds');
});
