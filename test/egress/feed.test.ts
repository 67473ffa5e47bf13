import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import type { Batch, FeedCursor, FeedForm } from '../../src/egress/index.ts';
import { Feeds } from '../../src/egress/index.ts';
import { silentFrame } from '../../src/egress/silence.ts';
import {
  FlvReader,
  parseAudioTag,
  parseVideoTag,
  writeAudioTag,
  writeFlvHeader,
  writeVideoTag,
} from '../../src/formats/flv/index.ts';
import {
  AUTHORISED_LIMITS,
  ChunkReader,
  type MessageHandler,
  MessageType,
  writeMessage,
} from '../../src/formats/rtmp/index.ts';
import { Broadcast, type Publisher } from '../../src/live/index.ts';
import type { AudioTrack, Packet, VideoTrack } from '../../src/media/index.ts';

const log = createLogger('silent');

const videoTrack = (name: string): VideoTrack =>
  ({
    kind: 'video',
    codec: 'avc',
    timescale: 1000,
    config: { record: Buffer.from(name), width: 640, height: 360, frameRate: 25 },
  }) as VideoTrack;
const audioTrack = (name: string): AudioTrack =>
  ({
    kind: 'audio',
    codec: 'aac',
    timescale: 48_000,
    config: { record: Buffer.from(name), channels: 2, outputSampleRate: 48_000 },
  }) as AudioTrack;
const [avc, aac] = [videoTrack('avc'), audioTrack('aac')];

const frame = (ms: number, key = false, size = 50, track = avc): Packet => {
  const data = Buffer.alloc(size, ms % 251);
  return { track, dts: ms, pts: ms + 40, key, data };
};
const sound = (ms: number, track = aac): Packet => {
  const dts = Math.round(ms * 48);
  return { track, dts, pts: dts, key: true, data: Buffer.from(`sound ${ms}`) };
};

/** What a peer of ours reads: it was told the feed's chunk size. */
function readChunks(sent: readonly Buffer[], onMessage: MessageHandler): void {
  const reader = new ChunkReader(onMessage, 0);
  reader.limits = AUTHORISED_LIMITS;
  reader.receive(writeMessage(2, MessageType.setChunkSize, 0, 0, Buffer.from([0, 0, 0xea, 0x60]), 128));
  for (const bytes of sent) reader.receive(bytes);
}

/** A broadcast with its feeds, on air. */
function onAir(mergeMs = 0, recent?: () => Packet[]) {
  const broadcast = new Broadcast(
    'b',
    { liveStreamId: 'id', playbackId: 'lv_00', userId: 'user', discontinuities: 0 },
    log,
  );
  const feeds = new Feeds({ mergeMs, log, ...(recent && { recent }) });
  return { broadcast, feeds };
}

const publisher = {
  id: 'p',
  protocol: 'rtmp',
  remoteAddress: '127.0.0.1',
  lastDataMs: 0,
  bytesReceived: 0,
  closed: false,
  close() {},
} as Publisher;

/** A consumer that takes all it can get at once. */
class Consumer {
  readonly batches: Batch[] = [];
  readonly sent: Buffer[] = [];
  readonly news = new EventEmitter();
  readonly cursor: FeedCursor;
  constructor(feeds: Feeds, broadcast: Broadcast, form: FeedForm = 'rtmp', delayMs = 0) {
    this.cursor = feeds.open(broadcast, form, { delayMs, onMore: () => this.take() });
  }
  take(): void {
    for (let batch = this.cursor.next(); batch; batch = this.cursor.next()) {
      if (this.cursor.restarts) this.sent.push(this.cursor.head());
      this.sent.push(batch.bytes);
      this.batches.push(batch);
    }
    this.news.emit('more');
  }
  /** What it read: `v0`, `a21` …; configurations and key frames are marked. */
  get read(): string[] {
    const seen: string[] = [];
    readChunks(this.sent, (type, ms, streamId, body) => {
      assert.equal(streamId, 1);
      const tag = type === MessageType.video ? parseVideoTag(body) : parseAudioTag(body);
      const mark = tag.kind === 'config' ? `=${tag.data}` : type === MessageType.video && tag.key ? '!' : '';
      seen.push(`${type === MessageType.video ? 'v' : 'a'}${ms}${mark}`);
    });
    return seen;
  }
}

