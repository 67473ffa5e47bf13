import type { FlvTag } from './flv-reader.ts';

const TYPES = { audio: 8, video: 9, data: 18 } as const;

/** The body of an AVC video tag. `compositionMs` is signed, 24 bits. */
export function writeVideoTag(
  kind: 'config' | 'frame' | 'end',
  key: boolean,
  compositionMs: number,
  data: Uint8Array,
): Buffer {
  const body = Buffer.allocUnsafe(5 + data.length);
  body[0] = key ? 0x17 : 0x27;
  body[1] = kind === 'config' ? 0 : kind === 'frame' ? 1 : 2;
  body.writeIntBE(compositionMs, 2, 3);
  body.set(data, 5);
  return body;
}

/** The body of an AAC audio tag. The first byte is the same for all AAC: 44 kHz, 16 bits, stereo (FLV 10.1 E.4.2.1). */
export function writeAudioTag(kind: 'config' | 'frame', data: Uint8Array): Buffer {
  const body = Buffer.allocUnsafe(2 + data.length);
  body[0] = 0xaf;
  body[1] = kind === 'config' ? 0 : 1;
  body.set(data, 2);
  return body;
}

/** The body of an Opus audio tag, which Enhanced RTMP alone knows (AudioPacketType SequenceStart and CodedFrames). */
export function writeOpusTag(kind: 'config' | 'frame', data: Uint8Array): Buffer {
  const body = Buffer.allocUnsafe(5 + data.length);
  body[0] = kind === 'config' ? 0x90 : 0x91;
  body.write('Opus', 1, 'latin1');
  body.set(data, 5);
  return body;
}

/** What an FLV file begins with. */
export function writeFlvHeader(has: { readonly audio: boolean; readonly video: boolean }): Buffer {
  const flags = (has.audio ? 4 : 0) | (has.video ? 1 : 0);
  return Buffer.from([0x46, 0x4c, 0x56, 1, flags, 0, 0, 0, 9, 0, 0, 0, 0]);
}

/** One tag of an FLV file, with the back pointer that follows it. */
export function writeFlvTag({ type, timestampMs, body }: FlvTag): Buffer {
  const tag = Buffer.allocUnsafe(11 + body.length + 4);
  tag[0] = TYPES[type];
  tag.writeUIntBE(body.length, 1, 3);
  tag.writeUIntBE(timestampMs & 0xffffff, 4, 3);
  tag[7] = timestampMs >>> 24;
  tag.writeUIntBE(0, 8, 3);
  body.copy(tag, 11);
  tag.writeUInt32BE(11 + body.length, 11 + body.length);
  return tag;
}
