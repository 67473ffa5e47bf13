import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, monotonicMs } from '../../src/base/index.ts';
import {
  type Authorisation,
  type Broadcast,
  type BroadcastEvent,
  type Claim,
  LiveRegistry,
  type Publisher,
  type PublisherEnd,
  type PublisherProtocol,
  type Reader,
} from '../../src/live/index.ts';
import type { AudioTrack, Packet, VideoTrack } from '../../src/media/index.ts';
import { until } from '../support/until.ts';

const log = createLogger('silent');
const video = { kind: 'video', codec: 'avc', timescale: 1000, config: {} } as VideoTrack;
const audio = { kind: 'audio', codec: 'aac', timescale: 48_000, config: {} } as AudioTrack;
const frame = (ms: number, key = false, bytes = 100): Packet => ({
  track: video,
  dts: ms,
  pts: ms,
  key,
  data: Buffer.alloc(bytes),
});
const sound = (ms: number): Packet => ({ track: audio, dts: ms * 48, pts: ms * 48, key: true, data: Buffer.alloc(10) });

/** A publisher whose connection is played by the test. */
class Source implements Publisher {
  readonly protocol: PublisherProtocol;
  readonly remoteAddress = '192.0.2.1';
  readonly id: string;
  readonly yields?: boolean;
  lastDataMs = monotonicMs();
  bytesReceived = 0;
  closed = false;
  reason: PublisherEnd | null = null;
  claim: Claim | null = null;
  constructor(id: string, protocol: PublisherProtocol = 'rtmp', yields?: boolean) {
    this.id = id;
    this.protocol = protocol;
    if (yields !== undefined) this.yields = yields;
  }
  write(...packets: Packet[]): void {
    this.lastDataMs = monotonicMs();
    for (const packet of packets) {
      this.bytesReceived += packet.data.length;
      this.claim!.write(packet);
    }
  }
  close(reason: PublisherEnd): void {
    this.closed = true;
    this.reason = reason;
    this.claim?.release(reason);
  }
}

function onAir(options: { backupTakeoverMs?: number; takeoverAfterMs?: number } = {}) {
  const seen: string[] = [];
  const told: BroadcastEvent[] = [];
  const broadcasts: Broadcast[] = [];
  const reader: Reader = {
    name: 'recorder',
    onRun: ({ number }) => seen.push(`run ${number}`),
    onPacket: ({ track, dts, key }) =>
      seen.push(`${track.kind[0]}${Math.round((dts * 1000) / track.timescale)}${key && track === video ? '!' : ''}`),
    onPause: () => seen.push('pause'),
    onEnd: () => seen.push('end'),
  };
  const registry = new LiveRegistry({
    reconnectWindowMs: 60_000,
    takeoverAfterMs: 200,
    backupTakeoverMs: 60_000,
    log,
    onEvent: (event) => told.push(event),
    onBroadcast: (broadcast) => {
      broadcasts.push(broadcast);
      broadcast.addReader(reader);
    },
    ...options,
  });
  const claim = async (source: Source, of: Partial<Authorisation> = {}) => {
    const authorisation = { liveStreamId: 'id', playbackId: 'lv_00', userId: 'user', discontinuities: 0, ...of };
    const answer = await registry.claim(authorisation, source, registry.ticket());
    if (answer.ok) source.claim = answer.claim;
    return answer.ok ? 'ok' : answer.reason;
  };
  const take = () => seen.splice(0).join(' ');
  const news = () =>
    told
      .splice(0)
      .map((event) =>
        event.kind === 'publisher_switched'
          ? `${event.from.id}>${event.to.id} ${event.active} ${event.reason}`
          : event.kind,
      );
  return { registry, claim, take, news, broadcasts };
}

