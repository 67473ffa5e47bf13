import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ToPackets, writeVideoTag } from '../../src/formats/flv/index.ts';
import { readInit, readParts } from '../../src/formats/fmp4/index.ts';
import { type AudioTrack, type Packet, parseAacConfig, type VideoTrack } from '../../src/media/index.ts';
import { Packager } from '../../src/packager/index.ts';
import { newLiveWindow } from '../support/live-window.ts';
import { Collector, checkFrames, checkRuns, segmentMs } from './collector.ts';
import { flv, moved, ms, packetsOf } from './source.ts';

const STARTED = 1_700_000_000_000;
const AAC = ['-ac', '2', '-ar', '48000'];
/** 30 fps, a key frame every 2 s, 48 kHz. */
const plain = packetsOf(flv({ seconds: 7, video: ['-g', '60'], audio: AAC }));
const video = plain.filter((packet) => packet.track.kind === 'video');
const audio = plain.filter((packet) => packet.track.kind === 'audio');

function publish(packager: Packager, packets: readonly Packet[], number = 0, startedAtMs = STARTED): void {
  packager.onRun({ number, startedAtMs, firstDtsMs: ms(packets[0]!) });
  for (const packet of packets) packager.onPacket(packet);
}

function packaged(packets: readonly Packet[]): { window: Collector; packager: Packager } {
  const window = new Collector();
  const packager = new Packager(window);
  publish(packager, packets);
  packager.onPause();
  return { window, packager };
}

test('a player can begin 1.1 s of media after the first key frame, with all that it needs to know', () => {
  const window = new Collector();
  const packager = new Packager(window);
  const key = ms(video[0]!);
  publish(
    packager,
    plain.filter((packet) => ms(packet) < key + 1100),
  );
  assert.equal(window.parts.length, 3);
  assert.equal(window.targetDurationS, 2, 'the encoder announced its GOP');
  assert.equal(window.runs[0]!.start.startedAtMs, STARTED + ms(video[0]!) - ms(plain[0]!), 'E14');
});

test('G02 who comes late gets all packets since the last key frame out of the parts, as the publisher sent them', () => {
  const shifted = moved(plain, 77_123);
  for (const part of [
    shifted,
    shifted.filter(({ track }) => track.kind === 'video'),
    shifted.filter(({ track }) => track.kind === 'audio'),
  ])
    for (const untilMs of [1500, 2050, 3950, 4700, 6900]) {
      const packager = new Packager(new Collector());
      const sent = part.filter((packet) => ms(packet) < 77_123 + untilMs);
      publish(packager, sent);
      const recent = packager.recent();
      const first = recent.find(({ track }) => track.kind === 'video') ?? recent[0]!;
      const keys = sent.filter(({ key, track }) => key && track.kind === 'video');
      // The part with the last key frame is written once it is full: until then the key frame before it is the last.
      if (keys.length > 0)
        assert.ok(keys.slice(-2).includes(sent.find(({ dts, track }) => track === first.track && dts === first.dts)!));
      for (const track of new Set(sent.map((packet) => packet.track))) {
        const had = recent.filter((packet) => packet.track === track);
        const expected = sent.filter((packet) => packet.track === track).slice(-had.length);
        assert.ok(had.length > 0, 'no track is missing');
        assert.deepEqual(
          had.map(({ data, ...rest }) => ({ ...rest, data: Buffer.from(data) })),
          expected.map(({ data, ...rest }) => ({ ...rest, data: Buffer.from(data) })),
        );
      }
      assert.ok(recent.length < sent.length || untilMs < 4000, 'and no more than that');
      packager.onPause();
      assert.deepEqual(packager.recent(), [], 'between runs there is nothing to begin with');
    }
});

test('E03 E10 sound up to 1 s before the first key frame is kept, whichever track begins', () => {
  // The publisher joins in the middle: 1.1 s of sound and 0.5 s of other frames before the key frame at 2 s.
  const joined = plain.filter((packet) => ms(packet) >= (packet.track.kind === 'video' ? 1500 : 900));
  const { window, packager } = packaged(joined);
  const key = video.find((packet) => packet.key && ms(packet) > 1000)!;
  const kept = joined.filter((packet) =>
    packet.track.kind === 'video' ? packet.dts >= key.dts : ms(packet) >= ms(key) - 1000,
  );
  checkFrames(checkRuns(window)[0]!, kept, 10_000 - Math.round(ms(joined[0]!)));
  assert.equal(packager.stats.droppedBeforeKey, joined.length - kept.length);
  const soundLater = plain.filter((packet) => packet.track.kind === 'video' || ms(packet) >= 60);
  checkFrames(checkRuns(packaged(soundLater).window)[0]!, soundLater, 10_000 - ms(soundLater[0]!));
});

