const FIRST_BUFFER = 32_768;

/** What one PES packet held. */
export interface PesContent {
  /** Presentation and decoding time as they came: 33 bits at 90 kHz; null where the packet gives none. */
  readonly pts: number | null;
  readonly dts: number | null;
  /** A view that is good until the next call. */
  readonly data: Buffer;
}

/** Puts the PES packets of one elementary stream together (ISO 13818-1, 2.4.3.6). */
export class Pes {
  readonly #take: (content: PesContent) => void;
  readonly #dropped: (reason: string) => void;
  readonly #joins: boolean;
  readonly #maxBytes: number;
  #buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER);
  #size = 0;
  #open = false;
  /** Bytes of the header; 0 until it is there whole. */
  #header = 0;
  /** Of the whole packet, header included; 0 when it does not say. */
  #declared = 0;

  /**
   * `joins`: a packet without a time goes on with the access unit of the one before it, so a packet ends where the next one with
   * a time begins. Otherwise it ends where it says, too. More than `maxBytes` are dropped: a packet that does not end must not grow
   * the process.
   */
  constructor(
    { joins, maxBytes }: { readonly joins: boolean; readonly maxBytes: number },
    take: (content: PesContent) => void,
    dropped: (reason: string) => void,
  ) {
    this.#joins = joins;
    this.#maxBytes = maxBytes;
    this.#take = take;
    this.#dropped = dropped;
  }

  /** One TS packet's payload; `start`: a PES packet begins with it. */
  push(payload: Buffer, start: boolean): void {
    if (start) {
      if (this.#joins && this.#open && continues(payload)) {
        this.#append(payload.subarray(9 + payload[8]!));
        return;
      }
      this.flush();
      this.#open = payload.length < 3 || payload.readUIntBE(0, 3) === 1;
      if (!this.#open) this.#dropped('a PES packet without its start code');
    }
    if (!this.#open) return;
    this.#append(payload);
    if (this.#header === 0 && this.#size >= 9) this.#readHeader();
    if (!this.#joins && this.#declared > 0 && this.#header > 0 && this.#size >= this.#declared) this.flush();
  }

  /** Something was lost: the packet in progress is not whole. */
  lose(): void {
    if (this.#open) this.#dropped('packets of the transport stream were lost');
    this.#close();
  }

  /** Nothing more comes for the packet in progress. */
  flush(): void {
    if (this.#open && this.#header > 0 && this.#size > this.#header) {
      const bytes = this.#buffer;
      const flags = bytes[7]! >> 6;
      const pts = flags & 2 && this.#header >= 14 ? readTime(bytes, 9) : null;
      const dts = flags === 3 && this.#header >= 19 ? readTime(bytes, 14) : pts;
      this.#take({ pts, dts, data: bytes.subarray(this.#header, this.#size) });
    }
    this.#close();
  }

  #close(): void {
    this.#open = false;
    this.#size = this.#header = this.#declared = 0;
    // One large frame must not hold its room for ever; sixteen times the usual is not large.
    if (this.#buffer.length > FIRST_BUFFER * 16) this.#buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER);
  }

  #readHeader(): void {
    const length = this.#buffer.readUInt16BE(4);
    this.#declared = length === 0 ? 0 : 6 + length;
    const header = 9 + this.#buffer[8]!;
    if (this.#size >= header) this.#header = header;
  }

  #append(bytes: Buffer): void {
    const size = this.#size + bytes.length;
    if (size > this.#maxBytes) {
      this.#dropped(`a PES packet of more than ${this.#maxBytes >> 10} KiB`);
      this.#close();
      return;
    }
    if (size > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(this.#maxBytes, Math.max(size, this.#buffer.length * 2)));
      this.#buffer.copy(larger, 0, 0, this.#size);
      this.#buffer = larger;
    }
    bytes.copy(this.#buffer, this.#size);
    this.#size = size;
  }
}

/** Whether a PES packet that begins here has no time of its own. */
function continues(payload: Buffer): boolean {
  return (
    payload.length >= 9 && payload.readUIntBE(0, 3) === 1 && payload[7]! >> 6 === 0 && payload.length >= 9 + payload[8]!
  );
}

/** A time stamp of 33 bits with its marker bits in between. Multiplied, not shifted: it has more than 32. */
function readTime(bytes: Buffer, at: number): number {
  const high = (bytes[at]! >> 1) & 7;
  const middle = bytes.readUInt16BE(at + 1) >> 1;
  const low = bytes.readUInt16BE(at + 3) >> 1;
  return high * 0x40000000 + middle * 0x8000 + low;
}
