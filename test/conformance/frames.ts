import { frameHash, type Sent, type SentFrame } from '../support/flv-frames.ts';
import type { Sample } from './boxes.ts';

/** The samples of one track of one run, as they came out. */
export interface Received {
  readonly timescale: number;
  readonly samples: readonly Sample[];
}

export interface FrameComparison {
  readonly problems: readonly string[];
  readonly counts: { readonly video: number; readonly audio: number };
  /** How far audio and video have moved against each other, at most, in ms (H66). */
  readonly skewMs: number;
}

const MAX_VIDEO_MS = 1;
/** Audio is counted in samples while the publisher rounds to ms: its first and its present rounding, and a sample. */
const MAX_AUDIO_MS = 2.1;

/** Compares what came out with what was sent: every coded frame with the same bytes and the same timing, none lost, none doubled (H65). */
export function compareFrames(
  sent: Sent,
  received: { readonly video: Received | null; readonly audio: Received | null },
): FrameComparison {
  const problems: string[] = [];
  const counts = { video: 0, audio: 0 };
  const say = (text: string): void => void (problems.length < 10 && problems.push(text));
  let zeroMs: number | null = null;
  let skewMs = 0;
  for (const kind of ['video', 'audio'] as const) {
    const wanted: SentFrame[] = sent.frames.filter((frame) => frame.kind === kind);
    const { timescale, samples } = received[kind] ?? { timescale: 1000, samples: [] };
    counts[kind] = samples.length;
    if (wanted.length !== samples.length) say(`${kind}: ${wanted.length} frames sent, ${samples.length} received`);
    for (let index = 0; index < Math.min(wanted.length, samples.length); index++) {
      const frame = wanted[index]!;
      const sample = samples[index]!;
      if (frameHash(sample.data) !== frame.hash) {
        const elsewhere = wanted.findIndex(({ hash }) => hash === frameHash(sample.data));
        say(`${kind} frame ${index}: other bytes (${elsewhere < 0 ? 'never sent' : `those of frame ${elsewhere}`})`);
        break;
      }
      if (kind === 'video' && sample.sync !== frame.key)
        say(`video frame ${index}: key ${frame.key} sent, sync ${sample.sync} received`);
      const dtsMs = (sample.dts * 1000) / timescale;
      const ptsMs = (sample.pts * 1000) / timescale;
      zeroMs ??= dtsMs - frame.dtsMs;
      const off = Math.max(Math.abs(dtsMs - frame.dtsMs - zeroMs), Math.abs(ptsMs - frame.ptsMs - zeroMs));
      if (kind === 'audio' && received.video) skewMs = Math.max(skewMs, off);
      if (off > (kind === 'video' ? MAX_VIDEO_MS : MAX_AUDIO_MS) + 1e-6) {
        say(
          `${kind} frame ${index}: sent at ${frame.dtsMs}/${frame.ptsMs} ms, received at ${(dtsMs - zeroMs).toFixed(2)}/${(ptsMs - zeroMs).toFixed(2)} ms`,
        );
        break;
      }
    }
  }
  return { problems, counts, skewMs };
}
