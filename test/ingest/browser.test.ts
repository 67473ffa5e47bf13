// Browsers that publish over a WebSocket, and what strangers send there instead: real sockets, keys from a list.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { createLogger } from '../../src/base/index.ts';
import { BrowserPublishers, type BrowserPublishersOptions } from '../../src/ingest/browser/index.ts';
import { LiveRegistry, type PublisherEnd } from '../../src/live/index.ts';
import type { Packet } from '../../src/media/index.ts';

const KEY = `lv_${'0'.repeat(31)}1`;
const OTHER_KEY = `lv_${'0'.repeat(31)}2`;
const DISABLED_KEY = `lv_${'0'.repeat(31)}3`;
const BROKEN_KEY = `lv_${'0'.repeat(31)}4`;
const PASSWORD = '0badcafe';
const log = createLogger('silent');

// A Baseline 16x16 configuration and one IDR access unit, enough for a track and packets.
const AVC_CONFIG = Buffer.from(
  '0142c00affe100196742c00ad90797e7c044000003000400000300f03c489e4001000568cb83cb20',
  'hex',
);
const IDR = Buffer.concat([Buffer.from([0, 0, 0, 5, 0x65]), Buffer.alloc(4, 1)]);
const AAC_CONFIG = Buffer.from([0x11, 0x90]);
const OPUS_HEAD = Buffer.from('4f707573486561640102380180bb0000000000', 'hex');
/** 20 ms of silence. */
const OPUS_FRAME = Buffer.from([0xf8, 0xff, 0xfe]);

/** The room on a free port, with a real registry. */
async function ingest(options: Partial<BrowserPublishersOptions> = {}, takeoverAfterMs = 10_000) {
  const packets: Packet[] = [];
  const left: PublisherEnd[] = [];
  const registry = new LiveRegistry({
    reconnectWindowMs: 60_000,
    takeoverAfterMs,
    log,
    onEvent: (event) => event.kind === 'reconnecting' && left.push(event.reason),
    onBroadcast: (broadcast) =>
      broadcast.addReader({
        name: 'test',
        onRun() {},
        onPacket: (packet) => packets.push(packet),
        onPause() {},
        onEnd() {},
      }),
  });
  const browsers = new BrowserPublishers({
    publicUrl: 'http://127.0.0.1/live',
    trustedProxies: [],
    publisherTimeoutMs: 20_000,
    maxConnections: 100,
    maxConnectionsPerAddress: 50,
    failuresPerMinute: 10,
    registry,
    log,
    authoriser: {
      authorise: async ({ playbackId, password }) => {
        if (playbackId === BROKEN_KEY) throw new Error('the store is away');
        if (![KEY, OTHER_KEY, DISABLED_KEY].includes(playbackId) || password !== PASSWORD)
          return { ok: false, reason: 'unknown' };
        if (playbackId === DISABLED_KEY) return { ok: false, reason: 'disabled' };
        return {
          ok: true,
          authorisation: { liveStreamId: playbackId, playbackId, userId: 'user', discontinuities: 0 },
        };
      },
    },
    ...options,
  });
  const server = http.createServer({ shouldUpgradeCallback: ({ url = '' }) => browsers.handles(url) }, (_, response) =>
    response.end('no upgrade'),
  );
  server.on('upgrade', (request, socket, head) => browsers.upgrade(request, socket, head));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    registry.close();
    browsers.close();
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { browsers, registry, packets, left, port, url: `ws://127.0.0.1:${port}/publish` };
}

interface Client {
  readonly socket: WebSocket;
  /** The next text of the server. */
  answer(): Promise<Record<string, string>>;
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
}

