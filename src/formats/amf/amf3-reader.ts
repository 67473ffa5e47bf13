import type { Cursor } from './cursor.ts';
import { type AmfObject, type AmfValue, emptyObject, fail, MAX_KEYS, References, type Spent, spend } from './value.ts';

interface Traits {
  readonly names: string[];
  readonly dynamic: boolean;
}

/** Reads AMF3 values from a place inside a body, and moves it on. */
export class Amf3Reader {
  readonly #cursor: Cursor;
  readonly #bytes: Buffer;
  readonly #spent: Spent;
  readonly #strings: string[] = [];
  readonly #traits: Traits[] = [];
  readonly #references: References;

  constructor(cursor: Cursor, spent: Spent) {
    this.#cursor = cursor;
    this.#bytes = cursor.bytes;
    this.#spent = spent;
    this.#references = new References(spent);
  }

  /** The next value, which stands at nesting `depth`. Throws CodedError('rtmp_protocol') for what is no AMF3 value. */
  read(depth: number): AmfValue {
    spend(this.#spent, depth, 1);
    const marker = this.#bytes[this.#cursor.take(1)];
    switch (marker) {
      case 0x00: // undefined
        return undefined;
      case 0x01: // null
        return null;
      case 0x02: // false
        return false;
      case 0x03: // true
        return true;
      case 0x04: // integer of 29 bits, signed
        return (this.#uint29() << 3) >> 3;
      case 0x05: // double
        return this.#bytes.readDoubleBE(this.#cursor.take(8));
      case 0x06: // string
        return this.#string();
      case 0x07: // XML document
      case 0x0b: // XML
        return this.#referable(depth, (length) => this.#references.read(this.#cursor.text(length), depth, () => {}));
      case 0x08: // date
        return this.#referable(depth, () => {
          const date = new Date(this.#bytes.readDoubleBE(this.#cursor.take(8)));
          return this.#references.read(date, depth, () => {});
        });
      case 0x09: // array
        return this.#referable(depth, (count) => this.#array(count, depth));
      case 0x0a: // object
        return this.#referable(depth, (flags) => this.#object(flags, depth));
      case 0x0c: // byte array
        return this.#referable(depth, (length) => {
          const start = this.#cursor.take(length);
          const copy = Buffer.from(this.#bytes.subarray(start, start + length));
          return this.#references.read(copy, depth, () => {});
        });
      case 0x0d: // vector of int
        return this.#referable(depth, (count) => this.#numbers(count, depth, 4, (at) => this.#bytes.readInt32BE(at)));
      case 0x0e: // vector of uint
        return this.#referable(depth, (count) => this.#numbers(count, depth, 4, (at) => this.#bytes.readUInt32BE(at)));
      case 0x0f: // vector of double
        return this.#referable(depth, (count) => this.#numbers(count, depth, 8, (at) => this.#bytes.readDoubleBE(at)));
      case 0x10: // vector of objects
        return this.#referable(depth, (count) => {
          this.#cursor.take(1); // fixed length or not
          this.#string(); // type name
          return this.#references.read([] as AmfValue[], depth, (array) => this.#elements(array, count, depth));
        });
      case 0x11: // dictionary
        return this.#referable(depth, (count) => this.#dictionary(count, depth));
      default:
        return fail(`byte ${this.#cursor.offset - 1}: no AMF3 value begins with 0x${marker?.toString(16)}`);
    }
  }

  /** U29 whose lowest bit says whether the rest is a reference or belongs to the value itself. */
  #referable(depth: number, inline: (rest: number) => AmfValue): AmfValue {
    const header = this.#uint29();
    return header & 1 ? inline(header >> 1) : this.#references.resolve(header >> 1, depth);
  }

  /** Named members, then the dense part. With named members it is an object, and the dense ones have their index as key. */
  #array(count: number, depth: number): AmfValue {
    this.#checkCount(count, 1);
    const firstKey = this.#string();
    if (firstKey === '') {
      return this.#references.read([] as AmfValue[], depth, (array) => this.#elements(array, count, depth));
    }
    return this.#references.read(emptyObject(), depth, (object) => {
      this.#members(object, firstKey, depth);
      if (count > MAX_KEYS) fail(`an object with more than ${MAX_KEYS} keys`);
      for (let i = 0; i < count; i++) object[i] = this.read(depth + 1);
    });
  }

  #object(flags: number, depth: number): AmfValue {
    const traits = flags & 1 ? this.#newTraits(flags >> 1) : this.#traits[flags >> 1];
    if (traits === undefined) fail(`reference to traits ${flags >> 1} of ${this.#traits.length}`);
    return this.#references.read(emptyObject(), depth, (object) => {
      for (const name of traits.names) object[name] = this.read(depth + 1);
      if (traits.dynamic) this.#members(object, this.#string(), depth);
    });
  }

  #newTraits(flags: number): Traits {
    const className = this.#string();
    if (flags & 1) fail(`an object of class ${JSON.stringify(className.slice(0, 40))}, which only that class can read`);
    const count = flags >> 2;
    if (count > MAX_KEYS) fail(`an object with more than ${MAX_KEYS} keys`);
    const traits: Traits = { names: [], dynamic: (flags & 2) !== 0 };
    for (let i = 0; i < count; i++) traits.names.push(this.#string());
    this.#traits.push(traits);
    return traits;
  }

  /** Key and value pairs up to the empty key. */
  #members(object: AmfObject, firstKey: string, depth: number): void {
    let keys = 0;
    for (let key = firstKey; key !== ''; key = this.#string()) {
      if (++keys > MAX_KEYS) fail(`an object with more than ${MAX_KEYS} keys`);
      object[key] = this.read(depth + 1);
    }
  }

  /** Entries whose key is an object have no name here and are read over. */
  #dictionary(count: number, depth: number): AmfValue {
    this.#cursor.take(1); // weak keys or not
    if (count > MAX_KEYS) fail(`a dictionary with more than ${MAX_KEYS} keys`);
    return this.#references.read(emptyObject(), depth, (object) => {
      for (let i = 0; i < count; i++) {
        const key = this.read(depth + 1);
        const value = this.read(depth + 1);
        if (typeof key !== 'object') object[String(key)] = value;
      }
    });
  }

  #numbers(count: number, depth: number, size: number, at: (offset: number) => number): AmfValue {
    this.#cursor.take(1); // fixed length or not
    this.#checkCount(count, size);
    spend(this.#spent, depth, count);
    const array: number[] = [];
    for (let i = 0; i < count; i++) array.push(at(this.#cursor.take(size)));
    return this.#references.read(array, depth, () => {});
  }

  #elements(array: AmfValue[], count: number, depth: number): void {
    this.#checkCount(count, 1);
    for (let i = 0; i < count; i++) array.push(this.read(depth + 1));
  }

  #checkCount(count: number, size: number): void {
    const { left } = this.#cursor;
    if (count * size > left) fail(`an array of ${count} elements in ${left} bytes`);
  }

  #string(): string {
    const header = this.#uint29();
    if (header & 1) {
      const text = this.#cursor.text(header >> 1);
      if (text !== '') this.#strings.push(text);
      return text;
    }
    const text = this.#strings[header >> 1];
    if (text === undefined) fail(`reference to string ${header >> 1} of ${this.#strings.length}`);
    return text;
  }

  /** AMF 3 section 1.3.1: three bytes of 7 bits and a flag, then one of 8. */
  #uint29(): number {
    let value = 0;
    for (let i = 0; i < 3; i++) {
      const byte = this.#bytes[this.#cursor.take(1)]!;
      value = (value << 7) | (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    return (value << 8) | this.#bytes[this.#cursor.take(1)]!;
  }
}
