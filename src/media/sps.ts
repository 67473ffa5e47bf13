import { CodedError } from '../base/index.ts';
import { BitReader } from './bits.ts';

export type SampleAspect = readonly [width: number, height: number];

/** What we need of a sequence parameter set (ISO 14496-10, 7.3.2.1.1). */
export interface SpsInfo {
  /** After cropping. */
  readonly width: number;
  readonly height: number;
  /** Frames a second; null when the VUI holds no usable timing. */
  readonly frameRate: number | null;
  /** How wide and how high a sample is shown; 1:1 when the VUI does not say. */
  readonly sampleAspect: SampleAspect;
  readonly chromaFormat: number;
  readonly lumaDepthMinus8: number;
  readonly chromaDepthMinus8: number;
}

const MAX_SIZE = 16384;
/** Profiles whose SPS says chroma format, bit depths and scaling matrices. */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/** Parses an SPS NAL unit, its header byte included. Throws `media_invalid` when it is truncated or its picture size is absurd. */
export function parseSps(nal: Uint8Array): SpsInfo {
  const bits = new BitReader(withoutEmulationPrevention(nal), 'H.264: the SPS');
  bits.read(8);
  const profile = bits.read(8);
  bits.read(16); // constraint flags, level
  bits.ue(); // seq_parameter_set_id
  let chromaFormat = 1;
  let separatePlanes = false;
  let lumaDepthMinus8 = 0;
  let chromaDepthMinus8 = 0;
  if (HIGH_PROFILES.has(profile)) {
    chromaFormat = bits.ue();
    if (chromaFormat > 3) throw invalid(`chroma format ${chromaFormat} does not exist`);
    if (chromaFormat === 3) separatePlanes = bits.flag();
    lumaDepthMinus8 = bits.ue();
    chromaDepthMinus8 = bits.ue();
    bits.flag(); // qpprime_y_zero_transform_bypass_flag
    const lists = bits.flag() ? (chromaFormat === 3 ? 12 : 8) : 0;
    for (let i = 0; i < lists; i++) {
      if (bits.flag()) skipScalingList(bits, i < 6 ? 16 : 64);
    }
  }
  bits.ue(); // log2_max_frame_num_minus4
  const pocType = bits.ue();
  if (pocType === 0) bits.ue();
  else if (pocType === 1) {
    bits.flag();
    bits.se();
    bits.se();
    const cycle = bits.ue();
    if (cycle > 255) throw invalid(`the picture order cycle is ${cycle} long, 255 is allowed`);
    for (let i = 0; i < cycle; i++) bits.se();
  }
  bits.ue(); // max_num_ref_frames
  bits.flag(); // gaps_in_frame_num_value_allowed_flag
  const codedWidth = (bits.ue() + 1) * 16;
  const mapUnits = bits.ue() + 1;
  const framesOnly = bits.flag();
  const codedHeight = mapUnits * 16 * (framesOnly ? 1 : 2);
  if (!framesOnly) bits.flag(); // mb_adaptive_frame_field_flag
  bits.flag(); // direct_8x8_inference_flag
  let width = codedWidth;
  let height = codedHeight;
  if (bits.flag()) {
    // Table 6-1 and equations 7-19 to 7-22: the crop is counted in chroma samples, and in field pairs when interlaced.
    const planar = chromaFormat === 0 || separatePlanes;
    const unitX = planar || chromaFormat === 3 ? 1 : 2;
    const unitY = (planar || chromaFormat !== 1 ? 1 : 2) * (framesOnly ? 1 : 2);
    width -= unitX * (bits.ue() + bits.ue());
    height -= unitY * (bits.ue() + bits.ue());
  }
  if (width <= 0 || height <= 0) throw invalid(`the picture of ${codedWidth}x${codedHeight} is cropped away`);
  if (width > MAX_SIZE || height > MAX_SIZE)
    throw invalid(`the picture is ${width}x${height}, ${MAX_SIZE} is the most`);
  return { width, height, ...readVui(bits), chromaFormat, lumaDepthMinus8, chromaDepthMinus8 };
}

/** The VUI, up to its timing (annex E.1.1). What follows the picture size is not needed to play, so a broken one is no error. */
function readVui(bits: BitReader): Pick<SpsInfo, 'frameRate' | 'sampleAspect'> {
  let sampleAspect: SampleAspect = [1, 1];
  let frameRate: number | null = null;
  try {
    if (!bits.flag()) return { frameRate, sampleAspect };
    if (bits.flag()) sampleAspect = readSampleAspect(bits);
    if (bits.flag()) bits.flag(); // overscan
    if (bits.flag()) {
      bits.read(4); // video_format, video_full_range_flag
      if (bits.flag()) bits.read(24);
    }
    if (bits.flag()) {
      bits.ue(); // chroma sample location
      bits.ue();
    }
    if (!bits.flag()) return { frameRate, sampleAspect };
    const unitsInTick = bits.read(32);
    const rate = bits.read(32) / (2 * unitsInTick);
    if (rate >= 0.1 && rate <= 480) frameRate = rate;
  } catch {
    // Cut short: what was read counts.
  }
  return { frameRate, sampleAspect };
}

/** Table E-1, from aspect_ratio_idc 1 on. */
const SAMPLE_ASPECTS: readonly SampleAspect[] = [
  [1, 1],
  [12, 11],
  [10, 11],
  [16, 11],
  [40, 33],
  [24, 11],
  [20, 11],
  [32, 11],
  [80, 33],
  [18, 11],
  [15, 11],
  [64, 33],
  [160, 99],
  [4, 3],
  [3, 2],
  [2, 1],
];

function readSampleAspect(bits: BitReader): SampleAspect {
  const idc = bits.read(8);
  if (idc !== 255) return SAMPLE_ASPECTS[idc - 1] ?? [1, 1];
  const [width, height] = [bits.read(16), bits.read(16)];
  return width > 0 && height > 0 ? [width, height] : [1, 1];
}

function skipScalingList(bits: BitReader, size: number): void {
  let last = 8;
  let next = 8;
  for (let i = 0; i < size && next !== 0; i++) {
    next = (last + bits.se() + 256) % 256;
    if (next !== 0) last = next;
  }
}

/** The bytes without the 3 of every 00 00 03 (7.3.1). */
function withoutEmulationPrevention(nal: Uint8Array): Uint8Array {
  const out = new Uint8Array(nal.length);
  let length = 0;
  let zeros = 0;
  for (const byte of nal) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    out[length++] = byte;
  }
  return out.subarray(0, length);
}

function invalid(message: string): CodedError {
  return new CodedError('media_invalid', `H.264: ${message}`);
}
