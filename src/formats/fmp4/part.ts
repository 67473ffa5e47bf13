import type { Packet } from '../../media/index.ts';
import { child, readBoxes, unreadable, withinBoxes } from './box-reader.ts';
import { BoxWriter, fourcc } from './box-writer.ts';
import { AUDIO_TRACK_ID, FLAGS_DELTA, FLAGS_KEY, type InitTrack, VIDEO_TRACK_ID } from './init.ts';

const MOOF = fourcc('moof');
const MFHD = fourcc('mfhd');
const TRAF = fourcc('traf');
const TFHD = fourcc('tfhd');
const TFDT = fourcc('tfdt');
const TRUN = fourcc('trun');
const MDAT = fourcc('mdat');

const TFHD_DEFAULT_DURATION = 0x000008;
const TFHD_DEFAULT_BASE_IS_MOOF = 0x020000;
const TRUN_DATA_OFFSET = 0x000001;
const TRUN_FIRST_FLAGS = 0x000004;
const TRUN_DURATION = 0x000100;
const TRUN_SIZE = 0x000200;
const TRUN_FLAGS = 0x000400;
const TRUN_CTO = 0x000800;

/** Consecutive frames of one track. */
export interface PartSamples {
  /** Where the first frame stands on the media time line, in the track's timescale: goes into tfdt. */
  readonly decodeTime: number;
  /** May be empty: then the track has nothing in this part, and `decodeTime` is where it goes on. */
  readonly packets: readonly Packet[];
  /** Where the last frame ends, on the clock of the packets' own `dts`. */
  readonly endDts: number;
}

/** What one part holds: at least one of the tracks. */
export interface PartContent {
  /** Of the movie fragment; rises by one from part to part. */
  readonly sequence: number;
  readonly video: PartSamples | null;
  readonly audio: PartSamples | null;
}

/** Which fields a trun needs per sample, and what the boxes of its traf come to. */
interface TrafLayout {
  readonly tfhdFlags: number;
  readonly trunFlags: number;
  readonly size: number;
  readonly dataBytes: number;
}

/**
 * One part: a moof and an mdat in one Buffer, every frame copied once. `allocate` is asked once, for as many bytes as the part has, all of
 * which are written.
 */
export function writePart(
  { sequence, video, audio }: PartContent,
  allocate: (bytes: number) => Buffer = Buffer.allocUnsafeSlow,
): Buffer {
  const videoLayout = video && layOut(video, 0, FLAGS_DELTA);
  const audioLayout =
    audio &&
    layOut(audio, audio.packets[0]?.track.kind === 'audio' ? audio.packets[0].track.config.frameSamples : 0, FLAGS_KEY);
  const moofSize = 8 + 16 + (videoLayout?.size ?? 0) + (audioLayout?.size ?? 0);
  const dataBytes = (videoLayout?.dataBytes ?? 0) + (audioLayout?.dataBytes ?? 0);
  const out = new BoxWriter(allocate(moofSize + 8 + dataBytes));
  const moof = out.box(MOOF);
  const mfhd = out.fullBox(MFHD, 0, 0);
  out.u32(sequence);
  out.end(mfhd);
  const videoData = moofSize + 8;
  if (video) writeTraf(out, VIDEO_TRACK_ID, video, videoLayout!, videoData);
  if (audio) writeTraf(out, AUDIO_TRACK_ID, audio, audioLayout!, videoData + (videoLayout?.dataBytes ?? 0));
  out.end(moof);
  const mdat = out.box(MDAT);
  if (video) writeData(out, video.packets);
  if (audio) writeData(out, audio.packets);
  out.end(mdat);
  return out.buffer;
}

/** Finds the smallest form: what is the same for all samples, or as the trex says, is not repeated for each. */
function layOut({ packets, endDts }: PartSamples, defaultDuration: number, defaultFlags: number): TrafLayout {
  const count = packets.length;
  let dataBytes = 0;
  let sameDuration = true;
  let composition = false;
  let oddFlags = false;
  const firstDuration = count === 0 ? defaultDuration : durationAt(packets, 0, endDts);
  for (let i = 0; i < count; i++) {
    const packet = packets[i]!;
    dataBytes += packet.data.length;
    if (durationAt(packets, i, endDts) !== firstDuration) sameDuration = false;
    if (packet.pts !== packet.dts) composition = true;
    if (i > 0 && (packet.key ? FLAGS_KEY : FLAGS_DELTA) !== defaultFlags) oddFlags = true;
  }
  const oddFirst = count > 0 && (packets[0]!.key ? FLAGS_KEY : FLAGS_DELTA) !== defaultFlags;
  const tfhdFlags =
    TFHD_DEFAULT_BASE_IS_MOOF | (sameDuration && firstDuration !== defaultDuration ? TFHD_DEFAULT_DURATION : 0);
  const trunFlags =
    TRUN_DATA_OFFSET |
    TRUN_SIZE |
    (sameDuration ? 0 : TRUN_DURATION) |
    (composition ? TRUN_CTO : 0) |
    (oddFlags ? TRUN_FLAGS : oddFirst ? TRUN_FIRST_FLAGS : 0);
  const perSample = 4 + (sameDuration ? 0 : 4) + (composition ? 4 : 0) + (oddFlags ? 4 : 0);
  const size =
    8 +
    (tfhdFlags & TFHD_DEFAULT_DURATION ? 20 : 16) +
    20 +
    (trunFlags & TRUN_FIRST_FLAGS ? 24 : 20) +
    perSample * count;
  return { tfhdFlags, trunFlags, size, dataBytes };
}

function durationAt(packets: readonly Packet[], index: number, endDts: number): number {
  return (index + 1 < packets.length ? packets[index + 1]!.dts : endDts) - packets[index]!.dts;
}