/** Lets a turn end: what was written in it becomes a batch. */
const turn = async (broadcast: Broadcast, ...packets: Packet[]) => {
  for (const packet of packets) broadcast.write(packet);
  await null;
};

test('G02 the first consumer begins with what the broadcast has since its last key frame, and goes on without a gap', async () => {
  const past = [frame(5000, true), sound(5000), frame(5040), sound(5021)];
  const { broadcast, feeds } = onAir(0, () => past);
  broadcast.attach(publisher);
  await turn(broadcast, ...past);
  const first = new Consumer(feeds, broadcast);
  first.take();
  await turn(broadcast, frame(5080), sound(5064));
  assert.deepEqual(first.read, ['v0=avc', 'v0!', 'a0=aac', 'a0', 'v40', 'a21', 'v80', 'a64']);
  assert.equal(first.cursor.dropped, 0);
  first.cursor.close();
});

test('G02 a consumer gets configurations, then a key frame, then every frame byte for byte, on a time line from 0', async () => {
  const { broadcast, feeds } = onAir();
  broadcast.attach(publisher);
  // What comes before the first key frame can be played by nobody; the audio before it belongs to it.
  await turn(broadcast, frame(5000, true), sound(5000), frame(5040));
  broadcast.tick(0);
  const first = new Consumer(feeds, broadcast);
  await turn(broadcast, frame(5080), sound(5064));
  assert.equal(first.batches.length, 0);
  const big = frame(5120, true, 200_000);
  await turn(broadcast, big, sound(5128), frame(5160));
  // Another consumer gets the same from the GOP cache.
  const second = new Consumer(feeds, broadcast);
  second.take();
  assert.deepEqual(first.read, ['a0=aac', 'v0=avc', 'v0!', 'a8', 'v40']);
  assert.deepEqual(second.read, first.read);
  assert.ok(first.batches[0]!.key && first.batches[0]!.configs && !first.batches[1]?.key);
  const bodies: Buffer[] = [];
  readChunks(first.sent, (_type, _ms, _stream, body) => bodies.push(body));
  assert.deepEqual(bodies, [
    writeAudioTag('config', aac.config.record),
    writeVideoTag('config', true, 0, avc.config.record),
    writeVideoTag('frame', true, 40, big.data),
    writeAudioTag('frame', sound(5128).data),
    writeVideoTag('frame', false, 40, frame(5160).data),
  ]);
  assert.deepEqual(second.cursor.metadata(), {
    width: 640,
    height: 360,
    framerate: 25,
    videocodecid: 7,
    audiocodecid: 10,
    audiosamplerate: 48_000,
    audiosamplesize: 16,
    audiochannels: 2,
    stereo: true,
  });
  // Past 0xffffff ms the timestamp is extended, in every chunk.
  for (let ms = 5160; ms < 5160 + 0xffffff; ms += 3900)
    await turn(broadcast, frame(ms + 3900, true, ms > 0xffffff ? 70_000 : 10));
  const times = first.read.map((seen) => Number.parseInt(seen.slice(1), 10));
  assert.ok(times.at(-1)! > 0xffffff);
  assert.ok(times.every((ms, i) => i === 0 || ms >= times[i - 1]!));
  assert.equal(first.cursor.dropped, 0);
});

