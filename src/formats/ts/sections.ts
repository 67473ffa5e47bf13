/** ISO 13818-1, 2.4.4: tables that a demuxer needs have at most 1024 bytes, all others 4096. */
const MAX_SECTION = 4096;
const HEADER = 3;

/** Puts the sections of one PID together. */
export class Sections {
  #held: Buffer = Buffer.alloc(0);

  /** Takes one packet's payload and visits the whole sections whose checksum is right. `start`: it begins with a pointer. */
  push(payload: Buffer, start: boolean, visit: (section: Buffer) => void): void {
    if (start) {
      const pointer = 1 + (payload[0] ?? 0);
      if (pointer > payload.length) this.reset();
      else if (this.#held.length > 0) this.#take(Buffer.concat([this.#held, payload.subarray(1, pointer)]), visit);
      this.#take(payload.subarray(pointer), visit);
    } else if (this.#held.length > 0) this.#take(Buffer.concat([this.#held, payload]), visit);
  }

  /** Something was lost: what is unfinished stays so. */
  reset(): void {
    this.#held = Buffer.alloc(0);
  }

  #take(bytes: Buffer, visit: (section: Buffer) => void): void {
    let at = 0;
    // A table id of 0xff is the stuffing behind the last section.
    while (at < bytes.length && bytes[at] !== 0xff) {
      const length = at + HEADER <= bytes.length ? HEADER + (bytes.readUInt16BE(at + 1) & 0xfff) : MAX_SECTION;
      if (length > MAX_SECTION) break;
      if (at + length > bytes.length) {
        this.#held = Buffer.from(bytes.subarray(at));
        return;
      }
      const section = bytes.subarray(at, at + length);
      if (crc32(section) === 0) visit(section);
      at += length;
    }
    this.reset();
  }
}

/** Where the first program's map is, by a program association table (2.4.4.3); null when it lists none. */
export function readPat(section: Buffer): number | null {
  if (section[0] !== 0 || section.length < 12) return null;
  for (let at = 8; at + 8 <= section.length; at += 4) {
    // Program 0 is the network's own table.
    if (section.readUInt16BE(at) !== 0) return section.readUInt16BE(at + 2) & 0x1fff;
  }
  return null;
}

/** One elementary stream of a program. */
export interface ProgramStream {
  readonly pid: number;
  readonly type: number;
  /** The format identifier of its registration descriptor: `Opus`, `HEVC`; empty when it has none. */
  readonly registration: string;
}

/** The streams of a program map (2.4.4.8); null when the section is something else. */
export function readPmt(section: Buffer): ProgramStream[] | null {
  // Not a map, or one that will come into force later.
  if (section[0] !== 2 || section.length < 16 || !(section[5]! & 1)) return null;
  const streams: ProgramStream[] = [];
  const end = section.length - 4;
  let at = 12 + (section.readUInt16BE(10) & 0xfff);
  while (at + 5 <= end) {
    const next = at + 5 + (section.readUInt16BE(at + 3) & 0xfff);
    streams.push({
      type: section[at]!,
      pid: section.readUInt16BE(at + 1) & 0x1fff,
      registration: readRegistration(section.subarray(at + 5, Math.min(next, end))),
    });
    at = next;
  }
  return streams;
}

function readRegistration(descriptors: Buffer): string {
  for (let at = 0; at + 6 <= descriptors.length; at += 2 + descriptors[at + 1]!) {
    if (descriptors[at] === 5) return descriptors.toString('latin1', at + 2, at + 6);
  }
  return '';
}

/** Annex A: 0 over a whole section, its own checksum included. */
function crc32(bytes: Buffer): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return crc;
}
