// A reader of fragmented MP4, written apart from the product's own writer (ISO/IEC 14496-12, 14496-14, 14496-15).

export interface Box {
  readonly type: string;
  /** Offset of the box in the bytes it was read from. */
  readonly start: number;
  readonly end: number;
  /** What follows size and type. */
  readonly body: Buffer;
}

interface SampleDefaults {
  readonly duration: number;
  readonly size: number;
  readonly flags: number;
}

export interface InitTrack {
  readonly id: number;
  readonly kind: 'video' | 'audio';
  readonly timescale: number;
  /** `avc1`, `mp4a` … */
  readonly sampleEntry: string;
  /** Contents of avcC, or of the AudioSpecificConfig inside esds. */
  readonly config: Buffer;
  /** As in RFC 6381. */
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly hasEdits: boolean;
  /** What holds where a fragment says nothing (trex); null without one. */
  readonly defaults: SampleDefaults | null;
  readonly sampleCount: number;
}

export interface Sample {
  readonly dts: number;
  readonly pts: number;
  readonly duration: number;
  readonly sync: boolean;
  readonly data: Buffer;
}

export interface Fragment {
  readonly sequence: number;
  readonly tracks: readonly { readonly id: number; readonly baseDts: number; readonly samples: readonly Sample[] }[];
}

const fail = (why: string): never => {
  throw new Error(why);
};

/** The boxes that `bytes` consists of, exactly: their sizes sum to its length. */
export function readBoxes(bytes: Buffer, offset = 0): Box[] {
  const boxes: Box[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 8 > bytes.length) fail(`${bytes.length - at} stray bytes at ${at}`);
    const size = bytes.readUInt32BE(at);
    if (size < 8 || at + size > bytes.length) fail(`box size ${size} at ${at} of ${bytes.length}`);
    boxes.push({
      type: bytes.toString('latin1', at + 4, at + 8),
      start: offset + at,
      end: offset + at + size,
      body: bytes.subarray(at + 8, at + size),
    });
    at += size;
  }
  return boxes;
}

const children = (box: Box, skip = 0): Box[] => readBoxes(box.body.subarray(skip), box.start + 8 + skip);
const one = (boxes: readonly Box[], type: string): Box => {
  const found = boxes.filter((box) => box.type === type);
  return found.length === 1 ? found[0]! : fail(`${found.length} ${type} boxes, one expected`);
};
const path = (box: Box, ...types: string[]): Box => types.reduce((parent, type) => one(children(parent), type), box);
const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

/** Descriptors of ISO/IEC 14496-1: tag, length in 7-bit groups, contents. */
function readDescriptor(bytes: Buffer): { tag: number; body: Buffer; rest: Buffer } {
  let at = 1;
  let length = 0;
  for (let more = true; more; at++) {
    length = length * 128 + (bytes[at]! & 127);
    more = bytes[at]! > 127;
  }
  return { tag: bytes[0]!, body: bytes.subarray(at, at + length), rest: bytes.subarray(at + length) };
}

function audioConfig(esds: Box): Buffer {
  const es = readDescriptor(esds.body.subarray(4));
  if (es.tag !== 3) fail('esds does not begin with an ES descriptor');
  const decoder = readDescriptor(es.body.subarray(3));
  if (decoder.tag !== 4 || decoder.body[0] !== 0x40) fail('esds does not describe MPEG-4 audio');
  const specific = readDescriptor(decoder.body.subarray(13));
  return specific.tag === 5 ? specific.body : fail('esds without AudioSpecificConfig');
}

function readTrack(trak: Box, extended: ReadonlyMap<number, SampleDefaults>): InitTrack {
  const tkhd = path(trak, 'tkhd').body;
  const id = tkhd.readUInt32BE(tkhd[0] === 1 ? 20 : 12);
  const mdia = path(trak, 'mdia');
  const mdhd = path(mdia, 'mdhd').body;
  const handler = path(mdia, 'hdlr').body.toString('latin1', 8, 12);
  const stbl = path(mdia, 'minf', 'stbl');
  const entries = children(path(stbl, 'stsd'), 8);
  const entry = entries.length === 1 ? entries[0]! : fail(`${entries.length} sample entries`);
  const video = handler === 'vide';
  const inner = readBoxes(entry.body.subarray(video ? 78 : 28));
  const config = video ? one(inner, 'avcC').body : audioConfig(one(inner, 'esds'));
  return {
    id,
    kind: video ? 'video' : handler === 'soun' ? 'audio' : fail(`handler ${handler}`),
    timescale: mdhd.readUInt32BE(mdhd[0] === 1 ? 20 : 12),
    sampleEntry: entry.type,
    config,
    codec: video
      ? `avc1.${hex(config[1]!)}${hex(config[2]!)}${hex(config[3]!)}`
      : `mp4a.40.${config[0]! >> 3 === 31 ? 32 + ((config.readUInt16BE(0) >> 5) & 63) : config[0]! >> 3}`,
    width: video ? entry.body.readUInt16BE(24) : 0,
    height: video ? entry.body.readUInt16BE(26) : 0,
    hasEdits: children(trak).some((box) => box.type === 'edts'),
    defaults: extended.get(id) ?? null,
    sampleCount: ['stts', 'stsc', 'stco'].reduce(
      (sum, type) => sum + path(stbl, type).body.readUInt32BE(4),
      path(stbl, 'stsz').body.readUInt32BE(8),
    ),
  };
}

