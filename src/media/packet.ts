import type { AacConfig } from './aac.ts';
import type { AvcConfig } from './avc.ts';
import type { OpusConfig } from './opus.ts';

/**
 * One elementary stream of a publisher. Immutable: when the codec configuration changes, the publisher's door makes a new
 * Track, so `packet.track !== previous.track` is all a reader needs to look at.
 */
export type Track = VideoTrack | AudioTrack;

/** H.264 in CMAF's form. */
export interface VideoTrack {
  readonly kind: 'video';
  readonly codec: 'avc';
  /** Units of `dts` and `pts` a second: what the source counts in. RTMP has milliseconds, MPEG-TS 90,000. */
  readonly timescale: number;
  readonly config: AvcConfig;
}

export type AudioTrack = AacTrack | OpusTrack;

/** AAC, one access unit a packet. */
export interface AacTrack {
  readonly kind: 'audio';
  readonly codec: 'aac';
  /** Units of `dts` and `pts` a second: the sample rate. */
  readonly timescale: number;
  readonly config: AacConfig;
}

/** Opus, one packet of its own a packet. */
export interface OpusTrack {
  readonly kind: 'audio';
  readonly codec: 'opus';
  /** Units of `dts` and `pts` a second: 48,000. */
  readonly timescale: number;
  readonly config: OpusConfig;
}

/**
 * One coded frame. What its bytes are, per codec, stands in docs/packets.md. All tracks of one publisher share one clock
 * zero, so times of different tracks compare after division by their timescales. Shared by every reader: never written to.
 */
export interface Packet {
  readonly track: Track;
  /** Decoding time, in `track.timescale`; rises strictly within a track and a run. */
  readonly dts: number;
  /** Presentation time, in `track.timescale`; may lie before `dts` (encoders with negative composition offsets). */
  readonly pts: number;
  /** Video: the frame is an IDR. Audio: always true. */
  readonly key: boolean;
  /** AVC: NAL units with 4-byte lengths. AAC: one raw access unit. Opus: one packet. */
  readonly data: Uint8Array;
}

/** Time of `dts` or `pts` in milliseconds, on the publisher's clock. */
export function toMs(time: number, timescale: number): number {
  return timescale === 1000 ? time : (time * 1000) / timescale;
}