async function connect(url: string, headers: Record<string, string> = {}): Promise<Client> {
  const socket = new WebSocket(url, { headers, perMessageDeflate: false });
  const answers: Record<string, string>[] = [];
  let wake = () => {};
  socket.on('message', (data) => {
    answers.push(JSON.parse(String(data)) as Record<string, string>);
    wake();
  });
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  void closed.then(() => wake());
  await once(socket, 'open');
  socket.on('error', () => {});
  const answer = async () => {
    while (answers.length === 0) {
      if (socket.readyState === WebSocket.CLOSED) throw new Error('closed without an answer');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return answers.shift()!;
  };
  return { socket, answer, closed };
}

const publish = (key: string): string => JSON.stringify({ type: 'publish', key });

async function accepted(url: string, key = `${KEY}?password=${PASSWORD}`, headers = {}): Promise<Client> {
  const client = await connect(url, headers);
  client.socket.send(publish(key));
  assert.deepEqual(await client.answer(), { type: 'accepted' });
  return client;
}

function message(kind: number, flags: number, timestampUs: number, payload: Buffer, compositionUs = 0): Buffer {
  const header = Buffer.alloc(12);
  header[0] = kind;
  header[1] = flags;
  header.writeUIntBE(timestampUs, 2, 6);
  header.writeInt32BE(compositionUs, 8);
  return Buffer.concat([header, payload]);
}

/** What the server has read is what was sent before: it answers pings in their turn. */
async function settled({ socket }: Client): Promise<void> {
  socket.ping();
  await once(socket, 'pong');
}

test('what a browser sends becomes packets of H.264, AAC and Opus on one clock, whichever comes when', async () => {
  const { url, packets, left } = await ingest();
  const client = await accepted(url);
  const send = (...args: Parameters<typeof message>) => client.socket.send(message(...args));
  send(2, 1, 0, IDR); // before its configuration
  send(1, 0, 0, AVC_CONFIG);
  send(3, 0, 0, AAC_CONFIG);
  send(2, 1, 1_000_000, IDR);
  send(4, 0, 1_000_000, Buffer.from([1, 2, 3]));
  send(2, 0, 1_033_333, IDR, -11_111);
  send(1, 0, 0, AVC_CONFIG);
  send(4, 0, 1_021_000, Buffer.from([4]));
  send(2, 1, 1_066_667, IDR);
  // A frame that nobody can decode is left out, and the next one counts.
  send(2, 1, 1_080_000, Buffer.from([0, 0, 0, 9, 1]));
  send(5, 0, 0, OPUS_HEAD);
  send(6, 0, 1_080_000, OPUS_FRAME);
  send(6, 0, 1_100_000, OPUS_FRAME);
  await settled(client);
  const told = packets.map(({ track, dts, pts, key, data }) => [track.codec, dts, pts, key, data.length]);
  assert.deepEqual(told, [
    ['avc', 90_000, 90_000, true, 9],
    ['aac', 48_000, 48_000, true, 3],
    ['avc', 93_000, 92_000, false, 9],
    ['aac', 49_024, 49_024, true, 1],
    ['avc', 96_000, 96_000, true, 9],
    ['opus', 51_840, 51_840, true, 3],
    ['opus', 52_800, 52_800, true, 3],
  ]);
  const [first, , , , , opus] = packets;
  assert.equal(packets[4]!.track, first!.track, 'the same configuration again is the same track');
  assert.deepEqual(opus!.track.config.record, OPUS_HEAD);
  assert.equal(opus!.track.kind === 'audio' && opus!.track.config.frameSamples, 960);
  // What is kept of a small frame is not all that was read with it.
  for (const { data } of packets)
    assert.ok(data.buffer.byteLength <= 64, `${data.length} bytes keep ${data.buffer.byteLength}`);
  client.socket.close(1000);
  await client.closed;
  assert.deepEqual(left, ['stopped']);
});

test('refusals are the words that encoders get, and an unknown key is told like a wrong password', async () => {
  const { url, browsers } = await ingest({ publicUrl: 'https://live.example/base' });
  const holder = await accepted(url.replace('/publish', '/base/publish?x'));
  const sending = setInterval(() => holder.socket.ping(), 50);
  after(() => clearInterval(sending));
  const unknown = 'Unknown stream key: copy the key again from the live stream, with its ?password= part.';
  for (const [key, reason, words] of [
    [`${OTHER_KEY}?password=00000000`, 'unknown_key', unknown],
    [`lv_${'f'.repeat(32)}?password=${PASSWORD}`, 'unknown_key', unknown],
    ['', 'unknown_key', unknown],
    [`${DISABLED_KEY}?password=${PASSWORD}`, 'disabled', /disabled/],
    [`${KEY}?password=${PASSWORD}`, 'already_live', /^Already live/],
    [`${BROKEN_KEY}?password=${PASSWORD}`, 'unchecked', /right now/],
  ] as const) {
    const client = await connect(url);
    client.socket.send(publish(key));
    const answer = await client.answer();
    assert.deepEqual([answer.type, answer.reason], ['refused', reason]);
    if (typeof words === 'string') assert.equal(answer.message, words);
    else assert.match(answer.message!, words);
    assert.equal(await client.closed, 1008);
  }
  const { unknown_key, disabled, already_live, unchecked } = browsers.refused;
  assert.deepEqual([unknown_key, disabled, already_live, unchecked], [3, 1, 1, 1]);
  assert.equal(holder.socket.readyState, WebSocket.OPEN);
});

test('what makes no sense ends its own connection only: before the key, and after it', async () => {
  const { url, port, browsers, registry } = await ingest();
  const bystander = await accepted(url, `${OTHER_KEY}?password=${PASSWORD}`);
  for (const rubbish of [
    Buffer.from(publish(`${KEY}?password=${PASSWORD}`)), // as bytes
    'publish',
    '{"type":"publish"}',
    '{"type":"publish","key":7}',
    'null',
    JSON.stringify({ type: 'publish', key: 'x'.repeat(20_000) }),
  ]) {
    const client = await connect(url);
    client.socket.send(rubbish);
    assert.equal(await client.closed, 1006, String(rubbish).slice(0, 40));
  }
  const frame = message(2, 1, 0, IDR);
  for (const rubbish of [
    ['more text'],
    [Buffer.alloc(0)],
    [frame.subarray(0, 12)],
    [message(9, 0, 0, IDR)],
    Array.from({ length: 6000 }, () => message(2, 0, 0, IDR)), // too many at once
  ]) {
    const client = await accepted(url);
    for (const piece of rubbish) client.socket.send(piece);
    assert.equal(await client.closed, 1006);
    assert.equal(registry.isOnline(KEY), false);
  }
  assert.equal(browsers.refused.protocol_error, 11);
  assert.equal(browsers.connections, 1);
  assert.equal(bystander.socket.readyState, WebSocket.OPEN);
  // What is no WebSocket, or no path of ours, is answered as by any HTTP server.
  const notOurs = await fetch(`http://127.0.0.1:${port}/publish`);
  assert.equal(await notOurs.text(), 'no upgrade');
  const elsewhere = new WebSocket(`ws://127.0.0.1:${port}/elsewhere`);
  const [error] = (await once(elsewhere, 'error')) as [Error];
  assert.match(error.message, /200/);
});

test('who is silent gives way: without a key, without media, and to the same key on a new connection', async () => {
  const { url } = await ingest({ publisherTimeoutMs: 3000 });
  const nobody = await connect(url);
  const mute = await accepted(url);
  const pings = setInterval(() => mute.socket.ping(), 50);
  after(() => clearInterval(pings));
  const other = await ingest({}, 300);
  const first = await accepted(other.url);
  const second = await accepted(other.url);
  assert.equal(await first.closed, 1006);
  assert.deepEqual([other.left, other.registry.isOnline(KEY)], [['taken_over'], true]);
  second.socket.terminate();
  const refusal = await mute.answer();
  assert.deepEqual([refusal.reason, await mute.closed], ['no_media', 1008]);
  assert.equal(await nobody.closed, 1006);
});

test('places are bounded: for all, where the oldest stranger gives way, and for an address behind a proxy', async () => {
  const { url, browsers } = await ingest({
    maxConnections: 3,
    maxConnectionsPerAddress: 1,
    trustedProxies: ['127.0.0.0/8'],
  });
  const from = (address: string) => ({ 'x-forwarded-for': `198.51.100.9, ${address}` });
  const publisher = await accepted(url, `${KEY}?password=${PASSWORD}`, from('203.0.113.1'));
  const again = new WebSocket(url, { headers: from('203.0.113.1') });
  const [error] = (await once(again, 'error')) as [Error];
  assert.match(error.message, /503/);
  const strangers = [await connect(url, from('203.0.113.2')), await connect(url, from('203.0.113.3'))];
  const third = await accepted(url, `${OTHER_KEY}?password=${PASSWORD}`, from('203.0.113.4'));
  assert.equal(await strangers[0]!.closed, 1006);
  assert.deepEqual(
    [publisher, strangers[1]!, third].map(({ socket }) => socket.readyState),
    [WebSocket.OPEN, WebSocket.OPEN, WebSocket.OPEN],
  );
  browsers.close();
  assert.deepEqual(await third.answer(), { type: 'ended', reason: 'shutdown' });
  assert.equal(browsers.connections, 0);
});
