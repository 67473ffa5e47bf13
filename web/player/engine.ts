/** Why an engine can go no further; the session decides what to do about it. */
export type EngineEnd =
  | 'lost' // playlists or media are not to be had
  | 'moved' // the playlist jumped: another broadcast, or a viewer who was away for longer than the live window
  | 'broken' // the browser's decoder or buffer failed and could not be repaired
  | 'unplayable'; // this browser cannot play these codecs

/** What a viewer may choose among, where a stream has more than one. */
export type ChoiceKind = 'quality' | 'audio' | 'captions';

/** The names, and which is chosen now: -1 stands for automatic quality, and for no captions. */
export interface Choice {
  readonly labels: readonly string[];
  readonly chosen: number;
}

/** How to begin; what is null is left to the stream. */
export interface EngineWishes {
  readonly latencyS: number | null;
  readonly startS: number | null;
  readonly bestQuality: boolean;
  readonly videoTrack: number | null;
  readonly audioTrack: number | null;
}

/** One attachment of a media element to a stream, from load to end. A session makes a new one whenever it starts again. */
export interface Engine {
  /** Seconds between what is shown and what the server has; null while unknown. */
  readonly latencyS: number | null;
  /** Seconds behind where playback should be; 0 when it is there, ahead, or nobody knows. */
  readonly behindS: number;
  /** The stream has said that nothing follows what is buffered. */
  readonly over: boolean;
  /** It keeps enough of its past to go back in: a recording, or a live stream with a long window. */
  readonly rewindable: boolean;
  /** The playlist has not moved for so long that the encoder must be away. */
  readonly quiet: boolean;
  choice(kind: ChoiceKind): Choice;
  choose(kind: ChoiceKind, index: number): void;
  /** Seeks to where a live viewer should be, and stays there again. */
  goLive(): void;
  /** The viewer has gone back, or plays at a speed of their own: no more catching up until `goLive`. */
  leaveLive(): void;
  /** While the encoder is away: do not run on at the first crumbs, wait until there is enough for an even start. */
  hold(): void;
  /** Stops loading, for a viewer who paused; what is shown stays. */
  suspend(): void;
  /** Lets go of the media element. Nothing is reported after this. */
  close(): void;
}

/** Called at most once. */
export type OnEngineEnd = (end: EngineEnd) => void;