/** Reads an initialization segment: ftyp, then moov with mvex. */
export function readInit(bytes: Buffer): InitTrack[] {
  const boxes = readBoxes(bytes);
  if (boxes[0]?.type !== 'ftyp') fail(`an init begins with ${boxes[0]?.type}`);
  const moov = children(one(boxes, 'moov'));
  const defaults = children(one(moov, 'mvex'))
    .filter((box) => box.type === 'trex')
    .map(({ body }): [number, SampleDefaults] => [
      body.readUInt32BE(4),
      { duration: body.readUInt32BE(12), size: body.readUInt32BE(16), flags: body.readUInt32BE(20) },
    ]);
  return moov.filter((box) => box.type === 'trak').map((trak) => readTrack(trak, new Map(defaults)));
}

/** Reads the moof + mdat pairs of a part or a segment (H60), whose initialization segment is `init`. */
export function readFragments(bytes: Buffer, init: readonly InitTrack[]): Fragment[] {
  const boxes = readBoxes(bytes).filter(
    (box) => box.type !== 'styp' && box.type !== 'prft' && box.type !== 'emsg' && box.type !== 'sidx',
  );
  if (boxes.length === 0 || boxes.length % 2 !== 0) fail(`not pairs of moof and mdat: ${boxes.map((box) => box.type)}`);
  const fragments: Fragment[] = [];
  for (let index = 0; index < boxes.length; index += 2) {
    const moof = boxes[index]!;
    const mdat = boxes[index + 1]!;
    if (moof.type !== 'moof' || mdat.type !== 'mdat') fail(`not a pair of moof and mdat: ${moof.type} ${mdat.type}`);
    const inside = children(moof);
    fragments.push({
      sequence: one(inside, 'mfhd').body.readUInt32BE(4),
      tracks: inside.filter((box) => box.type === 'traf').map((traf) => readTraf(traf, moof, mdat, bytes, init)),
    });
  }
  return fragments;
}

function readTraf(
  traf: Box,
  moof: Box,
  mdat: Box,
  bytes: Buffer,
  init: readonly InitTrack[],
): Fragment['tracks'][number] {
  const boxes = children(traf);
  const tfhd = one(boxes, 'tfhd').body;
  const flags = tfhd.readUIntBE(1, 3);
  if (!(flags & 0x020000)) fail('tfhd without default-base-is-moof');
  if (flags & 0x000001) fail('tfhd with a base data offset');
  const id = tfhd.readUInt32BE(4);
  const defaults = init.find((track) => track.id === id)?.defaults ?? fail(`track ${id} has no trex`);
  let at = 8;
  const field = (flag: number): number | undefined => (flags & flag ? tfhd.readUInt32BE((at += 4) - 4) : undefined);
  field(0x2);
  const defaultDuration = field(0x8);
  const defaultSize = field(0x10);
  const defaultFlags = field(0x20);
  const tfdt = one(boxes, 'tfdt').body;
  if (tfdt[0] !== 1) fail('tfdt is not version 1');
  const baseDts = Number(tfdt.readBigUInt64BE(4));
  const samples: Sample[] = [];
  let dts = baseDts;
  let position = -1;
  for (const trun of boxes.filter((box) => box.type === 'trun').map((box) => box.body)) {
    const has = trun.readUIntBE(1, 3);
    const count = trun.readUInt32BE(4);
    let cursor = 8;
    const next = (): number => trun.readUInt32BE((cursor += 4) - 4);
    if (has & 0x1) position = moof.start + trun.readInt32BE((cursor += 4) - 4);
    const firstFlags = has & 0x4 ? next() : undefined;
    for (let index = 0; index < count; index++) {
      const duration = has & 0x100 ? next() : (defaultDuration ?? defaults.duration);
      const size = has & 0x200 ? next() : (defaultSize ?? defaults.size);
      const sampleFlags =
        has & 0x400 ? next() : index === 0 && firstFlags !== undefined ? firstFlags : (defaultFlags ?? defaults.flags);
      let offset = 0;
      if (has & 0x800) {
        offset = trun[0] === 1 ? trun.readInt32BE(cursor) : trun.readUInt32BE(cursor);
        cursor += 4;
      }
      if (position < mdat.start + 8 || position + size > mdat.end)
        fail(`sample ${index} of track ${id} lies outside mdat`);
      samples.push({
        dts,
        pts: dts + offset,
        duration,
        sync: !(sampleFlags & 0x10000),
        data: bytes.subarray(position, position + size),
      });
      position += size;
      dts += duration;
    }
    if (cursor !== trun.length) fail('trun is longer than its samples');
  }
  return { id, baseDts, samples };
}

/** Whether an AVC access unit with 4-byte lengths holds an IDR slice. */
export function hasIdr(data: Buffer): boolean {
  for (let at = 0; at + 4 < data.length; at += 4 + data.readUInt32BE(at)) if ((data[at + 4]! & 31) === 5) return true;
  return false;
}
