// A thousand changes through the API of a server that is killed again and again, told to a receiver that fails every third time.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { startServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const CHANGES = 1000;
const STREAMS = 20;
const KILLS = 4;

interface Envelope {
  readonly event: string;
  readonly payload: { readonly _id: string; readonly name: string; readonly enabled: boolean };
  readonly id: string;
  readonly sequence: number;
  readonly number: number;
}

test(`L10 L13 ${CHANGES} changes, a receiver that fails 30 % of the time and ${KILLS} kills: every id is delivered, in order`, {
  timeout: 300_000,
}, async (t) => {
  let secret = '';
  let requests = 0;
  /** Ids in the order in which they were first seen, and those that were answered with 200. */
  const first = new Map<string, Envelope>();
  const bodies = new Map<string, string>();
  const delivered = new Set<string>();
  let verified = 0;
  const receiver = http.createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray().catch(() => [])).toString();
    if (!request.complete) return;
    const headers = request.headers as Record<string, string>;
    const event = new StandardWebhook(secret).verify(body, headers) as Envelope;
    new SvixWebhook(secret).verify(body, headers);
    verified++;
    assert.equal(headers['webhook-id'], event.id);
    assert.equal(bodies.get(event.id) ?? body, body);
    bodies.set(event.id, body);
    if (!first.has(event.id)) first.set(event.id, event);
    // 30 of 100, of all kinds.
    const fate = (requests++ * 37) % 100;
    if (fate < 2) return response.socket!.resetAndDestroy();
    if (fate < 30) return response.writeHead([500, 503, 429, 404, 302][fate % 5]!).end();
    delivered.add(event.id);
    response.end();
  });
  await once(receiver.listen(0, '127.0.0.1'), 'listening');
  after(() => {
    receiver.close();
    receiver.closeAllConnections();
  });

  const server = await startServer({
    env: {
      LIVEAPI_OUTBOUND_ALLOW: '127.0.0.0/8',
      LIVEAPI_WEBHOOK_ALLOW_HTTP: 'true',
      LIVEAPI_WEBHOOK_TIMEOUT_S: '1',
      // Twenty attempts within a minute: a third of them fails.
      LIVEAPI_WEBHOOK_RETRY_S: Array(20).fill(1).join(','),
      // All the changes come from one address and one token.
      LIVEAPI_API_RATE_PER_MINUTE: '0',
    },
  });
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook?token=canary-9`;
  const endpoint = await server.api<{ _id: string; secret: string }>('POST', '/webhook_endpoints', { url });
  secret = endpoint.secret;

  /** Repeats a call until it is answered: the server may be dead just now. Its change may have been made all the same. */
  const surely = <T>(call: () => Promise<T>) => until('the server answers', 60_000, call, 100);
  const streams = await Promise.all(Array.from({ length: STREAMS }, () => surely(() => server.createLiveStream())));
  let made = STREAMS;
  const change = async (id: string) => {
    for (let enabled = false; made < CHANGES; enabled = !enabled) {
      made++;
      // Setting what is set already fires nothing, so a repeated call makes no second event.
      await surely(() => server.api('PATCH', `/live_streams/${id}`, { enabled }));
      await delay(350); // spreads the changes over the kills
    }
  };
  let done = false;
  const changes = Promise.all(streams.map(({ _id }) => change(_id))).finally(() => {
    done = true;
  });
  let kills = 0;
  const kill = async () => {
    for (; kills < KILLS; kills++) {
      await delay(4500); // the spec's ten seconds, shortened with everything else
      await server.kill9();
      await surely(() => server.restart().then(() => true));
    }
  };
  await Promise.all([changes, kill()]);
  assert.ok(done && kills >= 3);

  const { docs, total } = await everyEvent();
  const known = docs.filter(({ payload }) => streams.some(({ _id }) => _id === payload._id));
  assert.ok(known.length >= CHANGES - STREAMS && total === docs.length, `${known.length} events`);
  await until('every event is delivered', 60_000, () => docs.every(({ id }) => delivered.has(id)), 200);

  const wrong: string[] = [];
  const last = new Map<string, number>();
  for (const { payload, sequence, id } of first.values()) {
    if (sequence !== (last.get(payload._id) ?? 0) + 1) wrong.push(`${payload._id}: ${sequence} (${id})`);
    last.set(payload._id, sequence);
  }
  assert.deepEqual(wrong, [], 'first sightings of a live stream are in its order, without a gap');
  const lost = docs.filter(({ id }) => !delivered.has(id)).length;
  assert.equal(lost, 0);
  t.diagnostic(
    `${docs.length} events, ${delivered.size} ids delivered, ${lost} lost, ${requests} requests, ${verified} signatures verified twice, ${kills} kills`,
  );
  assert.ok(!server.output().includes('canary-9') && !server.output().includes(secret.slice(6)));

  async function everyEvent() {
    const docs: Envelope[] = [];
    for (let after = 0; ; after = docs.at(-1)!.number) {
      const page = await server.api<{ docs: Envelope[]; total: number }>('GET', `/events?after=${after}&limit=100`);
      docs.push(...page.docs);
      if (page.docs.length === 0) break;
    }
    return { docs, total: docs.at(-1)!.number };
  }
});