test('F19 H24 republish: a new run on the same rising time line, the gap in it as on the wall', () => {
  const window = new Collector();
  const packager = new Packager(window);
  publish(packager, plain);
  packager.onPause();
  // The encoder counts from elsewhere now; its first video frame comes after, but lies before, its first audio.
  publish(packager, moved(plain, 5_000_000), 1, STARTED + 30_000);
  packager.onPause();
  // And back at once: nothing may overlap what is written already, whatever the wall clock says.
  publish(packager, plain, 2, STARTED + 31_000);
  packager.onEnd();
  const runs = checkRuns(window);
  assert.equal(runs.length, 3);
  checkFrames(runs[0]!, plain, 10_000 - ms(plain[0]!));
  checkFrames(runs[1]!, moved(plain, 5_000_000), 40_000 - ms(plain[0]!) - 5_000_000);
  assert.equal(runs[2]!.length, plain.length);
  assert.equal(window.runs[1]!.start.startedAtMs - STARTED, 30_000 + ms(video[0]!) - ms(plain[0]!));
  const endOfSecond =
    window.runs[1]!.start.startedAtMs + window.runs[1]!.segments.reduce((sum, s) => sum + segmentMs(s), 0);
  assert.equal(window.runs[2]!.start.startedAtMs, Math.ceil(endOfSecond), 'H21: never goes back');
  assert.equal(window.pauses, 2);
  assert.ok(window.ended);
});

test('E04 E15 H67 a jump is a new run without a pause; times go on across 2^24, 2^31, 2^32 ms and 50 days', () => {
  const window = new Collector();
  const packager = new Packager(window);
  const crossings = [0, 2 ** 24, 2 ** 31, 2 ** 32, 50 * 86_400_000];
  for (const [number, crossing] of crossings.entries()) {
    publish(packager, moved(plain, crossing && crossing - 3000), number, STARTED + number * 7000);
  }
  packager.onEnd();
  const runs = checkRuns(window);
  assert.equal(runs.length, crossings.length);
  const first = runs[0]!.map(({ hash, duration, cto }) => [hash, duration, cto]);
  for (const run of runs) {
    assert.deepEqual(
      run.map(({ hash, duration, cto }) => [hash, duration, cto]),
      first,
    );
  }
  assert.equal(window.pauses, 0);
});

test('D08 a new picture size: one new run with a new init, no sound lost, both tracks on their time line', () => {
  const wide = packetsOf(flv({ seconds: 3, video: ['-g', '60', '-s', '320x180'], audio: AAC }));
  const at = 3000;
  const big = moved(wide, at).filter((packet) => packet.track.kind === 'video');
  const packets = [...video.filter((packet) => ms(packet) < at), ...audio, ...big].sort((a, b) => ms(a) - ms(b));
  const { window } = packaged(packets);
  const runs = checkRuns(window);
  assert.equal(runs.length, 2);
  checkFrames(runs.flat(), packets, 10_000 - ms(packets[0]!));
  assert.deepEqual([window.runs[1]!.start.main.width, window.runs[1]!.start.main.height], [320, 180]);
  assert.ok(
    readInit(window.runs[1]!.start.main.init)[0]!.record.equals((big[0]!.track.config as { record: Buffer }).record),
  );
  assert.equal(runs[1]!.find((frame) => frame.kind === 'video')!.key, true);
});

test('D08 two new configurations in a row right before the connection drops: the next run plays, and the end comes', () => {
  const window = new Collector();
  const packager = new Packager(window);
  const turned = (packet: Packet): Packet => ({ ...packet, track: { ...packet.track } as Packet['track'] });
  const key = video.find((packet) => packet.key && ms(packet) > 1000)!;
  publish(
    packager,
    plain.filter((packet) => ms(packet) < ms(key)),
  );
  packager.onPacket(turned(key));
  packager.onPacket({ ...turned(key), dts: key.dts + 33, pts: key.pts + 33 });
  packager.onPause();
  const runs = window.runs.length;
  publish(packager, plain, 1, STARTED + 20_000);
  packager.onPause();
  packager.onEnd();
  assert.equal(window.runs.length, runs + 1);
  assert.ok(window.ended);
});

