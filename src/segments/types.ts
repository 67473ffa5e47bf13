import type { Part } from './part.ts';

/** One rendition's configuration for a run: its initialization segment and what the multivariant playlist says of it. */
export interface RenditionStart {
  /** ftyp + moov. */
  readonly init: Buffer;
  /** As in RFC 6381, for example `avc1.64001f,mp4a.40.2`. */
  readonly codecs: string;
  /** Coded size after cropping; absent without video. */
  readonly width?: number;
  readonly height?: number;
  /** Frames a second; absent without video, or while unknown. */
  readonly frameRate?: number;
}

/** What begins a stretch of media with one configuration. Every one but the broadcast's first is a discontinuity. */
export interface RunStart {
  /** Wall-clock time (ms since 1970) of its first frame: PROGRAM-DATE-TIME counts on from here. */
  readonly startedAtMs: number;
  /** Everything that the publisher sends, muxed: video with audio, video alone, or audio alone. */
  readonly main: RenditionStart;
  /** The audio alone; null when the publisher sends none. The same object as `main` when it sends nothing else. */
  readonly audio: RenditionStart | null;
}

/** The side of a LiveWindow that the packager writes to. */
export interface PartSink {
  /** Before the first part, once: both are fixed for the life of the broadcast. */
  open(limits: { readonly targetDurationS: number; readonly partTargetUs: number }): void;
  /** The one exception: a publisher whose key frames are further apart than could be known at the start. Only rises. */
  raiseTargetDuration(targetDurationS: number): void;
  startRun(run: RunStart): void;
  addPart(part: Part): void;
  /** The parts since the last call become a segment. Without parts it does nothing. */
  closeSegment(): void;
  /** The publisher is away: whoever waits is answered now, and no part is promised. The next run ends the pause. */
  pause(): void;
  /** The broadcast is over: ENDLIST. */
  end(): void;
}
