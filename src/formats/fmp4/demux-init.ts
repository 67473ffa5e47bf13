import {
  type AacConfig,
  type AvcConfig,
  type OpusConfig,
  parseAacConfig,
  parseAvcConfig,
  parseOpusConfig,
} from '../../media/index.ts';
import { type Box, unreadable, withinBoxes } from './box-reader.ts';
import { findBox, looseBoxes, needBox } from './demux-boxes.ts';

/** What fragments may leave out (ISO 14496-12, 8.8.3). */
export interface SampleDefaults {
  readonly duration: number;
  readonly size: number;
}

/** A track as somebody else's initialization segment describes it. */
export interface SourceTrack {
  readonly id: number;
  readonly kind: 'video' | 'audio';
  /** Null for what we do not carry; `codec` says what it is. */
  readonly config: AvcConfig | AacConfig | OpusConfig | null;
  readonly codec: string;
  readonly timescale: number;
  /** Added to media times, in the timescale: what the edit list says. */
  readonly shift: number;
  readonly defaults: SampleDefaults;
}

/** By sample entry; encrypted ones carry the name that matters. */
const CODECS: Readonly<Record<string, string>> = {
  avc1: 'avc',
  avc3: 'avc',
  mp4a: 'aac',
  hvc1: 'hevc',
  hev1: 'hevc',
  dvh1: 'hevc',
  dvhe: 'hevc',
  av01: 'av1',
  vp08: 'vp8',
  vp09: 'vp9',
  Opus: 'opus',
  fLaC: 'flac',
  'ac-3': 'ac3',
  'ec-3': 'eac3',
  '.mp3': 'mp3',
  encv: 'video-encrypted',
  enca: 'audio-encrypted',
};
/** ISO 14496-1, table 5: MPEG-4 audio, and MPEG-2 AAC. */
const AAC_OBJECT_TYPES = [0x40, 0x66, 0x67, 0x68];
/** The box does not say how long packets are: most have 20 ms. */
const OPUS_SAMPLES = 960;
const MAX_TRACKS = 32;
/** Only whole files have more: they list all their frames in there. */
const MAX_MOOV = 1 << 20;

/** The video and audio tracks of an initialization segment, in its order. Throws `media_invalid` when it cannot be read. */
export function readTracks(data: Buffer): SourceTrack[] {
  return withinBoxes(() => {
    const moov = needBox(data, 'moov').body;
    if (moov.length > MAX_MOOV) throw unreadable('moov is too large');
    const mvhd = needBox(moov, 'mvhd').body;
    const movieTimescale = mvhd.readUInt32BE(mvhd[0] === 1 ? 20 : 12);
    const inside = looseBoxes(moov);
    const mvex = inside.find(({ type }) => type === 'mvex');
    const trexes = mvex ? looseBoxes(mvex.body).filter(({ type }) => type === 'trex') : [];
    return inside
      .filter(({ type }) => type === 'trak')
      .slice(0, MAX_TRACKS)
      .map(({ body }) => readTrack(body, movieTimescale, trexes))
      .filter((track) => track !== null);
  });
}

function readTrack(trak: Buffer, movieTimescale: number, trexes: readonly Box[]): SourceTrack | null {
  const handler = needBox(trak, 'mdia/hdlr').body.toString('latin1', 8, 12);
  const kind = handler === 'vide' ? 'video' : handler === 'soun' ? 'audio' : null;
  if (!kind) return null;
  const tkhd = needBox(trak, 'tkhd').body;
  const id = tkhd.readUInt32BE(tkhd[0] === 1 ? 20 : 12);
  const mdhd = needBox(trak, 'mdia/mdhd').body;
  const timescale = mdhd.readUInt32BE(mdhd[0] === 1 ? 20 : 12);
  if (timescale === 0) throw unreadable(`track ${id} has no timescale`);
  const trex = trexes.find(({ body }) => body.readUInt32BE(4) === id)?.body;
  const entry = looseBoxes(needBox(trak, 'mdia/minf/stbl/stsd').body.subarray(8))[0];
  if (!entry) throw unreadable(`track ${id} has no sample entry`);
  return {
    id,
    kind,
    timescale,
    ...readEntry(entry, kind),
    shift: readShift(trak, timescale, movieTimescale),
    defaults: { duration: trex?.readUInt32BE(12) ?? 0, size: trex?.readUInt32BE(16) ?? 0 },
  };
}