test('D08 sound with a new configuration between key frames begins at the next one; every frame of video stays', () => {
  const mono: AudioTrack = {
    kind: 'audio',
    codec: 'aac',
    timescale: 48000,
    config: parseAacConfig(Buffer.from([0x11, 0x88])),
  };
  const packets = plain.map((packet) =>
    packet.track.kind === 'audio' && ms(packet) > 3400 ? { ...packet, track: mono } : packet,
  );
  const { window } = packaged(packets);
  const runs = checkRuns(window);
  assert.equal(runs.length, 2);
  checkFrames(runs.flat(), packets, 10_000 - ms(packets[0]!));
  assert.ok(readInit(window.runs[1]!.start.audio!.init)[0]!.record.equals(mono.config.record));
  assert.equal(readInit(window.runs[1]!.start.main.init)[1]!.channels, 1);
});

test('D02 D04 a track that comes late begins a new run, and none is waited for longer than 700 ms', () => {
  const lateSound = plain.filter((packet) => packet.track.kind === 'video' || ms(packet) >= 3100);
  const withSound = packaged(lateSound);
  assert.deepEqual(
    withSound.window.runs.map(({ start }) => [start.main.codecs.includes('mp4a'), start.audio !== null]),
    [
      [false, false],
      [true, true],
    ],
  );
  checkFrames(checkRuns(withSound.window).flat(), lateSound, 10_000 - ms(lateSound[0]!));

  const latePicture = plain.filter((packet) => packet.track.kind === 'audio' || ms(packet) >= 3000);
  const withPicture = packaged(latePicture);
  const runs = checkRuns(withPicture.window);
  assert.deepEqual(
    withPicture.window.runs.map(({ start }) => start.main === start.audio),
    [true, false],
  );
  // It begins at its first key frame: the one at 4 s.
  checkFrames(
    runs.flat(),
    latePicture.filter((packet) => packet.track.kind === 'audio' || ms(packet) >= 4000),
    10_000 - ms(latePicture[0]!),
  );
});

test('D02 by the clock: a track that is alone does not wait for media time to pass', async () => {
  const window = new Collector();
  const packager = new Packager(window, { trackWaitMs: 5 });
  packager.onRun({ number: 0, startedAtMs: STARTED, firstDtsMs: 0 });
  const slow = video.map((packet, i) => ({ ...packet, dts: i, pts: i }));
  packager.onPacket(slow[0]!);
  // Time itself is what is tested here.
  await new Promise((resolve) => setTimeout(resolve, 10));
  packager.onPacket(slow[1]!);
  packager.onPause();
  assert.equal(window.runs.length, 1);
  assert.equal(window.runs[0]!.start.audio, null);
});

test('F03 F30 no key frame ever again: segments end at the longest target duration, and at their cap of bytes', () => {
  const endless: Packet[] = [];
  for (let i = 0; i < 30 * 40; i++)
    endless.push({ ...video[i === 0 ? 0 : 1]!, dts: i * 33, pts: i * 33, key: i === 0 });
  const { window } = packaged(endless);
  assert.deepEqual(window.raises, [12], 'the encoder had announced 2 s');
  const lengths = window.runs[0]!.segments.map(segmentMs);
  assert.ok(lengths.length >= 4 && lengths.every((length) => length <= 12_490), `${lengths}`);
  assert.deepEqual(
    window.runs[0]!.segments.map((segment) => segment[0]!.independent),
    [true, ...lengths.slice(1).map(() => false)],
  );
  checkFrames(checkRuns(window)[0]!, endless, 10_000);

  const capped = new Collector();
  const packager = new Packager(capped, { maxSegmentBytes: 200_000, maxPartBytes: 50_000 });
  const fat = { ...video[1]!, data: Buffer.alloc(20_000, 1) };
  publish(
    packager,
    endless
      .slice(0, 300)
      .map((packet, i) => (i === 0 ? packet : { ...fat, dts: packet.dts, pts: packet.pts, key: false })),
  );
  packager.onEnd();
  assert.ok(capped.parts.every((part) => part.main.length < 51_000));
  for (const segment of capped.runs[0]!.segments) {
    assert.ok(segment.reduce((sum, part) => sum + part.main.length, 0) < 252_000);
  }
  assert.equal(readAll(capped).length, 300);
});

test('F01 F03 a run that never has a key frame is published after the longest target duration, as it is', () => {
  const blind = Array.from({ length: 30 * 14 }, (_, i) => ({ ...video[1]!, dts: i * 33, pts: i * 33 }));
  const { window } = packaged(blind);
  const frames = checkRuns(window)[0]!;
  assert.equal(frames.length, blind.filter((packet) => packet.dts >= 12_000).length);
  assert.ok(window.parts.every((part) => !part.independent));
});

