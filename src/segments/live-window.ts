import { monotonicMs } from '../base/index.ts';
import { Bandwidth } from './bandwidth.ts';
import type { Part } from './part.ts';
import type { Past, PastBlock, StoredMedia } from './past.ts';
import type { PartSink, RunStart } from './types.ts';
import { type Waiter, Waiters } from './waiters.ts';
import type { WindowSegment } from './window-segment.ts';

interface HeldSegment extends WindowSegment {
  readonly parts: Part[];
  durationUs: number;
  complete: boolean;
  bytes: number;
  /** By the window's clock: when it may be forgotten, once it is no longer listed. */
  expiresMs: number;
}

/** Names, first numbers and limits of one broadcast's window. */
export interface LiveWindowOptions {
  readonly broadcastId: string;
  readonly playbackId: string;
  readonly userId: string;
  /** Number of the first segment, higher than any that was ever listed under the playback id. */
  readonly firstMsn: number;
  readonly firstDiscontinuitySequence: number;
  /** The window lasts at least this long, besides what the draft asks for. */
  readonly minWindowMs: number;
  /** Above this many bytes of parts the oldest segments go, listed or not. */
  readonly maxBytes: number;
  /** Where segments go that leave memory and stay listed (DVR). Absent: nowhere. Closed by `close`. */
  readonly past?: Past | null;
  /** A run begins: its first segment carries EXT-X-DISCONTINUITY. */
  readonly onDiscontinuity?: () => void;
  /** Once, when `maxBytes` has made a segment go before its time. */
  readonly onFull?: () => void;
  readonly onEnd?: (window: LiveWindow) => void;
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
}

/** Apple's authoring document asks for six segments in a live playlist, the draft (6.2.2) for three target durations. */
const MIN_SEGMENTS = 6;
const MIN_TARGET_DURATIONS = 3;

/**
 * The segments of one broadcast, from the oldest that may still be fetched to the one in progress.
 *
 * The first segment carries EXT-X-DISCONTINUITY although nothing stands before it: the URL may have had another broadcast,
 * before a restart of the server too, and a player that stayed must not take this one's time stamps for a continuation
 * (RFC 8216bis 4.4.4.3). To a new player it is what every sliding window looks like whose oldest segment follows a break.
 */
export class LiveWindow implements PartSink {
  readonly broadcastId: string;
  readonly playbackId: string;
  readonly userId: string;
  readonly firstMsn: number;
  readonly #options: LiveWindowOptions;
  readonly #clock: () => number;
  readonly #waiters: Waiters;
  readonly #bandwidth = { main: new Bandwidth(), audio: new Bandwidth() };
  /** Complete segments by rising msn without a gap: first those that left the playlist, from `#listedFrom` on the listed. */
  readonly #held: HeldSegment[] = [];
  #listedFrom = 0;
  #listedUs = 0;
  #longestUs = 0;
  #open: HeldSegment | null = null;
  #start: RunStart | null = null;
  readonly #starts = new Map<number, RunStart>();
  #run = -1;
  #nextMsn: number;
  #nextDateTimeUs = 0;
  #breakBefore = true;
  #discontinuitySequence: number;
  #targetDurationS = 0;
  #partTargetUs = 0;
  #version = 0;
  #bytes = 0;
  #toldFull = false;
  #paused = false;
  #ended = false;

  constructor(options: LiveWindowOptions) {
    this.#options = options;
    this.broadcastId = options.broadcastId;
    this.playbackId = options.playbackId;
    this.userId = options.userId;
    this.firstMsn = this.#nextMsn = options.firstMsn;
    this.#discontinuitySequence = options.firstDiscontinuitySequence;
    this.#clock = options.clock ?? monotonicMs;
    this.#waiters = new Waiters(this.#clock);
  }

