import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { FLAGS_KEY, type InitTrack, readInit, readParts } from '../../src/formats/fmp4/index.ts';
import type { Packet } from '../../src/media/index.ts';
import type { Part, PartSink, RunStart } from '../../src/segments/index.ts';

/** A stretch of media with one initialization segment; each segment is its parts. */
export interface CollectedRun {
  readonly start: RunStart;
  readonly segments: Part[][];
}

/** A frame that came out, on the media time line of its track. */
export interface FrameOut {
  readonly kind: 'video' | 'audio';
  readonly dts: number;
  readonly cto: number;
  readonly duration: number;
  readonly key: boolean;
  readonly hash: string;
}

/** A live window that keeps everything, and insists on the order of calls. */
export class Collector implements PartSink {
  targetDurationS = 0;
  partTargetUs = 0;
  readonly raises: number[] = [];
  readonly runs: CollectedRun[] = [];
  readonly parts: Part[] = [];
  pauses = 0;
  ended = false;
  #segment: Part[] = [];

  open(limits: { targetDurationS: number; partTargetUs: number }): void {
    assert.equal(this.partTargetUs, 0, 'opened once');
    assert.equal(this.runs.length, 0, 'opened before the first run');
    this.targetDurationS = limits.targetDurationS;
    this.partTargetUs = limits.partTargetUs;
  }

  raiseTargetDuration(targetDurationS: number): void {
    assert.ok(targetDurationS > this.targetDurationS);
    this.targetDurationS = targetDurationS;
    this.raises.push(targetDurationS);
  }

  startRun(start: RunStart): void {
    assert.ok(this.partTargetUs > 0, 'open comes first');
    assert.equal(this.#segment.length, 0, 'the segment before was closed');
    this.runs.push({ start, segments: [] });
  }

  addPart(part: Part): void {
    assert.ok(this.runs.length > 0 && !this.ended);
    this.#segment.push(part);
    this.parts.push(part);
  }

  closeSegment(): void {
    if (this.#segment.length > 0) this.runs.at(-1)!.segments.push(this.#segment);
    this.#segment = [];
  }

  pause(): void {
    assert.equal(this.#segment.length, 0, 'nothing is left open at a pause');
    this.pauses++;
  }

  end(): void {
    assert.equal(this.#segment.length, 0);
    this.ended = true;
  }
}

export const segmentMs = (segment: readonly Part[]): number =>
  segment.reduce((sum, part) => sum + part.durationUs, 0) / 1000;

/**
 * Checks everything that must hold for whatever was published (H35, H39, H40, H58, H60 to H64), in both renditions, and
 * returns the frames of the main rendition by run.
 */
export function checkRuns(collector: Collector): FrameOut[][] {
  let sequence = 0;
  /** By kind: the end of all frames so far, in seconds of media time. */
  const endsAt = { video: 0, audio: 0 };
  const byRun: FrameOut[][] = [];
  for (const { start, segments } of collector.runs) {
    const main = readInit(start.main.init);
    const sound = start.audio && readInit(start.audio.init);
    const frames: FrameOut[] = [];
    const expected = new Map<number, number>();
    for (const segment of segments) {
      // H39: the segment is its parts, and reads as one.
      assert.equal(readParts(Buffer.concat(segment.map((part) => part.main)), main).length, segment.length);
      for (const [index, part] of segment.entries()) {
        const [fragment, ...more] = readParts(part.main, main);
        assert.ok(fragment && more.length === 0);
        assert.equal(fragment.sequence, ++sequence, 'H62');
        const video = fragment.tracks.find((track) => kindOf(track.id, main) === 'video');
        const hasVideo = main.some((track) => track.kind === 'video');
        assert.equal(part.independent, hasVideo ? video?.samples[0]?.flags === FLAGS_KEY : true, 'H40');
        assert.ok(part.durationUs > 0 && Number.isInteger(part.durationUs));
        if (index < segment.length - 1)
          assert.ok(part.durationUs >= 0.85 * collector.partTargetUs, `H35 ${part.durationUs}`);
        assert.ok(part.durationUs <= collector.partTargetUs, `H35 ${part.durationUs} > ${collector.partTargetUs}`);
        for (const track of fragment.tracks) {
          const { kind, timescale } = main.find((candidate) => candidate.id === track.id)!;
          const before = expected.get(track.id);
          if (before !== undefined) assert.equal(track.tfdt, before, 'H61');
          else assert.ok(track.tfdt / timescale >= endsAt[kind], 'decode times rise over the whole broadcast');
          let dts = track.tfdt;
          for (const sample of track.samples) {
            assert.ok(sample.duration > 0 && sample.duration <= 10 * timescale, 'H63');
            frames.push({
              kind,
              dts: sample.dts,
              cto: sample.cto,
              duration: sample.duration,
              key: sample.flags === FLAGS_KEY,
              hash: hash('md5', sample.data),
            });
            dts += sample.duration;
          }
          expected.set(track.id, dts);
          endsAt[kind] = dts / timescale;
        }
        checkSound(
          part,
          fragment.tracks.find((track) => kindOf(track.id, main) === 'audio')?.samples ?? [],
          sound,
          sequence,
        );
      }
    }
    byRun.push(frames);
  }
  return byRun;
}

/** The audio rendition holds the main one's audio. */
function checkSound(
  part: Part,
  inMain: readonly { data: Buffer; dts: number }[],
  init: InitTrack[] | null,
  sequence: number,
): void {
  if (!init) {
    assert.equal(part.audio, null);
    return;
  }
  const [fragment] = readParts(part.audio!, init);
  assert.equal(fragment!.sequence, sequence);
  assert.equal(fragment!.tracks.length, 1);
  assert.deepEqual(
    fragment!.tracks[0]!.samples.map(({ dts, data }) => [dts, hash('md5', data)]),
    inMain.map(({ dts, data }) => [dts, hash('md5', data)]),
  );
}

const kindOf = (id: number, init: readonly InitTrack[]) => init.find((track) => track.id === id)?.kind;

/** H65: every frame of the publisher came out, in order, once, at its time plus one common offset, bit for bit. */
export function checkFrames(frames: readonly FrameOut[], packets: readonly Packet[], offsetMs: number): void {
  for (const kind of ['video', 'audio'] as const) {
    const sent = packets.filter((packet) => packet.track.kind === kind);
    const out = frames.filter((frame) => frame.kind === kind);
    assert.equal(out.length, sent.length, `${kind} frames`);
    for (const [i, packet] of sent.entries()) {
      const frame = out[i]!;
      const offset = Math.round((offsetMs * packet.track.timescale) / 1000);
      assert.deepEqual(
        [frame.dts, frame.cto, frame.key, frame.hash],
        [packet.dts + offset, packet.pts - packet.dts, packet.key, hash('md5', packet.data)],
        `${kind} frame ${i}`,
      );
    }
  }
}
