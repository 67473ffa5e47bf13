import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** One coded frame as a publisher sends it. */
export interface SentFrame {
  readonly kind: 'video' | 'audio';
  readonly dtsMs: number;
  readonly ptsMs: number;
  readonly key: boolean;
  readonly hash: string;
}

/** What a publisher sends in one run: its configurations and its coded frames, in the order of sending. */
export interface Sent {
  /** AVCDecoderConfigurationRecord. */
  readonly avcConfig: Buffer | null;
  /** AudioSpecificConfig. */
  readonly aacConfig: Buffer | null;
  readonly frames: readonly SentFrame[];
}

/** One FLV tag: what one RTMP message carries. */
export interface FlvTag {
  readonly type: number;
  readonly timestampMs: number;
  readonly body: Buffer;
}

export const FLV_AUDIO = 8;
export const FLV_VIDEO = 9;
export const FLV_DATA = 18;

export const frameHash = (data: Uint8Array): string => createHash('sha1').update(data).digest('base64');

/** All tags of an FLV file (Adobe FLV 10.1, annex E). */
export function readFlvTags(path: string): FlvTag[] {
  const file = readFileSync(path);
  if (file.toString('latin1', 0, 3) !== 'FLV') throw new Error(`${path} is not an FLV file`);
  const tags: FlvTag[] = [];
  for (let at = file.readUInt32BE(5) + 4; at + 11 <= file.length; ) {
    const size = file.readUIntBE(at + 1, 3);
    const timestampMs = (file.readUIntBE(at + 4, 3) | (file[at + 7]! << 24)) >>> 0;
    tags.push({ type: file[at]! & 31, timestampMs, body: file.subarray(at + 11, at + 11 + size) });
    at += 11 + size + 4;
  }
  return tags;
}

/** The configurations and coded frames among `tags`: H.264 and AAC only, which is what the tests send. */
export function sentFrames(tags: readonly FlvTag[]): Sent {
  let avcConfig: Buffer | null = null;
  let aacConfig: Buffer | null = null;
  const frames: SentFrame[] = [];
  for (const { type, timestampMs, body } of tags) {
    if (type === FLV_AUDIO && body[0]! >> 4 === 10) {
      const data = body.subarray(2);
      if (body[1] === 0) aacConfig = data;
      else frames.push({ kind: 'audio', dtsMs: timestampMs, ptsMs: timestampMs, key: true, hash: frameHash(data) });
    } else if (type === FLV_VIDEO && (body[0]! & 15) === 7) {
      const data = body.subarray(5);
      const offsetMs = (body.readUIntBE(2, 3) << 8) >> 8;
      if (body[1] === 0) avcConfig = data;
      else if (body[1] === 1)
        frames.push({
          kind: 'video',
          dtsMs: timestampMs,
          ptsMs: timestampMs + offsetMs,
          key: body[0]! >> 4 === 1,
          hash: frameHash(data),
        });
    }
  }
  return { avcConfig, aacConfig, frames };
}
