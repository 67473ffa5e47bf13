import { type Packet, toMs, type VideoTrack } from '../media/index.ts';

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
 * apart. A quarter of a second is left for irregular key frames before the rounding of EXTINF would break it.
 */
export function chooseTargetDurationS(gopMs: number, frameMs: number, segmentMs: number, maxS: number): number {
  const gops = Math.max(1, Math.ceil((segmentMs - frameMs / 2) / gopMs));
  return Math.min(maxS, Math.max(Math.round(segmentMs / 1000), Math.ceil((gops * gopMs) / 1000 - 0.25)));
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

const COMMON_RATES = [5, 10, 12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 23.976, 29.97, 59.94, 120];

/** Frames a second for the multivariant playlist: what the encoder says if the frames agree, else what is measured. */
export function frameRateOf(track: VideoTrack, frameMs: number): number {
  const measured = 1000 / frameMs;
  const said = track.config.frameRate;
  if (said !== null && Math.abs(said / measured - 1) < 0.05) return Math.round(said * 1000) / 1000;
  const common = COMMON_RATES.find((rate) => Math.abs(rate / measured - 1) < 0.01);
  return common ?? Math.round(measured * 1000) / 1000;
}
