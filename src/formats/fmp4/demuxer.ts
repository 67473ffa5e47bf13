import {
  type AacConfig,
  type AudioTrack,
  type AvcConfig,
  hasIdr,
  type OpusConfig,
  opusSamples,
  type Packet,
  sameAacConfig,
  sameAvcConfig,
  type Track,
  toLengthPrefixed,
  toMs,
  type VideoTrack,
} from '../../media/index.ts';
import { AudioClock, type Notices } from '../flv/index.ts';
import { unreadable, withinBoxes } from './box-reader.ts';
import { looseBoxes, needBox } from './demux-boxes.ts';
import { readTracks, type SourceTrack } from './demux-init.ts';

/** Frames of one segment: three minutes of 60 pictures a second with their sound. */
const MAX_SAMPLES = 20_000;
/** Of one frame. */
const MAX_FRAME = 8 << 20;
/** Of the descriptions in one segment: sixty bytes a frame. What is in them costs more than media. */
const MAX_MOOFS = 1 << 20;

const TFHD_BASE = 0x01;
const TFHD_ENTRY = 0x02;
const TFHD_DURATION = 0x08;
const TFHD_SIZE = 0x10;
const TFHD_FLAGS = 0x20;
const TFHD_BASE_IS_MOOF = 0x020000;
const TRUN_OFFSET = 0x01;
const TRUN_FIRST_FLAGS = 0x04;
const TRUN_DURATION = 0x100;
const TRUN_SIZE = 0x200;
const TRUN_FLAGS = 0x400;
const TRUN_CTO = 0x800;

/** A track that becomes packets. */
interface Lane {
  readonly source: SourceTrack;
  readonly track: Track;
  /** For sound whose times are not counted in samples. */
  readonly clock: AudioClock | null;
  /** Where the next fragment stands if it does not say so. */
  nextTime: number;
}

/**
 * Demuxes fragmented MP4 as others write it (ISO 14496-12; CMAF): the first H.264 and the first AAC track, muxed or alone. Video keeps
 * its timescale, sound is counted in samples. Bytes are views on what was given.
 */
export class Fmp4Demuxer {
  readonly #notices: Notices;
  #lanes: Lane[] = [];
  #told = new Set<string>();

  constructor(notices: Notices) {
    this.#notices = notices;
  }

  /** Takes an initialization segment. Tracks whose configuration stays the same stay the same objects. @throws CodedError media_invalid */
  init(data: Buffer): void {
    const tracks = readTracks(data);
    const before = this.#lanes;
    this.#lanes = [];
    for (const kind of ['video', 'audio'] as const) {
      const ofKind = tracks.filter((track) => track.kind === kind);
      const source = ofKind.find(({ config }) => config !== null);
      if (source) this.#lanes.push(makeLane(source, before));
      else if (ofKind[0] && !this.#told.has(kind)) {
        this.#told.add(kind);
        this.#notices.unsupported(kind, ofKind[0].codec);
      }
    }
  }

  /**
   * Takes whole fragments, a part or a segment, and returns their frames in the order of their times. Throws `media_invalid` for what
   * cannot be read, data outside of `data` included; none of its frames is good then.
   */
  media(data: Buffer): Packet[] {
    return withinBoxes(() => {
      const frames: Frames = { packets: [], left: MAX_SAMPLES, bytesLeft: data.length };
      const moofs = looseBoxes(data).filter(({ type }) => type === 'moof');
      if (moofs.reduce((sum, { body }) => sum + body.length, 0) > MAX_MOOFS) throw unreadable('a moof is too large');
      for (const { start, body } of moofs) this.#fragment(data, start, body, frames);
      return frames.packets.sort((a, b) => toMs(a.dts, a.track.timescale) - toMs(b.dts, b.track.timescale));
    });
  }

  #fragment(data: Buffer, moofStart: number, moof: Buffer, frames: Frames): void {
    // Where the data of the track before ended: what a track counts from that says nothing.
    let end = moofStart;
    for (const { type, body } of looseBoxes(moof)) {
      if (type !== 'traf') continue;
      const tfhd = needBox(body, 'tfhd').body;
      const lane = this.#lanes.find(({ source }) => source.id === tfhd.readUInt32BE(4));
      end = readTraf({ data, moofStart, traf: body, tfhd, end }, lane, frames);
    }
  }
}

/** What has been read of a segment, and how much more there may be. */
interface Frames {
  readonly packets: Packet[];
  left: number;
  /** No frame shares its bytes with another, so together they have no more than the segment. */
  bytesLeft: number;
}

interface Traf {
  readonly data: Buffer;
  readonly moofStart: number;
  readonly traf: Buffer;
  readonly tfhd: Buffer;
  readonly end: number;
}

