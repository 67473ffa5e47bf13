import type { AmfInput } from './value.ts';

const MAX_SHORT_BYTES = 65_535;

/** Grows as needed; only what was written leaves it. */
class Writer {
  #bytes = Buffer.allocUnsafe(512);
  #length = 0;

  take(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  byte(value: number): void {
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  uint16(value: number): void {
    const at = this.#room(2);
    this.#bytes.writeUInt16BE(value, at);
  }

  uint32(value: number): void {
    const at = this.#room(4);
    this.#bytes.writeUInt32BE(value, at);
  }

  double(value: number): void {
    const at = this.#room(8);
    this.#bytes.writeDoubleBE(value, at);
  }

  text(value: string, bytes: number): void {
    const at = this.#room(bytes);
    this.#bytes.write(value, at, bytes, 'utf8');
  }

  /** Where the next `bytes` go. May replace the buffer, so it comes before any use of it. */
  #room(bytes: number): number {
    const start = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, start);
      this.#bytes = grown;
    }
    return start;
  }
}

/**
 * Values as AMF0. A Map becomes an ECMA array. What AMF0 cannot say becomes its "unsupported" (byte arrays), and a key
 * longer than 65,535 bytes is left out.
 */
export function encodeAmf0(...values: AmfInput[]): Buffer {
  const writer = new Writer();
  for (const value of values) write(writer, value);
  return writer.take();
}

function write(writer: Writer, value: AmfInput): void {
  if (value === null) writer.byte(0x05);
  else if (value === undefined) writer.byte(0x06);
  else if (typeof value === 'number') {
    writer.byte(0x00);
    writer.double(value);
  } else if (typeof value === 'boolean') {
    writer.byte(0x01);
    writer.byte(value ? 1 : 0);
  } else if (typeof value === 'string') {
    const bytes = Buffer.byteLength(value);
    if (bytes > MAX_SHORT_BYTES) {
      writer.byte(0x0c);
      writer.uint32(bytes);
    } else {
      writer.byte(0x02);
      writer.uint16(bytes);
    }
    writer.text(value, bytes);
  } else if (value instanceof Date) {
    writer.byte(0x0b);
    writer.double(value.getTime());
    writer.uint16(0);
  } else if (Array.isArray(value)) {
    writer.byte(0x0a);
    writer.uint32(value.length);
    for (const element of value) write(writer, element);
  } else if (value instanceof Map) {
    writer.byte(0x08);
    writer.uint32(value.size);
    for (const [key, member] of value as ReadonlyMap<string, AmfInput>) writeMember(writer, key, member);
    endMembers(writer);
  } else if (Buffer.isBuffer(value)) writer.byte(0x0d);
  else {
    writer.byte(0x03);
    for (const [key, member] of Object.entries(value)) writeMember(writer, key, member);
    endMembers(writer);
  }
}

function writeMember(writer: Writer, key: string, value: AmfInput): void {
  const bytes = Buffer.byteLength(key);
  if (bytes > MAX_SHORT_BYTES) return;
  writer.uint16(bytes);
  writer.text(key, bytes);
  write(writer, value);
}

function endMembers(writer: Writer): void {
  writer.uint16(0);
  writer.byte(0x09);
}
