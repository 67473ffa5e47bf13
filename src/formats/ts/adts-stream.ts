import { type AudioTrack, type Packet, parseAacConfig } from '../../media/index.ts';
import { AudioClock } from '../flv/index.ts';

const HEADER = 7;

/** Makes packets of AAC in ADTS (ISO 14496-3, 1.A.3.2), several frames a PES packet, also across their borders. */
export class AdtsStream {
  readonly #emit: (packet: Packet) => void;
  readonly #dropped: (reason: string) => void;
  #track: AudioTrack | null = null;
  #clock: AudioClock | null = null;
  /** What of the header makes the configuration: object type, rate, channels. */
  #shape = -1;
  /** The first bytes of a frame that goes on in the next PES packet. */
  #held: Buffer = Buffer.alloc(0);
  /** Where the next frame stands when it is given no time, in ms. */
  #nextMs = Number.NaN;

  constructor(emit: (packet: Packet) => void, dropped: (reason: string) => void) {
    this.#emit = emit;
    this.#dropped = dropped;
  }

  /** `pts`, at 90 kHz without wraps, is the time of the first frame that begins in `data`. Throws `media_invalid` for a configuration that cannot be played. */
  take(data: Buffer, pts: number | null): void {
    const held = this.#held.length;
    const bytes = held > 0 ? Buffer.concat([this.#held, data]) : data;
    this.#held = Buffer.alloc(0);
    let timeMs = pts === null ? null : pts / 90;
    let at = 0;
    while (at + HEADER <= bytes.length) {
      if (bytes[at] !== 0xff || (bytes[at + 1]! & 0xf6) !== 0xf0) {
        at = this.#resync(bytes, at);
        continue;
      }
      const end = at + (((bytes[at + 3]! & 3) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5));
      const start = at + HEADER + (bytes[at + 1]! & 1 ? 0 : 2);
      if (end <= start) {
        at = this.#resync(bytes, at + 1);
        continue;
      }
      if (end > bytes.length) break;
      if (timeMs !== null && at >= held) {
        this.#nextMs = timeMs;
        timeMs = null;
      }
      this.#frame(bytes, at, start, end);
      at = end;
    }
    if (at < bytes.length) this.#held = Buffer.from(bytes.subarray(at));
    // No whole frame began in here: its time goes with the one that did.
    if (timeMs !== null && at >= held) this.#nextMs = timeMs;
  }

  /** Something was lost: what was begun cannot be finished. */
  lose(): void {
    this.#held = Buffer.alloc(0);
  }

  #frame(bytes: Buffer, at: number, start: number, end: number): void {
    if ((bytes[at + 6]! & 3) !== 0) {
      this.#dropped('AAC: several blocks in one ADTS frame are not supported');
      return;
    }
    // Object type, rate and channels; the private bit lies in between.
    const shape = (bytes.readUInt16BE(at + 2) & 0xfdc0) >> 6;
    if (shape !== this.#shape) this.#configure(shape);
    const track = this.#track;
    if (!track || Number.isNaN(this.#nextMs)) return;
    const dts = this.#clock!.dts(this.#nextMs);
    this.#nextMs += (track.config.frameSamples * 1000) / track.timescale;
    this.#emit({ track, dts, pts: dts, key: true, data: Buffer.from(bytes.subarray(start, end)) });
  }

  #configure(shape: number): void {
    this.#track = null;
    this.#shape = shape;
    const objectType = (shape >> 8) + 1;
    const rate = (shape >> 4) & 15;
    const channels = shape & 7;
    const config = parseAacConfig(Buffer.from([(objectType << 3) | (rate >> 1), ((rate & 1) << 7) | (channels << 3)]));
    this.#track = { kind: 'audio', codec: 'aac', timescale: config.sampleRate, config };
    this.#clock = new AudioClock(config.sampleRate, config.frameSamples);
  }

  #resync(bytes: Buffer, from: number): number {
    this.#dropped('AAC: bytes between two ADTS frames');
    let at = from;
    // Byte by byte: `indexOf` costs more where every byte is the one looked for.
    while (at < bytes.length && (bytes[at] !== 0xff || (at + 1 < bytes.length && (bytes[at + 1]! & 0xf6) !== 0xf0)))
      at++;
    return at;
  }
}
