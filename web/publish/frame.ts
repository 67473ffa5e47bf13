/** What a message holds: as src/ingest/browser/frame.ts names them. */
export const FrameKind = { avcConfig: 1, avcFrame: 2, aacConfig: 3, aacFrame: 4, opusConfig: 5, opusFrame: 6 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

const HEADER_BYTES = 12;

/** One message; browsers encode without B-frames, so pictures are shown when they are decoded. `timestampUs` is not negative. */
export function writeFrame(kind: FrameKind, key: boolean, timestampUs: number, payload: Uint8Array): ArrayBuffer {
  const message = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, kind);
  view.setUint8(1, key ? 1 : 0);
  const us = Math.round(timestampUs);
  view.setUint16(2, Math.floor(us / 2 ** 32));
  view.setUint32(4, us % 2 ** 32);
  message.set(payload, HEADER_BYTES);
  return message.buffer;
}

/** The bytes of what WebCodecs hands out: a view that stays true, or a copy. */
export function toBytes(source: AllowSharedBufferSource): Uint8Array {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}
