import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import {
  ADVICE_CODES,
  type Authorisation,
  Broadcast,
  type BroadcastEvent,
  type Publisher,
} from '../../src/live/index.ts';
import type { AudioTrack, VideoTrack } from '../../src/media/index.ts';

const video = {
  kind: 'video',
  codec: 'avc',
  timescale: 1000,
  config: { width: 1280, height: 720, frameRate: 30, profile: 100, level: 31 },
} as VideoTrack;
const audio = {
  kind: 'audio',
  codec: 'aac',
  timescale: 48_000,
  config: { channels: 2, sampleRate: 48_000, outputSampleRate: 48_000 },
} as AudioTrack;
const stream: Authorisation = { liveStreamId: 'id', playbackId: 'lv_00', userId: 'user', discontinuities: 0 };

/** An encoder and the clock: what it sends in a second of media, and when. */
class Station {
  readonly events: BroadcastEvent[] = [];
  readonly broadcast = new Broadcast('b', stream, createLogger('silent'), (event) => this.events.push(event));
  readonly publisher = {
    id: 'p',
    protocol: 'rtmp' as const,
    remoteAddress: '192.0.2.1',
    lastDataMs: Number.POSITIVE_INFINITY,
    bytesReceived: 0,
    closed: false,
    close() {},
  } satisfies Publisher;
  /** The clock, and the next second's media time: apart when the media is late. */
  nowMs = 1e6;
  mediaMs = 50_000;
  #frames = 0;
  #sinceKey = Number.POSITIVE_INFINITY;

  constructor() {
    this.broadcast.attach(this.publisher);
  }

  /** Plays seconds of media, and looks at them once in each. */
  play(seconds: number, how: Partial<typeof NORMAL> = {}): this {
    const { fps, gop, kbps, sound, picture, soundAheadMs, everyS, bFrames, uneven } = { ...NORMAL, ...how };
    for (let s = 0; s < seconds; s++) {
      const bytes = Math.round((typeof kbps === 'number' ? kbps : kbps(s)) * 125) / fps;
      if (picture)
        for (let i = 0; i < fps; i++) {
          const key = this.#sinceKey >= (typeof gop === 'number' ? gop : gop(this.#frames));
          this.#sinceKey = key ? 1 : this.#sinceKey + 1;
          this.#frames++;
          if (uneven && i % 10 < 4 && !key) continue;
          const dts = Math.round(this.mediaMs + (i * 1000) / fps);
          const b = bFrames > 0 && (this.#sinceKey - 1) % (bFrames + 1) !== 1;
          const pts = key || !b ? dts + bFrames * 33 + 33 : dts;
          this.#write(video, dts, pts, key, bytes);
        }
      if (sound)
        for (let i = 0; i < 47; i++) {
          const dts = Math.round((this.mediaMs + soundAheadMs) * 48) + i * 1024;
          this.#write(audio, dts, dts, true, 300);
        }
      this.mediaMs += 1000;
      this.nowMs += 1000 * everyS;
      this.broadcast.tick(this.nowMs);
    }
    return this;
  }

  #write(track: VideoTrack | AudioTrack, dts: number, pts: number, key: boolean, bytes: number): void {
    this.publisher.bytesReceived += Math.round(bytes * 1.02);
    this.broadcast.write({ track, dts, pts, key, data: Buffer.alloc(Math.round(bytes)) });
  }

  get raised(): string[] {
    return this.broadcast.stats()!.advice.map(({ code }) => code);
  }

  /** What was told of warnings, in order. */
  get told(): string[] {
    return this.events.flatMap((event) =>
      event.kind === 'warning' ? [`${event.raised ? '+' : '-'}${event.code}`] : [],
    );
  }
}

const NORMAL = {
  fps: 30,
  gop: 60 as number | ((frame: number) => number),
  kbps: 2000 as number | ((second: number) => number),
  sound: true,
  picture: true,
  soundAheadMs: 0,
  /** Seconds that a second of media takes to come. */
  everyS: 1,
  bFrames: 0,
  uneven: false,
};

test('stats: rates, frame rate, groups and B-frames are those of what was sent', () => {
  const station = new Station().play(20, { bFrames: 2 });
  const stats = station.broadcast.stats()!;
  const near = (value: number, wanted: number, percent: number) =>
    assert.ok(Math.abs(value - wanted) <= (wanted * percent) / 100, `${value} is not about ${wanted}`);
  near(stats.bitrate, 2000 + 112.8, 2);
  near(stats.inputBitrate, (2000 + 112.8) * 1.02, 2);
  assert.equal(stats.bytesIn, station.publisher.bytesReceived);
  assert.deepEqual([stats.reconnects, stats.dropped, stats.alive, stats.delayMs], [0, 0, true, 0]);
  assert.equal(Math.floor(stats.lastDtsMs!), 50_000 + 20_000 - 1000 + 981);
  const [picture, sound] = stats.tracks;
  assert.ok(picture?.kind === 'video' && sound?.kind === 'audio');
  near(picture.fps, 30, 0.1);
  near(picture.bitrate, 2000, 1);
  near(sound.bitrate, 112.8, 1);
  assert.deepEqual([picture.gop, picture.lastGop, picture.bFrames], [60, 60, 2]);
  assert.deepEqual(stats.advice, []);
  station.broadcast.detach('reset', 60_000);
  assert.equal(station.broadcast.stats(), null, 'nothing is measured of an encoder that is away');
});

