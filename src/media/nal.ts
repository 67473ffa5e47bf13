// ISO 14496-10, table 7-1.
export const NAL_IDR = 5;
export const NAL_SEI = 6;
export const NAL_SPS = 7;
export const NAL_PPS = 8;

/** Reads a NAL unit's length of 1, 2 or 4 bytes. */
export function readNalLength(data: Uint8Array, offset: number, size: number): number {
  if (size === 4) {
    // Multiplied, not shifted: a length above 2^31 must stay positive to be seen as past the end.
    return data[offset]! * 0x1000000 + ((data[offset + 1]! << 16) | (data[offset + 2]! << 8) | data[offset + 3]!);
  }
  return size === 2 ? (data[offset]! << 8) | data[offset + 1]! : data[offset]!;
}

/** Whether the bytes begin with an Annex B start code, of three or four bytes. */
export function hasStartCode(data: Uint8Array): boolean {
  return data[0] === 0 && data[1] === 0 && (data[2] === 1 || (data[2] === 0 && data[3] === 1));
}

/** Visits the NAL units of an Annex B byte stream (ISO 14496-10, annex B), without start codes and trailing zeros. */
export function forEachAnnexBNal(data: Uint8Array, visit: (nal: Uint8Array) => void): void {
  let start = -1;
  for (let i = 0; i + 2 < data.length; ) {
    if (data[i + 2]! > 1) i += 3;
    else if (data[i] === 0 && data[i + 1] === 0 && data[i + 2] === 1) {
      if (start >= 0) visitTrimmed(data, start, i, visit);
      start = i += 3;
    } else i++;
  }
  if (start >= 0) visitTrimmed(data, start, data.length, visit);
}

function visitTrimmed(data: Uint8Array, start: number, end: number, visit: (nal: Uint8Array) => void): void {
  let last = end;
  while (last > start && data[last - 1] === 0) last--;
  if (last > start) visit(data.subarray(start, last));
}
