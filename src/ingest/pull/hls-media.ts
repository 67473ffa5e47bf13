import { createDecipheriv } from 'node:crypto';
import { CodedError } from '../../base/index.ts';
import type { Notices } from '../../formats/flv/index.ts';
import { Fmp4Demuxer } from '../../formats/fmp4/index.ts';
import type { SegmentKey } from '../../formats/m3u8/index.ts';
import { PackedAudioDemuxer, TsDemuxer } from '../../formats/ts/index.ts';
import type { Packet } from '../../media/index.ts';
import { SourceFailure } from './hls-fetch.ts';

type Demuxer = TsDemuxer | Fmp4Demuxer | PackedAudioDemuxer;

/** Of one segment: three minutes of 60 pictures a second with their sound. Bytes alone bound nothing: a frame may have one. */
const MAX_FRAMES = 20_000;
/** Read in one turn of the event loop. */
const SLICE_BYTES = 128 << 10;

/** Does a piece of work, and rests afterwards. @throws when the source is closed, and what `work` throws */
type Share = <T>(work: () => T) => Promise<T>;

/** Turns the segments of one rendition into packets, whatever they are. */
export class HlsMedia {
  readonly #notices: Notices;
  readonly #share: Share;
  #demuxer: Demuxer | null = null;
  #packets: Packet[] = [];
  #bytesBefore = 0;

  constructor(notices: Notices, share: Share) {
    this.#notices = notices;
    this.#share = share;
  }

  /** An EXT-X-MAP: what the segments behind it need. @throws CodedError media_invalid */
  map(init: Buffer): void {
    this.#become(Fmp4Demuxer, () => new Fmp4Demuxer(this.#notices)).init(init);
  }

  /**
   * A segment or a part of one: its frames. `last`: nothing follows in its segment.
   * @throws CodedError media_invalid
   */
  async read(data: Buffer, last: boolean): Promise<Packet[]> {
    const begins = this.#bytesBefore === 0;
    this.#bytesBefore = last ? 0 : this.#bytesBefore + data.length;
    this.#packets = [];
    if (begins ? isMp4(data) : this.#demuxer instanceof Fmp4Demuxer) {
      const demuxer = this.#become(Fmp4Demuxer, () => new Fmp4Demuxer(this.#notices));
      return this.#share(() => {
        // Without EXT-X-MAP a segment may bring what it needs itself.
        if (/^(?:ftyp|moov)$/.test(firstBox(data))) demuxer.init(data);
        return withoutRest(demuxer.media(data), data.length);
      });
    }
    if (begins ? PackedAudioDemuxer.accepts(data) : this.#demuxer instanceof PackedAudioDemuxer) {
      const demuxer = this.#become(PackedAudioDemuxer, () => new PackedAudioDemuxer(this.#emit, this.#notices));
      await this.#slices(data.subarray(demuxer.begin(data)), (bytes) => demuxer.write(bytes));
    } else {
      const demuxer = this.#become(TsDemuxer, () => new TsDemuxer(this.#emit, this.#notices));
      await this.#slices(data, (bytes) => demuxer.write(bytes));
      if (last) demuxer.flush();
    }
    return this.#packets;
  }

  async #slices(data: Buffer, write: (bytes: Buffer) => void): Promise<void> {
    for (let at = 0; at < data.length; at += SLICE_BYTES) {
      await this.#share(() => write(data.subarray(at, at + SLICE_BYTES)));
      if (this.#packets.length > MAX_FRAMES) throw new CodedError('media_invalid', 'a segment has too many frames');
    }
  }

  /** Another clock and other counters follow. */
  reset(): void {
    this.#bytesBefore = 0;
    if (!(this.#demuxer instanceof Fmp4Demuxer)) this.#demuxer = null;
  }

  readonly #emit = (packet: Packet): void => {
    if (this.#packets.length <= MAX_FRAMES) this.#packets.push(packet);
  };

  #become<Kind extends Demuxer>(kind: abstract new (...args: never[]) => Kind, make: () => Kind): Kind {
    if (this.#demuxer instanceof kind) return this.#demuxer;
    const demuxer = make();
    this.#demuxer = demuxer;
    return demuxer;
  }
}

/** Frames on their own where they are the smaller part of what was fetched: as views they would keep all of it. */
function withoutRest(packets: Packet[], length: number): Packet[] {
  const bytes = packets.reduce((sum, { data }) => sum + data.length, 0);
  return bytes * 2 >= length ? packets : packets.map((packet) => ({ ...packet, data: Buffer.from(packet.data) }));
}

const firstBox = (data: Buffer): string => data.toString('latin1', 4, 8);

function isMp4(data: Buffer): boolean {
  return /^(?:styp|ftyp|sidx|moof|moov|emsg|prft|free|skip|mdat|uuid)$/.test(firstBox(data));
}

/** Whether segments under this key can be read. @throws SourceFailure media_unsupported */
export function checkKey({ method, format }: SegmentKey): void {
  if (method === 'AES-128' && format === 'identity') return;
  throw new SourceFailure({
    code: 'media_unsupported',
    message: 'The source is encrypted by other means than AES-128: pull from where it is not.',
    permanent: true,
  });
}

/** AES-128 as HLS means it (RFC 8216bis 4.4.4.4). @throws CodedError media_invalid */
export function decrypt(data: Buffer, key: Buffer, iv: Buffer): Buffer {
  try {
    const decipher = createDecipheriv('aes-128-cbc', key, iv);
    return Buffer.concat([decipher.update(data), decipher.final()]);
  } catch {
    throw new CodedError('media_invalid', 'a segment cannot be decrypted with its key');
  }
}

/** The initialization vector of a segment without one: its number. */
export function sequenceIv(mediaSequence: number): Buffer {
  const iv = Buffer.alloc(16);
  iv.writeBigUInt64BE(BigInt(mediaSequence), 8);
  return iv;
}
