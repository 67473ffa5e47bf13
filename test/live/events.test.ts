import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodedError, createLogger } from '../../src/base/index.ts';
import {
  type Authorisation,
  type BroadcastEvent,
  BroadcastEventQueue,
  type Claim,
  LiveRegistry,
  type Publisher,
  type PublisherEnd,
} from '../../src/live/index.ts';
import { until } from '../support/until.ts';

const log = createLogger('silent');
const stream: Authorisation = { liveStreamId: 'id', playbackId: 'lv_00', userId: 'user', discontinuities: 0 };

class Encoder implements Publisher {
  readonly protocol = 'rtmps';
  readonly remoteAddress = '192.0.2.1';
  readonly bytesReceived = 0;
  readonly lastDataMs = 0;
  readonly id: string;
  closed = false;
  claim: Claim | null = null;
  constructor(id: string) {
    this.id = id;
  }
  close(reason: PublisherEnd): void {
    this.closed = true;
    this.claim?.release(reason);
  }
}

async function onAir(reconnectWindowMs: number) {
  const told: BroadcastEvent[] = [];
  const onEvent = (event: BroadcastEvent) => void told.push(event);
  const registry = new LiveRegistry({ reconnectWindowMs, takeoverAfterMs: 0, log, onBroadcast: () => {}, onEvent });
  const connect = async (id: string) => {
    const encoder = new Encoder(id);
    const answer = await registry.claim(stream, encoder, registry.ticket());
    assert.ok(answer.ok);
    encoder.claim = answer.claim;
    return encoder;
  };
  return { registry, connect, told, brief: () => told.map(brief) };
}

/** An event in a word or two. */
function brief(event: BroadcastEvent): string {
  switch (event.kind) {
    case 'connected':
      return event.first ? `connected ${event.publisher.id}` : `again ${event.publisher.id}`;
    case 'warning':
      return `${event.raised ? '+' : '-'}${event.code}`;
    case 'publisher_switched':
      return `switched ${event.from.id} ${event.to.id} ${event.active} ${event.reason}`;
    case 'platform_connected':
      return `+platform ${event.platformId}`;
    case 'platform_disconnected':
      return `-platform ${event.platformId} ${event.reason}`;
    case 'platform_error':
      return `platform ${event.platformId} ${event.code}`;
    default:
      return `${event.kind} ${event.reason}`;
  }
}

test('L16 L30 a broadcast is told as connected once and disconnected once, absences in pairs between them', async () => {
  const { registry, connect, told, brief } = await onAir(60_000);
  for (let i = 0; i < 60; i++) (await connect(`e${i}`)).close('reset');
  const last = await connect('last');
  registry.stop('id', 'disabled');
  assert.ok(last.closed);
  const pairs = Array.from({ length: 60 }, (_, i) => [
    `${i ? 'again' : 'connected'} e${i}`,
    'reconnecting reset',
  ]).flat();
  assert.deepEqual(brief(), [...pairs, 'again last', 'disconnected disabled']);
  assert.deepEqual(
    told.map(({ number }) => number),
    told.map((_, i) => i + 1),
  );
  assert.equal(new Set(told.map(({ broadcastId }) => broadcastId)).size, 1);
  const [first, away] = told;
  assert.ok(first?.kind === 'connected' && away?.kind === 'reconnecting');
  assert.deepEqual(first.publisher, { id: 'e0', protocol: 'rtmps', address: '192.0.2.1' });
  assert.ok(Math.abs(away.untilMs - away.atMs - 60_000) < 1000);
});

test('every way in which a broadcast ends is told, and the next one is another', async () => {
  const short = await onAir(20);
  (await short.connect('a')).close('stopped');
  await until('the window is over', 5000, () => short.told.length === 3);
  assert.deepEqual(short.brief(), ['connected a', 'reconnecting stopped', 'disconnected window_over']);
  await short.connect('b');
  assert.notEqual(short.told[3]!.broadcastId, short.told[0]!.broadcastId);
  assert.equal(short.told[3]!.number, 1);
  await short.connect('c');
  assert.deepEqual(short.brief().slice(3), ['connected b', 'reconnecting taken_over', 'again c']);
  short.registry.close();
  assert.equal(short.brief().at(-1), 'disconnected shutdown');

  const none = await onAir(0);
  (await none.connect('a')).close('closed');
  await until('the end', 5000, () => none.told.length === 2);
  assert.deepEqual(none.brief(), ['connected a', 'disconnected window_over'], 'without a window nobody is waited for');

  const rotated = await onAir(60_000);
  await rotated.connect('a');
  rotated.registry.stop('id', 'key_rotated');
  await rotated.connect('b');
  assert.deepEqual(rotated.brief(), ['connected a', 'reconnecting key_rotated', 'again b']);
  rotated.registry.close();
});

