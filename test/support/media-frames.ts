import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { FlvReader, ToPackets } from '../../src/formats/flv/index.ts';
import { type Packet, toMs } from '../../src/media/index.ts';

/** A coded frame without what containers add: comparable over all of them. Times in ms from the first one's dts. */
export interface BareFrame {
  readonly kind: 'video' | 'audio';
  readonly dtsMs: number;
  readonly ptsMs: number;
  readonly key: boolean;
  readonly hash: string;
}

/** Access unit delimiters and parameter sets: MPEG-TS repeats them with each key frame. */
const ADDED = [7, 8, 9];

/** The hash of a frame's own NAL units, or of an AAC frame. */
export function bareHash({ track, data }: Packet): string {
  const hash = createHash('sha1');
  if (track.kind === 'audio') return hash.update(data).digest('base64');
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (!ADDED.includes(bytes[at + 4]! & 31)) hash.update(bytes.subarray(at, end));
    at = end;
  }
  return hash.digest('base64');
}

/** The frames of one kind. */
export function bareFrames(packets: readonly Packet[], kind: 'video' | 'audio'): BareFrame[] {
  const firstMs = packets.reduce(
    (least, { dts, track }) => Math.min(least, toMs(dts, track.timescale)),
    Number.POSITIVE_INFINITY,
  );
  return packets
    .filter(({ track }) => track.kind === kind)
    .map((packet) => ({
      kind,
      dtsMs: toMs(packet.dts, packet.track.timescale) - firstMs,
      ptsMs: toMs(packet.pts, packet.track.timescale) - firstMs,
      key: packet.key,
      hash: bareHash(packet),
    }));
}

/** All packets of an FLV file. */
export function flvPackets(path: string): Packet[] {
  const packets: Packet[] = [];
  const toPackets = new ToPackets({ unsupported: () => {}, dropped: () => {} });
  new FlvReader(({ type, timestampMs, body }) => {
    const packet =
      type === 'video'
        ? toPackets.video(timestampMs, body)
        : type === 'audio'
          ? toPackets.audio(timestampMs, body)
          : null;
    if (packet) packets.push(packet);
  }).push(readFileSync(path));
  return packets;
}