test('a window that is too full forgets parts that would begin the recent packets: there are none then, and no wrong ones', () => {
  const window = newLiveWindow({ maxBytes: 300_000 });
  const packager = new Packager(window, { maxSegmentBytes: 60_000 });
  packager.onRun({ number: 0, startedAtMs: STARTED, firstDtsMs: 0 });
  const answers: number[] = [];
  for (let i = 0; i < 300; i++) {
    const key = i % 150 === 0;
    const data = key ? video[0]!.data : Buffer.alloc(5000, i).fill(Buffer.from([0, 0, 0x13, 0x84, 0x41]), 0, 5);
    packager.onPacket({ ...video[key ? 0 : 1]!, key, data, dts: i * 33, pts: i * 33 });
    if (i !== 40 && i !== 290) continue;
    const recent = packager.recent();
    answers.push(recent.length);
    for (const packet of recent.slice(1)) assert.equal(packet.data[5], packet.dts / 33, `frame at ${packet.dts} ms`);
  }
  assert.deepEqual(answers, [41, 0]);
});

test('R33 an hour without a key frame, of key frames alone, with one every ten minutes: the window stays as small as it was', () => {
  for (const [name, isKey] of [
    ['never', () => false],
    ['always', () => true],
    ['every ten minutes', (i: number) => i % 18_000 === 0],
  ] as const) {
    let nowMs = 0;
    const window = newLiveWindow({ firstMsn: 0, maxBytes: 1 << 28, clock: () => nowMs });
    const packager = new Packager(window);
    const [key, other] = [video[0]!, video[1]!];
    packager.onRun({ number: 0, startedAtMs: STARTED, firstDtsMs: 0 });
    const bytes: number[] = [];
    for (let i = 0, dts = 0; dts < 3_600_000; i++, dts += 33) {
      nowMs = dts;
      packager.onPacket({ ...(isKey(i) ? key : other), key: isKey(i), dts, pts: dts });
      if (i % 1818 === 1817) bytes.push(window.bytes);
    }
    assert.equal(bytes.length, 60);
    const early = Math.max(...bytes.slice(0, 15));
    assert.ok(Math.max(...bytes) <= early * 1.1, `${name}: ${bytes}`);
    assert.ok(window.targetDurationS <= 12, `${name}: ${window.targetDurationS} s`);
    const segments = window.nextMsn;
    assert.ok(segments >= 3600 / 12.5 && segments <= 3600 / 1.9, `${name}: ${segments} segments`);
    window.end();
  }
});

test('R34 a new configuration each second for five minutes, and one that comes a thousand times again', () => {
  const gop = video.filter((packet) => ms(packet) < ms(video[0]!) + 1000);
  const endless: Packet[] = [];
  for (let second = 0; second < 300; second++) {
    const track = { ...video[0]!.track } as VideoTrack;
    endless.push(...moved(gop, second * 1000, { video: track }));
  }
  for (let i = 0; i < 14_062; i++) {
    const dts = (ms(video[0]!) + 10) * 48 + i * 1024;
    endless.push({ ...audio[0]!, dts, pts: dts });
  }
  endless.sort((a, b) => ms(a) - ms(b));
  const { window } = packaged(endless);
  checkFrames(checkRuns(window).flat(), endless, 10_000 - ms(endless[0]!));
  assert.equal(window.runs.length, 300);

  const packets = new ToPackets({ unsupported: assert.fail, dropped: assert.fail });
  const { config } = video[0]!.track as { config: { record: Buffer } };
  const frame = writeVideoTag('frame', true, 0, Buffer.from(video[0]!.data));
  const tracks = new Set<unknown>();
  for (let i = 0; i < 1000; i++) {
    packets.video(i * 33, writeVideoTag('config', true, 0, config.record));
    tracks.add(packets.video(i * 33, frame)!.track);
  }
  assert.equal(tracks.size, 1);
});

test('F05 F12 frames are missing for 1.5 s, or for good: the sound goes on in parts of its own', () => {
  const gap = plain.filter((packet) => packet.track.kind === 'audio' || ms(packet) < 2500 || ms(packet) > 4010);
  const { window } = packaged(gap);
  checkFrames(checkRuns(window)[0]!, gap, 10_000 - ms(gap[0]!));

  const frozen = plain.filter((packet) => packet.track.kind === 'audio' || ms(packet) < 1500);
  const collector = new Collector();
  publish(new Packager(collector), frozen);
  const reached = collector.parts.reduce((sum, part) => sum + part.durationUs, 0) / 1000;
  assert.ok(reached > 7000 - 334 - 334 - 2000, `parts reach ${reached} ms before the end is known`);
  const ended = packaged(frozen);
  checkFrames(checkRuns(ended.window)[0]!, frozen, 10_000 - ms(frozen[0]!));
});

