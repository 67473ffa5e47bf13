import type { AudioTrack, AvcConfig } from '../media/index.ts';
import type { Advice } from './advice.ts';
import type { Meter } from './meter.ts';
import type { EventPublisher } from './ports.ts';

/** What is measured of a broadcast while it has a publisher. Rates in kbit/s, over the last ten seconds. */
export interface BroadcastStats {
  readonly broadcastId: string;
  readonly playbackId: string;
  readonly publisher: EventPublisher;
  /** Which encoder that is. */
  readonly active: 'primary' | 'backup';
  /** The encoder that would take over; since when (ms since 1970) it stands by. */
  readonly standby: (EventPublisher & { readonly sinceMs: number }) | null;
  /** Something has come from the publisher in the last seconds. */
  readonly alive: boolean;
  /** Milliseconds since 1970, of the broadcast and of its first packet (null before it). */
  readonly openedAtMs: number;
  readonly runningSinceMs: number | null;
  /** Of the media alone, and of all that the connection brings. */
  readonly bitrate: number;
  readonly inputBitrate: number;
  readonly bytesIn: number;
  /** On the publisher's clock. */
  readonly lastDtsMs: number | null;
  /** How much later than at best its media comes. */
  readonly delayMs: number;
  readonly reconnects: number;
  /** Packets that did not reach a reader. */
  readonly dropped: number;
  readonly advice: readonly Advice[];
  readonly tracks: readonly TrackStats[];
}

export type TrackStats =
  | {
      readonly kind: 'video';
      readonly config: AvcConfig;
      readonly bitrate: number;
      /** Frames a second, measured. */
      readonly fps: number;
      /** The longest row of B-frames. */
      readonly bFrames: number;
      /** Frames from one key frame to the next: the mean of the last eight, and the last. 0 before there are two. */
      readonly gop: number;
      readonly lastGop: number;
    }
  | { readonly kind: 'audio'; readonly config: AudioTrack['config']; readonly bitrate: number };

/** The tracks that the publisher sends, video first. */
export function describeTracks(
  { video, audio }: Pick<Meter, 'video' | 'audio'>,
  rates: { readonly video: number; readonly audio: number; readonly fps: number },
): TrackStats[] {
  const tracks: TrackStats[] = [];
  if (video.track?.kind === 'video' && !Number.isNaN(video.lastMs))
    tracks.push({
      kind: 'video',
      config: video.track.config,
      bitrate: rates.video,
      fps: rates.fps,
      bFrames: video.bFrames,
      gop: video.gopRange().meanFrames,
      lastGop: video.lastGop,
    });
  if (audio.track?.kind === 'audio' && !Number.isNaN(audio.lastMs))
    tracks.push({ kind: 'audio', config: audio.track.config, bitrate: rates.audio });
  return tracks;
}