test('a backup stands by unseen, takes over from its last key frame when the primary leaves, and gives back at a key frame', async () => {
  const { registry, claim, take, news, broadcasts } = onAir();
  const [primary, backup] = [new Source('primary'), new Source('backup', 'rtmps')];
  assert.equal(await claim(primary), 'ok');
  primary.write(frame(0, true), sound(0), frame(33));
  assert.equal(await claim(backup, { priority: 1 }), 'ok');
  backup.write(frame(5000), sound(5000), frame(5033, true), frame(5066), sound(5040), frame(7033, true), frame(7066));
  assert.equal(take(), 'run 0 v0! a0 v33', 'nothing of the backup is on air');
  const stats = registry.stats('id')!;
  assert.deepEqual([stats.active, stats.publisher.id, stats.standby?.id], ['primary', 'primary', 'backup']);
  assert.deepEqual([stats.standby?.protocol, stats.standby?.address], ['rtmps', '192.0.2.1']);
  assert.ok(Math.abs(stats.standby!.sinceMs - Date.now()) < 60_000);

  primary.close('reset');
  assert.equal(take(), 'pause run 1 v7033! v7066', 'from the last key frame, in the same tick');
  assert.ok(registry.isOnline('id'));
  backup.write(sound(7070), frame(7099));
  assert.equal(take(), 'a7070 v7099');
  assert.equal(registry.stats('id')!.active, 'backup');
  assert.equal(registry.stats('id')!.standby, null);

  const again = new Source('again');
  assert.equal(await claim(again), 'ok');
  again.write(sound(0), frame(10));
  assert.equal(take(), '', 'the primary waits for a key frame of its own');
  again.write(frame(40, true), sound(41), frame(73));
  assert.equal(take(), 'pause run 2 v40! a41 v73');
  backup.write(frame(7132), frame(9033, true));
  assert.equal(take(), '', 'the backup stands by again');
  assert.deepEqual(news(), ['connected', 'primary>backup backup reset', 'backup>again primary gave_back']);
  assert.deepEqual([registry.stats('id')!.reconnects, broadcasts.length, backup.closed], [0, 1, false]);
  assert.equal(registry.stats('id')!.bytesIn, 210 + 110 + 110, 'what came before its turn is not counted');

  registry.stop('id', 'disabled');
  assert.deepEqual([again.reason, backup.reason], ['disabled', 'disabled'], 'both are cut in the same tick');
  assert.equal(take(), 'pause end');
});

test('a silent primary loses its place within the limit, keeps its connection, and gets the place back when it wakes', async () => {
  const { registry, claim, take, news } = onAir({ backupTakeoverMs: 150 });
  const [primary, backup] = [new Source('primary'), new Source('backup')];
  await claim(primary);
  await claim(backup, { priority: 1 });
  let ms = 0;
  const feed = setInterval(() => backup.write(frame((ms += 10), ms % 100 === 0)), 10);
  try {
    primary.write(frame(0, true));
    const silentMs = monotonicMs();
    await until('takeover', 15_000, () => registry.stats('id')!.active === 'backup');
    assert.ok(monotonicMs() - silentMs >= 150, 'not before its time');
    assert.equal(primary.closed, false);
    assert.match(take(), /^run 0 v0! pause run 1 v\d+00!( v\d+)*$/);
    assert.equal(registry.stats('id')!.standby?.id, 'primary');
    primary.write(frame(5000));
    assert.equal(registry.stats('id')!.active, 'backup', 'it has nothing to begin with yet');
    primary.write(frame(5033, true));
    assert.equal(registry.stats('id')!.active, 'primary');
    assert.match(take(), / ?pause run 2 v5033!$/);
    assert.deepEqual(news(), ['connected', 'primary>backup backup silent', 'backup>primary primary gave_back']);
  } finally {
    clearInterval(feed);
  }
  // Both silent: nobody takes turns.
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.deepEqual([registry.stats('id')!.active, news()], ['primary', []]);
  registry.close();
});

test('bytes without frames are silence; a primary that relapses waits before it gets its place back; a dead standby is not replayed', async () => {
  const { registry, claim, take, news } = onAir({ backupTakeoverMs: 300 });
  const [primary, backup] = [new Source('primary'), new Source('backup')];
  await claim(primary);
  primary.write(frame(0, true));
  await claim(backup, { priority: 1 });
  let ms = 0;
  // The primary pings, and sends no frame.
  const feed = setInterval(() => {
    primary.lastDataMs = monotonicMs();
    backup.write(frame((ms += 10), ms % 100 === 0));
  }, 10);
  try {
    await until('takeover', 15_000, () => registry.stats('id')!.active === 'backup');
    primary.write(frame(5000, true));
    assert.equal(registry.stats('id')!.active, 'primary', 'given back at once');
    await until('takeover again', 15_000, () => registry.stats('id')!.active === 'backup');
    primary.write(frame(9000, true));
    assert.equal(registry.stats('id')!.active, 'backup', 'it has to be steady first');
    await until('it is dead', 15_000, () => !primary.claim!.broadcast.standby!.isAlive(300));
  } finally {
    clearInterval(feed);
  }
  take();
  const switches = news().filter((kind) => kind.includes('>'));
  assert.deepEqual(switches, [
    'primary>backup backup silent',
    'backup>primary primary gave_back',
    'primary>backup backup silent',
  ]);
  backup.close('reset');
  assert.equal(take(), 'pause', 'nothing old is played again');
  primary.write(frame(9100, true));
  assert.equal(take(), 'run 4 v9100!');
  registry.close();
});

