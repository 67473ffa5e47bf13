import { MessageType } from './message-type.ts';

/** What a peer may make us hold. */
export interface ChunkLimits {
  /** Largest audio, video or aggregate message. */
  readonly mediaBytes: number;
  readonly commandBytes: number;
  /** Largest data or shared object message. */
  readonly dataBytes: number;
  /** Sum of all unfinished messages. */
  readonly partialBytes: number;
  readonly chunkStreams: number;
  /** Memory set aside for a message before its bytes have come; from there it doubles. */
  readonly reserveBytes: number;
}

/** Before a publisher is accepted: enough for connect and publish, little for strangers. */
export const UNAUTHORISED_LIMITS: ChunkLimits = {
  mediaBytes: 65_536,
  commandBytes: 65_536,
  dataBytes: 65_536,
  partialBytes: 262_144,
  chunkStreams: 64,
  reserveBytes: 4096,
};

/** Once a publisher is accepted. */
export const AUTHORISED_LIMITS: ChunkLimits = {
  mediaBytes: 10_485_760,
  commandBytes: 65_536,
  dataBytes: 262_144,
  partialBytes: 16_777_216,
  chunkStreams: 64,
  reserveBytes: 65_536,
};

/** An AAC frame has a few hundred bytes, at the very most 6,144 for eight channels. */
const AUDIO_BYTES = 65_536;

/** Control messages have 4 to 10 bytes, the longest of Flash 44. */
const CONTROL_BYTES = 1024;

/** The most bytes a message of this type may have; -1 when there is no such type. */
export function maxBytes(limits: ChunkLimits, type: number): number {
  switch (type) {
    case MessageType.audio:
      return Math.min(limits.mediaBytes, AUDIO_BYTES);
    case MessageType.video:
    case MessageType.aggregate:
      return limits.mediaBytes;
    case MessageType.setChunkSize:
    case MessageType.abort:
    case MessageType.acknowledgement:
    case MessageType.userControl:
    case MessageType.windowSize:
    case MessageType.peerBandwidth:
      return CONTROL_BYTES;
    case MessageType.commandAmf0:
    case MessageType.commandAmf3:
      return limits.commandBytes;
    case MessageType.dataAmf0:
    case MessageType.dataAmf3:
    case MessageType.sharedObjectAmf0:
    case MessageType.sharedObjectAmf3:
      return limits.dataBytes;
    default:
      return -1;
  }
}
