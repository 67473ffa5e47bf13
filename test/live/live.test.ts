import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLogger, monotonicMs } from '../../src/base/index.ts';
import {
  type Authorisation,
  Broadcast,
  type Claim,
  LiveRegistry,
  type Publisher,
  type PublisherEnd,
  type Reader,
} from '../../src/live/index.ts';
import type { AudioTrack, Packet, VideoTrack } from '../../src/media/index.ts';

const log = createLogger('silent');
const video = { kind: 'video', codec: 'avc', timescale: 1000, config: {} } as VideoTrack;
const audio = { kind: 'audio', codec: 'aac', timescale: 48_000, config: {} } as AudioTrack;
const slower = { ...audio, timescale: 44_100 } as AudioTrack;
const frame = (ms: number, key = false, bytes = 100): Packet => ({
  track: video,
  dts: ms,
  pts: ms,
  key,
  data: Buffer.alloc(bytes),
});
const sound = (ms: number): Packet => ({ track: audio, dts: ms * 48, pts: ms * 48, key: true, data: Buffer.alloc(10) });
const stream: Authorisation = { liveStreamId: 'id', playbackId: 'lv_00', userId: 'user', discontinuities: 0 };

/** Writes down what a reader was told, in order. */
class Recorder implements Reader {
  readonly name = 'recorder';
  readonly seen: string[] = [];
  readonly packets: Packet[] = [];
  onRun(run: { number: number }): void {
    this.seen.push(`run ${run.number}`);
  }
  onPacket(packet: Packet): void {
    this.packets.push(packet);
    this.seen.push(`${packet.track.kind[0]}${Math.round((packet.dts * 1000) / packet.track.timescale)}`);
  }
  onPause(): void {
    this.seen.push('pause');
  }
  onEnd(): void {
    this.seen.push('end');
  }
}

class FakePublisher implements Publisher {
  readonly protocol = 'rtmp';
  readonly remoteAddress = '127.0.0.1';
  readonly id: string;
  lastDataMs = monotonicMs();
  bytesReceived = 0;
  closed = false;
  reason: PublisherEnd | null = null;
  claim: Claim | null = null;
  constructor(id: string) {
    this.id = id;
  }
  close(reason: PublisherEnd): void {
    this.closed = true;
    this.reason = reason;
    this.claim?.release(reason);
  }
}

function broadcastWith(reader: Reader) {
  const broadcast = new Broadcast('b', stream, log);
  const seat = broadcast.addReader(reader);
  return { broadcast, seat };
}

test('E04 E05 E06 a broadcast keeps time rising and breaks it once where it jumps', () => {
  const cases: { name: string; packets: Packet[]; seen: string }[] = [
    { name: 'in order', packets: [frame(0, true), sound(0), frame(33), sound(21)], seen: 'run 0, v0, a0, v33, a21' },
    {
      name: 'E06 equal and slightly falling times move on by one',
      packets: [frame(40, true), frame(40), frame(39), frame(80)],
      seen: 'run 0, v40, v41, v42, v80',
    },
    {
      name: 'E04 forward',
      packets: [frame(0, true), frame(33), frame(60_033, true), frame(60_066)],
      seen: 'run 0, v0, v33, run 1, v60033, v60066',
    },
    {
      name: 'E04 back to zero',
      packets: [frame(9000, true), frame(9033), frame(0, true), frame(33)],
      seen: 'run 0, v9000, v9033, run 1, v0, v33',
    },
    {
      name: 'E04 one break although the other track follows later',
      packets: [frame(0, true), sound(0), frame(90_000, true), sound(21), sound(90_000), frame(90_033)],
      seen: 'run 0, v0, a0, run 1, v90000, a90000, v90033',
    },
    {
      name: 'E05 a slow video beside steady audio is no jump',
      packets: [frame(0, true), ...[2000, 4000, 6000].map(sound), frame(6000)],
      seen: 'run 0, v0, a2000, a4000, a6000, v6000',
    },
    {
      name: 'E05 a second track on a time line of its own has no place, however far',
      packets: [frame(0, true), sound(2_147_483_647), frame(33), sound(36_000_000), sound(40)],
      seen: 'run 0, v0, v33, a40',
    },
    {
      name: 'D08 a new configuration with another timescale is compared by time',
      packets: [
        sound(100_000),
        { ...sound(0), track: slower, dts: 4_411_024, pts: 4_411_024 },
        { ...sound(0), track: slower, dts: 4_412_048, pts: 4_412_048 },
      ],
      seen: 'run 0, a100000, a100023, a100046',
    },
    {
      name: 'E03 a first time far from zero',
      packets: [frame(4_294_967_290, true), sound(4_294_967_280), frame(4_294_967_330)],
      seen: 'run 0, v4294967290, a4294967280, v4294967330',
    },
  ];
  for (const { name, packets, seen } of cases) {
    const reader = new Recorder();
    const { broadcast } = broadcastWith(reader);
    for (const packet of packets) broadcast.write(packet);
    assert.equal(reader.seen.join(', '), seen, name);
  }
});

