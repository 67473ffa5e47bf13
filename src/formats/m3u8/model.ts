/** EXT-X-BYTERANGE and its like: a piece of a resource. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** EXT-X-KEY, where METHOD is not NONE. */
export interface SegmentKey {
  readonly method: string;
  readonly uri: string;
  /** Null where the segment's number takes its place. */
  readonly iv: Buffer | null;
  /** `identity` where the playlist does not say. */
  readonly format: string;
}

/** EXT-X-PART. */
export interface PlaylistPart {
  readonly uri: string;
  /** DURATION, in microseconds. */
  readonly durationUs: number;
  /** INDEPENDENT=YES. */
  readonly independent: boolean;
  /** GAP=YES: listed for its number and duration only, not to be fetched. */
  readonly gap: boolean;
  readonly byteRange?: ByteRange;
}

/** One Media Segment with the tags that apply to it. */
export interface MediaSegment {
  /** Null for the segment in progress, of which only parts are listed. */
  readonly uri: string | null;
  /** EXTINF, in microseconds; the sum of the parts so far for the segment in progress. */
  readonly durationUs: number;
  /** EXT-X-DISCONTINUITY. */
  readonly discontinuity: boolean;
  /** EXT-X-PROGRAM-DATE-TIME of its first frame, in microseconds since 1970; null when the playlist gives none. */
  readonly dateTimeUs: number | null;
  /** URI of the EXT-X-MAP in force, repeated on every segment. */
  readonly map: string | null;
  /** EXT-X-GAP. */
  readonly gap: boolean;
  /** The parts that the playlist lists; empty for older segments. */
  readonly parts: readonly PlaylistPart[];
  readonly byteRange?: ByteRange;
  readonly mapByteRange?: ByteRange;
  /** The EXT-X-KEY in force, and the one at its EXT-X-MAP. */
  readonly key?: SegmentKey;
  readonly mapKey?: SegmentKey;
}

/** EXT-X-SERVER-CONTROL; times in microseconds, null where the attribute is absent. */
export interface ServerControl {
  readonly canBlockReload: boolean;
  readonly canSkipUntilUs: number | null;
  readonly holdBackUs: number | null;
  readonly partHoldBackUs: number | null;
}

/** EXT-X-RENDITION-REPORT. */
export interface RenditionReport {
  readonly uri: string;
  readonly lastMsn: number;
  readonly lastPart: number | null;
}

/** A Media Playlist. Its last segment has a null `uri` when it is in progress. */
export interface MediaPlaylist {
  readonly version: number;
  readonly independentSegments: boolean;
  readonly targetDurationS: number;
  readonly serverControl: ServerControl | null;
  /** EXT-X-PART-INF, in microseconds. */
  readonly partTargetUs: number | null;
  /** Number of the first segment, counting skipped ones. */
  readonly mediaSequence: number;
  readonly discontinuitySequence: number;
  /** EXT-X-SKIP of a delta update: so many segments are left out before `segments[0]`. */
  readonly skippedSegments: number;
  readonly segments: readonly MediaSegment[];
  /** URI of the EXT-X-PRELOAD-HINT of TYPE=PART. */
  readonly preloadHint: string | null;
  readonly renditionReports: readonly RenditionReport[];
  readonly endList: boolean;
}

/** EXT-X-STREAM-INF with its URI. */
export interface Variant {
  readonly uri: string;
  /** Peak and average bits a second. */
  readonly bandwidth: number;
  readonly averageBandwidth: number;
  readonly codecs: string;
  readonly width?: number;
  readonly height?: number;
  readonly frameRate?: number;
  /** GROUP-ID of the renditions that bring its sound. */
  readonly audio?: string;
}

/** EXT-X-MEDIA of TYPE=AUDIO. */
export interface AudioRendition {
  readonly groupId: string;
  readonly name: string;
  /** Null where the sound is in the variant's own stream. */
  readonly uri: string | null;
  readonly isDefault: boolean;
  readonly autoselect: boolean;
}

/** A playlist of playlists. */
export interface MultivariantPlaylist {
  readonly version: number;
  readonly independentSegments: boolean;
  readonly variants: readonly Variant[];
  /** Absent where there are none. */
  readonly audio?: readonly AudioRendition[];
}
