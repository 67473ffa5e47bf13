import type { Packet, Track } from '../media/index.ts';

/** Key frame distances that are remembered. */
const GOPS = 8;
const AWAY_MS = 2000;

/** Counts one kind of a broadcast's packets, all of them: fields only, because this runs for every packet. */
export class TrackMeter {
  track: Track | null = null;
  packets = 0;
  bytes = 0;
  /** `dts` of the run's latest packet, in ms; NaN when it has had none. */
  lastMs = Number.NaN;
  /** The longest step from one packet to the next since `longestStepMs` was last reset, in ms. */
  longestStepMs = 0;
  /** Packets since the run's latest key frame, with it; 0 before the first. */
  gopPackets = 0;
  /** In ms; before the run's first key frame, when its video began. */
  lastKeyMs = Number.NaN;
  /** Frames of the last complete group. */
  lastGop = 0;
  /** Distances of the run's key frames, in ms; the latest one is at `(gops - 1) % GOPS`. */
  readonly #gopMs = new Float64Array(GOPS);
  readonly #gopFrames = new Uint32Array(GOPS);
  gops = 0;
  /** The longest row of B-frames in the last group, and in the present one. */
  bFrames = 0;
  #bFramesHere = 0;
  #bRow = 0;
  #highestPts = Number.NEGATIVE_INFINITY;

  /** `ms` is the packet's own `dts` in milliseconds. */
  take(packet: Packet, ms: number): void {
    this.track = packet.track;
    this.packets++;
    this.bytes += packet.data.length;
    const step = ms - this.lastMs;
    if (step > this.longestStepMs) this.longestStepMs = step;
    this.lastMs = ms;
    if (packet.track.kind === 'audio') return;
    // The picture was away: the distance over that gap says nothing of the encoder's key frames.
    if (step > AWAY_MS) {
      this.lastKeyMs = Number.NaN;
      this.gopPackets = this.gops = 0;
    }
    if (packet.key) this.#endGop(ms);
    else if (this.gopPackets > 0) this.gopPackets++;
    else if (Number.isNaN(this.lastKeyMs)) this.lastKeyMs = ms;
    // What is shown before a frame that was decoded earlier is a B-frame.
    if (packet.pts < this.#highestPts) this.#bRow++;
    else {
      if (this.#bRow > this.#bFramesHere) this.#bFramesHere = this.#bRow;
      this.#bRow = 0;
      this.#highestPts = packet.pts;
    }
  }

  /** The publisher's time line broke, or it is gone: nothing of what follows compares with what was. */
  startRun(): void {
    this.lastMs = this.lastKeyMs = Number.NaN;
    this.longestStepMs = this.gopPackets = this.gops = this.#bRow = this.#bFramesHere = 0;
    this.#highestPts = Number.NEGATIVE_INFINITY;
  }

  /** Over the last eight groups: the shortest and the longest in ms, and their mean in frames. Zeros before the first. */
  gopRange(): { readonly shortestMs: number; readonly longestMs: number; readonly meanFrames: number } {
    const count = Math.min(this.gops, GOPS);
    let [shortestMs, longestMs, frames] = [count > 0 ? Number.POSITIVE_INFINITY : 0, 0, 0];
    for (let i = 0; i < count; i++) {
      shortestMs = Math.min(shortestMs, this.#gopMs[i]!);
      longestMs = Math.max(longestMs, this.#gopMs[i]!);
      frames += this.#gopFrames[i]!;
    }
    return { shortestMs, longestMs, meanFrames: count > 0 ? Math.round(frames / count) : 0 };
  }

  /** The distance of the last two key frames in ms; 0 before there are two. */
  get lastGopMs(): number {
    return this.gops > 0 ? this.#gopMs[(this.gops - 1) % GOPS]! : 0;
  }

  #endGop(ms: number): void {
    if (this.gopPackets > 0) {
      this.#gopMs[this.gops % GOPS] = ms - this.lastKeyMs;
      this.#gopFrames[this.gops % GOPS] = this.gopPackets;
      this.lastGop = this.gopPackets;
      this.gops++;
      this.bFrames = Math.max(this.#bFramesHere, this.#bRow);
      this.#bFramesHere = this.#bRow = 0;
    }
    this.gopPackets = 1;
    this.lastKeyMs = ms;
  }
}
