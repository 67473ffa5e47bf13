import type { ProgramStream } from './sections.ts';

/** What an elementary stream is, as far as we carry it or know its name; null for data, subtitles and marks, which are no media. */
export interface StreamKind {
  readonly kind: 'video' | 'audio';
  readonly codec: string;
}

const AVC: StreamKind = { kind: 'video', codec: 'avc' };
const AAC: StreamKind = { kind: 'audio', codec: 'aac' };
const video = (codec: string): StreamKind => ({ kind: 'video', codec });
const audio = (codec: string): StreamKind => ({ kind: 'audio', codec });

/** ISO 13818-1, table 2-34, and what ATSC, Blu-ray and Apple have added. */
const BY_TYPE = new Map<number, StreamKind>([
  [0x01, video('mpeg1video')],
  [0x02, video('mpeg2video')],
  [0x03, audio('mp2')],
  [0x04, audio('mp2')],
  [0x0f, AAC],
  [0x10, video('mpeg4')],
  [0x11, audio('aac-latm')],
  [0x1b, AVC],
  [0x24, video('hevc')],
  [0x33, video('vvc')],
  [0x81, audio('ac3')],
  [0x87, audio('eac3')],
  [0xc1, audio('ac3-encrypted')],
  [0xc2, audio('eac3-encrypted')],
  [0xcf, audio('aac-encrypted')],
  [0xdb, video('avc-encrypted')],
  [0xea, video('vc1')],
]);

/** Private streams (type 6) that say by a registration descriptor what they are. */
const BY_REGISTRATION = new Map<string, StreamKind>([
  ['HEVC', video('hevc')],
  ['AV01', video('av1')],
  ['VC-1', video('vc1')],
  ['Opus', audio('opus')],
  ['AC-3', audio('ac3')],
  ['EAC3', audio('eac3')],
]);

export const streamKind = ({ type, registration }: ProgramStream): StreamKind | null =>
  (type === 6 ? BY_REGISTRATION.get(registration) : BY_TYPE.get(type)) ?? null;

export const isCarried = (stream: StreamKind | null): stream is StreamKind => stream === AVC || stream === AAC;