/** What a database does: takes events, or is away. */
class Sink {
  readonly written: BroadcastEvent[] = [];
  readonly underWay = new Map<string, number>();
  calls = 0;
  away = false;
  broken: number | null = null;
  async tell(event: BroadcastEvent): Promise<void> {
    this.calls++;
    const busy = (this.underWay.get(event.liveStreamId) ?? 0) + 1;
    assert.equal(busy, 1, 'one at a time for a live stream');
    this.underWay.set(event.liveStreamId, busy);
    await new Promise(setImmediate);
    this.underWay.delete(event.liveStreamId);
    if (this.away) throw new CodedError('store_unavailable', 'away');
    if (event.number === this.broken) throw new Error('cannot be written');
    this.written.push(event);
  }
  of(liveStreamId: string): number[] {
    return this.written.filter((event) => event.liveStreamId === liveStreamId).map(({ number }) => number);
  }
}

const moment = (liveStreamId: string, number: number) => ({
  broadcastId: `b-${liveStreamId}`,
  liveStreamId,
  number,
  atMs: 0,
});
const publisher = { id: 'p', protocol: 'rtmp', address: '' } as const;
const connected = (id: string, n: number): BroadcastEvent => ({
  ...moment(id, n),
  kind: 'connected',
  publisher,
  first: n === 1,
});
const reconnecting = (id: string, n: number): BroadcastEvent => ({
  ...moment(id, n),
  kind: 'reconnecting',
  reason: 'reset',
  untilMs: 1,
});
const disconnected = (id: string, n: number): BroadcastEvent => ({
  ...moment(id, n),
  kind: 'disconnected',
  reason: 'window_over',
});
const warning = (id: string, n: number): BroadcastEvent => ({
  ...moment(id, n),
  kind: 'warning',
  code: 'no_audio',
  severity: 'info',
  message: '',
  raised: true,
});

test('L19 the queue keeps each live stream in order while the store is away, and tells it all when it is back', async () => {
  const sink = new Sink();
  const queue = new BroadcastEventQueue({ sink, log, retryMs: 1 });
  sink.away = true;
  const streams = Array.from({ length: 20 }, (_, i) => `s${i}`);
  for (const id of streams) queue.tell(connected(id, 1));
  for (let n = 2; n < 40; n += 2)
    for (const id of streams) for (const event of [reconnecting(id, n), connected(id, n + 1)]) queue.tell(event);
  await until('some attempts', 5000, () => sink.calls > 60);
  assert.equal(sink.written.length, 0);
  assert.equal(queue.waiting, 20 * 39);
  sink.away = false;
  await until('all is written', 5000, () => queue.waiting === 0);
  for (const id of streams)
    assert.deepEqual(
      sink.of(id),
      Array.from({ length: 39 }, (_, i) => i + 1),
    );
  // One that can never be written holds up nobody for ever.
  sink.broken = 2;
  queue.tell(connected('s', 1));
  queue.tell(warning('s', 2));
  queue.tell(disconnected('s', 3));
  await until('the broken one is given up', 5000, () => queue.waiting === 0);
  assert.deepEqual(sink.of('s'), [1, 3]);
  assert.equal(queue.dropped, 1);
});

test('a full queue lets warnings go first, then short absences in pairs, and never a beginning or an end', async () => {
  const sink = new Sink();
  sink.away = true;
  const queue = new BroadcastEventQueue({ sink, log, retryMs: 60_000, maxWaiting: 10 });
  queue.tell(connected('a', 1));
  await until('the first is under way', 5000, () => sink.calls === 1);
  for (let n = 2; n <= 10; n++) queue.tell(warning('a', n));
  for (let n = 11; n <= 1000; n++) queue.tell(warning('a', n));
  assert.equal(queue.waiting, 10, 'warnings make room for warnings');
  for (let n = 1001; n <= 3000; n += 2) {
    queue.tell(reconnecting('a', n));
    queue.tell(connected('a', n + 1));
  }
  assert.ok(queue.waiting <= 11, `${queue.waiting} wait`);
  queue.tell(disconnected('a', 3001));
  for (let i = 0; i < 20; i++) queue.tell(connected(`b${i}`, 1));
  sink.away = false;
  await queue.close(5000);
  assert.equal(queue.waiting, 0);
  const kinds = sink.written.filter(({ liveStreamId }) => liveStreamId === 'a');
  assert.deepEqual([kinds[0]!.kind, kinds.at(-1)!.kind], ['connected', 'disconnected']);
  assert.ok(!kinds.some(({ kind }) => kind === 'warning'));
  const absences = kinds.slice(1, -1).map(({ kind }) => kind);
  absences.forEach((kind, i) => {
    assert.equal(kind, i % 2 ? 'connected' : 'reconnecting', 'in pairs');
  });
  assert.equal(sink.written.filter(({ liveStreamId }) => liveStreamId.startsWith('b')).length, 20);
});

