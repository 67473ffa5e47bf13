import type { AacTrack, AudioTrack, OpusTrack, VideoTrack } from '../../media/index.ts';
import { type Box, child, childrenAt, readBoxes, unreadable, withinBoxes } from './box-reader.ts';
import { BoxWriter, fourcc } from './box-writer.ts';

/** Track ids, the same in every initialization segment: players keep their buffers over a new one. */
export const VIDEO_TRACK_ID = 1;
export const AUDIO_TRACK_ID = 2;

/** Sample flags (ISO 14496-12, 8.8.3.1): depends on no other sample; and depends on others, is no sync sample. */
export const FLAGS_KEY = 0x02000000;
export const FLAGS_DELTA = 0x01010000;

const MOVIE_TIMESCALE = 1000;
/** All boxes of two tracks, without codec configurations, fit many times. */
const ROOM_FOR_BOXES = 2048;

const FTYP = fourcc('ftyp');
const MOOV = fourcc('moov');
const MVHD = fourcc('mvhd');
const TRAK = fourcc('trak');
const TKHD = fourcc('tkhd');
const MDIA = fourcc('mdia');
const MDHD = fourcc('mdhd');
const HDLR = fourcc('hdlr');
const MINF = fourcc('minf');
const VMHD = fourcc('vmhd');
const SMHD = fourcc('smhd');
const DINF = fourcc('dinf');
const DREF = fourcc('dref');
const URL = fourcc('url ');
const STBL = fourcc('stbl');
const STSD = fourcc('stsd');
const AVC1 = fourcc('avc1');
const AVCC = fourcc('avcC');
const MP4A = fourcc('mp4a');
const ESDS = fourcc('esds');
const OPUS = fourcc('Opus');
const DOPS = fourcc('dOps');
const EMPTY_TABLES = ['stts', 'stsc', 'stco'].map(fourcc);
const STSZ = fourcc('stsz');
const MVEX = fourcc('mvex');
const TREX = fourcc('trex');

/** The tracks of an initialization segment: at least one. */
export interface InitTracks {
  readonly video?: VideoTrack;
  readonly audio?: AudioTrack;
}

/**
 * An initialization segment: ftyp, and a moov that says how samples are to be read and holds none. Nothing of the publisher
 * but its codec configurations gets in. No edit lists: they would move one track against the other.
 */
export function writeInit({ video, audio }: InitTracks): Buffer {
  const records = (video?.config.record.length ?? 0) + (audio?.config.record.length ?? 0);
  const out = new BoxWriter(Buffer.alloc(ROOM_FOR_BOXES + records));
  writeFtyp(out);
  const moov = out.box(MOOV);
  writeMvhd(out);
  if (video) writeTrak(out, video);
  if (audio) writeTrak(out, audio);
  const mvex = out.box(MVEX);
  if (video) writeTrex(out, VIDEO_TRACK_ID, 0, FLAGS_DELTA);
  if (audio) writeTrex(out, AUDIO_TRACK_ID, audio.config.frameSamples, FLAGS_KEY);
  out.end(mvex);
  out.end(moov);
  return Buffer.from(out.buffer.subarray(0, out.position));
}

function writeFtyp(out: BoxWriter): void {
  const box = out.box(FTYP);
  // iso6 is what knows tfdt and default-base-is-moof.
  out.text('iso6');
  out.u32(0);
  out.text('iso6mp41');
  out.end(box);
}

function writeMvhd(out: BoxWriter): void {
  const box = out.fullBox(MVHD, 0, 0);
  out.zeros(8); // creation and modification time
  out.u32(MOVIE_TIMESCALE);
  out.u32(0); // duration: unknown
  out.u32(0x00010000); // rate 1
  out.u16(0x0100); // volume 1
  out.zeros(10);
  writeMatrix(out);
  out.zeros(24);
  out.u32(AUDIO_TRACK_ID + 1); // next_track_ID
  out.end(box);
}

/** The unity matrix. */
function writeMatrix(out: BoxWriter): void {
  for (const value of [0x00010000, 0, 0, 0, 0x00010000, 0, 0, 0, 0x40000000]) out.u32(value);
}

function writeTrak(out: BoxWriter, track: VideoTrack | AudioTrack): void {
  const trak = out.box(TRAK);
  writeTkhd(out, track);
  const mdia = out.box(MDIA);
  writeMdhd(out, track.timescale);
  writeHdlr(out, track.kind);
  const minf = out.box(MINF);
  if (track.kind === 'video') {
    const vmhd = out.fullBox(VMHD, 0, 1);
    out.zeros(8);
    out.end(vmhd);
  } else {
    const smhd = out.fullBox(SMHD, 0, 0);
    out.zeros(4);
    out.end(smhd);
  }
  writeDinf(out);
  writeStbl(out, track);
  out.end(minf);
  out.end(mdia);
  out.end(trak);
}