  /** Rises with every change of what a playlist would say. */
  get version(): number {
    return this.#version;
  }
  get targetDurationS(): number {
    return this.#targetDurationS;
  }
  get partTargetUs(): number {
    return this.#partTargetUs;
  }
  /** The publisher is away. */
  get paused(): boolean {
    return this.#paused;
  }
  get ended(): boolean {
    return this.#ended;
  }
  /** Bytes of all parts held. */
  get bytes(): number {
    return this.#bytes;
  }
  /** How many wait for the next change. */
  get waiters(): number {
    return this.#waiters.size;
  }
  /** The segment in progress; null while there is no run. It may have no parts yet. */
  get inProgress(): WindowSegment | null {
    return this.#open;
  }
  /** Number of the segment in progress, or of the next to begin. */
  get nextMsn(): number {
    return this.#nextMsn;
  }
  /** EXT-X-DISCONTINUITY-SEQUENCE: the breaks that left the playlist, counted from where the broadcast began to count. */
  get discontinuitySequence(): number {
    return this.#discontinuitySequence;
  }
  /** The run that new viewers get; null before the first. */
  get start(): RunStart | null {
    return this.#start;
  }
  /** How many runs there were. */
  get runs(): number {
    return this.#run + 1;
  }
  /** What the playlist lists before `listed()`, from outside of memory; empty where no past is kept. */
  get past(): readonly PastBlock[] {
    return this.#options.past?.blocks ?? [];
  }
  /** The longest stretch of the playlist in memory so far, in milliseconds: so long its segments stay after it. */
  get longestMs(): number {
    return this.#longestUs / 1000;
  }
  /** Enough media to say what it is: a segment, or the three parts that low-latency players stay behind the edge. */
  get begun(): boolean {
    return this.playable || (this.#open !== null && this.#open.parts.length >= 3);
  }
  /** A segment is complete. */
  get playable(): boolean {
    return this.#listedFrom < this.#held.length;
  }

  /** The complete segments of the playlist that are in memory, oldest first. */
  listed(): readonly WindowSegment[] {
    return this.#held.slice(this.#listedFrom);
  }

  /** A complete segment or the one in progress; undefined when it is not yet, or no longer, there. */
  segment(msn: number): WindowSegment | undefined {
    if (msn === this.#nextMsn) return this.#open ?? undefined;
    return this.#held.length > 0 ? this.#held[msn - this.#held[0].msn] : undefined;
  }

  /** A segment's bytes outside of memory. */
  stored(msn: number, rendition: 'main' | 'audio'): StoredMedia | undefined {
    return this.#options.past?.find(msn, rendition);
  }

  /** The initialization segment of a run; undefined when no segment of that run can be fetched any more. */
  init(run: number, rendition: 'main' | 'audio'): Buffer | undefined {
    return this.#starts.get(run)?.[rendition]?.init;
  }

  /**
   * Whether the playlist contains that part, or a later one. A part beyond the last of a complete segment is read as part 0 of
   * the next segment (RFC 8216bis 6.2.5.2), and what left the window is long contained.
   */
  hasPart(msn: number, part: number): boolean {
    const inProgress = this.#open?.parts.length ?? 0;
    if (msn >= this.#nextMsn) return msn === this.#nextMsn && part < inProgress;
    if (msn < this.#nextMsn - 1 || inProgress > 0) return true;
    return part < (this.segment(msn)?.parts.length ?? Number.POSITIVE_INFINITY);
  }

  /** Bits a second for BANDWIDTH and AVERAGE-BANDWIDTH, measured so far, with some headroom. */
  bandwidth(rendition: 'main' | 'audio'): { peak: number; average: number } {
    return this.#bandwidth[rendition].declared(this.#open, rendition);
  }

  /** Calls the waiter after each change, until it says that it is done, is gone, or its deadline has passed. */
  wait(waiter: Waiter): void {
    this.#waiters.add(waiter);
  }

  open(limits: { readonly targetDurationS: number; readonly partTargetUs: number }): void {
    this.#targetDurationS = limits.targetDurationS;
    this.#partTargetUs = limits.partTargetUs;
  }

  raiseTargetDuration(targetDurationS: number): void {
    if (targetDurationS <= this.#targetDurationS) return;
    this.#targetDurationS = targetDurationS;
    this.#changed();
  }

  startRun(start: RunStart): void {
    if (this.#ended) return;
    this.closeSegment();
    this.#start = start;
    this.#starts.set(++this.#run, start);
    // Dates must not go back: an encoder that sent its backlog in a burst was ahead of the clock.
    this.#nextDateTimeUs = Math.max(this.#nextDateTimeUs, start.startedAtMs * 1000);
    this.#breakBefore = true;
    this.#paused = false;
    this.#begin(start);
    this.#options.onDiscontinuity?.();
    this.#changed();
  }

  addPart(part: Part): void {
    const segment = this.#open;
    if (!segment) return;
    segment.parts.push(part);
    segment.durationUs += part.durationUs;
    segment.bytes += part.length;
    this.#bytes += part.length;
    this.#longestUs = Math.max(this.#longestUs, this.#listedUs + segment.durationUs);
    this.#capBytes();
    this.#changed();
  }

  closeSegment(): void {
    const segment = this.#open;
    if (!segment || segment.parts.length === 0) return;
    segment.complete = true;
    this.#held.push(segment);
    this.#options.past?.keep(segment);
    this.#listedUs += segment.durationUs;
    for (const rendition of ['main', 'audio'] as const) {
      this.#bandwidth[rendition].add(this.#held, this.#listedFrom, rendition, this.#targetDurationS);
    }
    this.#nextMsn++;
    this.#nextDateTimeUs += segment.durationUs;
    this.#breakBefore = false;
    this.#begin(segment.start);
    this.#trim();
    this.#changed();
  }

  pause(): void {
    if (this.#ended || this.#paused) return;
    this.closeSegment();
    this.#open = null;
    this.#paused = true;
    this.#changed();
  }

  end(): void {
    if (this.#ended) return;
    this.closeSegment();
    this.#open = null;
    this.#ended = true;
    this.#changed();
    this.#options.onEnd?.(this);
  }

  /** Nobody can want it any more. */
  close(): void {
    this.#options.past?.close();
  }

  #begin(start: RunStart): void {
    this.#open = {
      msn: this.#nextMsn,
      run: this.#run,
      start,
      discontinuity: this.#breakBefore,
      dateTimeUs: this.#nextDateTimeUs,
      parts: [],
      durationUs: 0,
      complete: false,
      bytes: 0,
      expiresMs: 0,
    };
  }

  #changed(): void {
    this.#version++;
    this.#waiters.wake();
  }

  /** What is listed from memory at least. */
  get #minUs(): number {
    return Math.max(MIN_TARGET_DURATIONS * this.#targetDurationS * 1e6, this.#options.minWindowMs * 1000);
  }

  /** Takes segments off the playlist's front, and forgets those whose time is up. */
  #trim(): void {
    const minUs = this.#minUs;
    const { past } = this.#options;
    while (
      this.#held.length - this.#listedFrom > MIN_SEGMENTS &&
      this.#listedUs - this.#held[this.#listedFrom].durationUs >= minUs &&
      (past?.mayTake(this.#held[this.#listedFrom]) ?? true)
    ) {
      this.#unlist();
    }
    const now = this.#clock();
    while (this.#listedFrom > 0 && this.#held[0].expiresMs <= now) this.#forgetOldest();
  }

  #unlist(): void {
    const segment = this.#held[this.#listedFrom++];
    this.#listedUs -= segment.durationUs;
    const { past } = this.#options;
    this.#discontinuitySequence += past ? past.take(segment) : Number(segment.discontinuity);
    // RFC 8216bis 6.2.2: its duration plus that of the longest playlist that listed it.
    // Its parts, that is, where a past has the whole of it.
    const playlistUs = past ? Math.min(this.#longestUs, 2 * this.#minUs) : this.#longestUs;
    segment.expiresMs = this.#clock() + (segment.durationUs + playlistUs) / 1000;
  }

  #forgetOldest(): void {
    const segment = this.#held.shift()!;
    this.#listedFrom--;
    this.#bytes -= segment.bytes;
    // A past may still be about to read them.
    if (!this.#options.past) for (const part of segment.parts) part.release();
    const oldestRun = this.#options.past?.oldestRun ?? this.#held[0]?.run ?? this.#run;
    for (const run of this.#starts.keys()) if (run < oldestRun) this.#starts.delete(run);
  }

  /** What no publisher may exceed, however it codes: the window gets shorter than the draft wants before memory runs out. */
  #capBytes(): void {
    while (this.#bytes > this.#options.maxBytes && this.#held.length > 1) {
      if (this.#listedFrom === 0) this.#unlist();
      this.#forgetOldest();
      if (this.#toldFull) continue;
      this.#toldFull = true;
      this.#options.onFull?.();
    }
  }
}
