import { MAX_FRAME_RATE, SAMPLE_RATE } from './capture.ts';
import { FrameKind, toBytes, writeFrame } from './frame.ts';
import type { Link } from './link.ts';
import { type Quality, videoConfig } from './support.ts';

const KEY_EVERY_US = 2_000_000;
/** A picture that does not change (a screen) is sent again after so long. */
const STILL_MS = 400;
const STILL_LOOK_MS = 100;
/** Beyond this the picture's own clock is not believed. */
const OFF_US = 300_000;
/** Pictures that wait for the encoder. */
const MAX_QUEUE = 3;
/** What may wait in the socket before pictures are left out, in seconds of the bit rate; and before what is encoded is thrown away. */
const SOFT_S = 0.7;
const HARD_S = 3;
const MIN_ROOM = 100_000;
/** Sound counts by its samples; of the distance to the page's clock each block takes this much. */
const DRIFT = 0.01;
/** RFC 7845, 5.1: what an encoder that says nothing of it means. 312 samples are dropped in front. */
const OPUS_HEAD = Uint8Array.of(79, 112, 117, 115, 72, 101, 97, 100, 1, 2, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0);

/** What has become of the media so far. */
export interface SentCounts {
  bytes: number;
  pictures: number;
  dropped: number;
}

const nowUs = (): number => performance.now() * 1000;

/** Encodes pictures and sound while the link is live, and hands them to it with times of one clock: the page's. */
export class Sender {
  readonly counts: SentCounts = { bytes: 0, pictures: 0, dropped: 0 };
  readonly #link: Link;
  readonly #quality: Quality;
  readonly #onError: (message: string) => void;

  #video: VideoEncoder | null = null;
  #size = '';
  #configuring = false;
  #avcConfig: Uint8Array | null = null;
  #lastKeyUs = Number.NEGATIVE_INFINITY;
  /** The next picture is to be a key frame; and nothing can be decoded before one comes out. */
  #wantsKey = true;
  #awaitsKey = true;
  #offsetUs = Number.NaN;
  #lastUs = 0;
  #still: VideoFrame | null = null;
  #stillSinceMs = 0;
  readonly #timer: number;

  readonly #audio: AudioEncoder | null;
  readonly #audioKinds: { readonly config: FrameKind; readonly frame: FrameKind };
  #audioConfig: Uint8Array | null;
  #samples = 0;
  #soundUs = Number.NaN;

  constructor(link: Link, quality: Quality, audio: AudioEncoderConfig | null, onError: (message: string) => void) {
    this.#link = link;
    this.#quality = quality;
    this.#onError = onError;
    const opus = audio?.codec === 'opus';
    this.#audioConfig = opus ? OPUS_HEAD : null;
    this.#audioKinds = opus
      ? { config: FrameKind.opusConfig, frame: FrameKind.opusFrame }
      : { config: FrameKind.aacConfig, frame: FrameKind.aacFrame };
    this.#audio = audio && new AudioEncoder({ output: this.#onSound, error: this.#failed });
    if (audio) this.#audio?.configure(audio);
    this.#timer = window.setInterval(() => this.#repeatStill(), STILL_LOOK_MS);
  }