/** Reads one track's fragment; returns where its data ends. Without a lane its bytes are only counted. */
function readTraf({ data, moofStart, traf, tfhd, end }: Traf, lane: Lane | undefined, frames: Frames): number {
  const flags = tfhd.readUIntBE(1, 3);
  let at = 8;
  let base = flags & TFHD_BASE_IS_MOOF ? moofStart : end;
  if (flags & TFHD_BASE) {
    base = Number(tfhd.readBigUInt64BE(at));
    at += 8;
  }
  if (flags & TFHD_ENTRY) at += 4;
  const optional = (flag: number): number | undefined => {
    if (!(flags & flag)) return undefined;
    at += 4;
    return tfhd.readUInt32BE(at - 4);
  };
  const duration = optional(TFHD_DURATION) ?? lane?.source.defaults.duration ?? 0;
  const size = optional(TFHD_SIZE) ?? lane?.source.defaults.size ?? 0;
  optional(TFHD_FLAGS);
  const boxes = looseBoxes(traf);
  const tfdt = boxes.find(({ type }) => type === 'tfdt')?.body;
  let time = lane?.nextTime ?? 0;
  if (tfdt) time = tfdt[0] === 1 ? Number(tfdt.readBigUInt64BE(4)) : tfdt.readUInt32BE(4);
  if (!Number.isSafeInteger(time)) throw unreadable('a decoding time is too large');
  let offset = base;
  for (const { type, body } of boxes) {
    if (type !== 'trun') continue;
    offset = readTrun(body, base, offset, { duration, size }, (sample) => {
      if (--frames.left < 0) throw unreadable('there are too many frames in one segment');
      if (lane && (frames.bytesLeft -= sample.size) < 0) throw unreadable('frames of a segment overlap');
      const packet = lane && toPacket(lane, data, sample, time);
      if (packet) frames.packets.push(packet);
      time += sample.duration;
    });
  }
  if (lane) lane.nextTime = time;
  return offset;
}

interface Sample {
  readonly offset: number;
  readonly size: number;
  readonly duration: number;
  readonly cto: number;
}

function readTrun(
  trun: Buffer,
  base: number,
  from: number,
  defaults: { readonly duration: number; readonly size: number },
  visit: (sample: Sample) => void,
): number {
  const flags = trun.readUIntBE(1, 3);
  let at = 4;
  const next = (): number => trun.readUInt32BE((at += 4) - 4);
  const count = next();
  let offset = flags & TRUN_OFFSET ? base + (next() | 0) : from;
  if (flags & TRUN_FIRST_FLAGS) at += 4;
  for (let i = 0; i < count; i++) {
    const duration = flags & TRUN_DURATION ? next() : defaults.duration;
    const size = flags & TRUN_SIZE ? next() : defaults.size;
    if (flags & TRUN_FLAGS) at += 4;
    // Version 0 says that offsets are unsigned; negative ones are written with it all the same.
    const cto = flags & TRUN_CTO ? next() | 0 : 0;
    visit({ offset, size, duration, cto });
    offset += size;
  }
  return offset;
}

/** A time, with room for what is added to it. */
function placed(time: number): number {
  if (!(Math.abs(time) < 2 ** 52)) throw unreadable('a time is too large');
  return time;
}

/** A sample as a packet; null where it is empty. */
function toPacket({ source, track, clock }: Lane, data: Buffer, sample: Sample, time: number): Packet | null {
  const { offset, size, cto } = sample;
  if (size === 0) return null;
  if (!(offset >= 0 && offset + size <= data.length)) throw unreadable('a frame lies outside of its segment');
  if (size > MAX_FRAME) throw unreadable('a frame is too large');
  const bytes = data.subarray(offset, offset + size);
  const shifted = placed(time + source.shift);
  if (track.kind === 'audio') {
    const samples = clock && track.codec === 'opus' ? opusSamples(bytes) : undefined;
    const dts = clock ? placed(clock.dts(toMs(shifted, source.timescale), samples)) : shifted;
    return { track, dts, pts: dts, key: true, data: bytes };
  }
  const frame = toLengthPrefixed(bytes, track.config);
  if (frame.length === 0) return null;
  return { track, dts: shifted, pts: shifted + cto, key: hasIdr(frame), data: frame };
}

function makeLane(source: SourceTrack, before: readonly Lane[]): Lane {
  const same = before.find((lane) => lane.source.kind === source.kind && sameTrack(lane, source));
  const track = same?.track ?? makeTrack(source);
  const counted = track.kind === 'audio' && source.timescale !== track.timescale;
  const clock = counted ? new AudioClock(track.timescale, track.config.frameSamples) : null;
  return { source, track, clock: same?.clock ?? clock, nextTime: same?.nextTime ?? 0 };
}

function sameTrack({ source: a }: Lane, b: SourceTrack): boolean {
  if (a.timescale !== b.timescale || !a.config || !b.config) return false;
  return a.kind === 'video'
    ? sameAvcConfig(a.config as AvcConfig, b.config as AvcConfig)
    : a.codec === 'opus'
      ? a.codec === b.codec && (a.config as OpusConfig).record.equals((b.config as OpusConfig).record)
      : a.codec === b.codec && sameAacConfig(a.config as AacConfig, b.config as AacConfig);
}

function makeTrack({ kind, codec, config, timescale }: SourceTrack): Track {
  if (kind === 'video') return { kind, codec: 'avc', timescale, config: config as AvcConfig } satisfies VideoTrack;
  const { sampleRate } = config as AacConfig | OpusConfig;
  return codec === 'opus'
    ? ({ kind, codec, timescale: sampleRate, config: config as OpusConfig } satisfies AudioTrack)
    : ({ kind, codec: 'aac', timescale: sampleRate, config: config as AacConfig } satisfies AudioTrack);
}