function readEntry(entry: Box, kind: 'video' | 'audio'): Pick<SourceTrack, 'codec' | 'config'> {
  const codec = CODECS[entry.type] ?? 'unknown';
  if (kind === 'video' && codec === 'avc')
    return { codec, config: parseAvcConfig(needBox(entry.body.subarray(78), 'avcC').body) };
  if (kind === 'audio' && codec === 'aac') {
    const { objectType, record } = readEsds(needBox(entry.body.subarray(28), 'esds').body.subarray(4));
    return AAC_OBJECT_TYPES.includes(objectType)
      ? { codec, config: parseAacConfig(record) }
      : { codec: 'mp3', config: null };
  }
  if (kind === 'audio' && codec === 'opus')
    return { codec, config: parseOpusConfig(toOpusHead(needBox(entry.body.subarray(28), 'dOps').body), OPUS_SAMPLES) };
  return { codec, config: null };
}

/** The identification header that `dOps` was made of: the same fields, and their bytes the other way round (Opus in ISOBMFF, 4.3.2). */
function toOpusHead(dops: Buffer): Buffer {
  const head = Buffer.concat([Buffer.from('OpusHead\x01'), dops.subarray(1)]);
  head.writeUInt16LE(dops.readUInt16BE(2), 10);
  head.writeUInt32LE(dops.readUInt32BE(4), 12);
  head.writeUInt16LE(dops.readUInt16BE(8), 16);
  return head;
}

/** ISO 14496-1, 7.2.6: descriptors within descriptors, with optional fields. */
function readEsds(body: Buffer): { objectType: number; record: Buffer } {
  const es = descriptor(body, 3);
  const flags = es.readUInt8(2);
  let at = 3 + (flags & 0x80 ? 2 : 0);
  if (flags & 0x40) at += 1 + es.readUInt8(at);
  if (flags & 0x20) at += 2;
  const config = descriptor(es.subarray(at), 4);
  const objectType = config.readUInt8(0);
  return {
    objectType,
    record: AAC_OBJECT_TYPES.includes(objectType) ? descriptor(config.subarray(13), 5) : Buffer.alloc(0),
  };
}

/** The contents of the descriptor that begins here. */
function descriptor(bytes: Buffer, tag: number): Buffer {
  if (bytes.readUInt8(0) !== tag) throw unreadable(`esds holds no descriptor ${tag}`);
  let at = 1;
  let length = 0;
  for (let more = true; more && at < 5; at++) {
    const byte = bytes.readUInt8(at);
    length = length * 128 + (byte & 127);
    more = byte >= 128;
  }
  return bytes.subarray(at, at + length);
}

/**
 * What an edit list moves all of a track by (ISO 14496-12, 8.6.6): an empty edit in front delays it, and the first real one says which
 * media time is shown first. Rates and later edits make no sense on a live stream.
 */
function readShift(trak: Buffer, timescale: number, movieTimescale: number): number {
  const elst = findBox(trak, 'edts/elst')?.body;
  if (!elst) return 0;
  const long = elst[0] === 1;
  const count = Math.min(elst.readUInt32BE(4), 2);
  let shift = 0;
  for (let i = 0; i < count; i++) {
    const at = 8 + i * (long ? 20 : 12);
    const duration = long ? Number(elst.readBigUInt64BE(at)) : elst.readUInt32BE(at);
    const mediaTime = long ? Number(elst.readBigInt64BE(at + 8)) : elst.readInt32BE(at + 4);
    if (mediaTime >= 0) return shift - mediaTime;
    if (movieTimescale > 0) shift += Math.round((duration * timescale) / movieTimescale);
  }
  return shift;
}
