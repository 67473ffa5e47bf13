import type { Packet } from '../media/index.ts';
import { type Advice, AdviceBoard } from './advice.ts';
import { examine } from './examine.ts';
import { SecondsRing } from './seconds-ring.ts';
import { TrackMeter } from './track-meter.ts';

/** A publisher's clock that is slow by so much in a second is taken for right. */
const CLOCK_CREEP_MS = 0.5;

/** Measures a broadcast: counts with each packet, everything else once a second. */
export class Meter {
  readonly video = new TrackMeter();
  readonly audio = new TrackMeter();
  readonly seconds = new SecondsRing();
  /** Breaks of the publisher's time line, and times that had to be put in order, since the broadcast's start. */
  jumps = 0;
  repairs = 0;
  /** The codec that this publisher sends and we do not carry. */
  unsupported: string | null = null;
  /** Seconds of the run so far; -1 before its first packet was noticed. */
  runS = -1;
  /** How much later than at best the run's packets come now, in ms. */
  delayMs = 0;
  readonly #board: AdviceBoard;
  #leastLagMs = 0;

  constructor(onAdvice: (advice: Advice, raised: boolean) => void) {
    this.#board = new AdviceBoard(onAdvice);
  }

  get advice(): readonly Advice[] {
    return this.#board.list();
  }

  /** `ms` is the packet's `dts` in milliseconds. */
  take(packet: Packet, ms: number): void {
    if (packet.track.kind === 'video') this.video.take(packet, ms);
    else this.audio.take(packet, ms);
  }

  startRun(): void {
    this.video.startRun();
    this.audio.startRun();
    this.runS = -1;
    this.delayMs = 0;
  }

  /** Another publisher: what was measured of the one before is not said of it. */
  startPublisher(): void {
    this.unsupported = null;
    this.seconds.clear();
  }

  /**
   * Once a second while there is a publisher: `nowMs` by the monotonic clock, `mediaMs` the run's latest `dts` (NaN before its
   * first), `wireBytes` all that has come from publishers.
   */
  tick(nowMs: number, wallMs: number, mediaMs: number, wireBytes: number): void {
    if (!Number.isNaN(mediaMs)) {
      const lagMs = nowMs - mediaMs;
      this.#leastLagMs = ++this.runS === 0 ? lagMs : Math.min(this.#leastLagMs + CLOCK_CREEP_MS, lagMs);
      this.delayMs = lagMs - this.#leastLagMs;
    }
    this.seconds.push(nowMs, this.video, this.audio, wireBytes, this.jumps, this.repairs);
    this.video.longestStepMs = this.audio.longestStepMs = 0;
    this.judge(wallMs);
  }

  /** The broadcast is over: advice that is still raised is cleared. */
  end(): void {
    this.#board.clear();
  }

  /** Looks at what is measured, and raises or clears advice. */
  judge(wallMs: number): void {
    this.#board.judge(examine(this), wallMs);
  }
}
