import { CodedError } from '../../base/index.ts';
import {
  type AvcConfig,
  avcConfigFromFrame,
  forEachAnnexBNal,
  NAL_IDR,
  NAL_PPS,
  NAL_SPS,
  type Packet,
  sameAvcConfig,
  type VideoTrack,
} from '../../media/index.ts';

const NAL_AUD = 9;
const START_CODE = Buffer.from([0, 0, 0, 1]);
const TIMESCALE = 90_000;
/** NAL units that wait for their picture: parameter sets and messages. */
const MAX_WAITING = 65_536;
/** Of one PES packet: each costs an object, however small it is. */
const MAX_NALS = 4096;

/** An access unit in the making. Of several parameter sets the first counts, as in a configuration record. */
class Unit {
  nals: Uint8Array[] = [];
  bytes = 0;
  slices = false;
  key = false;
  sps: Uint8Array | null = null;
  pps: Uint8Array | null = null;

  add(nal: Uint8Array): void {
    const type = nal[0]! & 31;
    this.nals.push(nal);
    this.bytes += 4 + nal.length;
    // Slices, whole or in partitions.
    if (type >= 1 && type <= NAL_IDR) this.slices = true;
    if (type === NAL_IDR) this.key = true;
    else if (type === NAL_SPS) this.sps ??= nal;
    else if (type === NAL_PPS) this.pps ??= nal;
  }
}

/** Makes packets of H.264 as a transport stream carries it: Annex B, with parameter sets in front of key frames. */
export class AvcStream {
  readonly #emit: (packet: Packet) => void;
  #track: VideoTrack | null = null;
  #sps: Buffer = Buffer.alloc(0);
  #pps: Buffer = Buffer.alloc(0);
  #waiting = new Unit();
  #lastDts = Number.NaN;
  #lastStep = TIMESCALE / 30;

  constructor(emit: (packet: Packet) => void) {
    this.#emit = emit;
  }

  /**
   * One PES packet's bytes: usually one access unit; more are told apart by their delimiters. Times at 90 kHz, without wraps.
   * Frames before the first parameter sets are left out. Throws `media_invalid` for parameter sets that cannot be read, and for more
   * NAL units than a frame can have.
   */
  take(data: Buffer, pts: number, dts: number): void {
    let [unitPts, unitDts] = [pts, dts];
    let unit = this.#waiting;
    this.#waiting = new Unit();
    let left = MAX_NALS;
    forEachAnnexBNal(data, (nal) => {
      if (--left < 0) throw new CodedError('media_invalid', 'H.264: a frame has too many NAL units');
      // What comes before the first slice, parameter sets above all, belongs to it.
      if ((nal[0]! & 31) === NAL_AUD && unit.slices) {
        this.#packet(unit, unitPts, unitDts);
        unit = new Unit();
        const step = this.#step();
        unitPts += step;
        unitDts += step;
      }
      unit.add(nal);
    });
    if (unit.slices) this.#packet(unit, unitPts, unitDts);
    // The bytes are good for this call only.
    else if (unit.bytes <= MAX_WAITING) for (const nal of unit.nals) this.#waiting.add(Buffer.from(nal));
  }

  #step(): number {
    const said = this.#track?.config.frameRate;
    return said ? Math.round(TIMESCALE / said) : this.#lastStep;
  }

  #packet(unit: Unit, pts: number, dts: number): void {
    const changed =
      (unit.sps !== null && !this.#sps.equals(unit.sps)) || (unit.pps !== null && !this.#pps.equals(unit.pps));
    if (changed) {
      if (unit.sps) this.#sps = Buffer.from(unit.sps);
      if (unit.pps) this.#pps = Buffer.from(unit.pps);
      this.#configure(avcConfigFromFrame(Buffer.concat([START_CODE, this.#sps, START_CODE, this.#pps])));
    }
    if (!this.#track) return;
    const step = dts - this.#lastDts;
    if (step > 0 && step < TIMESCALE) this.#lastStep = step;
    this.#lastDts = dts;
    const data = Buffer.allocUnsafeSlow(unit.bytes);
    let at = 0;
    for (const nal of unit.nals) {
      data.writeUInt32BE(nal.length, at);
      data.set(nal, at + 4);
      at += 4 + nal.length;
    }
    this.#emit({ track: this.#track, dts, pts, key: unit.key, data });
  }

  #configure(config: AvcConfig | null): void {
    if (!config || (this.#track && sameAvcConfig(config, this.#track.config))) return;
    this.#track = { kind: 'video', codec: 'avc', timescale: TIMESCALE, config };
  }
}