function writeTkhd(out: BoxWriter, track: VideoTrack | AudioTrack): void {
  const video = track.kind === 'video';
  const box = out.fullBox(TKHD, 0, 3); // enabled, in movie
  out.zeros(8);
  out.u32(video ? VIDEO_TRACK_ID : AUDIO_TRACK_ID);
  out.zeros(4 + 4 + 8 + 4); // reserved, duration, reserved, layer and alternate group
  out.u16(video ? 0 : 0x0100); // volume
  out.u16(0);
  writeMatrix(out);
  out.u32(video ? track.config.width << 16 : 0);
  out.u32(video ? track.config.height << 16 : 0);
  out.end(box);
}

function writeMdhd(out: BoxWriter, timescale: number): void {
  const box = out.fullBox(MDHD, 0, 0);
  out.zeros(8);
  out.u32(timescale);
  out.u32(0);
  out.u16(0x55c4); // language: und
  out.u16(0);
  out.end(box);
}

function writeHdlr(out: BoxWriter, kind: 'video' | 'audio'): void {
  const box = out.fullBox(HDLR, 0, 0);
  out.u32(0);
  out.text(kind === 'video' ? 'vide' : 'soun');
  out.zeros(12);
  out.text(kind === 'video' ? 'video\0' : 'audio\0');
  out.end(box);
}

function writeDinf(out: BoxWriter): void {
  const dinf = out.box(DINF);
  const dref = out.fullBox(DREF, 0, 0);
  out.u32(1);
  out.end(out.fullBox(URL, 0, 1)); // the media is in this file
  out.end(dref);
  out.end(dinf);
}

function writeStbl(out: BoxWriter, track: VideoTrack | AudioTrack): void {
  const stbl = out.box(STBL);
  const stsd = out.fullBox(STSD, 0, 0);
  out.u32(1);
  if (track.kind === 'video') writeAvc1(out, track);
  else if (track.codec === 'opus') writeOpus(out, track);
  else writeMp4a(out, track);
  out.end(stsd);
  for (const type of EMPTY_TABLES) {
    const table = out.fullBox(type, 0, 0);
    out.u32(0);
    out.end(table);
  }
  const stsz = out.fullBox(STSZ, 0, 0);
  out.zeros(8);
  out.end(stsz);
  out.end(stbl);
}

/** AVCSampleEntry (ISO 14496-15, 5.4.2.1). */
function writeAvc1(out: BoxWriter, { config }: VideoTrack): void {
  const avc1 = out.box(AVC1);
  out.zeros(6);
  out.u16(1); // data_reference_index
  out.zeros(16);
  out.u16(config.width);
  out.u16(config.height);
  out.u32(0x00480000); // 72 dpi
  out.u32(0x00480000);
  out.u32(0);
  out.u16(1); // frame_count
  out.zeros(32); // compressorname
  out.u16(0x0018);
  out.u16(0xffff);
  const avcc = out.box(AVCC);
  out.bytes(config.record);
  out.end(avcc);
  out.end(avc1);
}

/** The fields of every AudioSampleEntry (ISO 14496-12, 12.2.3). */
function writeAudioFields(out: BoxWriter, { channels, sampleRate }: AudioTrack['config']): void {
  out.zeros(6);
  out.u16(1); // data_reference_index
  out.zeros(8);
  out.u16(channels);
  out.u16(16);
  out.zeros(4);
  // 16.16; rates that do not fit are left to the AudioSpecificConfig.
  out.u32(sampleRate < 0x10000 ? sampleRate * 0x10000 : 0);
}

/** OpusSampleEntry with a dOps (Encapsulation of Opus in ISO BMFF, 4.3): what OpusHead says, in the order of bytes that boxes have. */
function writeOpus(out: BoxWriter, { config }: OpusTrack): void {
  const { record } = config;
  const opus = out.box(OPUS);
  writeAudioFields(out, config);
  const dops = out.box(DOPS);
  out.u8(0); // version
  out.u8(config.channels);
  out.u16(record.readUInt16LE(10)); // pre-skip
  out.u32(record.readUInt32LE(12)); // input sample rate
  out.u16(record.readUInt16LE(16)); // output gain
  out.bytes(record.subarray(18, record[18] === 0 ? 19 : 21 + config.channels)); // channel mapping
  out.end(dops);
  out.end(opus);
}

/** AudioSampleEntry with an esds (ISO 14496-14, 5.6). */
function writeMp4a(out: BoxWriter, { config }: AacTrack): void {
  const mp4a = out.box(MP4A);
  writeAudioFields(out, config);
  const esds = out.fullBox(ESDS, 0, 0);
  const record = config.record;
  writeDescriptor(out, 3, 3 + 5 + 13 + 5 + record.length + 5 + 1); // ES_Descriptor
  out.u16(AUDIO_TRACK_ID);
  out.u8(0);
  writeDescriptor(out, 4, 13 + 5 + record.length); // DecoderConfigDescriptor
  out.u8(0x40); // MPEG-4 audio
  out.u8(0x15); // AudioStream
  out.zeros(3 + 4 + 4); // buffer size, maximum and average bit rate: unknown
  writeDescriptor(out, 5, record.length); // DecoderSpecificInfo
  out.bytes(record);
  writeDescriptor(out, 6, 1); // SLConfigDescriptor
  out.u8(2);
  out.end(esds);
  out.end(mp4a);
}

