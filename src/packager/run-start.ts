import { writeInit } from '../formats/fmp4/index.ts';
import type { AudioTrack, VideoTrack } from '../media/index.ts';
import type { RenditionStart, RunStart } from '../segments/index.ts';

/** Describes a run to the sink: at least one of the tracks is there. `frameMs` is the measured distance of video frames. */
export function runStart(
  startedAtMs: number,
  video: VideoTrack | null,
  audio: AudioTrack | null,
  frameMs: number,
): RunStart {
  const sound: RenditionStart | null = audio && { init: writeInit({ audio }), codecs: audio.config.codecString };
  if (!video) return { startedAtMs, main: sound!, audio: sound };
  const { codecString, width, height } = video.config;
  const main = {
    init: writeInit(audio ? { video, audio } : { video }),
    codecs: audio ? `${codecString},${audio.config.codecString}` : codecString,
    width,
    height,
    frameRate: frameRateOf(video, frameMs),
  };
  return { startedAtMs, main, audio: sound };
}

const COMMON_RATES = [5, 10, 12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 23.976, 29.97, 59.94, 120];

/** Frames a second for the multivariant playlist: what the encoder says if the frames agree, else what is measured. */
function frameRateOf(track: VideoTrack, frameMs: number): number {
  const measured = 1000 / frameMs;
  const said = track.config.frameRate;
  if (said !== null && Math.abs(said / measured - 1) < 0.05) return Math.round(said * 1000) / 1000;
  const common = COMMON_RATES.find((rate) => Math.abs(rate / measured - 1) < 0.01);
  return common ?? Math.round(measured * 1000) / 1000;
}
