import { CodedError } from '../../base/index.ts';

/*
 * What goes over the WebSocket. The browser's first message is text, `{"type":"publish","key":"lv_…?password=…"}`; nothing else may come
 * before the answer. We say, in text: `{"type":"accepted"}`, `{"type":"refused","reason","message"}` and, when we end what was accepted,
 * `{"type":"ended","reason"}`. All further messages of the browser are binary, one frame or configuration each, numbers big-endian:
 *
 *   0  kind             u8: a FrameKind
 *   1  flags            u8: 1 a key frame; else 0
 *   2  decoding time    u48: microseconds, one clock for sound and picture
 *   8  composition      i32: presentation minus decoding time, in microseconds
 *  12  payload          a configuration record, or a frame as docs/packets.md has it
 *
 * A close with code 1000 says that the user has stopped.
 */

const HEADER_BYTES = 12;
const KEY = 1;

/** What a binary message holds. */
export const FrameKind = {
  avcConfig: 1,
  avcFrame: 2,
  aacConfig: 3,
  aacFrame: 4,
  opusConfig: 5,
  opusFrame: 6,
} as const;

export interface Frame {
  readonly kind: number;
  readonly key: boolean;
  readonly timestampUs: number;
  readonly compositionUs: number;
  /** A view on the message, or a copy where that would keep much more than itself. */
  readonly payload: Buffer;
}

/** Takes a binary message apart. Throws `bad_request` when it is cut short. */
export function readFrame(message: Buffer): Frame {
  if (message.length <= HEADER_BYTES)
    throw new CodedError('bad_request', `A message of ${message.length} bytes holds no frame.`);
  return {
    kind: message[0]!,
    key: (message[1]! & KEY) !== 0,
    timestampUs: message.readUIntBE(2, 6),
    compositionUs: message.readInt32BE(8),
    payload: owned(message.subarray(HEADER_BYTES)),
  };
}

/** A small message is a view on whatever was read with it, up to 64 KiB: what is kept of it must not keep all that. */
function owned(payload: Buffer): Buffer {
  if (payload.buffer.byteLength <= 2 * payload.length) return payload;
  const own = Buffer.allocUnsafeSlow(payload.length);
  payload.copy(own);
  return own;
}

/** The stream key in the first message; null when that asks for nothing. */
export function readPublish(text: string): string | null {
  try {
    const message: unknown = JSON.parse(text);
    if (typeof message !== 'object' || message === null) return null;
    if (!('type' in message) || message.type !== 'publish' || !('key' in message)) return null;
    return typeof message.key === 'string' ? message.key : null;
  } catch {
    return null;
  }
}
