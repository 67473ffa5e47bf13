import { CodedError } from '../../base/index.ts';

/** A read of the socket more fits between the two. */
const FULL_BYTES = 196_608;
const MAX_BYTES = 262_144;
const MERGED_BYTES = 4096;

/** What came while a publish request is being decided, as it came: nothing of it is interpreted before the answer. */
export class HeldBytes {
  #pieces: Buffer[] = [];
  #length = 0;

  get full(): boolean {
    return this.#length >= FULL_BYTES;
  }

  /** Keeps a copy. Throws CodedError('rtmp_protocol') beyond 256 KiB. */
  add(bytes: Buffer): void {
    this.#length += bytes.length;
    if (this.#length > MAX_BYTES) {
      throw new CodedError('rtmp_protocol', `more than ${MAX_BYTES} bytes before the publish request was answered`);
    }
    const last = this.#pieces.at(-1);
    // A flood of tiny reads must not become as many objects.
    if (last !== undefined && last.length + bytes.length <= MERGED_BYTES) {
      this.#pieces[this.#pieces.length - 1] = Buffer.concat([last, bytes]);
    } else this.#pieces.push(Buffer.from(bytes));
  }

  /** Gives all away. */
  take(): Buffer[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#length = 0;
    return pieces;
  }
}
