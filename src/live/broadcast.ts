import { type Logger, monotonicMs } from '../base/index.ts';
import { type Packet, toMs } from '../media/index.ts';
import type { Authorisation } from './ports.ts';
import type { Publisher, PublisherEnd } from './publisher.ts';
import type { Reader, Run } from './reader.ts';
import { type ReaderLimits, ReaderSeat } from './reader-seat.ts';

/** A step forward of more than this, or back by more than the other, breaks the time line: a new run, one discontinuity. */
const JUMP_FORWARD_MS = 4000;
const JUMP_BACK_MS = 1000;
/** Jumps are told this often at the most: a publisher may jump with every packet. */
const TELL_MS = 10_000;

const READER_LIMITS: ReaderLimits = { maxBytes: 32 << 20, maxMs: 10_000 };

/**
 * A live stream on air: takes one publisher's packets at a time, sees to their order, and hands the same objects to every
 * reader. Outlives its publisher by the reconnect window, which the registry keeps.
 */
export class Broadcast {
  /** Never used again, across restarts too: it stands in the paths of segments. */
  readonly id: string;
  readonly authorisation: Authorisation;
  readonly #log: Logger;
  readonly #seats: ReaderSeat[] = [];
  #publisher: Publisher | null = null;
  #run: Run | null = null;
  #runs = 0;
  #ended = false;
  /** Last accepted `dts`, over all tracks and by kind, in ms; NaN when the run has had none. */
  #lastMs = Number.NaN;
  #lastVideo: Packet | null = null;
  #lastAudio: Packet | null = null;
  #toldMs = Number.NEGATIVE_INFINITY;
  /** Packets dropped because they lay on an abandoned time line. */
  #strays = 0;

  constructor(id: string, authorisation: Authorisation, log: Logger) {
    this.id = id;
    this.authorisation = authorisation;
    this.#log = log;
  }

  get publisher(): Publisher | null {
    return this.#publisher;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get strays(): number {
    return this.#strays;
  }

  /** Adds a reader; it gets everything from the next run on, or the running one's packets at once. */
  addReader(reader: Reader, limits: ReaderLimits = READER_LIMITS): ReaderSeat {
    const seat = new ReaderSeat(reader, limits, (error) =>
      this.#log.error({ err: error, broadcast: this.id, reader: reader.name }, 'reader failed'),
    );
    this.#seats.push(seat);
    if (this.#run) seat.onRun(this.#run);
    return seat;
  }

  removeReader(seat: ReaderSeat): void {
    const index = this.#seats.indexOf(seat);
    if (index >= 0) this.#seats.splice(index, 1);
  }

  /** Gives the broadcast a publisher. Only the registry calls this, and only when there is none. */
  attach(publisher: Publisher): void {
    this.#publisher = publisher;
  }

  /** Takes one packet of the publisher, in the order in which it sent them. */
  write(packet: Packet): void {
    const ms = toMs(packet.dts, packet.track.timescale);
    const video = packet.track.kind === 'video';
    const last = video ? this.#lastVideo : this.#lastAudio;
    if (this.#run === null) this.#startRun(ms);
    else if (last === null) {
      // This track's first packet of the run. Far from the other track it is still on the time line before a break, or the
      // publisher's tracks have nothing in common: either way it has no place here.
      if (Math.abs(ms - this.#lastMs) > JUMP_FORWARD_MS) {
        this.#strays++;
        return;
      }
    } else if (ms - this.#lastMs > JUMP_FORWARD_MS || toMs(last.dts, last.track.timescale) - ms > JUMP_BACK_MS) {
      this.#tellJump(ms);
      this.#startRun(ms);
    } else {
      // A new configuration may come with another timescale.
      const { track } = packet;
      const lastDts =
        last.track.timescale === track.timescale
          ? last.dts
          : Math.floor((last.dts * track.timescale) / last.track.timescale);
      if (packet.dts <= lastDts) {
        // Equal or slightly falling timestamps (a few encoders send two frames with one): the frame stays, its time moves on.
        const dts = lastDts + 1;
        packet = { track, dts, pts: video ? packet.pts : dts, key: packet.key, data: packet.data };
      }
    }
    if (video) this.#lastVideo = packet;
    else this.#lastAudio = packet;
    if (!(ms <= this.#lastMs)) this.#lastMs = ms;
    const seats = this.#seats;
    for (let i = 0; i < seats.length; i++) seats[i]!.onPacket(packet);
  }

  /** The publisher is gone. Its packets end here; the broadcast waits for the next one. */
  detach(reason: PublisherEnd): void {
    if (!this.#publisher) return;
    this.#log.info({ broadcast: this.id, publisher: this.#publisher.id, reason }, 'publisher left');
    this.#publisher = null;
    this.#run = null;
    for (const seat of this.#seats) seat.onPause();
  }

  /** Ends the broadcast for good. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const seat of this.#seats.splice(0)) seat.onEnd();
  }

  #tellJump(toMs: number): void {
    if (monotonicMs() - this.#toldMs < TELL_MS) return;
    this.#toldMs = monotonicMs();
    const jump = { broadcast: this.id, fromMs: Math.round(this.#lastMs), toMs: Math.round(toMs), runs: this.#runs };
    this.#log.info(jump, 'timestamps jumped');
  }

  #startRun(firstDtsMs: number): void {
    this.#run = { number: this.#runs++, startedAtMs: Date.now(), firstDtsMs };
    this.#lastMs = Number.NaN;
    this.#lastVideo = null;
    this.#lastAudio = null;
    for (const seat of this.#seats) seat.onRun(this.#run);
  }
}