test('G01 a paused reader waits within limits, drops to the next key frame, and hurts nobody else', () => {
  const slow = new Recorder();
  const quick = new Recorder();
  const failing: Reader = {
    name: 'failing',
    onRun() {},
    onPause() {},
    onEnd() {},
    onPacket: () => {
      throw new Error('mine alone');
    },
  };
  const broadcast = new Broadcast('b', stream, log);
  broadcast.addReader(failing);
  const seat = broadcast.addReader(slow, { maxBytes: 1000, maxMs: 60_000 });
  broadcast.addReader(quick);
  broadcast.write(frame(0, true));
  seat.pause();
  for (let ms = 33; ms < 330; ms += 33) broadcast.write(frame(ms));
  assert.equal(seat.queuedBytes, 900);
  seat.resume();
  assert.deepEqual(slow.seen, quick.seen, 'what waited within the limits comes whole and in order');
  seat.pause();
  for (let ms = 330; ms < 990; ms += 33) broadcast.write(frame(ms));
  assert.ok(seat.queuedBytes <= 1000);
  broadcast.write(sound(990));
  broadcast.write(frame(990, true));
  broadcast.write(sound(995));
  seat.resume();
  assert.deepEqual(slow.seen.slice(-2), ['v990', 'a995'], 'it goes on at a key frame, and audio waits for it');
  assert.equal(seat.dropped, 21);
  assert.equal(quick.packets.length, 33);
  const byTime = broadcast.addReader(new Recorder(), { maxBytes: 1e9, maxMs: 500 });
  byTime.pause();
  for (let ms = 1000; ms < 3000; ms += 100) broadcast.write(frame(ms));
  assert.ok(byTime.dropped > 0, 'media seconds bound it as well as bytes');
  broadcast.end('window_over');
  byTime.resume();
  assert.equal((byTime.reader as Recorder).seen.at(-1), 'end', 'it never misses the end');
});

test('L27 a reader that is too slow for too long is dismissed; its neighbours miss nothing', async () => {
  const [before, slow, after] = [new Recorder(), new Recorder(), new Recorder()];
  const broadcast = new Broadcast('b', stream, log);
  broadcast.addReader(before);
  const seat = broadcast.addReader(slow, { maxBytes: 1e9, maxMs: 500, maxDroppingMs: 0 });
  broadcast.addReader(after);
  broadcast.write(frame(0, true));
  seat.pause();
  for (let ms = 100; ms < 1000; ms += 100) {
    broadcast.write(frame(ms));
    await null; // each packet comes in a turn of its own
  }
  assert.deepEqual(slow.seen, ['run 0', 'v0', 'end'], 'its end, without what waited');
  assert.equal(seat.queuedBytes, 0);
  broadcast.write(frame(1000, true));
  broadcast.end('window_over');
  assert.equal(slow.seen.length, 3, 'nothing follows');
  assert.equal(before.packets.length, 11);
  assert.deepEqual(after.seen, before.seen);
});

function registryWith(options: { reconnectWindowMs?: number; takeoverAfterMs?: number } = {}) {
  const reader = new Recorder();
  const registry = new LiveRegistry({
    reconnectWindowMs: 60_000,
    takeoverAfterMs: 100,
    log,
    onBroadcast: (broadcast) => broadcast.addReader(reader),
    ...options,
  });
  const claim = async (publisher: FakePublisher, ticket = registry.ticket()) => {
    const answer = await registry.claim(stream, publisher, ticket);
    if (answer.ok) publisher.claim = answer.claim;
    return answer;
  };
  return { registry, reader, claim };
}