test('G03 G08 the time line goes on over runs, with configurations and a key frame', async () => {
  const { broadcast, feeds } = onAir();
  broadcast.attach(publisher);
  const consumer = new Consumer(feeds, broadcast);
  await turn(broadcast, frame(70_000, true), sound(70_000), frame(70_040), sound(70_021));
  broadcast.detach('reset', 1000);
  broadcast.attach(publisher);
  // The encoder begins at 0 again, and in the middle of a GOP.
  const again = videoTrack('avc');
  await turn(
    broadcast,
    frame(0, false, 50, again),
    sound(0),
    sound(21),
    frame(40, true, 50, again),
    frame(80, false, 50, again),
  );
  // A jump of the same encoder's clock breaks nothing that is being decoded.
  await turn(broadcast, frame(900_000, false, 50, again), sound(900_010), frame(900_040, false, 50, again));
  const { read } = consumer;
  assert.deepEqual(read.slice(0, 6), ['v0=avc', 'v0!', 'a0=aac', 'a0', 'v40', 'a21']);
  assert.deepEqual(
    read.slice(6).map((seen) => seen.replace(/\d+/, '')),
    ['a=aac', 'a', 'a', 'v=avc', 'v!', 'v', 'v', 'a', 'v'],
  );
  const times = read.map((seen) => Number.parseInt(seen.slice(1), 10));
  assert.ok(times[6]! >= 40 + 40, `a run begins a frame after the last one: ${read}`);
  assert.ok(times[12]! >= times[11]! + 40, `${read}`);
  for (const kind of ['v', 'a']) {
    const own = read
      .filter((seen) => seen.startsWith(kind) && !seen.includes('='))
      .map((seen) => Number.parseInt(seen.slice(1), 10));
    assert.ok(
      own.every((ms, i) => i === 0 || ms > own[i - 1]!),
      `${kind} rises: ${own}`,
    );
  }
  let ended = 0;
  const late = feeds.open(broadcast, 'rtmp', { onMore: () => ended++ });
  broadcast.end('window_over');
  assert.ok(consumer.cursor.ended && ended === 1 && !late.ended, 'the end is told; what is left is given first');
  while (late.next());
  assert.ok(late.ended);
  const after = feeds.open(broadcast, 'flv', { onMore: () => {} });
  assert.ok(after.ended && after.next() === null);
});

test('what takes over replays what it has sent before its turn, and the time line is not ahead of the clock for that', async () => {
  const { broadcast, feeds } = onAir();
  broadcast.attach(publisher);
  const consumer = new Consumer(feeds, broadcast);
  await turn(broadcast, frame(0, true), sound(0), frame(40), sound(40));
  for (let ms = 80; ms <= 1000; ms += 40) await turn(broadcast, frame(ms), sound(ms));
  const row = Array.from({ length: 26 }, (_, n) => [frame(70_000 + n * 40, n === 0), sound(70_000 + n * 40)]).flat();
  for (const priority of [1, 0, 1] as const) {
    const before = consumer.read.length;
    const lastMs = Number.parseInt(consumer.read.at(-1)!.slice(1), 10);
    broadcast.switchTo({ publisher, priority, reason: 'silent', packets: row, ageMs: 1000 });
    await null;
    const read = consumer.read.slice(before).filter((seen) => !seen.includes('='));
    const times = read.map((seen) => Number.parseInt(seen.slice(1), 10));
    assert.equal(read.filter((seen) => seen.startsWith('v')).length, 26, 'all of the picture, to decode the last');
    assert.ok(
      times.every((ms) => ms > lastMs),
      `behind what was sent: ${lastMs}, ${read}`,
    );
    assert.ok(times.at(-1)! <= lastMs + 80, `${times.at(-1)! - lastMs} ms on, in no time`);
    assert.ok(read.filter((seen) => seen.startsWith('a')).length <= 3, `sound that would be heard at once: ${read}`);
  }
});