test('H35 F06 parts stay between 85 and 100 % of their target when frames come unevenly', () => {
  let seed = 7;
  const random = () => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
  for (const [fps, jitterMs] of [
    [30, 12],
    [24, 12],
    [20, 15],
    [15, 20],
    [10, 25],
  ] as const) {
    const uneven: Packet[] = [];
    for (let i = 0; i < fps * 7; i++) {
      const dts = Math.round((i * 1000) / fps + (i > 3 * fps ? random() * jitterMs : 0));
      uneven.push({ ...video[i === 0 ? 0 : 1]!, dts, pts: dts, key: i % (2 * fps) === 0 });
    }
    const packets = [...uneven, ...moved(audio, -ms(audio[0]!))].sort((a, b) => ms(a) - ms(b));
    const { window } = packaged(packets);
    assert.equal(window.partTargetUs, 334_000);
    checkFrames(checkRuns(window)[0]!, packets, 10_000);
  }
});

test('E05 sound that falls behind or runs ahead of the picture by 1.5 s in arrival: nothing is lost', () => {
  for (const shiftMs of [-1500, 1500]) {
    // The distance grows from 1 s on; the order within a track stays.
    const growing = (packet: Packet) => Math.min(1, Math.max(0, ms(packet) - 1000) / 2500) * shiftMs;
    const arrival = (packet: Packet) => ms(packet) + (packet.track.kind === 'audio' ? growing(packet) : 0);
    const order = [...plain].sort((a, b) => arrival(a) - arrival(b));
    const { window } = packaged(order);
    const frames = checkRuns(window);
    assert.equal(frames.length, 1);
    checkFrames(frames[0]!, order, 10_000 - ms(order[0]!));
  }
});

test('E06 what cannot be is dropped and counted: empty frames, times that do not rise', () => {
  const broken = plain.flatMap((packet, i) =>
    i === 50 ? [{ ...packet, data: Buffer.alloc(0) }, packet, packet] : [packet],
  );
  const { window, packager } = packaged(broken);
  checkFrames(checkRuns(window)[0]!, plain, 10_000 - ms(plain[0]!));
  assert.equal(packager.stats.droppedInvalid, 2);
  packager.onPacket(plain[0]!);
  assert.equal(packager.stats.packets, broken.length + 1, 'a packet outside of a run harms nothing');
});

test('a publisher that sends nothing, or no key frame, leaves no trace; a very short one a playable segment', () => {
  const window = new Collector();
  const packager = new Packager(window);
  packager.onRun({ number: 0, startedAtMs: STARTED, firstDtsMs: 0 });
  packager.onPause();
  publish(packager, video.slice(1, 20), 1, STARTED + 1000);
  packager.onPause();
  assert.equal(window.partTargetUs, 0);
  publish(packager, plain.slice(0, 9), 2, STARTED + 2000);
  packager.onPause();
  packager.onEnd();
  assert.equal(window.runs.length, 1);
  assert.equal(checkRuns(window)[0]!.length, 9);
  assert.equal(window.pauses, 3);
});

test('a sink that throws once costs what it refused, not the broadcast', () => {
  const window = new Collector();
  const addPart = window.addPart.bind(window);
  let calls = 0;
  window.addPart = (part) => {
    if (++calls === 5) throw new Error('no room');
    addPart(part);
  };
  const packager = new Packager(window);
  packager.onRun({ number: 0, startedAtMs: STARTED, firstDtsMs: ms(plain[0]!) });
  let thrown = 0;
  for (const packet of plain) {
    try {
      packager.onPacket(packet);
    } catch {
      thrown++;
    }
  }
  packager.onPause();
  assert.equal(thrown, 1);
  const hashes = readAll(window);
  assert.ok(hashes.length > plain.length - 40 && new Set(hashes).size === hashes.length);
});

/** Sample addresses of all frames: for counting, without insisting on a whole time line. */
function readAll(window: Collector): string[] {
  return window.runs.flatMap(({ start, segments }) => {
    const init = readInit(start.main.init);
    return segments
      .flat()
      .flatMap((part) =>
        readParts(part.main, init).flatMap((fragment) =>
          fragment.tracks.flatMap((track) => track.samples.map((sample) => `${track.id}:${sample.dts}`)),
        ),
      );
  });
}
