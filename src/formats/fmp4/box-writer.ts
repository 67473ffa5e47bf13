/** A box type as the number that stands in the file. */
export function fourcc(type: string): number {
  return Buffer.from(type, 'latin1').readUInt32BE(0);
}

/** Writes boxes into one buffer that the caller has made large enough. */
export class BoxWriter {
  readonly buffer: Buffer;
  position = 0;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  /** Begins a box; hand what this returns to `end`. */
  box(type: number): number {
    const start = this.position;
    this.position += 4;
    this.u32(type);
    return start;
  }

  fullBox(type: number, version: number, flags: number): number {
    const start = this.box(type);
    this.u32(version * 0x1000000 + flags);
    return start;
  }

  /** Ends a box: its size is now known. */
  end(start: number): void {
    const end = this.position;
    this.position = start;
    this.u32(end - start);
    this.position = end;
  }

  u8(value: number): void {
    this.buffer[this.position++] = value;
  }

  u16(value: number): void {
    const at = this.position;
    this.buffer[at] = value >>> 8;
    this.buffer[at + 1] = value;
    this.position = at + 2;
  }

  /** Also takes negative numbers, as two's complement. */
  u32(value: number): void {
    const buffer = this.buffer;
    const at = this.position;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
    this.position = at + 4;
  }

  /** Up to 2^53. */
  u64(value: number): void {
    this.u32(Math.floor(value / 0x100000000));
    this.u32(value >>> 0);
  }

  zeros(count: number): void {
    this.buffer.fill(0, this.position, this.position + count);
    this.position += count;
  }

  text(value: string): void {
    this.position += this.buffer.write(value, this.position, 'latin1');
  }

  bytes(data: Uint8Array): void {
    this.buffer.set(data, this.position);
    this.position += data.length;
  }
}
