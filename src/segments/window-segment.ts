import type { Part } from './part.ts';
import type { RunStart } from './types.ts';

/** A segment of the window; in progress until `complete`. Its bytes are those of its parts, one after the other. */
export interface WindowSegment {
  readonly msn: number;
  /** Number of its run, which names its initialization segment. */
  readonly run: number;
  readonly start: RunStart;
  /** Begins with EXT-X-DISCONTINUITY. */
  readonly discontinuity: boolean;
  /** Wall-clock time of its first frame, in microseconds since 1970. */
  readonly dateTimeUs: number;
  readonly parts: readonly Part[];
  readonly durationUs: number;
  readonly complete: boolean;
}
