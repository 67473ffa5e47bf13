import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readInit } from '../../src/formats/fmp4/index.ts';
import { Packager } from '../../src/packager/index.ts';
import { Collector, checkFrames, checkRuns, segmentMs } from './collector.ts';
import { flv, ms, packetsOf } from './source.ts';

const folder = mkdtempSync(join(tmpdir(), 'packager-'));
after(() => rmSync(folder, { recursive: true }));

const AAC = ['-ac', '2', '-ar', '48000'];

interface Case {
  readonly name: string;
  readonly source: Parameters<typeof flv>[0];
  readonly partTargetUs: number;
  readonly targetDurationS: number;
  /** Every segment's length in ms, but those of the first two and the last. */
  readonly segmentMs: number;
  readonly raises?: number[];
  readonly codecs: RegExp;
  readonly frameRate?: number;
}

const BOTH = /^avc1\.42c0..,mp4a\.40\.2$/;
const CASES: Case[] = [
  {
    name: '30 fps, 2 s GOP, 48 kHz stereo',
    source: { seconds: 7, video: ['-g', '60'], audio: AAC },
    partTargetUs: 334_000,
    targetDurationS: 2,
    segmentMs: 2000,
    codecs: BOTH,
    frameRate: 30,
  },
  {
    name: '29.97 fps, B-frames, 44.1 kHz mono',
    source: {
      seconds: 7,
      fps: '30000/1001',
      video: ['-profile:v', 'main', '-bf', '3', '-g', '60', '-x264-params', 'scenecut=0'],
      audio: ['-ac', '1', '-ar', '44100'],
    },
    partTargetUs: 334_000,
    targetDurationS: 2,
    segmentMs: 2002,
    codecs: /^avc1\.4d40..,mp4a\.40\.2$/,
    frameRate: 29.97,
  },
  {
    name: 'D06 25 fps, 0.5 s GOP, video only',
    source: { seconds: 5, fps: '25', video: ['-g', '12'] },
    partTargetUs: 334_000,
    targetDurationS: 3,
    segmentMs: 2400,
    codecs: /^avc1\.42c0..$/,
    frameRate: 25,
  },
  {
    name: '60 fps, GOP of 4 s',
    source: { seconds: 9, fps: '60', video: ['-g', '240'], audio: AAC },
    partTargetUs: 334_000,
    targetDurationS: 4,
    segmentMs: 4000,
    codecs: BOTH,
    frameRate: 60,
  },
  {
    name: '10 fps, GOP of 10 s',
    source: { seconds: 21, fps: '10', video: ['-g', '100'], audio: AAC },
    partTargetUs: 334_000,
    targetDurationS: 10,
    segmentMs: 10_000,
    codecs: BOTH,
    frameRate: 10,
  },
  {
    name: '5 fps: the part target follows the frames',
    source: { seconds: 7, fps: '5', video: ['-g', '10'], audio: AAC },
    partTargetUs: 400_000,
    targetDurationS: 2,
    segmentMs: 2000,
    codecs: BOTH,
    frameRate: 5,
  },
  {
    name: 'F02 key frames unannounced and 7 s apart',
    source: { seconds: 15, fps: '30', video: ['-g', '210', '-bsf:v', 'filter_units=remove_types=6'], audio: AAC },
    partTargetUs: 334_000,
    targetDurationS: 12,
    raises: [12],
    segmentMs: 7000,
    codecs: BOTH,
    frameRate: 30,
  },
  {
    name: 'F04 all frames are key frames',
    source: { seconds: 5, fps: '30', video: ['-g', '1'], audio: AAC },
    partTargetUs: 334_000,
    targetDurationS: 2,
    segmentMs: 2000,
    codecs: BOTH,
    frameRate: 30,
  },
  {
    name: 'D05 audio only',
    source: { seconds: 7, audio: ['-ac', '2', '-ar', '44100'] },
    partTargetUs: 334_000,
    targetDurationS: 2,
    // Seven parts of 14 frames of 1024 samples.
    segmentMs: (7 * 14 * 1024) / 44.1,
    codecs: /^mp4a\.40\.2$/,
  },
];