test('sound goes on alone when the picture does not come any more, and waits for it at the beginning of a run', async (t) => {
  const { broadcast, feeds } = onAir();
  broadcast.attach(publisher);
  await turn(broadcast, frame(0, true), sound(0));
  const old = new Consumer(feeds, broadcast, 'flv');
  await turn(broadcast, frame(40, true), sound(40));
  broadcast.detach('reset', 1000);
  broadcast.attach(publisher);
  // Sound comes first: who begins there would be told that there is no picture.
  await turn(broadcast, sound(0), sound(21));
  const early = new Consumer(feeds, broadcast, 'flv');
  early.take();
  assert.ok(early.batches[0]!.video > 0);
  await turn(broadcast, frame(40, true), sound(42));
  assert.equal(early.cursor.metadata().videocodecid, 7);
  // Now the camera dies, and sound goes on.
  const [late, fresh] = [new Consumer(feeds, broadcast, 'flv'), new Consumer(feeds, broadcast, 'rtmp')];
  late.take();
  const feed = setInterval(() => void turn(broadcast, sound((ms += 20))), 20);
  t.after(() => clearInterval(feed));
  let ms = 60;
  while (fresh.batches.length === 0) await once(fresh.news, 'more');
  const newcomer = new Consumer(feeds, broadcast, 'flv');
  newcomer.take();
  assert.ok(newcomer.batches.length > 0, 'who comes then begins at once');
  for (const { cursor } of [old, early, late, fresh, newcomer]) cursor.close();
});

test('a changed configuration begins a batch, and is the head of who begins there', async () => {
  const { broadcast, feeds } = onAir();
  broadcast.attach(publisher);
  const consumer = new Consumer(feeds, broadcast);
  const [newAvc, newAac] = [videoTrack('avc2'), audioTrack('aac2')];
  await turn(broadcast, frame(0, true), sound(0), frame(40), sound(42, newAac));
  await turn(broadcast, frame(80, true, 50, newAvc), frame(120, false, 50, newAvc));
  assert.deepEqual(consumer.read, [
    'v0=avc',
    'v0!',
    'a0=aac',
    'a0',
    'v40',
    'a42=aac2',
    'a42',
    'v80=avc2',
    'v80!',
    'v120',
  ]);
  assert.deepEqual(
    consumer.batches.map(({ key, configs }) => [key, configs]),
    [
      [true, true],
      [false, true],
      [false, true],
      [true, true],
    ],
  );
  const late = new Consumer(feeds, broadcast);
  late.take();
  assert.deepEqual(late.read, ['a80=aac2', 'v80=avc2', 'v80!', 'v120']);
});

test('G01 50 consumers share each Buffer; one that stands still jumps to the newest key frame, counted, and memory is bounded', async () => {
  const { broadcast, feeds } = onAir();
  broadcast.attach(publisher);
  const consumers = Array.from({ length: 50 }, () => new Consumer(feeds, broadcast));
  const stalled = feeds.open(broadcast, 'rtmp', { onMore: () => {} });
  await turn(broadcast, frame(0, true));
  assert.ok(stalled.next() && stalled.restarts);
  // 100 GOPs of 1 MB, in which the others miss nothing.
  let most = 0;
  for (let n = 1; n < 1000; n++) {
    await turn(broadcast, frame(n * 40, n % 10 === 0, 100_000), sound(n * 40));
    most = Math.max(most, feeds.bytes);
  }
  assert.ok(most > 30e6 && most < 34e6, `${most} bytes held`);
  for (const consumer of consumers) {
    assert.equal(consumer.cursor.dropped, 0);
    assert.equal(consumer.batches.length, consumers[0]!.batches.length);
    for (const [i, batch] of consumer.batches.entries()) assert.equal(batch.bytes, consumers[0]!.batches[i]!.bytes);
  }
  const batch = stalled.next()!;
  assert.ok(batch.key && stalled.restarts && batch.startMs === 39_600);
  // All but the first frame and those from the last key frame on: 2 × 999 − 20.
  assert.equal(stalled.dropped, 1978);
  assert.ok(stalled.droppingMs(performance.now()) >= 0 && stalled.droppingMs(performance.now() + 31_000) === 0);
  while (stalled.next()) assert.ok(!stalled.restarts);
  // With nobody behind, only the GOP is kept.
  await turn(broadcast, frame(40_000, true, 100_000));
  assert.ok(feeds.bytes < 110_000, `${feeds.bytes}`);
  for (const { cursor } of consumers) cursor.close();
  stalled.close();
  stalled.close();
  assert.equal(feeds.size, 0);
  await turn(broadcast, frame(40_040));
  assert.equal(feeds.bytes, 0);
});

