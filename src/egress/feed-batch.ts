import type { AudioTrack, VideoTrack } from '../media/index.ts';
import type { Batch, Metadata } from './feed.ts';
import type { FormWriter } from './feed-writer.ts';

/** How Enhanced RTMP names Opus in the metadata. */
const OPUS_FOURCC = 0x4f707573;

/** What is sent of a broadcast at one time. Immutable: batches share it. */
export interface Tracks {
  readonly video: VideoTrack | null;
  readonly audio: AudioTrack | null;
}

/** What a batch is made of; see Batch. */
export type BatchContent = Omit<Batch, 'bytes'> & {
  readonly parts: readonly Buffer[];
  readonly tracks: Tracks;
  /** Those of `tracks` whose configurations are not in the batch itself. */
  readonly before: Tracks;
  /** By the monotonic clock. */
  readonly madeMs: number;
  /** Frames of the feed before this batch. */
  readonly framesBefore: number;
};

/** A batch in its feed's ring, with what a consumer that begins at it needs first. */
export class FeedBatch implements Batch {
  readonly bytes: Buffer;
  readonly startMs: number;
  readonly endMs: number;
  readonly key: boolean;
  readonly configs: boolean;
  readonly video: number;
  readonly audio: number;
  readonly madeMs: number;
  readonly framesBefore: number;
  readonly #before: Tracks;
  readonly #tracks: Tracks;
  #head: Buffer | null = null;

  constructor(content: BatchContent) {
    const { parts } = content;
    this.bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    this.startMs = content.startMs;
    this.endMs = content.endMs;
    this.key = content.key;
    this.configs = content.configs;
    this.video = content.video;
    this.audio = content.audio;
    this.madeMs = content.madeMs;
    this.framesBefore = content.framesBefore;
    this.#before = content.before;
    this.#tracks = content.tracks;
  }

  get framesAfter(): number {
    return this.framesBefore + this.video + this.audio;
  }

  /** The configurations that a consumer needs before this batch; made once for all who begin here. */
  head(writer: FormWriter): Buffer {
    const { video, audio } = this.#before;
    this.#head ??= Buffer.concat([
      ...(video ? [writer.config(video, this.startMs)] : []),
      ...(audio ? [writer.config(audio, this.startMs)] : []),
    ]);
    return this.#head;
  }

  metadata(): Metadata {
    const { video, audio } = this.#tracks;
    return {
      ...(video && {
        width: video.config.width,
        height: video.config.height,
        ...(video.config.frameRate !== null && { framerate: video.config.frameRate }),
        videocodecid: 7,
      }),
      ...(audio && {
        audiocodecid: audio.codec === 'opus' ? OPUS_FOURCC : 10,
        audiosamplerate: audio.config.outputSampleRate,
        audiosamplesize: 16,
        audiochannels: audio.config.channels,
        stereo: audio.config.channels > 1,
      }),
    };
  }
}
