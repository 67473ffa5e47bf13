import { CodedError } from '../../base/index.ts';

/** One tag of an FLV file. */
export interface FlvTag {
  readonly type: 'audio' | 'video' | 'data';
  /** Decoding time, 32 bits. */
  readonly timestampMs: number;
  /** The reader's own copy. */
  readonly body: Buffer;
}

const TAG_HEADER = 11;
const BACK_POINTER = 4;
const MAX_FILE_HEADER = 1024;

/** Takes an FLV file apart, however it is cut into pieces. */
export class FlvReader {
  readonly #onTag: (tag: FlvTag) => void;
  readonly #header = Buffer.alloc(TAG_HEADER);
  #headerLength = 0;
  /** Bytes to read over: the rest of the file header, back pointers. */
  #skip = 0;
  #inFile = false;
  #body: Buffer | null = null;
  #have = 0;

  constructor(onTag: (tag: FlvTag) => void) {
    this.#onTag = onTag;
  }

  /** Reads on. Tags of unknown types are left out. Throws CodedError('media_invalid') for what is no FLV. */
  push(bytes: Buffer): void {
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#skip > 0) {
        const count = Math.min(this.#skip, bytes.length - offset);
        this.#skip -= count;
        offset += count;
      } else if (this.#body !== null) {
        const count = bytes.copy(this.#body, this.#have, offset);
        this.#have += count;
        offset += count;
        if (this.#have === this.#body.length) this.#endTag(this.#body);
      } else {
        const wanted = this.#inFile ? TAG_HEADER : 9;
        const count = bytes.copy(this.#header, this.#headerLength, offset, offset + wanted - this.#headerLength);
        this.#headerLength += count;
        offset += count;
        if (this.#headerLength === wanted) this.#endHeader();
      }
    }
  }

  #endHeader(): void {
    this.#headerLength = 0;
    if (this.#inFile) {
      this.#body = Buffer.allocUnsafe(this.#header.readUIntBE(1, 3));
      this.#have = 0;
      if (this.#body.length === 0) this.#endTag(this.#body);
      return;
    }
    const length = this.#header.readUInt32BE(5);
    if (this.#header.toString('latin1', 0, 3) !== 'FLV' || length < 9 || length > MAX_FILE_HEADER) {
      throw new CodedError('media_invalid', 'not an FLV file');
    }
    this.#inFile = true;
    this.#skip = length - 9 + BACK_POINTER;
  }

  #endTag(body: Buffer): void {
    this.#body = null;
    this.#skip = BACK_POINTER;
    const first = this.#header[0]!;
    if (first & 0x20) throw new CodedError('media_invalid', 'an encrypted FLV file');
    const type = first === 8 ? 'audio' : first === 9 ? 'video' : first === 18 ? 'data' : null;
    if (type === null) return;
    // The fourth byte holds the upper eight bits.
    const timestampMs = this.#header.readUIntBE(4, 3) + this.#header[7]! * 0x1000000;
    this.#onTag({ type, timestampMs, body });
  }
}
