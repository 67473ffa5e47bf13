import type { WindowSegment } from './window-segment.ts';

/** What a playlist says of a segment whose bytes are no longer in memory. */
export interface PastSegment {
  readonly msn: number;
  readonly run: number;
  readonly discontinuity: boolean;
  readonly dateTimeUs: number;
  readonly durationUs: number;
  /** Its first part begins with an IDR. */
  readonly independent: boolean;
  /** There is sound in it, which the audio rendition has. */
  readonly audio: boolean;
}

/** Segments one after the other that have left memory. They leave the playlist together, so what was rendered of them stays true. */
export interface PastBlock {
  readonly firstMsn: number;
  /** How many of them the playlist lists: rises up to `full`. */
  readonly listed: number;
  /** Nothing is added to it any more. */
  readonly full: boolean;
  /** Of all that are listed. */
  readonly durationUs: number;
  /** All that are listed begin with an IDR. */
  readonly independent: boolean;
  /** One that is listed has sound. */
  readonly audio: boolean;
  segment(index: number): PastSegment;
}

/** The bytes of a segment outside of memory. */
export interface StoredMedia {
  readonly length: number;
  /** Rejects when they cannot be read. What is open can be read to its end, also when it is deleted meanwhile. */
  open(): Promise<OpenMedia>;
}

export interface OpenMedia {
  /** The bytes from `from` on, up to `length` of them. */
  read(from: number, length: number): Promise<Buffer>;
  close(): void;
}

/** Where segments go that leave memory and stay playable (DVR). No call waits for a disk, and none throws. */
export interface Past {
  /** Those that are listed, oldest first, without a gap up to the oldest segment that the window lists from memory. */
  readonly blocks: readonly PastBlock[];
  /** A segment is complete and will leave memory before long. */
  keep(segment: WindowSegment): void;
  /** Whether it may leave now; false while it is about to be kept, for some seconds at most. */
  mayTake(segment: WindowSegment): boolean;
  /**
   * A segment leaves what is listed from memory. It is listed in the past from now on; where it could not be kept, the past is empty
   * from now on. Returns how many breaks (EXT-X-DISCONTINUITY) have left the playlist thereby.
   */
  take(segment: WindowSegment): number;
  find(msn: number, rendition: 'main' | 'audio'): StoredMedia | undefined;
  /** The oldest run of which there are segments; null without any. */
  readonly oldestRun: number | null;
  /** Nobody can want it any more. */
  close(): void;
}
