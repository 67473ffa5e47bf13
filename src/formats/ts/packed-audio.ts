import type { Packet } from '../../media/index.ts';
import type { Notices } from '../flv/index.ts';
import { AdtsStream } from './adts-stream.ts';
import { Unwrapper } from './unwrap.ts';

const OWNER = 'com.apple.streaming.transportStreamTimestamp\0';

/** Demuxes HLS segments of bare AAC in ADTS; an ID3 tag in front of each says where it stands (RFC 8216bis 3.1.2). */
export class PackedAudioDemuxer {
  readonly #frames: AdtsStream;
  readonly #clock = new Unwrapper();
  #begun = false;

  constructor(emit: (packet: Packet) => void, notices: Notices) {
    this.#frames = new AdtsStream(emit, (reason) => notices.dropped(reason));
  }

  /** Whether a segment begins like one: with an ID3 tag or an ADTS frame. */
  static accepts(segment: Buffer): boolean {
    return segment.toString('latin1', 0, 3) === 'ID3' || (segment[0] === 0xff && (segment[1]! & 0xf6) === 0xf0);
  }

  /** Takes a whole segment. @throws CodedError media_invalid for a configuration that cannot be played */
  segment(data: Buffer): void {
    let at = 0;
    let pts: number | null = this.#begun ? null : 0;
    while (data.toString('latin1', at, at + 3) === 'ID3' && at + 10 <= data.length) {
      const size = data.subarray(at + 6, at + 10).reduce((sum, byte) => sum * 128 + (byte & 127), 0);
      const tag = data.subarray(at, at + 10 + size);
      const found = tag.indexOf(OWNER, 0, 'latin1');
      const time = found + OWNER.length;
      if (found >= 0 && time + 8 <= tag.length)
        pts = this.#clock.unwrap(Number(BigInt.asUintN(33, tag.readBigUInt64BE(time))));
      at += tag.length;
    }
    this.#begun = true;
    this.#frames.take(data.subarray(at), pts);
  }
}
