import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, closeConnections } from '../conformance/http.ts';
import { readFlvTags } from '../support/flv-frames.ts';
import { ingestUrl, type LiveStream, startServer, type TestServer } from '../support/server.ts';
import { publishTags, type SessionPublisher } from '../support/session-publisher.ts';
import { until } from '../support/until.ts';

let server: TestServer;
let stream: LiveStream;
let publisher: SessionPublisher;
let authorization: string;
const sockets = new Set<Socket>();

before(async () => {
  // As operators run it: a line for each request of a flood is what debug is for, and costs.
  server = await startServer({ env: { LIVEAPI_LOG_LEVEL: 'info' } });
  authorization = `Basic ${Buffer.from(`${server.tokenId}:${server.secret}`).toString('base64')}`;
  stream = await server.createLiveStream({ name: 'the neighbour' });
  publisher = publishTags(readFlvTags('src/cli/clip/demo.flv'), ingestUrl(stream), { loop: true });
  await publisher.accepted;
  await until('the live stream plays', 15_000, async () => (await ask(stream.playback.hls_url)).status === 200);
});
after(async () => {
  for (const socket of sockets) socket.destroy();
  await publisher.stop();
  closeConnections();
  await server.close();
});

/** A connection that says `text` and may go on; `answer` is what came back so far where it reads. */
interface Stranger {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  answer: string;
}

