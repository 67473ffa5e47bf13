import { CodedError } from '../../base/index.ts';
import {
  type AacTrack,
  type AvcConfig,
  avcConfigFromFrame,
  hasIdr,
  type OpusTrack,
  opusSamples,
  type Packet,
  parseAacConfig,
  parseAvcConfig,
  parseOpusConfig,
  sameAacConfig,
  sameAvcConfig,
  toLengthPrefixed,
  type VideoTrack,
} from '../../media/index.ts';
import { AudioClock } from './audio-clock.ts';
import { type AudioCodec, type MediaTag, parseAudioTag, parseVideoTag } from './media-tag.ts';

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
  #audio: AacTrack | OpusTrack | null = null;
  /** OpusHead, until the first packet has told how long packets are. */
  #opusHead: Buffer | null = null;
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
    if (tag.codec !== 'aac' && tag.codec !== 'opus') return this.#unsupported('audio', tag.codec);
    if (tag.data.length === 0) return null;
    try {
      if (tag.codec === 'opus') return this.#opus(timestampMs, tag);
      if (tag.kind === 'config') {
        const config = parseAacConfig(tag.data);
        if (this.#audio?.codec !== 'aac' || !sameAacConfig(config, this.#audio.config)) {
          this.#audio = { kind: 'audio', codec: 'aac', timescale: config.sampleRate, config };
          this.#audioClock = new AudioClock(config.sampleRate, config.frameSamples);
        }
        return null;
      }
      if (tag.kind !== 'frame' || this.#audio?.codec !== 'aac') return null;
      const dts = this.#audioClock!.dts(timestampMs);
      return { track: this.#audio, dts, pts: dts, key: true, data: tag.data };
    } catch (error) {
      return this.#dropped(error);
    }
  }

  /** Enhanced RTMP alone carries it: the sequence start is an OpusHead, a frame an Opus packet. */
  #opus(timestampMs: number, { kind, data }: MediaTag<AudioCodec>): Packet | null {
    if (kind === 'config') {
      // What cannot be read is noticed here, and not with every packet.
      parseOpusConfig(data, 0);
      if (this.#audio?.codec !== 'opus' || !this.#audio.config.record.equals(data)) this.#opusHead = Buffer.from(data);
      return null;
    }
    if (kind !== 'frame') return null;
    const samples = opusSamples(data);
    if (this.#opusHead) {
      const config = parseOpusConfig(this.#opusHead, samples);
      this.#opusHead = null;
      this.#audio = { kind: 'audio', codec: 'opus', timescale: config.sampleRate, config };
      this.#audioClock = new AudioClock(config.sampleRate, samples);
    }
    // In tags of before Enhanced RTMP it comes without its configuration.
    if (this.#audio?.codec !== 'opus') return this.#unsupported('audio', 'opus');
    const dts = this.#audioClock!.dts(timestampMs, samples);
    return { track: this.#audio, dts, pts: dts, key: true, data };
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