test('C11 C16 R39 one publisher holds a live stream: a healthy one keeps it, a silent one is taken over', async () => {
  const { registry, reader, claim } = registryWith();
  const first = new FakePublisher('first');
  assert.ok((await claim(first)).ok);
  assert.ok(registry.isOnline('id'));
  const alive = setInterval(() => {
    first.lastDataMs = monotonicMs();
  }, 10);
  const races = await Promise.all(Array.from({ length: 20 }, (_, i) => claim(new FakePublisher(`other ${i}`))));
  clearInterval(alive);
  assert.deepEqual(
    races.map((answer) => answer.ok),
    Array(20).fill(false),
    'nobody displaces a healthy publisher',
  );
  assert.equal(first.closed, false);
  first.claim!.write(frame(0, true));
  // Nothing more comes from the first one: whoever asks now gets the stream, exactly one of them.
  const contenders = Array.from({ length: 20 }, (_, i) => new FakePublisher(`late ${i}`));
  const answers = await Promise.all(contenders.map((contender) => claim(contender)));
  assert.equal(answers.filter((answer) => answer.ok).length, 1);
  assert.equal(first.reason, 'taken_over');
  first.claim!.write(frame(33));
  const winner = contenders.find((contender) => contender.claim)!;
  winner.claim!.write(frame(5000, true));
  assert.deepEqual(
    reader.seen,
    ['run 0', 'v0', 'pause', 'run 1', 'v5000'],
    'the one that was taken over writes nothing more',
  );
  registry.close();
  assert.equal(winner.reason, 'shutdown');
  assert.equal(reader.seen.at(-1), 'end');
});

test('the claim is taken before the first await: a thousand races have one owner each', async () => {
  const race = async () => {
    const { registry } = registryWith({ takeoverAfterMs: 60_000 });
    const [a, b] = [new FakePublisher('a'), new FakePublisher('b')];
    const first = registry.claim(stream, a, registry.ticket());
    const onlineAtOnce = registry.isOnline('id');
    b.lastDataMs = a.lastDataMs;
    const second = registry.claim(stream, b, registry.ticket());
    queueMicrotask(() => {
      a.lastDataMs += 1;
    });
    const [one, other] = await Promise.all([first, second]);
    assert.ok(onlineAtOnce && one.ok && !other.ok);
    registry.close();
  };
  await Promise.all(Array.from({ length: 1000 }, race));
});

test('L30 L31 a broadcast outlives its publisher by the reconnect window, and ends after it', async () => {
  const { registry, reader, claim } = registryWith({ reconnectWindowMs: 150 });
  const first = new FakePublisher('first');
  await claim(first);
  first.claim!.write(frame(0, true));
  first.claim!.release('reset');
  assert.equal(registry.isOnline('id'), false, 'no publisher: not online, although on air');
  assert.equal(registry.size, 1);
  const second = new FakePublisher('second');
  assert.ok((await claim(second)).ok);
  assert.equal(second.claim!.broadcast, first.claim!.broadcast);
  second.claim!.write(frame(0, true));
  second.claim!.release('stopped');
  for (let i = 0; i < 200 && registry.size > 0; i++) await delay(10);
  assert.equal(registry.size, 0);
  assert.deepEqual(reader.seen, ['run 0', 'v0', 'pause', 'run 1', 'v0', 'pause', 'end']);
});

test('a stop cuts at once and voids every check that began before it', async () => {
  const { registry, reader, claim } = registryWith();
  const publisher = new FakePublisher('p');
  await claim(publisher);
  publisher.claim!.write(frame(0, true));
  const early = registry.ticket();
  registry.stop('id', 'disabled');
  assert.equal(publisher.reason, 'disabled', 'closed in the same tick');
  assert.equal(reader.seen.at(-1), 'end');
  assert.deepEqual(await claim(new FakePublisher('early'), early), { ok: false, reason: 'disabled' });
  assert.ok((await claim(new FakePublisher('after'))).ok, 'a check that began after the stop counts');

  // Each kind of stop is remembered: a later one does not hide an earlier one that voids more.
  const before = registry.ticket();
  registry.stop('id', 'disabled');
  const between = registry.ticket();
  registry.stop('id', 'key_rotated', 'primary');
  const pull = Object.assign(new FakePublisher('pull'), { protocol: 'pull-rtmp' as const });
  assert.deepEqual(await claim(pull, before), { ok: false, reason: 'disabled' });
  assert.deepEqual(await claim(new FakePublisher('encoder'), between), { ok: false, reason: 'key_rotated' });
  const backup = await registry.claim({ ...stream, priority: 1 }, new FakePublisher('backup'), between);
  assert.ok(backup.ok, 'the other key is as good as before');
  backup.claim.release('stopped');
  registry.stop('id', 'key_rotated');
  const answer = await claim(Object.assign(new FakePublisher('pull'), { protocol: 'pull-rtmp' as const }), between);
  assert.ok(answer.ok, 'a pull has no key');
});