function say(text: string, { reads = true } = {}): Stranger {
  const socket = connect(server.httpPort, '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const stranger: Stranger = { socket, closed, answer: '' };
  sockets.add(socket);
  socket.on('error', () => {}); // a reset is one of the ways to be cut
  socket.on('close', () => sockets.delete(socket));
  if (reads) socket.setEncoding('latin1').on('data', (bytes) => (stranger.answer += bytes));
  else socket.pause();
  if (text !== '') socket.write(text);
  return stranger;
}

const many = (count: number, make: () => Stranger): Stranger[] => Array.from({ length: count }, make);

/** One more byte a second until the connection is closed. */
function dribble(strangers: readonly Stranger[]): NodeJS.Timeout {
  return setInterval(() => {
    for (const { socket } of strangers) if (socket.writable) socket.write('a');
  }, 1000);
}

/** Waits until the server has cut all of them. @throws naming how many it has not */
async function cut(what: string, strangers: readonly Stranger[], limitMs: number): Promise<void> {
  const all = Promise.all(strangers.map(({ closed }) => closed)).then(() => true);
  if (await Promise.race([all, delay(limitMs, false, { ref: false })])) return;
  const open = strangers.filter(({ socket }) => !socket.closed).length;
  assert.fail(`${what}: ${open} of ${strangers.length} connections are still open`);
}

/** What one connection answers to `text`, until it closes or has given `count` answers. */
async function statuses(text: string, count = 1): Promise<number[]> {
  const stranger = say(text);
  const found = () => [...stranger.answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  const ended = stranger.closed.then(() => true);
  // The matches are counted now and then only: there are thousands.
  while (found().length < count && !(await Promise.race([ended, delay(50, false)])));
  stranger.socket.destroy();
  return found();
}

async function metric(name: string): Promise<number> {
  const { body } = await ask(`${server.publicUrl}/metrics`, { alone: true });
  const line = body.toString('utf8').match(new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} (\\S+)$`, 'm'));
  return Number(line![1]);
}

/** A customer and a viewer, both on connections that they keep, ten times a second until they are told to stop. */
function neighbour() {
  const seen = { requests: 0, slowestMs: 0, slowest: '', failures: [] as string[] };
  let stopped = false;
  const beganMs = performance.now();
  const request = async (url: string, headers: Record<string, string>) => {
    const what = new URL(url).pathname.split('/').at(-1);
    try {
      const { status, body, doneAtMs, askedAtMs } = await ask(url, { headers });
      seen.requests++;
      const tookMs = Math.round(doneAtMs - askedAtMs);
      if (tookMs > seen.slowestMs)
        Object.assign(seen, { slowestMs: tookMs, slowest: `${what}, asked at ${Math.round(askedAtMs - beganMs)} ms` });
      if (status !== 200) seen.failures.push(`${what}: ${status} ${body.toString('utf8').slice(0, 200)}`);
      return body.toString('utf8');
    } catch (error) {
      seen.failures.push(`${what}: ${String(error)}`);
      return '';
    }
  };
  const ended = (async () => {
    let lastSegment = '';
    while (!stopped) {
      const [, playlist] = await Promise.all([
        request(`${server.publicUrl}/live_streams/${stream._id}`, { authorization }),
        request(stream.playback.hls_url.replace('index.m3u8', 'main.m3u8'), {}),
      ]);
      lastSegment = playlist.match(/^[^#].*\.m4s.*$/gm)?.at(-1) ?? lastSegment;
      await delay(100);
    }
    return lastSegment;
  })();
  return {
    seen,
    /** Resolves with the newest segment that the playlist listed. */
    stop: () => {
      stopped = true;
      return ended;
    },
  };
}

const request = (method: string, path: string, headers: readonly string[] = [], body = ''): string =>
  [`${method} ${path} HTTP/1.1`, 'host: 127.0.0.1', ...headers, '', body].join('\r\n');
const json = (body: string): string =>
  request(
    'POST',
    '/live_streams',
    [`authorization: ${authorization}`, 'content-type: application/json', `content-length: ${Buffer.byteLength(body)}`],
    body,
  );

test('S53 S58 slow, silent, huge and flooding HTTP clients are cut or refused, and the neighbours notice nothing', async (t) => {
  const descriptors = () => readdirSync(`/proc/${server.pid}/fd`).length;
  const [descriptorsBefore, memoryBefore] = [descriptors(), await metric('process_resident_memory_bytes')];
  await metric('nodejs_eventloop_delay_seconds{quantile="1"}'); // reading begins a new measurement
  const beside = neighbour();
  t.after(() => beside.stop());
  const report = async (attack: string) => {
    const { body } = await ask(`${server.publicUrl}/metrics`, { alone: true });
    const [p99, max] = ['0.99', '1'].map((quantile) =>
      Number(
        new RegExp(`^nodejs_eventloop_delay_seconds\\{quantile="${quantile}"\\} (\\S+)$`, 'm').exec(String(body))![1],
      ),
    ) as [number, number];
    const [p99Ms, maxMs] = [Math.round(p99 * 1000), Math.round(max * 1000)];
    t.diagnostic(
      `${attack}: event loop late by p99 ${p99Ms} ms, at most ${maxMs} ms; neighbours ${beside.seen.requests} requests`,
    );
    assert.deepEqual(beside.seen.failures, [], attack);
  };

  const begunMs = performance.now();
  const cutAfter = (what: string) =>
    t.diagnostic(`${what} cut after ${Math.round((performance.now() - begunMs) / 1000)} s`);
  // What takes as long as the limits: begun first, looked at when all else is done.
  const unfinished = ['content-type: application/json', 'content-length: 200', 'x-slow: 1'];
  const silent = many(200, () => say(''));
  const headers = many(200, () => say('GET /live_streams HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: '));
  const bodies = [
    ...many(50, () =>
      say(request('POST', '/live_streams', [`authorization: ${authorization}`, ...unfinished], '{"name":"')),
    ),
    ...many(50, () => say(request('POST', '/live_streams', unfinished, '{"name":"'))),
  ];
  const dribbling = dribble([...headers, ...bodies]);
  t.after(() => clearInterval(dribbling));
  const document = request('GET', '/openapi.json');
  const unread = many(50, () => say(document.repeat(20), { reads: false }));
  const unreadFlood = say(request('GET', '/health/live').repeat(10_000), { reads: false });
  await report('600 slow connections');

  await t.test('headers of 32 KiB', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => statuses(request('GET', '/live_streams', [`x-large: ${'a'.repeat(32_768)}`]))),
    );
    for (const answer of answers) assert.deepEqual(answer, [431]);
    await report('headers of 32 KiB');
  });

  await t.test('bodies of 1 MiB, announced and in chunks', async () => {
    const large = `{"name":"${'a'.repeat(1 << 20)}"}`;
    const chunked = request(
      'POST',
      '/live_streams',
      [`authorization: ${authorization}`, 'content-type: application/json', 'transfer-encoding: chunked'],
      `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`,
    );
    for (const body of [json(large), chunked])
      for (const answer of await Promise.all(Array.from({ length: 10 }, () => statuses(body)))) {
        // Whoever goes on sending may be cut before the answer has come.
        assert.ok(answer.length === 0 || answer[0] === 413, String(answer));
      }
    await report('bodies of 1 MiB');
  });

  await t.test('JSON 10,000 deep', async () => {
    const deep = (open: string, close: string) => open.repeat(10_000) + close.repeat(10_000);
    const nested = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`;
    const bodies = [deep('[', ']'), `{"name":${deep('[', ']')}}`, `{"unknown":${nested}}`, '['.repeat(200_000)];
    for (const body of bodies) assert.deepEqual(await statuses(json(body)), [400]);
    await report('JSON 10,000 deep');
  });

  await t.test('odd requests', async () => {
    const odd = [
      '\0\0\0\0\r\n\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'GET / HTTP/1.1\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      request('GET', '/live_streams', ['content-length: 5', 'content-length: 6'], 'aaaaaa'),
      request('POST', '/live_streams', ['content-length: 5', 'transfer-encoding: chunked'], '0\r\n\r\n'),
      request('POST', '/live_streams', ['transfer-encoding: chunked'], 'ffffffffffffffffffff\r\n'),
      request('GET', '/live_streams', ['x: a\0b']),
      request('GET', `/${'a'.repeat(20_000)}`),
      request('CONNECT', '127.0.0.1:1'),
      request('GET', '/live_streams', ['connection: upgrade', 'upgrade: websocket']),
      request('GET', '*'),
      request('GET', 'http://[::1', ['connection: close']),
      request('GET', '/hls/%', ['connection: close']),
      request('GET', '//', ['connection: close']),
      request('GET', '/live_streams', ['expect: 999-odd', 'connection: close']),
    ];
    for (const text of odd) {
      const [status = 0] = await statuses(text);
      assert.ok(status < 500, `${JSON.stringify(text.slice(0, 60))}: ${status}`);
    }
    await report('odd requests');
  });

  await t.test('10,000 pipelined requests, then strangers in floods', async () => {
    const pipelined = await Promise.all(
      Array.from({ length: 20 }, () => statuses(request('GET', '/health/live').repeat(10_000), 10_000)),
    );
    // MAX_PIPELINED of src/app.ts: whoever sends more at once is cut.
    for (const answers of pipelined) assert.ok(answers.length < 1000, `${answers.length} answers`);
    assert.equal(
      (await statuses(request('GET', '/health/live').repeat(50), 50)).length,
      50,
      'a few at once are answered',
    );
    await report('20 times 10,000 pipelined requests');

    const guess = (n: number) =>
      `authorization: Basic ${Buffer.from(`${server.tokenId}:guess${n}`).toString('base64')}`;
    const flood = (from: number) =>
      Array.from({ length: 50 }, (_, n) => request('GET', '/live_streams', n % 2 ? [guess(from + n)] : [])).join('');
    const floods: number[][] = [];
    for (let round = 0; round < 10; round++)
      floods.push(
        ...(await Promise.all(Array.from({ length: 20 }, (_, n) => statuses(flood(round * 1000 + n * 50), 50)))),
      );
    const counts = Map.groupBy(floods.flat(), (status) => status);
    // Those who do not read have been this address's strangers already, so there may be no 401 left.
    assert.deepEqual(new Set([...counts.keys(), 401]), new Set([401, 429]));
    assert.ok((counts.get(401)?.length ?? 0) <= 300, 'no more than strangers may ask');
    assert.equal(floods.flat().length, 10_000);
    await report('10,000 requests without a valid token');
  });

  // HTTP_LIMITS of src/app.ts: 10 s for headers, 30 s for a whole request or for an answer that nobody takes, looked at every 2 s.
  await cut('silent', silent, 20_000);
  cutAfter('silent');
  await cut('slow headers', headers, 20_000);
  cutAfter('slow headers');
  await cut('slow bodies', bodies, 40_000);
  cutAfter('slow bodies');
  // A socket that is not read does not hear of its end: it is read now, to where the server has cut it.
  await until('unread answers are cut', 40_000, () => descriptors() <= descriptorsBefore + 10, 250);
  cutAfter('unread answers');
  for (const { socket } of [...unread, unreadFlood]) socket.resume();
  await cut('unread answers', [...unread, unreadFlood], 10_000);
  await report('all slow connections cut');
  assert.notEqual(await beside.stop(), '', 'the playlist lists segments');

  const memory = await metric('process_resident_memory_bytes');
  const grownMb = Math.round((memory - memoryBefore) / 2 ** 20);
  t.diagnostic(
    `memory ${Math.round(memory / 2 ** 20)} MiB, ${grownMb} MiB more than before; slowest neighbour ${beside.seen.slowestMs} ms (${beside.seen.slowest})`,
  );
  assert.ok(grownMb < 300, `${grownMb} MiB more than before`);
  assert.ok(beside.seen.requests > 100, `${beside.seen.requests} requests of the neighbours`);
  assert.equal((await ask(`${server.publicUrl}/health/ready`)).status, 200);
  assert.equal(await server.status(stream._id), 'online');
});
