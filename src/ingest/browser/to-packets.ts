import { CodedError } from '../../base/index.ts';
import { AudioClock } from '../../formats/flv/index.ts';
import {
  type AacConfig,
  type AudioTrack,
  hasIdr,
  type OpusConfig,
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
import { type Frame, FrameKind } from './frame.ts';

/** The browser's microseconds become these, which divide into whole frames and fit into parts for days. */
const VIDEO_TIMESCALE = 90_000;

/** Turns the frames of one publish into packets. The tracks change only when a configuration really does. */
export class ToPackets {
  #video: VideoTrack | null = null;
  #audio: AudioTrack | null = null;
  #clock: AudioClock | null = null;
  /** OpusHead, until the first packet has told how long packets are. */
  #opusHead: Buffer | null = null;

  /**
   * Null for configurations, and for frames before theirs. The packet keeps a view on the frame's payload. Throws `media_invalid` for what
   * cannot be decoded, `bad_request` for a kind that does not exist.
   */
  take(frame: Frame): Packet | null {
    const { kind, payload } = frame;
    switch (kind) {
      case FrameKind.avcConfig: {
        const config = parseAvcConfig(payload);
        if (!this.#video || !sameAvcConfig(config, this.#video.config))
          this.#video = { kind: 'video', codec: 'avc', timescale: VIDEO_TIMESCALE, config };
        return null;
      }
      case FrameKind.avcFrame:
        return this.#picture(frame);
      case FrameKind.aacConfig: {
        const config = parseAacConfig(payload);
        if (this.#audio?.codec !== 'aac' || !sameAacConfig(config, this.#audio.config))
          this.#hear({ kind: 'audio', codec: 'aac', timescale: config.sampleRate, config });
        return null;
      }
      case FrameKind.aacFrame:
        return this.#audio?.codec === 'aac' ? this.#sound(this.#audio, frame) : null;
      case FrameKind.opusConfig:
        // What cannot be read is noticed here, and not with every packet.
        parseOpusConfig(payload, 0);
        if (this.#audio?.codec !== 'opus' || !this.#audio.config.record.equals(payload))
          this.#opusHead = Buffer.from(payload);
        return null;
      case FrameKind.opusFrame:
        return this.#opus(frame);
      default:
        throw new CodedError('bad_request', `There is no message of kind ${kind}.`);
    }
  }

  #picture({ key, timestampUs, compositionUs, payload }: Frame): Packet | null {
    const track = this.#video;
    if (!track) return null;
    const data = toLengthPrefixed(payload, track.config);
    if (data.length === 0) return null;
    const dts = toTicks(timestampUs);
    return { track, dts, pts: toTicks(timestampUs + compositionUs), key: key && hasIdr(data), data };
  }

  #opus(frame: Frame): Packet | null {
    const samples = opusSamples(frame.payload);
    if (this.#opusHead) {
      const config = parseOpusConfig(this.#opusHead, samples);
      this.#opusHead = null;
      this.#hear({ kind: 'audio', codec: 'opus', timescale: config.sampleRate, config });
    }
    return this.#audio?.codec === 'opus' ? this.#sound(this.#audio, frame, samples) : null;
  }

  #hear(track: AudioTrack): void {
    const { sampleRate, frameSamples }: AacConfig | OpusConfig = track.config;
    this.#audio = track;
    this.#clock = new AudioClock(sampleRate, frameSamples);
  }

  #sound(track: AudioTrack, { timestampUs, payload }: Frame, samples?: number): Packet {
    const dts = this.#clock!.dts(timestampUs / 1000, samples);
    return { track, dts, pts: dts, key: true, data: payload };
  }
}

const toTicks = (us: number): number => Math.round((us * VIDEO_TIMESCALE) / 1_000_000);