test('what happens to platforms is told in pairs, once, and before the end', async () => {
  const { registry, connect, told, brief } = await onAir(60_000);
  const encoder = await connect('a');
  const { broadcast } = encoder.claim!;
  const on = (platformId: string) => broadcast.tellPlatform({ kind: 'platform_connected', platformId });
  const off = (platformId: string) =>
    broadcast.tellPlatform({ kind: 'platform_disconnected', platformId, reason: 'lost' });
  on('one');
  on('one');
  off('two');
  off('one');
  off('one');
  on('one');
  on('two');
  broadcast.tellPlatform({
    kind: 'platform_error',
    platformId: 'three',
    code: 'unreachable',
    message: '',
    severity: 'retrying',
  });
  broadcast.onEnd(() => {
    throw new Error('mine alone');
  });
  broadcast.onEnd(() => off('two'));
  registry.close();
  on('late');
  assert.deepEqual(brief(), [
    'connected a',
    '+platform one',
    '-platform one lost',
    '+platform one',
    '+platform two',
    'platform three unreachable',
    '-platform two lost',
    '-platform one stream_ended',
    'disconnected shutdown',
  ]);
  assert.deepEqual(
    told.map(({ number }) => number),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
});

test('a full queue drops errors of platforms first, and connections of platforms in pairs', async () => {
  const sink = new Sink();
  sink.away = true;
  const queue = new BroadcastEventQueue({ sink, log, retryMs: 60_000, maxWaiting: 20 });
  let number = 0;
  const tell = (platformId: string, kind: 'platform_connected' | 'platform_disconnected' | 'platform_error') => {
    const event = { ...moment('a', ++number), platformId };
    if (kind === 'platform_error') queue.tell({ ...event, kind, code: 'x', message: '', severity: 'retrying' });
    else if (kind === 'platform_connected') queue.tell({ ...event, kind });
    else queue.tell({ ...event, kind, reason: 'lost' });
  };
  queue.tell(connected('a', ++number));
  await until('the first is under way', 5000, () => sink.calls === 1);
  for (let i = 0; i < 100; i++) tell('p0', 'platform_error');
  for (let round = 0; round < 100; round++) {
    for (const id of ['p1', 'p2', 'p3']) tell(id, 'platform_connected');
    for (const id of ['p3', 'p1', 'p2']) tell(id, 'platform_disconnected');
  }
  tell('p1', 'platform_connected');
  queue.tell(disconnected('a', ++number));
  assert.ok(queue.waiting <= 26, `${queue.waiting} wait`);
  sink.away = false;
  await queue.close(5000);
  const written = sink.written as BroadcastEvent[];
  assert.ok(!written.some(({ kind }) => kind === 'platform_error'));
  assert.equal(written.at(-1)!.kind, 'disconnected');
  for (const id of ['p1', 'p2', 'p3']) {
    const kinds = written.flatMap((event) => ('platformId' in event && event.platformId === id ? [event.kind] : []));
    assert.ok(kinds.length > 0, id);
    kinds.forEach((kind, i) => {
      assert.equal(kind, i % 2 ? 'platform_disconnected' : 'platform_connected', `${id}: ${kinds}`);
    });
    assert.equal(kinds.length % 2, id === 'p1' ? 1 : 0);
  }
  assert.ok(written.every((event, i) => i === 0 || event.number > written[i - 1]!.number));
});

test('closing does not wait for a store that stays away', async () => {
  const sink = new Sink();
  sink.away = true;
  const queue = new BroadcastEventQueue({ sink, log });
  queue.tell(connected('a', 1));
  await queue.close(50);
  assert.equal(sink.written.length, 0);
  await new BroadcastEventQueue({ sink, log }).close(60_000);
});
