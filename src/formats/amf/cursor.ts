import { fail, MAX_STRING_BYTES } from './value.ts';

/** A place in a body, which the reader of AMF0 and that of the AMF3 inside it move on together. */
export class Cursor {
  readonly bytes: Buffer;
  offset: number;

  constructor(bytes: Buffer, offset: number) {
    this.bytes = bytes;
    this.offset = offset;
  }

  get left(): number {
    return this.bytes.length - this.offset;
  }

  /** Moves on by `count` bytes and returns where they begin. Throws CodedError('rtmp_protocol') when there are fewer. */
  take(count: number): number {
    const start = this.offset;
    if (count > this.left) fail(`byte ${start}: ${count} bytes expected, ${this.left} left`);
    this.offset = start + count;
    return start;
  }

  /** The next `length` bytes as UTF-8. Throws CodedError('rtmp_protocol') for more than a string may have. */
  text(length: number): string {
    if (length > MAX_STRING_BYTES) fail(`a string of ${length} bytes`);
    const start = this.take(length);
    return this.bytes.toString('utf8', start, start + length);
  }
}
