import { CodedError } from '../../base/index.ts';

/** One box: a view on the bytes that it was read from. */
export interface Box {
  readonly type: string;
  /** Offset of the box's first byte in what `readBoxes` was given, and of the byte behind its last. */
  readonly start: number;
  readonly end: number;
  /** What follows size and type. */
  readonly body: Buffer;
}

/** The boxes that `data` consists of, exactly. Throws `media_invalid` when their sizes do not add up to its length. */
export function readBoxes(data: Buffer): Box[] {
  const boxes: Box[] = [];
  let start = 0;
  while (start < data.length) {
    if (start + 8 > data.length) throw unreadable(`${data.length - start} bytes are left behind the last box`);
    let header = 8;
    let size = data.readUInt32BE(start);
    const type = data.toString('latin1', start + 4, start + 8);
    if (size === 1 && start + 16 <= data.length) {
      size = Number(data.readBigUInt64BE(start + 8));
      header = 16;
    }
    const end = start + size;
    if (size < header || end > data.length)
      throw unreadable(`box '${type}' of ${size} bytes does not fit at ${start} of ${data.length}`);
    boxes.push({ type, start, end, body: data.subarray(start + header, end) });
    start = end;
  }
  return boxes;
}

/** The one child of a type. Throws `media_invalid` when there is none. */
export function child(boxes: readonly Box[], type: string): Box {
  const found = boxes.find((box) => box.type === type);
  if (!found) throw unreadable(`box '${type}' is missing`);
  return found;
}

/** Follows a path of box types down, for example `mdia/minf/stbl`, and returns the children of the last. */
export function childrenAt(boxes: readonly Box[], path: string): Box[] {
  return path.split('/').reduce((level, type) => readBoxes(child(level, type).body), boxes as Box[]);
}

/** The error for bytes that are no fragmented MP4 as we read it. */
export function unreadable(message: string): CodedError {
  return new CodedError('media_invalid', `MP4: ${message}`);
}

/** Runs a reader; where it runs past the end of a box that is too small, it throws `media_invalid`. */
export function withinBoxes<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof RangeError ? unreadable(error.message) : error;
  }
}
