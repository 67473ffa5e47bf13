import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followEvents } from '../../src/client/follow-events.ts';

test('a reader with a filter goes on behind what the filter left out, and misses nothing that comes meanwhile', async () => {
  const asked: unknown[] = [];
  /** What the server answers to the next question: the numbers that match, and its newest. */
  const answers: [matching: number[], newest: number][] = [
    [[], 5000],
    [[5001], 5003],
    [[], 9000],
    [[9001], 9001],
  ];
  const call = async (_method: string, _path: string, { query }: { query?: { after?: unknown } } = {}) => {
    asked.push(query?.after);
    const [numbers, last_number] = answers.shift()!;
    const docs = numbers.map((number) => ({ number }));
    return { docs, total: docs.length, limit: 100, page: 1, pages: 1, last_number };
  };
  const seen: number[] = [];
  for await (const { number } of followEvents(call as never, { after: 7, event: 'stream-created', pollMs: 1 })) {
    seen.push(number);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, [5001, 9001]);
  assert.deepEqual(asked, [7, 5000, 5003, 9000]);
});