test('without give_back the primary stands by; a dead connection that stands by is replaced, a living one is not', async () => {
  const { registry, claim, take, news } = onAir();
  const [backup, primary] = [new Source('backup'), new Source('primary')];
  assert.equal(await claim(backup, { priority: 1 }), 'ok', 'a backup alone goes on air');
  backup.write(frame(0, true));
  assert.equal(registry.stats('id')!.active, 'backup');
  assert.equal(await claim(primary, { giveBack: false }), 'ok');
  primary.write(frame(0, true), frame(33));
  assert.equal(take(), 'run 0 v0!');
  const alive = setInterval(() => primary.write(frame(66)), 5);
  assert.equal(await claim(new Source('rival'), { giveBack: false }), 'busy', 'the place beside is taken too');
  clearInterval(alive);
  const successor = new Source('successor');
  assert.equal(await claim(successor, { giveBack: false }), 'ok');
  assert.equal(primary.reason, 'taken_over');
  successor.write(frame(100, true));
  assert.equal(take(), '');
  // Rotating one key touches only its encoder.
  registry.stop('id', 'key_rotated', 'primary');
  assert.deepEqual([successor.reason, backup.closed], ['key_rotated', false]);
  assert.equal(registry.stats('id')!.standby, null);
  const third = new Source('third');
  await claim(third, { giveBack: false });
  registry.stop('id', 'key_rotated', 'backup');
  assert.deepEqual([backup.reason, third.closed, registry.stats('id')!.active], ['key_rotated', false, 'primary']);
  assert.deepEqual(news(), ['connected', 'backup>third primary key_rotated']);
  third.write(frame(7, true));
  assert.equal(take(), 'pause run 1 v7!');
  registry.close();
  assert.equal(third.reason, 'shutdown');
});

test('what stands by holds little: groups without an end are dropped, sound alone needs no key frame', async () => {
  const { registry, claim, take } = onAir();
  const [primary, backup] = [new Source('primary'), new Source('backup')];
  await claim(primary);
  primary.write(frame(0, true));
  await claim(backup, { priority: 1 });
  const { standby } = backup.claim!.broadcast;
  backup.write(frame(0, true, 1 << 20));
  assert.equal(standby!.ready, true);
  for (let i = 1; i <= 16; i++) backup.write(frame(i * 33, false, 1 << 20));
  assert.equal(standby!.ready, false, 'more than 16 MiB since the key frame');
  backup.write(frame(1000, true));
  for (let i = 0; i < 5000; i++) backup.write(sound(1000 + i * 21));
  assert.equal(standby!.ready, false, 'more than 5,000 packets');
  take();
  primary.close('stopped');
  assert.equal(take(), 'pause', 'on air all the same, with the next that comes');
  backup.write(frame(9000));
  assert.equal(take(), 'run 1 v9000');

  const radio = new Source('radio');
  await claim(radio);
  await until('sound alone', 15_000, () => {
    radio.write(sound(Math.round(monotonicMs())));
    return registry.stats('id')!.active === 'primary';
  });
  assert.match(take(), /^pause run 2 a\d+$/);
  registry.close();
});

test('encoders go before pulls: one that yields makes room at once, one that does not refuses the encoder', async () => {
  const { registry, claim, take, news } = onAir();
  const pull = new Source('pull', 'pull-hls', true);
  assert.equal(await claim(pull), 'ok');
  pull.write(frame(0, true));
  assert.equal(await claim(new Source('pull 2', 'pull-hls', true)), 'ok', 'a silent pull gives way to the next');
  assert.equal(pull.reason, 'taken_over');
  const encoder = new Source('encoder');
  const claimed = claim(encoder);
  assert.equal(registry.stats('id')!.publisher.id, 'encoder', 'before the first await');
  assert.equal(await claimed, 'ok');
  encoder.write(frame(500, true));
  assert.equal(take(), 'run 0 v0! pause pause run 1 v500!');
  encoder.lastDataMs = 0;
  assert.equal(
    await claim(new Source('late', 'pull-ts', true)),
    'busy',
    'no pull displaces an encoder, not even a silent one',
  );
  assert.equal(encoder.closed, false);
  encoder.close('stopped');
  const firm = new Source('firm', 'pull-rtmp', false);
  assert.equal(await claim(firm), 'ok', 'when the encoder has left the pull is welcome');
  assert.equal(await claim(new Source('encoder 2')), 'pull_holds');
  assert.equal(await claim(new Source('backup'), { priority: 1 }), 'pull_holds');
  registry.stop('id', 'key_rotated');
  assert.equal(firm.closed, false, 'a pull has no key');
  registry.stop('id', 'deleted');
  assert.equal(firm.reason, 'deleted');
  assert.deepEqual(
    news().filter((kind) => kind !== 'reconnecting'),
    ['connected', 'connected', 'connected', 'connected', 'disconnected'],
  );
});
