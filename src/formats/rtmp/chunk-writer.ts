import { ChunkStreamId, MessageType, UserControl } from './message-type.ts';

/** The chunk size of messages that are made once for many peers, and so of every connection that they are sent over. */
export const SHARED_CHUNK_BYTES = 60_000;

/**
 * One message as chunks: a fmt 0 header, then fmt 3. Such bytes depend on nothing sent before, so they can go to many peers.
 * `timestamp` is taken modulo 2^32; from 0xffffff on it is extended, and repeated in every chunk (RTMP 1.0 section 5.3.1.3).
 */
export function writeMessage(
  chunkStreamId: number,
  type: number,
  streamId: number,
  timestamp: number,
  body: Uint8Array,
  chunkSize: number,
): Buffer {
  const time = timestamp >>> 0;
  const bytes = Buffer.allocUnsafe(messageSize(chunkStreamId, time, body.length, chunkSize));
  const extended = time >= 0xffffff;
  let offset = writeBasicHeader(bytes, 0, 0, chunkStreamId);
  offset = bytes.writeUIntBE(extended ? 0xffffff : time, offset, 3);
  offset = bytes.writeUIntBE(body.length, offset, 3);
  offset = bytes.writeUInt8(type, offset);
  offset = bytes.writeUInt32LE(streamId, offset);
  if (extended) offset = bytes.writeUInt32BE(time, offset);
  if (body.length <= chunkSize) {
    bytes.set(body, offset);
    return bytes;
  }
  for (let start = 0; start < body.length; start += chunkSize) {
    if (start > 0) {
      offset = writeBasicHeader(bytes, offset, 3, chunkStreamId);
      if (extended) offset = bytes.writeUInt32BE(time, offset);
    }
    const part = body.subarray(start, start + chunkSize);
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/**
 * A copy of messages that `writeMessage` made with this chunk size, whole and on chunk streams below 64, for another message stream:
 * the few servers that count differently get bytes of their own.
 */
export function withStreamId(bytes: Buffer, streamId: number, chunkSize: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let offset = 0; offset + 12 <= copy.length; ) {
    const length = copy.readUIntBE(offset + 4, 3);
    const extended = copy.readUIntBE(offset + 1, 3) === 0xffffff ? 4 : 0;
    copy.writeUInt32LE(streamId, offset + 8);
    const chunks = Math.max(1, Math.ceil(length / chunkSize));
    offset += 11 + length + chunks * (1 + extended);
  }
  return copy;
}

function messageSize(chunkStreamId: number, time: number, length: number, chunkSize: number): number {
  const basic = chunkStreamId < 64 ? 1 : chunkStreamId < 320 ? 2 : 3;
  const extended = time >= 0xffffff ? 4 : 0;
  const chunks = Math.max(1, Math.ceil(length / chunkSize));
  return 11 + length + chunks * (basic + extended);
}

function writeBasicHeader(bytes: Buffer, offset: number, format: number, id: number): number {
  if (id < 64) return bytes.writeUInt8((format << 6) | id, offset);
  if (id < 320) return bytes.writeUInt8(id - 64, bytes.writeUInt8(format << 6, offset));
  return bytes.writeUInt16LE(id - 64, bytes.writeUInt8((format << 6) | 1, offset));
}

/** Gathers the messages of one step, so that they leave in one write: small writes wait for each other's acknowledgement. */
export class ChunkWriter {
  chunkSize = 128;
  #parts: Buffer[] = [];

  /** Any message. */
  message(chunkStreamId: number, type: number, streamId: number, timestamp: number, body: Uint8Array): void {
    this.#parts.push(writeMessage(chunkStreamId, type, streamId, timestamp, body, this.chunkSize));
  }

  /** Bytes that are no message: the handshake. */
  raw(bytes: Buffer): void {
    this.#parts.push(bytes);
  }

  /** Announces and uses another chunk size. */
  setChunkSize(size: number): void {
    this.#control(MessageType.setChunkSize, uint32(size));
    this.chunkSize = size;
  }

  acknowledge(bytesReceived: number): void {
    this.#control(MessageType.acknowledgement, uint32(bytesReceived));
  }

  windowSize(bytes: number): void {
    this.#control(MessageType.windowSize, uint32(bytes));
  }

  /** Limit type 2: dynamic. */
  peerBandwidth(bytes: number): void {
    this.#control(MessageType.peerBandwidth, Buffer.concat([uint32(bytes), Buffer.from([2])]));
  }

  streamBegin(streamId: number): void {
    this.#userControl(UserControl.streamBegin, uint32(streamId));
  }

  /** The stream is over. */
  streamEof(streamId: number): void {
    this.#userControl(UserControl.streamEof, uint32(streamId));
  }

  /** How many milliseconds of media a player holds. */
  setBufferLength(streamId: number, ms: number): void {
    this.#userControl(UserControl.setBufferLength, Buffer.concat([uint32(streamId), uint32(ms)]));
  }

  /** Answers a ping with the time that it carried. */
  pong(ping: Buffer): void {
    this.#userControl(UserControl.pingResponse, ping);
  }

  /** All that was gathered since the last call, or null. */
  take(): Buffer | null {
    const parts = this.#parts;
    if (parts.length === 0) return null;
    this.#parts = [];
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  #userControl(event: number, value: Buffer): void {
    this.#control(MessageType.userControl, Buffer.concat([Buffer.from([0, event]), value]));
  }

  #control(type: number, body: Buffer): void {
    this.message(ChunkStreamId.control, type, 0, 0, body);
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
