import { type Logger, monotonicMs } from '../base/index.ts';
import { type Packet, type Track, toMs } from '../media/index.ts';
import { type BroadcastStats, describeTracks } from './broadcast-stats.ts';
import { Meter } from './meter.ts';
import type { Authorisation, BroadcastEnd, BroadcastEvent, PlatformNews, SwitchReason } from './ports.ts';
import type { Publisher, PublisherEnd } from './publisher.ts';
import type { Reader, Run } from './reader.ts';
import { type ReaderLimits, ReaderSeat } from './reader-seat.ts';
import type { HealthSample } from './sample-series.ts';
import { describePublisher, type Standby } from './standby.ts';

/** A step forward of more than this, or back by more than the other, breaks the time line: a new run, one discontinuity. */
const JUMP_FORWARD_MS = 4000;
const JUMP_BACK_MS = 1000;
/** Jumps are told this often at the most: a publisher may jump with every packet. */
const TELL_MS = 10_000;
/** Rates are those of the last ten seconds. */
const RATE_S = 10;
/** A publisher that has sent nothing for this long may not be there any more. */
const ALIVE_MS = 3000;

/** What each kind of event says beyond where and when. */
type News<Event = BroadcastEvent> = Event extends BroadcastEvent
  ? Omit<Event, 'broadcastId' | 'liveStreamId' | 'number' | 'atMs'>
  : never;

/** A publisher that takes the place of another, with what it has sent before. */
export interface Successor {
  readonly publisher: Publisher;
  readonly priority: 0 | 1;
  readonly reason: SwitchReason;
  readonly packets: readonly Packet[];
  /** How long ago the first of them came. */
  readonly ageMs: number;
}

const READER_LIMITS: ReaderLimits = { maxBytes: 32 << 20, maxMs: 10_000, maxDroppingMs: 60_000 };

/**
 * A live stream on air: takes one publisher's packets at a time, sees to their order, and hands the same objects to every
 * reader. Outlives its publisher by the reconnect window, which the registry keeps.
 */
export class Broadcast {
  /** Never used again, across restarts too: it stands in the paths of segments. */
  readonly id: string;
  readonly authorisation: Authorisation;
  /** The encoder that would take over; only Backup sets it. */
  standby: Standby | null = null;
  readonly #log: Logger;
  readonly #tell: (event: BroadcastEvent) => void;
  readonly #meter: Meter;
  readonly #seats: ReaderSeat[] = [];
  #publisher: Publisher | null = null;
  #priority: 0 | 1 = 0;
  #run: Run | null = null;
  #runs = 0;
  #ended = false;
  /** Last accepted `dts`, over all tracks and by kind, in ms; NaN when the run has had none. */
  #lastMs = Number.NaN;
  /** `dts` and timescale of the run's last packet, by kind; -1 for a scale when it has had none. Numbers: a packet kept here costs a write barrier each time. */
  #videoDts = 0;
  #videoScale = -1;
  #audioDts = 0;
  #audioScale = -1;
  #toldMs = Number.NEGATIVE_INFINITY;
  /** Packets that lay on an abandoned time line. */
  #strays = 0;
  #publishers = 0;
  readonly #openedAtMs = Date.now();
  #runningSinceMs: number | null = null;
  /** From publishers that are gone, less what the present one had sent before its turn. */
  #earlierBytes = 0;
  #events = 0;
  /** Platforms that were told as connected, and not as disconnected. */
  readonly #platforms = new Set<string>();
  readonly #onEnd: (() => void)[] = [];

