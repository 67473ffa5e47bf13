/** Everything that a refusal can name; only 'avc' is taken so far. */
export type VideoCodec = 'avc' | 'hevc' | 'av1' | 'vp8' | 'vp9' | 'vvc' | 'vp6' | 'h263' | 'screen' | 'unknown';

/** Everything that a refusal can name; only 'aac' and 'opus' are taken so far. */
export type AudioCodec =
  | 'aac'
  | 'mp3'
  | 'opus'
  | 'ac3'
  | 'eac3'
  | 'flac'
  | 'pcm'
  | 'adpcm'
  | 'alaw'
  | 'mulaw'
  | 'nellymoser'
  | 'speex'
  | 'unknown';

/** `other` is nothing to decode: empty or cut short, a command frame, colour metadata, a multitrack layout. */
export type TagKind = 'config' | 'frame' | 'end' | 'other';

/** The body of an audio or video tag, taken apart. */
export interface MediaTag<Codec extends string = VideoCodec | AudioCodec> {
  readonly codec: Codec;
  readonly kind: TagKind;
  /** A key frame. Audio: always true. */
  readonly key: boolean;
  /** Presentation minus decoding time in milliseconds, signed. */
  readonly compositionMs: number;
  /** The configuration record or the coded frame: a view on the body. */
  readonly data: Buffer;
}

const EMPTY = Buffer.alloc(0);

/** CodecID, FLV 10.1 E.4.3.1; 12 is how HEVC travelled before Enhanced RTMP. */
const VIDEO_IDS: Record<number, VideoCodec> = {
  2: 'h263',
  3: 'screen',
  4: 'vp6',
  5: 'vp6',
  6: 'screen',
  7: 'avc',
  8: 'vp8',
  9: 'vp9',
  12: 'hevc',
  13: 'av1',
};
const VIDEO_FOURCC: Record<string, VideoCodec> = {
  avc1: 'avc',
  hvc1: 'hevc',
  av01: 'av1',
  vp08: 'vp8',
  vp09: 'vp9',
  vvc1: 'vvc',
};

/** SoundFormat, FLV 10.1 E.4.2.1. */
const AUDIO_IDS: Record<number, AudioCodec> = {
  0: 'pcm',
  1: 'adpcm',
  2: 'mp3',
  3: 'pcm',
  4: 'nellymoser',
  5: 'nellymoser',
  6: 'nellymoser',
  7: 'alaw',
  8: 'mulaw',
  10: 'aac',
  11: 'speex',
  13: 'opus',
  14: 'mp3',
};
const AUDIO_FOURCC: Record<string, AudioCodec> = {
  mp4a: 'aac',
  '.mp3': 'mp3',
  Opus: 'opus',
  'ac-3': 'ac3',
  'ec-3': 'eac3',
  fLaC: 'flac',
};

// Enhanced RTMP v2: VideoPacketType and AudioPacketType.
const SEQUENCE_START = 0;
const CODED_FRAMES = 1;
const SEQUENCE_END = 2;
const CODED_FRAMES_X = 3; // video only: composition time zero, left out
const VIDEO_MULTITRACK = 6;
const AUDIO_MULTITRACK = 5;
const MOD_EX = 7;

const COMMAND_FRAME = 5;

/** Takes a video tag's body apart, legacy or Enhanced RTMP. Never throws: what makes no sense is `other`. */
export function parseVideoTag(body: Buffer): MediaTag<VideoCodec> {
  if (body.length === 0) return tag('unknown', 'other', false, 0, EMPTY);
  const first = body[0]!;
  const frameType = (first >> 4) & 7;
  const key = frameType === 1 || frameType === 4;
  if (first & 0x80) return parseEnhancedVideo(body, frameType, key);
  const codec = VIDEO_IDS[first & 15] ?? 'unknown';
  if (frameType === COMMAND_FRAME || body.length < 5) return tag(codec, 'other', key, 0, EMPTY);
  if (codec !== 'avc' && codec !== 'hevc') return tag(codec, 'frame', key, 0, body.subarray(1));
  const kind = body[1] === 0 ? 'config' : body[1] === 1 ? 'frame' : body[1] === 2 ? 'end' : 'other';
  return tag(codec, kind, key, int24(body, 2), body.subarray(5));
}

