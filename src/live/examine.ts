import type { Findings } from './advice.ts';
import type { SecondsRing } from './seconds-ring.ts';
import type { TrackMeter } from './track-meter.ts';

/** What there is to judge a publisher by. */
export interface Measured {
  readonly video: TrackMeter;
  readonly audio: TrackMeter;
  readonly seconds: SecondsRing;
  readonly unsupported: string | null;
  readonly runS: number;
  readonly delayMs: number;
}

/** Segments of two seconds want a key frame as often; up to here players do not suffer much. */
const FAR_KEYS_MS = 4200;
const IRREGULAR_RATIO = 1.5;
const IRREGULAR_MS = 500;
/** A track that has sent nothing for so long is missing. */
const MISSING_S = 5;
/** Repaired times in ten seconds: single ones are rounding. */
const REPAIRS = 5;
const DRIFT_MS = 700;
const LATE_MS = 2000;
/** Bitrates are compared over stretches of four seconds, so that key frames do not count, of the last 24. */
const SWING_STRETCH_S = 4;
const SWING_S = 24;
const SWING_RATIO = 2.5;
const SWING_KBPS = 500;
/** A step of this many usual ones, in this many of the last ten seconds. */
const LONG_STEP = 2.4;
const LONG_STEPS_S = 4;

const seconds = (ms: number): string => (ms / 1000).toFixed(1);

/** What is wrong with a publisher in this second. What cannot be known yet is taken for right. */
export function examine(measured: Measured): Findings {
  const findings: Findings = {};
  const { video, audio, seconds: ring, unsupported, runS, delayMs } = measured;
  if (unsupported)
    findings.unsupported_codec = `The encoder sends ${unsupported}, which is not carried: choose H.264 for video and AAC for audio.`;
  if (runS < 0) return findings;
  examineKeyFrames(video, findings);
  examinePresence(measured, findings);
  if (ring.rise('jumps', 10) > 0 || ring.rise('repairs', 10) >= REPAIRS)
    findings.timestamps_jumping =
      'The timestamps jump: viewers see breaks. Restart the encoder; in a playlist or relay, let its clock run on from one item to the next (ffmpeg: -re without -copyts).';
  const [v, a] = [video.lastMs, audio.lastMs];
  // Slow pictures stand behind the sound by nature.
  if (Math.abs(v - a) > DRIFT_MS && ring.rates(10).fps >= 5 && ring.rates(2).audio > 0 && ring.rates(2).video > 0)
    findings.audio_video_drift = `Sound and picture are ${seconds(Math.abs(v - a))} s apart, the ${v > a ? 'sound' : 'picture'} is behind: restart the encoder, and let it take both from one clock (OBS: the same sample rate in settings and devices).`;
  if (delayMs > LATE_MS)
    findings.frames_late = `The media arrives ${seconds(delayMs)} s late: the connection does not carry the bitrate, or the encoder is too slow. Lower the bitrate or the size of the picture, or use a cable instead of Wi-Fi.`;
  examineBitrate(video, ring, findings);
  examineFrameRate(ring, findings);
  return findings;
}

function examineKeyFrames(video: TrackMeter, findings: Findings): void {
  if (Number.isNaN(video.lastMs)) return;
  const openMs = video.lastMs - video.lastKeyMs;
  const farMs = Math.max(video.lastGopMs, openMs);
  const { shortestMs, longestMs } = video.gopRange();
  if (farMs > FAR_KEYS_MS)
    findings.key_frames_far_apart = `Key frames are ${seconds(farMs)} s apart or more: viewers wait long for the picture. Set the key frame interval to 2 s (OBS: Output, Keyframe Interval 2 s; ffmpeg: -g with twice the frame rate).`;
  // One that was far apart is not irregular as well.
  else if (
    video.gops >= 4 &&
    longestMs <= FAR_KEYS_MS &&
    longestMs > IRREGULAR_RATIO * shortestMs &&
    longestMs - shortestMs > IRREGULAR_MS
  )
    findings.key_frames_irregular = `Key frames are ${seconds(shortestMs)} to ${seconds(longestMs)} s apart: set a fixed key frame interval of 2 s and no key frames at scene changes (x264: keyint=min-keyint, scenecut=0).`;
}

/** A radio stream without pictures is in order; one that has lost them is not. */
function examinePresence({ video, audio, seconds: ring }: Measured, findings: Findings): void {
  const here = (field: 'video' | 'audio') => ring.rise(field, MISSING_S) > 0;
  if (ring.length < MISSING_S) return;
  if (here('video') && !here('audio'))
    findings.no_audio =
      audio.packets > 0
        ? 'The sound has stopped: look at the audio source of the encoder.'
        : 'There is no sound: add an audio source to the encoder if there should be one. Some players and platforms refuse a stream without sound.';
  if (here('audio') && !here('video') && video.packets > 0)
    findings.no_video = 'The picture has stopped while the sound goes on: look at the video source of the encoder.';
}

function examineBitrate(video: TrackMeter, ring: SecondsRing, findings: Findings): void {
  if (ring.length < SWING_S) return;
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (let until = 0; until + SWING_STRETCH_S <= SWING_S; until++) {
    const back = until + SWING_STRETCH_S;
    // No picture for a while is another matter.
    if (video.packets > 0 && ring.rise('frames', back, until) === 0) return;
    const bytes = ring.rise('video', back, until) + ring.rise('audio', back, until);
    const kbps = (bytes * 8) / ring.rise('now', back, until);
    least = Math.min(least, kbps);
    most = Math.max(most, kbps);
  }
  if (most > SWING_RATIO * least && most - least > SWING_KBPS)
    findings.bitrate_swinging = `The bitrate swings between ${Math.round(least)} and ${Math.round(most)} kbit/s: choose a constant bitrate (OBS: Rate Control CBR; x264: bitrate, maxrate and bufsize alike), so that viewers' connections can keep up.`;
}

function examineFrameRate(ring: SecondsRing, findings: Findings): void {
  const { fps } = ring.rates(10);
  if (ring.length < 10 || fps < 5) return;
  let long = 0;
  for (let back = 0; back < 10; back++) if (ring.at('step', back) > (LONG_STEP * 1000) / fps) long++;
  if (long >= LONG_STEPS_S)
    findings.frame_rate_unstable = `The frame rate is not steady, about ${Math.round(fps)} frames a second with gaps: give the encoder a fixed frame rate, or fewer pixels if the machine cannot keep up.`;
}
