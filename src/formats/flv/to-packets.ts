import { CodedError } from '../../base/index.ts';
import {
  type AudioTrack,
  type AvcConfig,
  avcConfigFromFrame,
  hasIdr,
  type Packet,
  parseAacConfig,
  parseAvcConfig,
  sameAacConfig,
  sameAvcConfig,
  toLengthPrefixed,
  type VideoTrack,
} from '../../media/index.ts';
import { AudioClock } from './audio-clock.ts';
import { parseAudioTag, parseVideoTag } from './media-tag.ts';

/** Messages may name sizes, and so be different each time. */
const MAX_TOLD = 20;

/** What a source sent that cannot become packets, each told once. */
export interface Notices {
  /** A codec that we do not carry: without its video a publish is refused, without its audio it goes on. */
  unsupported(kind: 'video' | 'audio', codec: string): void;
  /** A frame or a configuration that cannot be read was dropped. */
  dropped(reason: string): void;
}

/**
 * Turns the audio and video messages of one publish into packets. The tracks change only when a configuration really does:
 * encoders repeat theirs with every key frame.
 */
export class ToPackets {
  readonly #notices: Notices;
  #video: VideoTrack | null = null;
  #audio: AudioTrack | null = null;
  #audioClock: AudioClock | null = null;
  #told = new Set<string>();

  constructor(notices: Notices) {
    this.#notices = notices;
  }

  /** `body` is an RTMP video message; null when it holds no frame. The packet keeps a view on `body`. */
  video(timestampMs: number, body: Buffer): Packet | null {
    if (body.length === 0) return null;
    const tag = parseVideoTag(body);
    if (tag.kind === 'other') return null;
    if (tag.codec !== 'avc') return this.#unsupported('video', tag.codec);
    if (tag.data.length === 0) return null;
    try {
      if (tag.kind === 'config') {
        const config = parseAvcConfig(tag.data);
        if (!this.#video || !sameAvcConfig(config, this.#video.config)) this.#video = videoTrack(config);
        return null;
      }
      if (tag.kind !== 'frame') return null;
      if (!this.#video) {
        // No configuration was sent: some encoders put it into their key frames alone.
        const config = avcConfigFromFrame(tag.data);
        if (!config) return null;
        this.#video = videoTrack(config);
      }
      const data = toLengthPrefixed(tag.data, this.#video.config);
      if (data.length === 0) return null;
      // The flag alone is not believed: some encoders set it on frames that no decoder can begin with.
      const key = tag.key && hasIdr(data);
      return { track: this.#video, dts: timestampMs, pts: timestampMs + tag.compositionMs, key, data };
    } catch (error) {
      return this.#dropped(error);
    }
  }

  /** `body` is an RTMP audio message; null when it holds no frame. The packet keeps a view on `body`. */
  audio(timestampMs: number, body: Buffer): Packet | null {
    if (body.length === 0) return null;
    const tag = parseAudioTag(body);
    if (tag.codec !== 'aac') return this.#unsupported('audio', tag.codec);
    if (tag.data.length === 0) return null;
    try {
      if (tag.kind === 'config') {
        const config = parseAacConfig(tag.data);
        if (!this.#audio || !sameAacConfig(config, this.#audio.config)) {
          this.#audio = { kind: 'audio', codec: 'aac', timescale: config.sampleRate, config };
          this.#audioClock = new AudioClock(config.sampleRate, config.frameSamples);
        }
        return null;
      }
      if (tag.kind !== 'frame' || !this.#audio) return null;
      const dts = this.#audioClock!.dts(timestampMs);
      return { track: this.#audio, dts, pts: dts, key: true, data: tag.data };
    } catch (error) {
      return this.#dropped(error);
    }
  }

  #unsupported(kind: 'video' | 'audio', codec: string): null {
    if (!this.#told.has(kind)) {
      this.#told.add(kind);
      this.#notices.unsupported(kind, codec);
    }
    return null;
  }

  #dropped(error: unknown): null {
    if (!(error instanceof CodedError)) throw error;
    if (!this.#told.has(error.message) && this.#told.size < MAX_TOLD) {
      this.#told.add(error.message);
      this.#notices.dropped(error.message);
    }
    return null;
  }
}

/** RTMP counts in milliseconds, and its own decoding times are kept. */
const videoTrack = (config: AvcConfig): VideoTrack => ({ kind: 'video', codec: 'avc', timescale: 1000, config });
