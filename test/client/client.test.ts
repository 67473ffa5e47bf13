import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { ApiError, createClient } from '../../src/client/index.ts';
import { startApi } from '../api/start-api.ts';

let api: Awaited<ReturnType<typeof startApi>>;
before(async () => {
  api = await startApi();
});
after(async () => {
  await api.stop();
  api.remove();
});

/** A server that answers as told, one function for each request in turn, the last for all that follow. */
async function scripted(...answers: ((request: IncomingMessage, response: ServerResponse) => void)[]) {
  const requests: { method: string; url: string; key: string | undefined }[] = [];
  const server = createServer((request, response) => {
    const { method = '', url = '' } = request;
    requests.push({ method, url, key: request.headers['idempotency-key'] as string | undefined });
    answers[Math.min(requests.length, answers.length) - 1]!(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close());
  after(() => server.closeAllConnections());
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/base/`;
  return { requests, client: createClient({ baseUrl, tokenId: 'a', secret: 'b' }) };
}

const refuse =
  (status: number, headers: Record<string, string> = {}) =>
  (_: IncomingMessage, response: ServerResponse) =>
    response
      .writeHead(status, { 'x-request-id': 'req-7', ...headers })
      .end(JSON.stringify({ statusCode: status, error: 'Error', message: 'Not now.' }));
const answer = (body: object) => (_: IncomingMessage, response: ServerResponse) => response.end(JSON.stringify(body));
const hangUp = (request: IncomingMessage) => request.socket.destroy();

test('what the API has, the client does: every resource against a real server', async () => {
  const { client } = api;
  const stream = await client.liveStreams.create({ name: 'Pier', settings: { low_latency_playback: true } });
  assert.equal((await client.liveStreams.get(stream._id)).broadcasting_status, 'offline');
  assert.equal((await client.liveStreams.update(stream._id, { name: 'Quay' })).name, 'Quay');
  const rotated = await client.liveStreams.rotateKey(stream._id, { overlap_s: 0 });
  assert.notEqual(rotated.ingest.key, stream.ingest.key);
  assert.deepEqual((await client.liveStreams.broadcasts(stream._id)).docs, []);
  await assert.rejects(client.liveStreams.stats(stream._id), { statusCode: 404 });

  const platform = await client.platforms.create(stream._id, { server: 'rtmp://push.example.net/live', key: 'k' });
  assert.equal((await client.platforms.update(stream._id, platform._id, { name: 'Backup' })).name, 'Backup');
  assert.deepEqual(await client.platforms.delete(stream._id, platform._id), { success: true });

  const fast = await client.subSecondStreams.create({ name: 'Fast' });
  assert.deepEqual(await client.subSecondStreams.delete(fast._id), { success: true });

  const endpoint = await client.webhookEndpoints.create({
    url: 'https://example.com/hook',
    events: ['stream-created'],
  });
  assert.match(endpoint.secret, /^whsec_/);
  assert.notEqual((await client.webhookEndpoints.rotateSecret(endpoint._id)).secret, endpoint.secret);
  assert.equal((await client.webhookEndpoints.test(endpoint._id)).url, endpoint.url);
  const { docs } = await client.deliveries.list(endpoint._id);
  assert.equal(docs.length, 1);
  assert.equal((await client.deliveries.get(endpoint._id, docs[0]!._id)).event, 'webhook-test');
  assert.equal((await client.webhookEndpoints.resend(endpoint._id)).resent, 0);
  assert.equal((await client.webhookEndpoints.update(endpoint._id, { enabled: false })).enabled, false);
  assert.deepEqual(await client.webhookEndpoints.delete(endpoint._id), { success: true });

  const events = await client.events.list({ live_stream: stream._id, event: 'stream-key-rotated' });
  assert.equal(events.total, 1);
  assert.equal((await client.events.get(events.docs[0]!.id)).number, events.docs[0]!.number);
  const numbers: number[] = [];
  for await (const { number } of client.events.all({ after: 0 })) numbers.push(number);
  assert.deepEqual(
    numbers,
    [...Array(events.last_number).keys()].map((i) => i + 1),
  );

  const token = await client.accessTokens.create({ name: 'Job' });
  const job = createClient({ baseUrl: api.baseUrl, tokenId: token._id, secret: token.secret, maxRetries: 0 });
  assert.equal((await job.liveStreams.get(stream._id)).name, 'Quay');
  assert.deepEqual(await client.accessTokens.revoke(token._id), { success: true });
  await assert.rejects(
    job.liveStreams.get(stream._id),
    (error: ApiError) => error.statusCode === 401 && !!error.requestId,
  );

  const [organization] = (await client.organizations.list()).docs;
  assert.equal((await client.organizations.get(organization!._id)).name, organization!.name);
  assert.equal((await client.members.list()).total, 1);
  assert.equal((await client.invitations.list()).total, 0);
});

test('a list is read to its end, page by page', async () => {
  const before = (await api.client.liveStreams.list()).total;
  for (let i = 0; i < 130; i++) await api.client.liveStreams.create({ name: `stream ${i}` });
  const names = new Set<string>();
  for await (const { _id } of api.client.liveStreams.all()) names.add(_id);
  assert.equal(names.size, before + 130);
});

test('events are followed from now on without a gap, over more than a page', async () => {
  const stop = new AbortController();
  const { last_number } = await api.client.events.list();
  const seen: number[] = [];
  const ids: string[] = [];
  const follow = async () => {
    for await (const event of api.client.events.follow({ after: last_number, pollMs: 20, signal: stop.signal })) {
      seen.push(event.number);
      if (event.event === 'stream-removed') ids.push((event.payload as { _id: string })._id);
      if (ids.length === 1) stop.abort(new Error('enough'));
    }
  };
  const following = follow();
  for (let i = 0; i < 120; i++) await api.client.liveStreams.create({ name: `followed ${i}` });
  const last = await api.client.liveStreams.create();
  await api.client.liveStreams.delete(last._id);
  await assert.rejects(following, /enough/);
  assert.deepEqual(ids, [last._id]);
  assert.deepEqual(
    seen,
    Array.from({ length: 122 }, (_, i) => last_number + 1 + i),
  );
});

test('L18: a create whose answer was lost is repeated with its key, and is carried out once', async () => {
  const { total } = await api.client.liveStreams.list();
  let lost = 0;
  // Passes requests on, and loses the first two answers.
  const { client, requests } = await scripted((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const headers = {
        authorization: api.authorization,
        'idempotency-key': String(request.headers['idempotency-key']),
      };
      const passed = await api.call('POST', '/live_streams', Buffer.concat(chunks).toString(), {
        ...headers,
        'content-type': 'application/json',
      });
      if (lost++ < 2) hangUp(request);
      else response.end(passed.text);
    });
  });
  const stream = await client.liveStreams.create({ name: 'once' });
  assert.equal(new Set(requests.map(({ key }) => key)).size, 1);
  assert.equal(requests.length, 3);
  assert.equal((await api.client.liveStreams.list()).total, total + 1);
  assert.equal((await api.client.liveStreams.get(stream._id)).name, 'once');
});

test('what is tried again, what is not, and what the caller is told', async () => {
  const patient = await scripted(
    refuse(503, { 'retry-after': '0' }),
    refuse(429, { 'retry-after': '0' }),
    answer({ _id: 'x' }),
  );
  assert.deepEqual(await patient.client.liveStreams.get('x/y'), { _id: 'x' });
  assert.deepEqual(patient.requests[0], { method: 'GET', url: '/base/live_streams/x%2Fy', key: undefined });
  assert.equal(patient.requests.length, 3);

  const down = await scripted(refuse(503, { 'retry-after': '0' }));
  await assert.rejects(down.client.liveStreams.list(), (error: ApiError) => {
    assert.deepEqual(
      [error.statusCode, error.message, error.requestId, error.retryAfterMs],
      [503, 'Not now.', 'req-7', 0],
    );
    return error instanceof ApiError;
  });
  assert.equal(down.requests.length, 4);

  for (const status of [400, 401, 404, 409, 500]) {
    const final = await scripted(refuse(status));
    await assert.rejects(final.client.liveStreams.create(), { statusCode: status });
    assert.equal(final.requests.length, 1, `${status} is final`);
  }

  const broken = await scripted(hangUp);
  await assert.rejects(broken.client.liveStreams.delete('x'), TypeError);
  assert.equal(broken.requests.length, 1, 'a second DELETE would find nothing');

  const silent = await scripted(() => {});
  await assert.rejects(silent.client.liveStreams.delete('x', { timeoutMs: 30 }), { name: 'TimeoutError' });
  const stop = new AbortController();
  const waiting = silent.client.liveStreams.get('x', { signal: stop.signal });
  stop.abort(new Error('no longer wanted'));
  await assert.rejects(waiting, /no longer wanted/);

  const proxy = await scripted((_, response) => response.writeHead(502).end('<h1>Bad gateway</h1>'));
  await assert.rejects(proxy.client.liveStreams.get('x'), /answered 502 to GET \/base\/live_streams\/x/);
});
