import type { AudioTrack, VideoTrack } from '../media/index.ts';
import type { PublisherProtocol } from './publisher.ts';

/**
 * How a pull stands. `off`: not to be pulled. `waiting`: for a viewer, for its time, or for another server of the same database to
 * leave it. `connecting`: up to the first frame. `online`: it feeds the live stream. `retrying`: waits for the next attempt. `refused`:
 * nothing will come unless somebody changes something; slow retries. `standby`: an encoder feeds the live stream.
 */
export type PullState = 'off' | 'waiting' | 'connecting' | 'online' | 'retrying' | 'refused' | 'standby';

/** Why nothing comes from a source. A closed list, shown by the API. */
export type PullErrorCode =
  | 'destination_refused' // the outbound guard does not connect there
  | 'unreachable' // no connection, or it broke off
  | 'timeout' // connected, and no frame came in time
  | 'silent' // frames came, then none any more
  | 'not_found' // the source has no such stream now
  | 'unauthorized' // the source wants another user name, password or token
  | 'bad_answer' // the source answers with what is no stream that we read
  | 'media_unsupported' // a codec or an encryption that we do not carry
  | 'source_ended' // the source said that it is over
  | 'loop' // the media comes from this very live stream
  | 'ffmpeg_missing' // RTSP and SRT need it
  | 'ffmpeg_failed'
  | 'too_many' // of what this server runs at a time
  | 'store_unavailable'; // what to pull could not be read

/** Why a pull is not online. `message` says what to do, and holds no password and no path. */
export interface PullError {
  readonly code: PullErrorCode;
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** A pull as of now: plain data. Times are milliseconds since 1970. */
export interface PullStatus {
  readonly state: PullState;
  /** Since when it is in this state. */
  readonly sinceMs: number;
  /** `retrying`: it comes back by itself as soon as the source does. `gave_up`: somebody has to change something; it is tried rarely. */
  readonly severity: null | 'retrying' | 'gave_up';
  /** Which of its URLs it is at: 0 is `url`, or the first of `urls` where that is not set. */
  readonly urlIndex: number;
  /** Scheme, user name, host and port of that URL, and its path; the password is masked, the query left out. Null without a URL. */
  readonly url: string | null;
  /** Once it is known what the source is. */
  readonly protocol: PublisherProtocol | null;
  /** Rounds through its URLs since it was last online for a minute; 0 before the first, 1 during it. */
  readonly attempt: number;
  /** When it connects next: after a failure, or when its schedule says so. */
  readonly nextRetryMs: number | null;
  readonly lastError: PullError | null;
  /** What comes in, in kbit/s, over the last ten seconds. */
  readonly bitrate: number;
  /** Over all its connections since the server's start. */
  readonly bytesReceived: number;
  readonly connectedSinceMs: number | null;
}

/** What a look at a URL has found. */
export interface PullProbe {
  /** Why nothing could be pulled from it; null when it could. */
  readonly error: Omit<PullError, 'atMs'> | null;
  /** Once it is known what the source is. */
  readonly protocol: PublisherProtocol | null;
  readonly video: VideoTrack | null;
  readonly audio: AudioTrack | null;
  /** Frames a second; null where there were too few to tell. */
  readonly frameRate: number | null;
  /** What it sends besides and is left out: names of codecs, a stranger's words. */
  readonly unsupported: readonly string[];
}
