import { CodedError } from '../../base/index.ts';
import { type ChunkLimits, maxBytes, UNAUTHORISED_LIMITS } from './limits.ts';
import { MessageType } from './message-type.ts';

/** One message, whole. `timestamp` is the 32-bit time of its chunk stream; `body` belongs to the receiver. */
export type MessageHandler = (type: number, timestamp: number, streamId: number, body: Buffer) => void;

interface ChunkStream {
  /** Time of the last message. */
  timestamp: number;
  /** What a message without a time of its own (fmt 3) adds to it. */
  delta: number;
  /** The last header's time field was 0xffffff; `field` is then what the extended one held. */
  extended: boolean;
  field: number;
  length: number;
  type: number;
  streamId: number;
  /** A message has begun and is not complete. */
  active: boolean;
  body: Buffer;
  have: number;
}

const EMPTY = Buffer.alloc(0);
/** Basic header, message header and extended timestamp at their longest. */
const MAX_HEADER = 3 + 11 + 4;
/** Bytes of the message header by chunk format. */
const HEADER_SIZES = [11, 7, 3, 0];

/**
 * Puts messages together from chunks (RTMP 1.0 section 5.3), however the bytes are cut. It handles Set Chunk Size and Abort
 * itself and hands on all other messages. What it is given may be reused afterwards: it keeps copies only.
 */
export class ChunkReader {
  limits: ChunkLimits = UNAUTHORISED_LIMITS;
  readonly #onMessage: MessageHandler;
  /** Chunk streams whose id fits the one-byte form, and the rest. */
  readonly #low: (ChunkStream | undefined)[] = new Array(64).fill(undefined);
  readonly #high = new Map<number, ChunkStream>();
  #streams = 0;
  #chunkSize = 128;
  #stopped = false;

  /** The chunk whose payload is being read, and how much of it is still to come. */
  #current: ChunkStream | undefined;
  #need = 0;
  /** What has come of all unfinished messages. */
  #partialBytes = 0;

  /** The beginning of a header that the last bytes ended in. */
  readonly #scratch = Buffer.alloc(MAX_HEADER);
  #scratchLength = 0;

  /** Since the connection's first byte: errors name the place. */
  #consumed: number;
  /** Where the chunk header that is being read begins. */
  #at = 0;

  /** `consumed` counts the bytes that came before the first chunk. */
  constructor(onMessage: MessageHandler, consumed = 0) {
    this.#onMessage = onMessage;
    this.#consumed = consumed;
  }

  /** Makes receive() return after the current message, and take nothing until resume(). */
  stop(): void {
    this.#stopped = true;
  }

  resume(): void {
    this.#stopped = false;
  }

  /**
   * Reads on and returns how many bytes it took: all, unless stopped.
   * Throws CodedError('rtmp_protocol') for what breaks the protocol or a limit; the reader is of no use afterwards.
   */
  receive(bytes: Buffer): number {
    const taken = this.#read(bytes, this.#consumed);
    this.#consumed += taken;
    return taken;
  }