for (const { name, source, ...want } of CASES) {
  test(`F08 H14 H35 H58–H65 ${name}`, () => {
    const packets = packetsOf(flv(source));
    const window = new Collector();
    const packager = new Packager(window);
    const firstDtsMs = ms(packets[0]!);
    packager.onRun({ number: 0, startedAtMs: 1_700_000_000_000, firstDtsMs });
    for (const packet of packets) packager.onPacket(packet);
    packager.onPause();
    packager.onEnd();

    const [frames] = checkRuns(window);
    checkFrames(frames!, packets, 10_000 - firstDtsMs);
    assert.equal(window.runs.length, 1);
    assert.equal(window.partTargetUs, want.partTargetUs);
    assert.equal(window.targetDurationS, want.targetDurationS);
    assert.deepEqual(window.raises, want.raises ?? []);
    const { start, segments } = window.runs[0]!;
    const lengths = segments.map(segmentMs);
    // The first segment is complete after three parts, so that players can begin; the second ends where it would have.
    assert.equal(segments[0]!.length, 3, 'F15');
    const regular = lengths.slice(2, -1);
    const second = lengths[1]! + (segments[1]![0]!.independent ? 0 : lengths[0]!);
    if (lengths.length > 2) regular.push(second);
    for (const length of regular) assert.ok(Math.abs(length - want.segmentMs) <= 1, `${lengths}`);
    for (const length of lengths) assert.ok(Math.round(length / 1000) <= window.targetDurationS, 'H13');
    assert.match(start.main.codecs, want.codecs);
    assert.equal(start.main.frameRate, want.frameRate);
    assert.equal(start.main === start.audio, !source.video);
    assert.equal(start.audio !== null, source.audio !== undefined);
    const kinds = readInit(start.main.init).map(({ kind }) => kind);
    assert.deepEqual(kinds, [...(source.video ? ['video'] : []), ...(source.audio ? ['audio'] : [])]);
    if (source.video) {
      assert.deepEqual([start.main.width, start.main.height], [192, 108], 'H06');
      for (const segment of segments.toSpliced(1, 1)) assert.ok(segment[0]!.independent, 'H64');
    }
    // H14: the playlist's durations add up to the lead's own.
    const lead = frames!.filter((frame) => frame.kind === (source.video ? 'video' : 'audio'));
    const scale = source.video ? 1000 : packets[0]!.track.timescale;
    const realMs = ((lead.at(-1)!.dts + lead.at(-1)!.duration - lead[0]!.dts) * 1000) / scale;
    assert.ok(Math.abs(lengths.reduce((sum, length) => sum + length, 0) - realMs) < 1);
    const { droppedBeforeKey, droppedInvalid, parts } = packager.stats;
    assert.deepEqual([droppedBeforeKey, droppedInvalid, parts], [0, 0, window.parts.length]);

    decodes([start.main.init, ...segments.flat().map((part) => part.main)], packets.length);
    decodes([start.main.init, ...segments.at(-1)!.map((part) => part.main)]);
    if (source.video && start.audio) decodes([start.audio.init, ...segments.flat().map((part) => part.audio!)]);
  });
}

/** ffmpeg reads, counts and decodes it without a word. */
function decodes(pieces: Buffer[], packets?: number): void {
  const file = join(folder, 'decode.mp4');
  writeFileSync(file, Buffer.concat(pieces));
  const count = ['-v', 'error', '-count_packets', '-show_entries', 'stream=nb_read_packets', '-of', 'csv=p=0', file];
  const counted = execFileSync('ffprobe', count, { encoding: 'utf8' });
  if (packets)
    assert.equal(
      counted
        .trim()
        .split(/\s+/)
        .reduce((sum, n) => sum + Number(n), 0),
      packets,
    );
  const decode = ['-v', 'error', '-xerror', '-threads', '1', '-i', file, '-map', '0', '-f', 'null', '-'];
  assert.equal(execFileSync('ffmpeg', decode, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }), '');
}
