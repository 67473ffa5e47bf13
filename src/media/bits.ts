import { CodedError } from '../base/index.ts';

/** Reads bits, most significant first. Throws `media_invalid` past the end. */
export class BitReader {
  readonly #data: Uint8Array;
  readonly #name: string;
  #position = 0;

  /** `name` is what the error calls the bytes. */
  constructor(data: Uint8Array, name: string) {
    this.#data = data;
    this.#name = name;
  }

  get bitsLeft(): number {
    return this.#data.length * 8 - this.#position;
  }

  /** Up to 32 bits as an unsigned number. */
  read(bits: number): number {
    if (bits > this.bitsLeft) throw new CodedError('media_invalid', `${this.#name} ends too early`);
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = (this.#data[this.#position >> 3]! >> (7 - (this.#position & 7))) & 1;
      value = value * 2 + bit;
      this.#position++;
    }
    return value;
  }

  flag(): boolean {
    return this.read(1) === 1;
  }

  /** Goes on to the next whole byte. */
  align(): void {
    this.#position = (this.#position + 7) & ~7;
  }

  /** ue(v), ISO 14496-10, 9.1. */
  ue(): number {
    let zeros = 0;
    while (!this.flag()) {
      if (++zeros > 32) throw new CodedError('media_invalid', `${this.#name} holds an endless number`);
    }
    return 2 ** zeros - 1 + this.read(zeros);
  }

  /** se(v), ISO 14496-10, 9.1.1. */
  se(): number {
    const code = this.ue();
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2;
  }
}