function writeTraf(
  out: BoxWriter,
  trackId: number,
  samples: PartSamples,
  layout: TrafLayout,
  dataOffset: number,
): void {
  const { packets, endDts } = samples;
  const traf = out.box(TRAF);
  const tfhd = out.fullBox(TFHD, 0, layout.tfhdFlags);
  out.u32(trackId);
  if (layout.tfhdFlags & TFHD_DEFAULT_DURATION) out.u32(durationAt(packets, 0, endDts));
  out.end(tfhd);
  const tfdt = out.fullBox(TFDT, 1, 0);
  out.u64(samples.decodeTime);
  out.end(tfdt);
  const flags = layout.trunFlags;
  const trun = out.fullBox(TRUN, 1, flags); // version 1: signed composition offsets
  out.u32(packets.length);
  out.u32(dataOffset);
  if (flags & TRUN_FIRST_FLAGS) out.u32(packets[0]!.key ? FLAGS_KEY : FLAGS_DELTA);
  for (let i = 0; i < packets.length; i++) {
    const packet = packets[i]!;
    if (flags & TRUN_DURATION) out.u32(durationAt(packets, i, endDts));
    out.u32(packet.data.length);
    if (flags & TRUN_FLAGS) out.u32(packet.key ? FLAGS_KEY : FLAGS_DELTA);
    if (flags & TRUN_CTO) out.u32(packet.pts - packet.dts);
  }
  out.end(trun);
  out.end(traf);
}

function writeData(out: BoxWriter, packets: readonly Packet[]): void {
  for (let i = 0; i < packets.length; i++) out.bytes(packets[i]!.data);
}

/** One frame as a part holds it; times in the track's timescale. */
export interface PartSample {
  readonly dts: number;
  readonly duration: number;
  /** Presentation minus decoding time. */
  readonly cto: number;
  readonly flags: number;
  readonly data: Buffer;
}

/** One track of a fragment. */
export interface PartTrack {
  readonly id: number;
  readonly tfdt: number;
  readonly samples: PartSample[];
}

/** One moof with its mdat. */
export interface PartFragment {
  readonly sequence: number;
  readonly tracks: PartTrack[];
}

/**
 * Reads parts, or whole segments, as `writePart` writes them: views on `data`. Throws `media_invalid` for what it cannot read,
 * a sample outside of its mdat included.
 */
export function readParts(data: Buffer, init: readonly InitTrack[]): PartFragment[] {
  return withinBoxes(() => readFragments(data, init));
}

function readFragments(data: Buffer, init: readonly InitTrack[]): PartFragment[] {
  const boxes = readBoxes(data);
  const fragments: PartFragment[] = [];
  for (let i = 0; i < boxes.length; i += 2) {
    const moof = boxes[i]!;
    const mdat = boxes[i + 1];
    if (moof.type !== 'moof' || mdat?.type !== 'mdat')
      throw unreadable(`'${moof.type}' and '${mdat?.type}' where moof and mdat belong`);
    const inside = readBoxes(moof.body);
    const mdatStart = mdat.end - mdat.body.length;
    const tracks = inside
      .filter((box) => box.type === 'traf')
      .map((traf) => readTraf(traf.body, init, data, moof.start, mdatStart, mdat.end));
    fragments.push({ sequence: child(inside, 'mfhd').body.readUInt32BE(4), tracks });
  }
  return fragments;
}

function readTraf(
  traf: Buffer,
  init: readonly InitTrack[],
  data: Buffer,
  moofStart: number,
  mdatStart: number,
  mdatEnd: number,
): PartTrack {
  const boxes = readBoxes(traf);
  const tfhd = child(boxes, 'tfhd').body;
  const tfhdFlags = tfhd.readUIntBE(1, 3);
  if ((tfhdFlags & ~TFHD_DEFAULT_DURATION) !== TFHD_DEFAULT_BASE_IS_MOOF)
    throw unreadable(`tfhd flags are 0x${tfhdFlags.toString(16)}`);
  const id = tfhd.readUInt32BE(4);
  const track = init.find((candidate) => candidate.id === id);
  if (!track) throw unreadable(`track ${id} is not in the initialization segment`);
  const defaultDuration = tfhdFlags & TFHD_DEFAULT_DURATION ? tfhd.readUInt32BE(8) : track.defaultDuration;
  const tfdtBox = child(boxes, 'tfdt').body;
  if (tfdtBox[0] !== 1) throw unreadable('tfdt is not of version 1');
  const tfdt = Number(tfdtBox.readBigUInt64BE(4));
  const trun = child(boxes, 'trun').body;
  const flags = trun.readUIntBE(1, 3);
  if (!(flags & TRUN_DATA_OFFSET) || !(flags & TRUN_SIZE)) throw unreadable(`trun flags are 0x${flags.toString(16)}`);
  let at = 4;
  const next = () => trun.readUInt32BE((at += 4) - 4);
  const count = next();
  let offset = moofStart + next();
  const firstFlags = flags & TRUN_FIRST_FLAGS ? next() : track.defaultFlags;
  let dts = tfdt;
  const samples: PartSample[] = [];
  for (let i = 0; i < count; i++) {
    const duration = flags & TRUN_DURATION ? next() : defaultDuration;
    const size = next();
    const sampleFlags = flags & TRUN_FLAGS ? next() : i === 0 ? firstFlags : track.defaultFlags;
    const cto = flags & TRUN_CTO ? next() | 0 : 0;
    if (offset < mdatStart || offset + size > mdatEnd) throw unreadable('a sample lies outside of its mdat');
    samples.push({ dts, duration, cto, flags: sampleFlags, data: data.subarray(offset, offset + size) });
    offset += size;
    dts += duration;
  }
  return { id, tfdt, samples };
}
