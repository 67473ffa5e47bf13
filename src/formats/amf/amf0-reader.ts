import { Amf3Reader } from './amf3-reader.ts';
import { Cursor } from './cursor.ts';
import { type AmfObject, type AmfValue, emptyObject, fail, MAX_KEYS, References, type Spent, spend } from './value.ts';

/** Reads AMF0 values one after the other, so that a command reads the arguments it knows and leaves the rest alone. */
export class Amf0Reader {
  readonly #bytes: Buffer;
  readonly #cursor: Cursor;
  readonly #spent: Spent = { values: 0, deepest: 0 };
  readonly #references = new References(this.#spent);

  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes;
    this.#cursor = new Cursor(bytes, offset);
  }

  get done(): boolean {
    return this.#cursor.left <= 0;
  }

  /** The next value; undefined when nothing is left. Throws CodedError('rtmp_protocol') for what is no AMF0 value. */
  read(): AmfValue {
    return this.done ? undefined : this.#value(0);
  }

  #value(depth: number): AmfValue {
    spend(this.#spent, depth, 1);
    const marker = this.#bytes[this.#cursor.take(1)];
    switch (marker) {
      case 0x00: // number
        return this.#bytes.readDoubleBE(this.#cursor.take(8));
      case 0x01: // boolean
        return this.#bytes[this.#cursor.take(1)] !== 0;
      case 0x02: // string
        return this.#cursor.text(this.#bytes.readUInt16BE(this.#cursor.take(2)));
      case 0x03: // object
        return this.#references.read(emptyObject(), depth, (object) => this.#members(object, depth));
      case 0x05: // null
        return null;
      case 0x06: // undefined
      case 0x0d: // unsupported
        return undefined;
      case 0x07: // reference
        return this.#references.resolve(this.#bytes.readUInt16BE(this.#cursor.take(2)), depth);
      case 0x08: // ECMA array: senders write any count, the members end as those of an object
        this.#cursor.take(4);
        return this.#references.read(emptyObject(), depth, (object) => this.#members(object, depth));
      case 0x0a: // strict array
        return this.#references.read([] as AmfValue[], depth, (array) => this.#elements(array, depth));
      case 0x0b: {
        // date: milliseconds, and a time zone that is reserved
        const date = new Date(this.#bytes.readDoubleBE(this.#cursor.take(8)));
        this.#cursor.take(2);
        return date;
      }
      case 0x0c: // long string
      case 0x0f: // XML document
        return this.#cursor.text(this.#bytes.readUInt32BE(this.#cursor.take(4)));
      case 0x10: // typed object: the class name says nothing to us
        this.#cursor.text(this.#bytes.readUInt16BE(this.#cursor.take(2)));
        return this.#references.read(emptyObject(), depth, (object) => this.#members(object, depth));
      case 0x11: // avmplus: the next value is AMF3
        return new Amf3Reader(this.#cursor, this.#spent).read(depth);
      default:
        return fail(`byte ${this.#cursor.offset - 1}: no AMF0 value begins with 0x${marker?.toString(16)}`);
    }
  }

  /** Key and value pairs up to the end marker. Some senders forget it at the end of a body. */
  #members(object: AmfObject, depth: number): void {
    const bytes = this.#bytes;
    for (let keys = 0; ; keys++) {
      const { left, offset } = this.#cursor;
      if (left === 0) return;
      if (bytes[offset] === 0 && bytes[offset + 1] === 0 && (left === 2 || bytes[offset + 2] === 9)) {
        this.#cursor.take(Math.min(left, 3));
        return;
      }
      if (keys === MAX_KEYS) fail(`an object with more than ${MAX_KEYS} keys`);
      const key = this.#cursor.text(bytes.readUInt16BE(this.#cursor.take(2)));
      object[key] = this.#value(depth + 1);
    }
  }

  #elements(array: AmfValue[], depth: number): void {
    const count = this.#bytes.readUInt32BE(this.#cursor.take(4));
    const { left } = this.#cursor;
    if (count > left) fail(`an array of ${count} elements in ${left} bytes`);
    for (let i = 0; i < count; i++) array.push(this.#value(depth + 1));
  }
}

/** All values of a body. Throws CodedError('rtmp_protocol'), also when something that is no value follows the last. */
export function decodeAmf0(bytes: Buffer): AmfValue[] {
  const reader = new Amf0Reader(bytes);
  const values: AmfValue[] = [];
  while (!reader.done) values.push(reader.read());
  return values;
}
