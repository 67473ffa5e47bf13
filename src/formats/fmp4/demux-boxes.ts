import { type Box, unreadable } from './box-reader.ts';

/** The most boxes that one level may have. */
const MAX_BOXES = 10_000;

/**
 * The boxes in `data`, as a stranger wrote them: the last one may reach to the end without saying so, and what is too short to be a
 * box behind it is left out. Throws `media_invalid` for a box that reaches past the end.
 */
export function looseBoxes(data: Buffer): Box[] {
  const boxes: Box[] = [];
  for (let start = 0; start + 8 <= data.length; ) {
    let size = data.readUInt32BE(start);
    let header = 8;
    if (size === 1 && start + 16 <= data.length) {
      size = Number(data.readBigUInt64BE(start + 8));
      header = 16;
    } else if (size === 0) size = data.length - start;
    const type = data.toString('latin1', start + 4, start + 8);
    const end = start + size;
    if (size < header || end > data.length)
      throw unreadable(`box '${/^[\x20-\x7e]{4}$/.test(type) ? type : '?'}' of ${size} bytes does not fit`);
    if (boxes.length === MAX_BOXES) throw unreadable('there are too many boxes');
    boxes.push({ type, start, end, body: data.subarray(start + header, end) });
    start = end;
  }
  return boxes;
}

/** The first box of a path of types, for example `mdia/minf/stbl`; null when there is none. */
export function findBox(data: Buffer, path: string): Box | null {
  const [type, ...rest] = path.split('/');
  const found = looseBoxes(data).find((box) => box.type === type) ?? null;
  return found && rest.length > 0 ? findBox(found.body, rest.join('/')) : found;
}

/** As `findBox`; throws `media_invalid` when there is none. */
export function needBox(data: Buffer, path: string): Box {
  const found = findBox(data, path);
  if (!found) throw unreadable(`box '${path}' is missing`);
  return found;
}
