import { CodedError } from '../base/index.ts';
import { forEachAnnexBNal, hasStartCode, NAL_IDR, NAL_PPS, NAL_SEI, NAL_SPS, readNalLength } from './nal.ts';
import { parseSps, type SampleAspect, type SpsInfo } from './sps.ts';

/** What an H.264 publisher says of its stream, once per configuration. */
export interface AvcConfig {
  /**
   * AVCDecoderConfigurationRecord (ISO 14496-15, 5.3.3): an own copy, equal to what the publisher sent, except that its
   * `lengthSizeMinusOne` says 3, because the frames of a Packet always carry 4-byte lengths.
   */
  readonly record: Buffer;
  /** RFC 6381, from the record: `avc1.PPCCLL`. */
  readonly codecString: string;
  /** After cropping. */
  readonly width: number;
  readonly height: number;
  /** Frames a second by the VUI timing; null when it says none. */
  readonly frameRate: number | null;
  readonly sampleAspect: SampleAspect;
  /** As ffmpeg calls it: `yuv420p`. */
  readonly pixelFormat: string;
  /** Of the frames as the publisher sends them, before `toLengthPrefixed`. */
  readonly nalLengthSize: 1 | 2 | 4;
  readonly profile: number;
  readonly level: number;
}

/** Real ones have about fifty bytes; each goes into an initialization segment that the live window keeps. */
const MAX_RECORD = 65_536;
/** Of a frame that is rewritten: each costs an object, however small it is. */
const MAX_NALS = 4096;

/**
 * Parses an AVCDecoderConfigurationRecord, or SPS and PPS in Annex B form where some encoders send that instead. Reserved bits,
 * several parameter sets and trailing bytes are accepted. Throws `media_invalid` when it cannot be read or is absurd.
 */
export function parseAvcConfig(record: Uint8Array): AvcConfig {
  if (record.length > MAX_RECORD)
    throw invalid(`the configuration record has ${record.length} bytes, ${MAX_RECORD} are allowed`);
  if (hasStartCode(record)) {
    const config = avcConfigFromFrame(record);
    if (config) return config;
  }
  if (record.length < 7 || record.length > MAX_RECORD)
    throw invalid(`the configuration record has ${record.length} bytes, 7 to ${MAX_RECORD} are allowed`);
  if (record[0] !== 1) throw invalid(`the configuration record has version ${record[0]}, only 1 is known`);
  const nalLengthSize = (record[4]! & 3) + 1;
  if (nalLengthSize === 3) throw invalid('the NAL length size is 3; 1, 2 and 4 are allowed');
  let offset = 6;
  let sps: Uint8Array | null = null;
  for (let left = record[5]! & 31; left > 0; left--) {
    const end = nalEnd(record, offset, 'SPS');
    sps ??= record.subarray(offset + 2, end);
    offset = end;
  }
  if (!sps || sps.length < 4 || (sps[0]! & 31) !== NAL_SPS)
    throw invalid('the configuration record holds no H.264 SPS');
  if (offset >= record.length) throw invalid('the configuration record ends before the PPS');
  for (let left = record[offset++]!; left > 0; left--) offset = nalEnd(record, offset, 'PPS');

  const info = parseSps(sps);
  const own = Buffer.from(record);
  own[4] = own[4]! | 3;
  return avcConfig(own, nalLengthSize as 1 | 2 | 4, info);
}

function pixelFormatOf({ chromaFormat, lumaDepthMinus8 }: SpsInfo): string {
  const planes = ['gray', 'yuv420p', 'yuv422p', 'yuv444p'][chromaFormat]!;
  return lumaDepthMinus8 === 0 ? planes : `${planes}${8 + lumaDepthMinus8}le`;
}

function avcConfig(record: Buffer, nalLengthSize: 1 | 2 | 4, sps: SpsInfo): AvcConfig {
  return {
    record,
    codecString: `avc1.${record.toString('hex', 1, 4)}`,
    width: sps.width,
    height: sps.height,
    frameRate: sps.frameRate,
    sampleAspect: sps.sampleAspect,
    pixelFormat: pixelFormatOf(sps),
    nalLengthSize,
    profile: record[1]!,
    level: record[3]!,
  };
}

function nalEnd(record: Uint8Array, offset: number, name: string): number {
  if (offset + 2 > record.length) throw invalid(`the configuration record ends inside the ${name} list`);
  const end = offset + 2 + ((record[offset]! << 8) | record[offset + 1]!);
  if (end > record.length) throw invalid(`a ${name} reaches past the end of the configuration record`);
  return end;
}

/** Whether two configurations are the same to every reader: then no new Track is due. */
export function sameAvcConfig(a: AvcConfig, b: AvcConfig): boolean {
  return a.nalLengthSize === b.nalLengthSize && a.record.equals(b.record);
}

/**
 * The frame as NAL units with 4-byte lengths: the same view when it is that already (only the lengths are looked at), else a
 * copy made from 1- or 2-byte lengths or from Annex B. Empty NAL units are left out, so the answer may be empty.
 * Throws `media_invalid` when a length points past the end, or for more NAL units than a frame can have.
 */