  /** `tell` takes the broadcast's events and returns at once. */
  constructor(id: string, authorisation: Authorisation, log: Logger, tell: (event: BroadcastEvent) => void = () => {}) {
    this.id = id;
    this.authorisation = authorisation;
    this.#log = log;
    this.#tell = tell;
    this.#meter = new Meter((advice, raised) => {
      const { code, severity, message } = advice;
      this.#log.info(
        { broadcast: id, code, severity },
        raised ? `encoder advice: ${message}` : 'encoder advice cleared',
      );
      this.#news({ kind: 'warning', code, severity, message, raised });
    });
  }

  get publisher(): Publisher | null {
    return this.#publisher;
  }

  /** Of the publisher: 0 the primary encoder (or a pull), 1 the backup. */
  get priority(): 0 | 1 {
    return this.#priority;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** How many packets there have been. */
  get packets(): number {
    return this.#meter.video.packets + this.#meter.audio.packets;
  }

  /** What its publishers have sent, as far as it has come, also where the present one sends less: video first. */
  get tracks(): readonly Track[] {
    const { video, audio } = this.#meter;
    return [video.track, audio.track].filter((track) => track !== null);
  }

  /** Live streams that the present publisher's media has come through, oldest first. Pushes name them, and this one after them. */
  get via(): readonly string[] {
    return this.#publisher?.via ?? [];
  }

  /**
   * `listener` is called once, when the broadcast is over: before its readers are told, and before `disconnected`, so that
   * what it tells of its platforms comes before that.
   */
  onEnd(listener: () => void): void {
    this.#onEnd.push(listener);
  }

  /**
   * Tells what happened to one of its platforms. A connection that is told twice is told once; one that is open when the broadcast
   * ends is told as over (`stream_ended`) by then. After the end nothing is told.
   */
  tellPlatform(news: PlatformNews): void {
    const { kind, platformId } = news;
    if (this.#ended) return;
    if (kind === 'platform_connected') {
      if (this.#platforms.has(platformId)) return;
      this.#platforms.add(platformId);
    } else if (kind === 'platform_disconnected' && !this.#platforms.delete(platformId)) return;
    this.#news(news);
  }

  /** Adds a reader; it gets everything from the next run on, or the running one's packets at once. */
  addReader(reader: Reader, limits: ReaderLimits = READER_LIMITS): ReaderSeat {
    const seat = new ReaderSeat(
      reader,
      limits,
      (error) => this.#log.error({ err: error, broadcast: this.id, reader: reader.name }, 'reader failed'),
      // Not in the middle of a packet's round: the next reader would miss it.
      (slow) => queueMicrotask(() => this.#dismiss(slow)),
    );
    this.#seats.push(seat);
    if (this.#run) seat.onRun(this.#run);
    return seat;
  }

  removeReader(seat: ReaderSeat): void {
    const index = this.#seats.indexOf(seat);
    if (index >= 0) this.#seats.splice(index, 1);
  }

  /** Packets that did not reach a reader: they lay on an abandoned time line, or the reader was too slow for them. */
  get dropped(): number {
    return this.#seats.reduce((sum, seat) => sum + seat.dropped, this.#strays);
  }

  /** All that has come from its publishers. */
  get bytesIn(): number {
    return this.#earlierBytes + (this.#publisher?.bytesReceived ?? 0);
  }

  #dismiss(seat: ReaderSeat): void {
    if (!this.#seats.includes(seat)) return;
    this.removeReader(seat);
    const { reader, dropped } = seat;
    this.#log.warn({ broadcast: this.id, reader: reader.name, dropped }, 'reader too slow: dismissed');
    seat.dismiss();
  }

  /** Gives the broadcast a publisher. Only the registry calls this, and only when there is none. */
  attach(publisher: Publisher, priority: 0 | 1 = 0): void {
    this.#publisher = publisher;
    this.#priority = priority;
    this.#meter.startPublisher();
    this.#news({ kind: 'connected', publisher: describePublisher(publisher), first: this.#publishers++ === 0 });
  }

  /** Another publisher goes on at once, with a run of its own. Only Backup calls this, and only while there is a publisher. */
  switchTo({ publisher, priority, reason, packets, ageMs }: Successor): void {
    const from = describePublisher(this.#publisher!);
    this.#earlierBytes = this.bytesIn - publisher.bytesReceived;
    this.#publisher = publisher;
    this.#priority = priority;
    this.#pause();
    this.#meter.startPublisher();
    const active = priority === 0 ? 'primary' : 'backup';
    this.#news({ kind: 'publisher_switched', from, to: describePublisher(publisher), active, reason });
    if (packets.length > 0) {
      const { dts, track } = packets[0]!;
      this.#startRun(toMs(dts, track.timescale), Date.now() - ageMs);
    }
    for (const packet of packets) this.write(packet);
  }

  /** The publisher sends a codec that is not carried. */
  refuseCodec(codec: string): void {
    this.#meter.unsupported = codec;
    // The publisher may be gone before the next second is over.
    this.#meter.judge(Date.now());
  }

  /** To be called once a second with the monotonic clock: measures, and gives the encoder's user advice. */
  tick(nowMs: number): void {
    if (this.#publisher) this.#meter.tick(nowMs, Date.now(), this.#run ? this.#lastMs : Number.NaN, this.bytesIn);
  }

  /** What is measured of the broadcast, as of the latest second; null while there is no publisher. */
  stats(): BroadcastStats | null {
    const publisher = this.#publisher;
    if (!publisher) return null;
    const meter = this.#meter;
    const rates = meter.seconds.rates(RATE_S);
    return {
      broadcastId: this.id,
      playbackId: this.authorisation.playbackId,
      publisher: describePublisher(publisher),
      active: this.#priority === 0 ? 'primary' : 'backup',
      standby: this.standby && { ...describePublisher(this.standby.publisher), sinceMs: this.standby.sinceMs },
      alive: monotonicMs() - publisher.lastDataMs < ALIVE_MS,
      openedAtMs: this.#openedAtMs,
      runningSinceMs: this.#runningSinceMs,
      bitrate: rates.video + rates.audio,
      inputBitrate: rates.wire,
      bytesIn: this.bytesIn,
      lastDtsMs: Number.isNaN(this.#lastMs) ? null : this.#lastMs,
      delayMs: meter.delayMs,
      reconnects: this.#publishers - 1,
      dropped: this.dropped,
      advice: meter.advice,
      tracks: describeTracks(meter, rates),
    };
  }

  /** What a chart shows of the last `seconds`, at most 30. Zeros without a publisher, NaN for what cannot be known. */
  measure(seconds: number): Pick<HealthSample, 'bitrateKbps' | 'frameRate' | 'keyFrameIntervalS' | 'driftMs'> {
    if (!this.#publisher) return { bitrateKbps: 0, frameRate: 0, keyFrameIntervalS: Number.NaN, driftMs: Number.NaN };
    const { video, audio, seconds: ring } = this.#meter;
    const { video: videoKbps, audio: audioKbps, fps } = ring.rates(seconds);
    return {
      bitrateKbps: videoKbps + audioKbps,
      frameRate: fps,
      keyFrameIntervalS: video.lastGopMs > 0 ? video.lastGopMs / 1000 : Number.NaN,
      driftMs: videoKbps > 0 && audioKbps > 0 ? video.lastMs - audio.lastMs : Number.NaN,
    };
  }

  /** Takes one packet of the publisher, in the order in which it sent them. */
  write(packet: Packet): void {
    const ms = toMs(packet.dts, packet.track.timescale);
    const video = packet.track.kind === 'video';
    const dtsBefore = video ? this.#videoDts : this.#audioDts;
    const scaleBefore = video ? this.#videoScale : this.#audioScale;
    if (this.#run === null) this.#startRun(ms);
    else if (scaleBefore < 0) {
      // This track's first packet of the run. Far from the other track it is still on the time line before a break, or the
      // publisher's tracks have nothing in common: either way it has no place here.
      if (Math.abs(ms - this.#lastMs) > JUMP_FORWARD_MS) {
        this.#strays++;
        this.#meter.repairs++;
        return;
      }
    } else if (ms - this.#lastMs > JUMP_FORWARD_MS || toMs(dtsBefore, scaleBefore) - ms > JUMP_BACK_MS) {
      this.#tellJump(ms);
      this.#meter.jumps++;
      this.#startRun(ms);
    } else {
      // A new configuration may come with another timescale.
      const { track } = packet;
      const lastDts =
        scaleBefore === track.timescale ? dtsBefore : Math.floor((dtsBefore * track.timescale) / scaleBefore);
      if (packet.dts <= lastDts) {
        // Equal or slightly falling timestamps (a few encoders send two frames with one): the frame stays, its time moves on.
        const dts = lastDts + 1;
        this.#meter.repairs++;
        packet = { track, dts, pts: video ? packet.pts : dts, key: packet.key, data: packet.data };
      }
    }
    if (video) {
      this.#videoDts = packet.dts;
      this.#videoScale = packet.track.timescale;
    } else {
      this.#audioDts = packet.dts;
      this.#audioScale = packet.track.timescale;
    }
    if (!(ms <= this.#lastMs)) this.#lastMs = ms;
    this.#meter.take(packet, ms);
    const seats = this.#seats;
    for (let i = 0; i < seats.length; i++) seats[i]!.onPacket(packet);
  }

  /** The publisher is gone. Its packets end here; the broadcast waits for the next one for `waitMs`, 0 where it is over. */
  detach(reason: PublisherEnd, waitMs: number): void {
    if (!this.#publisher) return;
    this.#log.info({ broadcast: this.id, publisher: this.#publisher.id, reason }, 'publisher left');
    this.#earlierBytes = this.bytesIn;
    this.#publisher = null;
    if (waitMs > 0) this.#news({ kind: 'reconnecting', reason, untilMs: Date.now() + waitMs });
    this.#pause();
  }

  /** Ends the broadcast for good. */
  end(reason: BroadcastEnd): void {
    if (this.#ended) return;
    this.#meter.end();
    for (const listener of this.#onEnd.splice(0)) {
      try {
        listener();
      } catch (error) {
        this.#log.error({ err: error, broadcast: this.id }, 'end of broadcast failed');
      }
    }
    for (const platformId of this.#platforms)
      this.tellPlatform({ kind: 'platform_disconnected', platformId, reason: 'stream_ended' });
    this.#ended = true;
    this.#news({ kind: 'disconnected', reason });
    for (const seat of this.#seats.splice(0)) seat.onEnd();
  }

  #pause(): void {
    this.#run = null;
    this.#meter.startRun();
    for (const seat of this.#seats) seat.onPause();
  }

  #news(news: News): void {
    const { liveStreamId } = this.authorisation;
    this.#tell({ ...news, broadcastId: this.id, liveStreamId, number: ++this.#events, atMs: Date.now() });
  }

  #tellJump(toMs: number): void {
    if (monotonicMs() - this.#toldMs < TELL_MS) return;
    this.#toldMs = monotonicMs();
    const jump = { broadcast: this.id, fromMs: Math.round(this.#lastMs), toMs: Math.round(toMs), runs: this.#runs };
    this.#log.info(jump, 'timestamps jumped');
  }

  #startRun(firstDtsMs: number, startedAtMs = Date.now()): void {
    this.#run = { number: this.#runs++, startedAtMs, firstDtsMs };
    this.#lastMs = Number.NaN;
    this.#videoScale = this.#audioScale = -1;
    this.#meter.startRun();
    this.#runningSinceMs ??= this.#run.startedAtMs;
    for (const seat of this.#seats) seat.onRun(this.#run);
  }
}
