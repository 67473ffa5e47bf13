import type { Logger } from '../base/index.ts';

/** How a packager cuts. Times of media. */
export interface PackagerOptions {
  /** Aimed at; fitted once to the publisher's frame rate. */
  readonly partTargetMs: number;
  /** A segment ends at the first key frame after this. */
  readonly segmentMs: number;
  /** When nothing tells how far apart the publisher's key frames are. */
  readonly defaultTargetDurationS: number;
  /** Past this a segment ends without a key frame. */
  readonly maxTargetDurationS: number;
  /** How long a first track waits for the second, in media time and by the clock. */
  readonly trackWaitMs: number;
  readonly maxPartBytes: number;
  readonly maxSegmentBytes: number;
  readonly log?: Logger;
}

/** What `src/app.ts` does not set. */
export const DEFAULT_OPTIONS: PackagerOptions = {
  partTargetMs: 334,
  segmentMs: 2000,
  defaultTargetDurationS: 4,
  maxTargetDurationS: 12,
  trackWaitMs: 700,
  maxPartBytes: 16 << 20,
  maxSegmentBytes: 64 << 20,
};

/** A segment may be this much longer than the target duration: its EXTINF is rounded to the nearest second (RFC 8216bis, 4.4.3.1). */
export const ROUNDING_MS = 490;