/** Takes an audio tag's body apart, legacy or Enhanced RTMP. Never throws: what makes no sense is `other`. */
export function parseAudioTag(body: Buffer): MediaTag<AudioCodec> {
  if (body.length === 0) return tag('unknown', 'other', true, 0, EMPTY);
  const format = body[0]! >> 4;
  if (format === 9) return parseEnhancedAudio(body);
  const codec = AUDIO_IDS[format] ?? 'unknown';
  if (body.length < 2) return tag(codec, 'other', true, 0, EMPTY);
  // Rate, size and channels in the first byte mean nothing for AAC: its own configuration says them.
  if (codec !== 'aac') return tag(codec, 'frame', true, 0, body.subarray(1));
  return tag(codec, body[1] === 0 ? 'config' : body[1] === 1 ? 'frame' : 'other', true, 0, body.subarray(2));
}

/** Whether a video or audio body holds a decoder configuration, which outlives the frames around it. */
export function isConfiguration(kind: 'audio' | 'video', body: Buffer): boolean {
  const first = body[0]!;
  if (kind === 'video') return first & 0x80 ? (first & 15) === SEQUENCE_START : (first & 15) === 7 && body[1] === 0;
  return first >> 4 === 9 ? (first & 15) === SEQUENCE_START : first >> 4 === 10 && body[1] === 0;
}

function parseEnhancedVideo(body: Buffer, frameType: number, key: boolean): MediaTag<VideoCodec> {
  const { packetType, offset } = skipModifiers(body);
  if (frameType === COMMAND_FRAME) return tag('unknown', 'other', false, 0, EMPTY);
  if (packetType === VIDEO_MULTITRACK)
    return tag(VIDEO_FOURCC[fourCc(body, offset + 1)] ?? 'unknown', 'other', key, 0, EMPTY);
  const codec = VIDEO_FOURCC[fourCc(body, offset)] ?? 'unknown';
  const start = offset + 4;
  if (packetType === SEQUENCE_START) return tag(codec, 'config', key, 0, body.subarray(start));
  if (packetType === SEQUENCE_END) return tag(codec, 'end', key, 0, EMPTY);
  if (packetType === CODED_FRAMES_X) return tag(codec, 'frame', key, 0, body.subarray(start));
  if (packetType !== CODED_FRAMES) return tag(codec, 'other', key, 0, EMPTY);
  if (codec !== 'avc' && codec !== 'hevc' && codec !== 'vvc') return tag(codec, 'frame', key, 0, body.subarray(start));
  if (body.length < start + 3) return tag(codec, 'other', key, 0, EMPTY);
  return tag(codec, 'frame', key, int24(body, start), body.subarray(start + 3));
}

function parseEnhancedAudio(body: Buffer): MediaTag<AudioCodec> {
  const { packetType, offset } = skipModifiers(body);
  if (packetType === AUDIO_MULTITRACK)
    return tag(AUDIO_FOURCC[fourCc(body, offset + 1)] ?? 'unknown', 'other', true, 0, EMPTY);
  const codec = AUDIO_FOURCC[fourCc(body, offset)] ?? 'unknown';
  if (packetType === SEQUENCE_START) return tag(codec, 'config', true, 0, body.subarray(offset + 4));
  if (packetType === CODED_FRAMES) return tag(codec, 'frame', true, 0, body.subarray(offset + 4));
  return tag(codec, packetType === SEQUENCE_END ? 'end' : 'other', true, 0, EMPTY);
}

/** Reads over the chain of ModEx headers (nanosecond offsets and the like), each of which says its own size. */
function skipModifiers(body: Buffer): { packetType: number; offset: number } {
  let packetType = body[0]! & 15;
  let offset = 1;
  while (packetType === MOD_EX && offset < body.length) {
    let size = body[offset]! + 1;
    offset += 1;
    if (size === 256) {
      size = ((body[offset] ?? 0) << 8) + (body[offset + 1] ?? 0) + 1;
      offset += 2;
    }
    packetType = (body[offset + size] ?? 15) & 15;
    offset += size + 1;
  }
  return { packetType, offset };
}

/** Nothing to decode is not worth a reader's time, whatever its header called it. */
function tag<C extends VideoCodec | AudioCodec>(
  codec: C,
  kind: TagKind,
  key: boolean,
  compositionMs: number,
  data: Buffer,
): MediaTag<C> {
  return { codec, kind: data.length === 0 && kind !== 'end' ? 'other' : kind, key, compositionMs, data };
}

function fourCc(body: Buffer, offset: number): string {
  return body.toString('latin1', offset, Math.max(offset, Math.min(offset + 4, body.length)));
}

function int24(body: Buffer, offset: number): number {
  return ((body[offset]! << 24) | (body[offset + 1]! << 16) | (body[offset + 2]! << 8)) >> 8;
}