test('G02 the cache is bounded for audio alone and where key frames do not come', async () => {
  const { broadcast, feeds } = onAir();
  broadcast.attach(publisher);
  const radio = new Consumer(feeds, broadcast);
  for (let n = 0; n < 5000; n++) await turn(broadcast, sound(n * 20));
  assert.equal(radio.batches.length, 5000);
  assert.ok(feeds.bytes < 1000, `${feeds.bytes} bytes of audio held`);
  const next = new Consumer(feeds, broadcast);
  next.take();
  assert.deepEqual(next.read, ['a99980=aac', 'a99980']);

  const other = onAir();
  other.broadcast.attach(publisher);
  const consumer = new Consumer(other.feeds, other.broadcast);
  for (let n = 0; n < 500; n++) await turn(other.broadcast, frame(n * 40, n === 0, 100_000));
  assert.equal(consumer.batches.length, 500);
  assert.ok(other.feeds.bytes < 34e6, `${other.feeds.bytes} bytes of one GOP held`);
  // The GOP's beginning is gone: who comes now waits for the next one.
  const late = new Consumer(other.feeds, other.broadcast);
  late.take();
  assert.deepEqual(late.batches, []);
  await turn(other.broadcast, frame(20_000, true));
  assert.deepEqual(late.read, ['v20000=avc', 'v20000!']);
});

test('forms: muted, silent and FLV; a delayed consumer gets all of it later, after the end too', async () => {
  const { broadcast, feeds } = onAir();
  broadcast.attach(publisher);
  const [muted, silent, flv] = (['rtmp_mute', 'rtmp_silence', 'flv'] as const).map(
    (form) => new Consumer(feeds, broadcast, form),
  );
  const [plain, delayed] = [new Consumer(feeds, broadcast), new Consumer(feeds, broadcast, 'rtmp', 80)];
  await turn(broadcast, frame(0, true), sound(0));
  const began = performance.now();
  await turn(broadcast, frame(40), frame(80, true), sound(85));
  broadcast.detach('stopped', 0);
  broadcast.end('stopped');
  assert.deepEqual(muted!.read, ['v0=avc', 'v0!', 'v40', 'v80!']);
  assert.deepEqual(silent!.read, plain.read);
  assert.ok(Buffer.concat(silent!.sent).includes(silentFrame(aac)!) && !Buffer.concat(silent!.sent).includes('sound'));
  const tags: string[] = [];
  const reader = new FlvReader(({ type, timestampMs, body }) => tags.push(`${type[0]}${timestampMs} ${body.length}`));
  reader.push(Buffer.concat([writeFlvHeader({ audio: true, video: true }), ...flv!.sent]));
  assert.deepEqual(tags, ['v0 8', 'v0 55', 'a0 5', 'a0 9', 'v40 55', 'v80 55', 'a85 10']);
  assert.deepEqual(delayed.batches, []);
  while (!delayed.cursor.ended) await once(delayed.news, 'more');
  assert.ok(performance.now() - began >= 79, 'the delay was kept');
  assert.deepEqual(delayed.batches, plain.batches);
  assert.equal(delayed.cursor.dropped, 0);
});

test('messages are gathered for the merge time, and a key frame begins a batch', async () => {
  const { broadcast, feeds } = onAir(20);
  broadcast.attach(publisher);
  const consumer = new Consumer(feeds, broadcast);
  await turn(broadcast, frame(0, true), sound(0));
  await turn(broadcast, frame(40), sound(21));
  await turn(broadcast, frame(80, true));
  assert.deepEqual(
    consumer.batches.map(({ startMs, endMs, video, audio }) => [startMs, endMs, video, audio]),
    [
      [0, 0, 1, 0],
      [0, 21, 1, 2],
    ],
  );
  await once(consumer.news, 'more');
  assert.deepEqual(consumer.read, ['v0=avc', 'v0!', 'a0=aac', 'a0', 'v40', 'a21', 'v80!']);
});
