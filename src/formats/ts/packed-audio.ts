import type { Packet } from '../../media/index.ts';
import type { Notices } from '../flv/index.ts';
import { AdtsStream } from './adts-stream.ts';
import { Unwrapper } from './unwrap.ts';

/** Tags in front of one segment: one is usual. */
const MAX_TAGS = 8;
const OWNER = 'com.apple.streaming.transportStreamTimestamp\0';

/** Demuxes HLS segments of bare AAC in ADTS; an ID3 tag in front of each says where it stands (RFC 8216bis 3.1.2). */
export class PackedAudioDemuxer {
  readonly #frames: AdtsStream;
  readonly #clock = new Unwrapper();
  readonly #told = new Set<string>();
  #begun = false;
  #pts: number | null = null;

  constructor(emit: (packet: Packet) => void, notices: Notices) {
    this.#frames = new AdtsStream(emit, (reason) => {
      if (this.#told.has(reason)) return;
      this.#told.add(reason);
      notices.dropped(reason);
    });
  }

  /** Whether a segment begins like one: with an ID3 tag or an ADTS frame. */
  static accepts(segment: Buffer): boolean {
    return segment.toString('latin1', 0, 3) === 'ID3' || (segment[0] === 0xff && (segment[1]! & 0xf6) === 0xf0);
  }

  /** Reads the tags in front of a segment, and says where its frames begin. */
  begin(data: Buffer): number {
    let at = 0;
    this.#pts = this.#begun ? null : 0;
    for (
      let tags = 0;
      tags < MAX_TAGS && data.toString('latin1', at, at + 3) === 'ID3' && at + 10 <= data.length;
      tags++
    ) {
      const size = data.subarray(at + 6, at + 10).reduce((sum, byte) => sum * 128 + (byte & 127), 0);
      const tag = data.subarray(at, at + 10 + size);
      const found = tag.indexOf(OWNER, 0, 'latin1');
      const time = found + OWNER.length;
      if (found >= 0 && time + 8 <= tag.length)
        this.#pts = this.#clock.unwrap(Number(BigInt.asUintN(33, tag.readBigUInt64BE(time))));
      at += tag.length;
    }
    this.#begun = true;
    return at;
  }

  /** Takes the frames, split anywhere. @throws CodedError media_invalid for a configuration that cannot be played */
  write(bytes: Buffer): void {
    this.#frames.take(bytes, this.#pts);
    this.#pts = null;
  }
}