export function toLengthPrefixed(frame: Uint8Array, config: AvcConfig): Uint8Array {
  const size = config.nalLengthSize;
  let plain = size === 4;
  let offset = 0;
  while (offset + size <= frame.length) {
    const start = offset + size;
    offset = start + readNalLength(frame, offset, size);
    // A NAL unit that begins with a zero byte is no NAL unit: a start code stands inside of it. Nor is an empty one.
    if (start === offset || frame[start] === 0) plain = false;
  }
  if (offset === frame.length) return plain ? frame : rewrite(frame, size);
  if (hasStartCode(frame)) return rewrite(frame, 0);
  throw invalid(`a NAL unit reaches past the end of its frame of ${frame.length} bytes`);
}

/** Copies the NAL units of a frame, Annex B (`size` 0) or with lengths of `size` bytes, into one with 4-byte lengths. */
function rewrite(frame: Uint8Array, size: number): Uint8Array {
  const nals: Uint8Array[] = [];
  const keep = (nal: Uint8Array) => {
    if (nals.push(nal) > MAX_NALS) throw invalid(`a frame has more than ${MAX_NALS} NAL units`);
  };
  if (size === 0) forEachAnnexBNal(frame, keep);
  else {
    for (let offset = 0; offset < frame.length; ) {
      const start = offset + size;
      offset = start + readNalLength(frame, offset, size);
      if (offset === start) continue;
      const nal = frame.subarray(start, offset);
      if (hasStartCode(nal)) forEachAnnexBNal(nal, keep);
      else keep(nal);
    }
  }
  const out = Buffer.allocUnsafeSlow(nals.reduce((sum, nal) => sum + 4 + nal.length, 0));
  let at = 0;
  for (const nal of nals) {
    out.writeUInt32BE(nal.length, at);
    out.set(nal, at + 4);
    at += 4 + nal.length;
  }
  return out;
}

/** Whether a frame with 4-byte lengths holds an IDR slice: some encoders flag their key frames wrongly. */
export function hasIdr(frame: Uint8Array): boolean {
  return findNal(frame, NAL_IDR) !== null;
}

/** The first NAL unit of a type in a frame with 4-byte lengths, without its length; null when there is none. */
function findNal(frame: Uint8Array, type: number): Uint8Array | null {
  for (let offset = 0; offset + 4 < frame.length; ) {
    const start = offset + 4;
    offset = start + readNalLength(frame, offset, 4);
    if ((frame[start]! & 31) === type) return frame.subarray(start, offset);
  }
  return null;
}

/**
 * A configuration made from the SPS and PPS inside a frame, for publishers that never send one: Annex B, or 4-byte lengths.
 * Null when the frame holds no SPS or no PPS; throws `media_invalid` when the SPS cannot be read.
 */
export function avcConfigFromFrame(frame: Uint8Array): AvcConfig | null {
  let sps: Uint8Array | null = null;
  let pps: Uint8Array | null = null;
  if (hasStartCode(frame)) {
    forEachAnnexBNal(frame, (nal) => {
      if ((nal[0]! & 31) === NAL_SPS) sps ??= nal;
      if ((nal[0]! & 31) === NAL_PPS) pps ??= nal;
    });
  }
  sps ??= findNal(frame, NAL_SPS);
  pps ??= findNal(frame, NAL_PPS);
  if (!sps || !pps || sps.length < 4) return null;
  const info = parseSps(sps);
  const parts = [
    Buffer.from([1, sps[1]!, sps[2]!, sps[3]!, 0xff, 0xe1, sps.length >> 8, sps.length & 255]),
    sps,
    Buffer.from([1, pps.length >> 8, pps.length & 255]),
    pps,
  ];
  // ISO 14496-15, 5.3.3.1.2: these profiles carry chroma format and bit depths behind the parameter sets.
  if ([100, 110, 122, 144, 244].includes(sps[1]!)) {
    parts.push(Buffer.from([0xfc | info.chromaFormat, 0xf8 | info.lumaDepthMinus8, 0xf8 | info.chromaDepthMinus8, 0]));
  }
  return avcConfig(Buffer.concat(parts), 4, info);
}

/**
 * The longest distance of two key frames, in frames, that x264 announces in the user data of its first frame (4-byte lengths):
 * it tells the GOP before the second key frame arrives. Null when it says nothing, or `infinite`.
 */
export function x264KeyframeInterval(frame: Uint8Array): number | null {
  const sei = findNal(frame, NAL_SEI);
  if (!sei) return null;
  const text = Buffer.from(sei.buffer, sei.byteOffset, Math.min(sei.length, 4096)).toString('latin1');
  if (!text.includes('x264')) return null;
  const frames = Number(/ keyint=(\d{1,6})\b/.exec(text)?.[1]);
  return frames > 0 ? frames : null;
}

function invalid(message: string): CodedError {
  return new CodedError('media_invalid', `H.264: ${message}`);
}