  /** The link is live anew: the server knows nothing of what was sent before. */
  begin(): void {
    this.#wantsKey = this.#awaitsKey = true;
    if (this.#avcConfig) this.#send(FrameKind.avcConfig, true, 0, this.#avcConfig);
    if (this.#audioConfig) this.#send(this.#audioKinds.config, true, 0, this.#audioConfig);
  }

  close(): void {
    window.clearInterval(this.#timer);
    this.#still?.close();
    for (const encoder of [this.#video, this.#audio]) if (encoder && encoder.state !== 'closed') encoder.close();
  }

  /** Takes the picture over, and closes it. */
  picture(picture: VideoFrame): void {
    const us = nowUs();
    const told = picture.timestamp + this.#offsetUs;
    if (!(Math.abs(us - told) < OFF_US)) this.#offsetUs = us - picture.timestamp;
    const timestamp = Math.max(this.#lastUs + 1, Math.round(picture.timestamp + this.#offsetUs));
    this.#still?.close();
    this.#still = picture;
    // A camera may give more than is asked of it.
    if (timestamp - this.#lastUs < 700_000 / MAX_FRAME_RATE) return;
    this.#encode(picture, timestamp);
  }

  /** 20 ms of sound: two channels, one after the other. */
  sound(block: Float32Array<ArrayBuffer>): void {
    if (this.#audio?.state !== 'configured') return;
    const frames = block.length / 2;
    const endUs = nowUs();
    const counted = this.#soundUs + ((this.#samples + frames) * 1_000_000) / SAMPLE_RATE;
    if (!(Math.abs(endUs - counted) < OFF_US))
      this.#soundUs = endUs - ((this.#samples + frames) * 1_000_000) / SAMPLE_RATE;
    else this.#soundUs += (endUs - counted) * DRIFT;
    const timestamp = Math.round((this.#samples * 1_000_000) / SAMPLE_RATE);
    this.#samples += frames;
    const data = new AudioData({
      format: 'f32-planar',
      sampleRate: SAMPLE_RATE,
      numberOfFrames: frames,
      numberOfChannels: 2,
      timestamp,
      data: block,
    });
    this.#audio.encode(data);
    data.close();
  }

  #repeatStill(): void {
    if (!this.#still || performance.now() - this.#stillSinceMs < STILL_MS) return;
    const timestamp = Math.max(this.#lastUs + 1, Math.round(nowUs()));
    const again = new VideoFrame(this.#still, { timestamp });
    this.#encode(again, timestamp);
    again.close();
  }

  #encode(picture: VideoFrame, timestamp: number): void {
    if (!this.#link.live) return;
    this.#lastUs = timestamp;
    this.#stillSinceMs = performance.now();
    const { width, height } = fit(picture.displayWidth, picture.displayHeight, this.#quality);
    if (`${width}x${height}` !== this.#size) {
      void this.#configure(width, height);
      return;
    }
    const video = this.#video;
    if (video?.state !== 'configured' || this.#configuring) return;
    // Before it is encoded a picture can be left out and nobody misses it.
    if (video.encodeQueueSize > MAX_QUEUE || this.#link.waiting > this.#room(SOFT_S)) {
      this.counts.dropped++;
      return;
    }
    const keyFrame = this.#wantsKey || timestamp - this.#lastKeyUs >= KEY_EVERY_US;
    if (keyFrame) this.#lastKeyUs = timestamp;
    this.#wantsKey = false;
    const timed = new VideoFrame(picture, { timestamp });
    video.encode(timed, { keyFrame });
    timed.close();
  }

  /** The picture has another shape: a phone was turned, another window is shown. */
  async #configure(width: number, height: number): Promise<void> {
    if (this.#configuring) return;
    this.#configuring = true;
    try {
      const config = await videoConfig(width, height, this.#quality.bitrate);
      if (!config) {
        this.#onError(`This browser cannot encode H.264 with ${width}×${height} pixels.`);
        return;
      }
      if (this.#video?.state === 'closed') return;
      this.#video ??= new VideoEncoder({ output: this.#onPicture, error: this.#failed });
      this.#video.configure(config);
      this.#size = `${width}x${height}`;
      this.#wantsKey = true;
    } finally {
      this.#configuring = false;
    }
  }

  readonly #onPicture: EncodedVideoChunkOutputCallback = (chunk, metadata) => {
    const key = chunk.type === 'key';
    const description = metadata?.decoderConfig?.description;
    if (description) {
      this.#avcConfig = toBytes(description).slice();
      this.#send(FrameKind.avcConfig, true, chunk.timestamp, this.#avcConfig);
    }
    const full = this.#link.waiting > this.#room(HARD_S);
    // What follows a picture that is missing cannot be decoded, up to the next key frame.
    if (full || (this.#awaitsKey && !key)) {
      if (key || !this.#awaitsKey) this.#wantsKey = this.#awaitsKey = true;
      this.counts.dropped++;
      return;
    }
    this.#awaitsKey = false;
    this.counts.pictures++;
    this.#send(FrameKind.avcFrame, key, chunk.timestamp, copy(chunk));
  };

  readonly #onSound: EncodedAudioChunkOutputCallback = (chunk, metadata) => {
    const description = metadata?.decoderConfig?.description;
    if (description) {
      this.#audioConfig = toBytes(description).slice();
      this.#send(this.#audioKinds.config, true, 0, this.#audioConfig);
    }
    if (this.#link.waiting > this.#room(HARD_S)) return;
    this.#send(this.#audioKinds.frame, true, Math.max(0, chunk.timestamp + this.#soundUs), copy(chunk));
  };

  readonly #failed = (error: DOMException): void => this.#onError(`The browser's encoder failed: ${error.message}`);

  #room(seconds: number): number {
    return Math.max(MIN_ROOM, (this.#quality.bitrate / 8) * seconds);
  }

  #send(kind: FrameKind, key: boolean, timestampUs: number, payload: Uint8Array): void {
    if (!this.#link.live) return;
    this.counts.bytes += payload.length;
    this.#link.send(writeFrame(kind, key, timestampUs, payload));
  }
}

function copy(chunk: EncodedVideoChunk | EncodedAudioChunk): Uint8Array {
  const bytes = new Uint8Array(chunk.byteLength);
  chunk.copyTo(bytes);
  return bytes;
}

/** The largest size of the picture's shape that the quality allows, and no larger than the picture; even, as H.264 wants it. */
function fit(width: number, height: number, quality: Quality): { width: number; height: number } {
  const [long, short] = [Math.max(width, height), Math.min(width, height)];
  const scale = Math.min(1, quality.width / long, quality.height / short);
  const even = (size: number) => Math.max(2, 2 * Math.round((size * scale) / 2));
  return { width: even(width), height: even(height) };
}