test('an hour of an encoder that does everything right gets no advice, whatever its frame rate', () => {
  for (const how of [
    {},
    { fps: 60, gop: 120 },
    { fps: 25, gop: 50, bFrames: 2 },
    { picture: false },
    { fps: 30, gop: 1 },
  ])
    assert.deepEqual(new Station().play(720, how).told, [], JSON.stringify(how));
  // One key frame at a scene change, a second of silence on the line, a clock that is 0.03 % slow: no matter.
  const station = new Station().play(60);
  station.nowMs += 1000;
  station.play(600, { everyS: 1.0003 });
  assert.deepEqual(station.told, []);
});

test('each advice is raised once, says what to set, and is cleared once when the encoder does it right', () => {
  const cases: { code: string; wrong: (station: Station) => void; right?: Partial<typeof NORMAL>; says: RegExp }[] = [
    { code: 'key_frames_far_apart', wrong: (s) => s.play(30, { gop: 250 }), says: /8\.3 s apart.*interval to 2 s/ },
    { code: 'key_frames_far_apart', wrong: (s) => s.play(30, { gop: 1e9 }), says: /interval to 2 s/ },
    {
      code: 'key_frames_irregular',
      wrong: (s) => s.play(30, { gop: (frame) => (Math.floor(frame / 90) % 2 ? 30 : 90) }),
      says: /fixed key frame interval/,
    },
    { code: 'no_audio', wrong: (s) => s.play(30, { sound: false }), says: /add an audio source|sound has stopped/ },
    { code: 'no_video', wrong: (s) => s.play(5).play(30, { picture: false }), says: /picture has stopped/ },
    {
      code: 'timestamps_jumping',
      wrong: (s) => {
        s.play(20);
        s.mediaMs += 3_600_000;
        s.play(1);
      },
      says: /jump/,
    },
    {
      code: 'audio_video_drift',
      wrong: (s) => s.play(15, { soundAheadMs: -1500 }),
      says: /1\.5 s apart, the sound is behind/,
    },
    {
      code: 'bitrate_swinging',
      wrong: (s) => s.play(60, { kbps: (second) => (second % 12 < 6 ? 6000 : 400) }),
      says: /swings between/,
    },
    { code: 'frames_late', wrong: (s) => s.play(15, { everyS: 1.3 }), says: /s late.*Lower the bitrate/ },
    { code: 'frame_rate_unstable', wrong: (s) => s.play(30, { uneven: true }), says: /not steady/ },
  ];
  for (const { code, wrong, says } of cases) {
    const station = new Station();
    wrong(station);
    assert.deepEqual(station.raised, [code], code);
    const [advice] = station.broadcast.stats()!.advice;
    assert.match(advice!.message, says);
    // What was late is made up for: the encoder's own buffer empties.
    if (code === 'frames_late') station.play(20, { everyS: 0.7 });
    station.play(60);
    assert.deepEqual(station.raised, [], `${code} is cleared`);
    assert.deepEqual(station.told, [`+${code}`, `-${code}`], 'told once each');
  }
});

test('advice needs more than a hiccup, and does not flicker', () => {
  const station = new Station().play(30);
  station.play(3, { sound: false }).play(20);
  station.play(1, { uneven: true }).play(20);
  station.play(1, { everyS: 2.5 }).play(2, { everyS: 0.25 }).play(20);
  assert.deepEqual(station.told, []);
  // On and off by turns: raised, and then left standing.
  for (let i = 0; i < 10; i++) station.play(12, { gop: 250 }).play(3);
  assert.deepEqual(station.told, ['+key_frames_far_apart']);
  station.broadcast.end('closed');
  assert.deepEqual(station.told, ['+key_frames_far_apart', '-key_frames_far_apart'], 'nothing stands after the end');
  assert.equal(station.events.at(-1)!.kind, 'disconnected');
});

test('a codec that is not carried is told at once, and no longer of the next encoder', () => {
  const station = new Station();
  station.broadcast.refuseCodec('hvc1');
  assert.deepEqual(station.told, ['+unsupported_codec']);
  assert.match(station.broadcast.stats()!.advice[0]!.message, /hvc1.*H\.264/);
  station.broadcast.detach('media_unsupported', 60_000);
  station.broadcast.attach(station.publisher);
  station.play(2);
  assert.deepEqual(station.told, ['+unsupported_codec', '-unsupported_codec']);
  assert.equal(station.broadcast.stats()!.reconnects, 1);
});

test('the guide has every advice', () => {
  const guide = readFileSync(new URL('../../docs/guide/encoder-advice.md', import.meta.url), 'utf8');
  const listed = [...guide.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, code]) => code);
  assert.deepEqual(listed.sort(), [...ADVICE_CODES].sort());
});