  /** `base` is the place of `bytes` in the connection. */
  #read(bytes: Buffer, base: number): number {
    const end = bytes.length;
    let offset = 0;
    while (offset < end && !this.#stopped) {
      if (this.#need > 0) offset = this.#readPayload(bytes, offset, end);
      else if (this.#scratchLength > 0) offset = this.#readSplitHeader(bytes, offset, end, base);
      else {
        this.#at = base + offset;
        const size = this.#readHeader(bytes, offset, end);
        if (size === 0) {
          this.#scratchLength = bytes.copy(this.#scratch, 0, offset, end);
          offset = end;
        } else offset += size;
      }
    }
    return offset;
  }

  /** Goes on with a header whose first bytes are in the scratch buffer. Returns the new offset. */
  #readSplitHeader(bytes: Buffer, offset: number, end: number, base: number): number {
    const had = this.#scratchLength;
    const all = had + bytes.copy(this.#scratch, had, offset, Math.min(end, offset + MAX_HEADER - had));
    const start = base + offset - had;
    this.#at = start;
    const size = this.#readHeader(this.#scratch, 0, all);
    this.#scratchLength = size === 0 ? all : 0;
    if (size === 0) return offset + all - had;
    if (size >= had) return offset + size - had;
    // What was kept as the beginning of an extended timestamp turned out to be payload.
    const payload = Buffer.from(this.#scratch.subarray(size, had));
    const taken = this.#read(payload, start + size);
    if (taken < payload.length) this.#scratchLength = payload.copy(this.#scratch, 0, taken);
    return offset;
  }

  /** Reads one chunk header and returns its size, or 0 (and changes nothing) while bytes of it are missing. */
  #readHeader(bytes: Buffer, start: number, end: number): number {
    const first = bytes[start]!;
    const format = first >> 6;
    let id = first & 63;
    let offset = start + 1;
    if (id < 2) {
      if (offset + id >= end) return 0;
      id = id === 0 ? 64 + bytes[offset++]! : 64 + bytes[offset++]! + 256 * bytes[offset++]!;
    }
    const size = HEADER_SIZES[format]!;
    if (end - offset < size) return 0;
    let stream = id < 64 ? this.#low[id] : this.#high.get(id);

    if (format === 3) {
      if (stream === undefined) this.#fail(`chunk stream ${id} begins without a header`);
      if (stream.extended) {
        const repeated = repeatsTimestamp(bytes, offset, end, stream.field);
        if (repeated === 'unknown') return 0;
        if (repeated === 'yes') offset += 4;
      }
      if (!stream.active) {
        stream.timestamp = (stream.timestamp + stream.delta) >>> 0;
        this.#begin(stream);
      }
    } else {
      let time = (bytes[offset]! << 16) | (bytes[offset + 1]! << 8) | bytes[offset + 2]!;
      const extended = time === 0xffffff;
      if (extended) {
        if (end - offset < size + 4) return 0;
        time = bytes.readUInt32BE(offset + size);
      }
      if (stream === undefined) {
        // Some clients open a chunk stream with fmt 1 (stream id 0 is meant); without a length there is nothing to go by.
        if (format === 2) this.#fail(`chunk stream ${id} begins without a header`);
        stream = this.#open(id);
      }
      // A header in the middle of a message: the peer has given that message up.
      if (stream.active) this.#drop(stream);
      stream.extended = extended;
      stream.field = time;
      if (format === 0) {
        stream.timestamp = time;
        // fmt 3 after fmt 0: by the specification (and FFmpeg) it adds the fmt 0 time again, GStreamer means zero. FFmpeg
        // writes it only where that time is also the distance of two frames, and so small.
        stream.delta = time < 1000 ? time : 0;
        stream.streamId = bytes.readUInt32LE(offset + 7);
      } else {
        stream.timestamp = (stream.timestamp + time) >>> 0;
        stream.delta = time;
      }
      if (format < 2) {
        stream.length = (bytes[offset + 3]! << 16) | (bytes[offset + 4]! << 8) | bytes[offset + 5]!;
        stream.type = bytes[offset + 6]!;
      }
      offset += extended ? size + 4 : size;
      this.#begin(stream);
    }

    const missing = stream.length - stream.have;
    if (missing === 0) this.#complete(stream);
    else {
      this.#current = stream;
      this.#need = Math.min(missing, this.#chunkSize);
    }
    return offset - start;
  }

  #open(id: number): ChunkStream {
    if (++this.#streams > this.limits.chunkStreams) this.#fail(`more than ${this.limits.chunkStreams} chunk streams`);
    const stream: ChunkStream = {
      timestamp: 0,
      delta: 0,
      extended: false,
      field: 0,
      length: 0,
      type: 0,
      streamId: 0,
      active: false,
      body: EMPTY,
      have: 0,
    };
    if (id < 64) this.#low[id] = stream;
    else this.#high.set(id, stream);
    return stream;
  }

  /** A new message: its claims are checked here, memory for them comes with the bytes. */
  #begin(stream: ChunkStream): void {
    const max = maxBytes(this.limits, stream.type);
    if (stream.length > max) {
      if (max < 0) this.#fail(`there is no message type ${stream.type}`);
      this.#fail(`a message of type ${stream.type} with ${stream.length} bytes, ${max} are allowed`);
    }
    stream.active = true;
    stream.have = 0;
  }

  #readPayload(bytes: Buffer, offset: number, end: number): number {
    const stream = this.#current!;
    const count = Math.min(this.#need, end - offset);
    const have = stream.have;
    const now = have + count;
    if (now > stream.body.length) this.#grow(stream, now);
    bytes.copy(stream.body, have, offset, offset + count);
    stream.have = now;
    this.#need -= count;
    if (now === stream.length) {
      this.#partialBytes -= have;
      this.#complete(stream);
    } else {
      this.#partialBytes += count;
      if (this.#partialBytes > this.limits.partialBytes) {
        this.#fail(`unfinished messages of more than ${this.limits.partialBytes} bytes`);
      }
    }
    return offset + count;
  }

  /** Room for `wanted` bytes, and for the whole message if that is not much more than what has come. */
  #grow(stream: ChunkStream, wanted: number): void {
    const { length, have } = stream;
    const room = Math.min(length, Math.max(this.limits.reserveBytes, 2 * have, wanted));
    // Small ones come from Node's own pool, as fast as a pool of ours.
    const body = Buffer.allocUnsafe(room);
    if (have > 0) stream.body.copy(body, 0, 0, have);
    stream.body = body;
  }

  #complete(stream: ChunkStream): void {
    const body = stream.body;
    stream.active = false;
    stream.body = EMPTY;
    stream.have = 0;
    switch (stream.type) {
      case MessageType.setChunkSize: {
        const size = this.#control(body);
        if (size < 1 || size > 0x7fffffff) this.#fail(`a chunk size of ${size}`);
        this.#chunkSize = size;
        break;
      }
      case MessageType.abort: {
        const id = this.#control(body);
        const aborted = id < 64 ? this.#low[id] : this.#high.get(id);
        if (aborted?.active) this.#drop(aborted);
        break;
      }
      default:
        this.#onMessage(stream.type, stream.timestamp, stream.streamId, body);
    }
  }

  #control(body: Buffer): number {
    if (body.length < 4) this.#fail(`a control message of ${body.length} bytes`);
    return body.readUInt32BE(0);
  }

  #drop(stream: ChunkStream): void {
    this.#partialBytes -= stream.have;
    stream.active = false;
    stream.body = EMPTY;
    stream.have = 0;
  }

  #fail(reason: string): never {
    throw new CodedError('rtmp_protocol', `byte ${this.#at}: ${reason}`);
  }
}

/**
 * Whether the four bytes at `offset` repeat the extended timestamp `field`. Most senders repeat it in every fmt 3 chunk,
 * some do not, and the specification was read both ways; the bytes tell.
 */
function repeatsTimestamp(bytes: Buffer, offset: number, end: number, field: number): 'yes' | 'no' | 'unknown' {
  for (let i = 0; i < 4; i++) {
    if (offset + i >= end) return 'unknown';
    if (bytes[offset + i] !== ((field >>> (24 - 8 * i)) & 255)) return 'no';
  }
  return 'yes';
}
