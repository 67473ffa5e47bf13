import { CodedError } from '../../base/index.ts';

const SYNC = 0x47;
export const TS_PACKET = 188;
/** From one packet to the next: plain, with a time code (M2TS), with error correction. */
const STRIDES = [TS_PACKET, 192, 204];
/** Three sync bytes in a row are no accident. */
const SYNCS = 3;
/** Bytes without any packet after which it is clear that none will come. */
const MAX_NOISE = 1 << 20;

/** Finds the packets in a stream of bytes that may be split anywhere, begin anywhere and hold garbage. */
export class PacketSync {
  readonly #visit: (bytes: Buffer, at: number) => void;
  #held: Buffer = Buffer.alloc(0);
  #stride = 0;
  #noise = 0;

  /** `visit` gets 188 bytes at an offset, which are good for the call only. */
  constructor(visit: (bytes: Buffer, at: number) => void) {
    this.#visit = visit;
  }

  /** @throws CodedError media_invalid after a megabyte without a packet */
  push(chunk: Buffer): void {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    let at = 0;
    for (;;) {
      if (this.#stride === 0) {
        const found = this.#find(bytes, at);
        this.#noise += found - at;
        at = found;
        if (this.#noise > MAX_NOISE) throw new CodedError('media_invalid', 'This is no MPEG transport stream.');
        if (this.#stride === 0) break;
      }
      if (at + this.#stride > bytes.length) break;
      if (bytes[at] !== SYNC) {
        this.#stride = 0;
        continue;
      }
      this.#noise = 0;
      this.#visit(bytes, at);
      at += this.#stride;
    }
    this.#held = Buffer.from(bytes.subarray(at));
  }

  /** Nothing more comes of this stretch: visits what is whole and begins anew. */
  flush(): void {
    const bytes = this.#held;
    const stride = this.#stride || TS_PACKET;
    for (let at = 0; at + TS_PACKET <= bytes.length && bytes[at] === SYNC; at += stride) this.#visit(bytes, at);
    this.#held = Buffer.alloc(0);
    this.#stride = 0;
  }

  /** The next offset at which packets begin, or the first one that cannot be ruled out yet. */
  #find(bytes: Buffer, from: number): number {
    for (let at = bytes.indexOf(SYNC, from); at >= 0; at = bytes.indexOf(SYNC, at + 1)) {
      for (const stride of STRIDES) {
        let syncs = 1;
        while (syncs < SYNCS && bytes[at + syncs * stride] === SYNC) syncs++;
        if (syncs === SYNCS) {
          this.#stride = stride;
          return at;
        }
        if (at + syncs * stride >= bytes.length) return at;
      }
    }
    return bytes.length;
  }
}
