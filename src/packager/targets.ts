import { type Packet, toMs } from '../media/index.ts';

/** Every part but a segment's last must reach 85 % of PART-TARGET (RFC 8216bis, 4.4.4.9); a little more is asked here. */
const FULL_PART = 0.87;

/**
 * A part target that whole frames of `frameMs` fill. `preferredMs` when they do; else the nearest number of frames, in whole ms
 * rounded up.
 */
export function choosePartTargetMs(frameMs: number, preferredMs: number): number {
  // 1 ms: timestamps are rounded, so ten frames of 33.4 ms may measure 334.
  if (Math.floor((preferredMs + 0.5) / frameMs) * frameMs >= FULL_PART * preferredMs) return preferredMs;
  return Math.ceil(Math.max(1, Math.round(preferredMs / frameMs)) * frameMs - 0.01);
}

/**
 * EXT-X-TARGETDURATION for segments that end at the first key frame once they are `segmentMs` long, when key frames are `gopMs`
 * apart. A fifth of a second is left for irregular key frames before the rounding of EXTINF would break it.
 */
export function chooseTargetDurationS(gopMs: number, frameMs: number, segmentMs: number, maxS: number): number {
  const gops = Math.max(1, Math.ceil((segmentMs - frameMs / 2) / gopMs));
  return Math.min(maxS, Math.max(Math.round(segmentMs / 1000), Math.ceil((gops * gopMs) / 1000 - 0.3)));
}

/** The usual distance of consecutive frames in ms: a single gap or hurry does not count. `nextDts` follows the last. */
export function typicalFrameMs(packets: readonly Packet[], nextDts: number): number {
  const steps = packets.map((packet, i) => (packets[i + 1]?.dts ?? nextDts) - packet.dts).sort((a, b) => a - b);
  const median = steps[steps.length >> 1]!;
  // Whole milliseconds make single steps coarse (33 or 34); the mean of the ordinary ones is fine.
  const ordinary = steps.filter((step) => step <= median * 1.5 && step >= median / 2);
  const mean = ordinary.reduce((sum, step) => sum + step, 0) / ordinary.length;
  return toMs(mean, packets[0]!.track.timescale);
}