/** Tag and length in the expandable form of four bytes (ISO 14496-1, 8.3.3). */
function writeDescriptor(out: BoxWriter, tag: number, length: number): void {
  out.u8(tag);
  out.u8(0x80 | (length >> 21));
  out.u8(0x80 | ((length >> 14) & 127));
  out.u8(0x80 | ((length >> 7) & 127));
  out.u8(length & 127);
}

function writeTrex(out: BoxWriter, trackId: number, defaultDuration: number, defaultFlags: number): void {
  const box = out.fullBox(TREX, 0, 0);
  out.u32(trackId);
  out.u32(1);
  out.u32(defaultDuration);
  out.u32(0);
  out.u32(defaultFlags);
  out.end(box);
}

/** A track as an initialization segment describes it. */
export interface InitTrack {
  readonly id: number;
  readonly kind: 'video' | 'audio';
  readonly timescale: number;
  /** The sample entry's type: `avc1`, `mp4a`, `Opus`. */
  readonly sampleEntry: string;
  /** Contents of avcC or dOps, or the AudioSpecificConfig in esds. */
  readonly record: Buffer;
  /** 0 for audio. */
  readonly width: number;
  readonly height: number;
  /** 0 for video. */
  readonly channels: number;
  readonly defaultDuration: number;
  readonly defaultFlags: number;
}

/** Reads what `writeInit` writes. Throws `media_invalid` for what it cannot read, edit lists and samples in the moov included. */
export function readInit(data: Buffer): InitTrack[] {
  return withinBoxes(() => {
    const top = readBoxes(data);
    if (top[0]?.type !== 'ftyp') throw unreadable('the initialization segment does not begin with ftyp');
    const moov = readBoxes(child(top, 'moov').body);
    const trexes = readBoxes(child(moov, 'mvex').body).filter((box) => box.type === 'trex');
    return moov.filter((box) => box.type === 'trak').map((trak) => readTrak(trak, trexes));
  });
}

function readTrak(trak: Box, trexes: readonly Box[]): InitTrack {
  const boxes = readBoxes(trak.body);
  if (boxes.some((box) => box.type === 'edts')) throw unreadable('a track has an edit list');
  const id = child(boxes, 'tkhd').body.readUInt32BE(12);
  const mdia = childrenAt(boxes, 'mdia');
  const kind = child(mdia, 'hdlr').body.toString('latin1', 8, 12) === 'vide' ? 'video' : 'audio';
  const stbl = childrenAt(mdia, 'minf/stbl');
  if (child(stbl, 'stsz').body.readUInt32BE(8) !== 0) throw unreadable('the moov holds samples');
  const entry = readBoxes(child(stbl, 'stsd').body.subarray(8))[0];
  const trex = trexes.find((box) => box.body.readUInt32BE(4) === id);
  if (!entry || !trex) throw unreadable(`track ${id} has no ${entry ? 'trex' : 'sample entry'}`);
  const video = kind === 'video';
  const inside = readBoxes(entry.body.subarray(video ? 78 : 28));
  return {
    id,
    kind,
    timescale: child(mdia, 'mdhd').body.readUInt32BE(12),
    sampleEntry: entry.type,
    record: video
      ? child(inside, 'avcC').body
      : entry.type === 'Opus'
        ? child(inside, 'dOps').body
        : readEsds(child(inside, 'esds').body),
    width: video ? entry.body.readUInt16BE(24) : 0,
    height: video ? entry.body.readUInt16BE(26) : 0,
    channels: video ? 0 : entry.body.readUInt16BE(16),
    defaultDuration: trex.body.readUInt32BE(12),
    defaultFlags: trex.body.readUInt32BE(20),
  };
}

/** The DecoderSpecificInfo of an ES_Descriptor without optional fields. */
function readEsds(body: Buffer): Buffer {
  let at = 4;
  for (const [tag, skip] of [
    [3, 3],
    [4, 13],
    [5, 0],
  ] as const) {
    if (body[at++] !== tag) throw unreadable(`esds holds no descriptor ${tag}`);
    let length = 0;
    let byte: number;
    do {
      byte = body[at++] ?? 0;
      length = (length << 7) | (byte & 127);
    } while (byte & 128);
    if (tag === 5) return body.subarray(at, at + length);
    at += skip;
  }
  throw unreadable('esds holds no AudioSpecificConfig');
}
