import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startPostgres } from '../../test/support/postgres.ts';
import { until } from '../../test/support/until.ts';
import { createStreams, startBenchServer } from './bench-server.ts';
import { percentile } from './measure.ts';
import { pause } from './publisher.ts';
import type { Effort, Row } from './table.ts';

const RATE = 200;
const STREAMS = 50;
const TICK_MS = 50;
const BAR_P99_MS = 1000;

/** From a PATCH that changes a live stream leaving the client to the first attempt of its webhook arriving at the receiver. */
export async function webhooks({ seconds }: Effort): Promise<Row[]> {
  const postgres = await startPostgres({ durable: true });
  try {
    const rows = [await onDatabase('SQLite', {}, seconds)];
    rows.push(await onDatabase('Postgres', { LIVEAPI_DATABASE_URL: await postgres.create('bench') }, seconds));
    return rows;
  } finally {
    await postgres.close();
  }
}

async function onDatabase(name: string, env: Record<string, string>, seconds: number): Promise<Row> {
  /** By live stream and `enabled`, in order: when each change was sent. */
  const sent = new Map<string, number[]>();
  const times: number[] = [];
  const receiver = createServer((request, response) => {
    const now = performance.now();
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const { event, payload } = JSON.parse(body) as { event: string; payload: { _id: string } };
      if (event === 'stream-status-toggle') times.push(now - sent.get(payload._id)!.shift()!);
      response.end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const server = await startBenchServer({
    ...env,
    LIVEAPI_API_RATE_PER_MINUTE: '0',
    LIVEAPI_OUTBOUND_ALLOW: '127.0.0.0/8',
    LIVEAPI_WEBHOOK_ALLOW_HTTP: 'true',
  });
  try {
    const streams = await createStreams(server, STREAMS);
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
    await server.api('POST', '/webhook_endpoints', { url, events: ['stream-status-toggle'] });
    const turns: Promise<unknown>[] = streams.map(() => Promise.resolve());
    let made = 0;
    for (const began = performance.now(); made < RATE * seconds; await pause(TICK_MS)) {
      const due = Math.min(RATE * seconds, ((performance.now() - began) / 1000) * RATE);
      for (; made < due; made++) {
        const at = made % STREAMS;
        const { _id } = streams[at]!;
        const enabled = Math.floor(made / STREAMS) % 2 === 1;
        turns[at] = turns[at]!.then(() => {
          sent.set(_id, [...(sent.get(_id) ?? []), performance.now()]);
          return server.api('PATCH', `/live_streams/${_id}`, { enabled });
        });
      }
    }
    await Promise.all(turns);
    await until('every change is told', 60_000, () => times.length === made);
  } finally {
    await server.close();
    await new Promise((resolve) => receiver.close(resolve));
  }
  const p99 = percentile(times, 0.99);
  return {
    what: `webhook, change to first attempt, ${RATE} a second, ${name}`,
    measured: `p50 ${percentile(times, 0.5).toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`,
    bar: `p99 ≤ ${BAR_P99_MS} ms`,
    met: p99 <= BAR_P99_MS,
  };
}
