import type { Logger } from '../base/index.ts';
import type { Broadcast } from './broadcast.ts';
import { noUsage, type UsageCounts, type UsageRow, type UsageSink } from './usage-counts.ts';

export interface UsageLogOptions {
  /** What is on air now. */
  broadcasts(): Iterable<Broadcast>;
  /** The live stream on air that plays under this id; null for none. */
  find(playbackId: string): string | null;
  /** Who watches what plays under this id now, and what was sent of it so far. */
  audience(playbackId: string): { readonly viewers: number; readonly bytesOut: number };
  readonly sink: UsageSink;
  readonly log: Logger;
}

const LOOK_MS = 2000;
const WRITE_MS = 60_000;
/** Whoever asks what was used makes it be written, this often at most. */
const WRITE_SOON_MS = 5000;
/** Viewers read the end of a broadcast, and their players report it. */
const KEEP_AFTER_END_MS = 60_000;
/** A process that was stopped for long has not streamed meanwhile. */
const MAX_LOOK_MS = 10_000;
/** Of a few lines each: what is counted while the database is away for long is bounded by live streams on air, and by this. */
const MAX_ROWS = 20_000;

interface Tracked {
  readonly broadcast: Broadcast;
  bytesIn: number;
  bytesOut: number;
  seenMs: number;
  endedMs: number | null;
}

/** Counts what live streams are used for: looks at the counters every two seconds, and writes down once a minute what was added. */
export class UsageLog {
  readonly #options: UsageLogOptions;
  readonly #tracked = new Map<string, Tracked>();
  /** The broadcast that plays under an id, or was the last to. */
  readonly #byPlayback = new Map<string, Tracked>();
  #rows = new Map<string, UsageRow>();
  #writing: Promise<void> | null = null;
  #wroteMs = Date.now();
  #failing = false;
  readonly #timer: NodeJS.Timeout;

  constructor(options: UsageLogOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** The live stream that plays under this id, or did a minute ago; null for all others. */
  find(playbackId: string): string | null {
    const known = this.#byPlayback.get(playbackId)?.broadcast.authorisation.liveStreamId;
    return known ?? this.#options.find(playbackId);
  }

  /** What is being counted of a live stream today; to be added to. */
  of(liveStreamId: string, nowMs = Date.now()): UsageRow {
    const day = new Date(nowMs).toISOString().slice(0, 10);
    const key = `${liveStreamId} ${day}`;
    let row = this.#rows.get(key);
    if (!row) {
      row = { liveStreamId, day, startups: new Map(), ...noUsage() };
      if (this.#rows.size < MAX_ROWS) this.#rows.set(key, row);
    }
    return row;
  }

  /** Sees to it that what is read of the store is no older than a few seconds. Never rejects. */
  async write(): Promise<void> {
    if (this.#writing) return this.#writing;
    if (Date.now() - this.#wroteMs < WRITE_SOON_MS) return;
    this.sample();
    return this.#write();
  }

  /** Writes what is left, within the time that the store takes. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.sample();
    await this.#writing;
    await this.#write();
  }

  #look(): void {
    this.sample();
    if (Date.now() - this.#wroteMs >= WRITE_MS && !this.#writing) void this.#write();
  }

  /** Looks at all counters. */
  sample(nowMs = Date.now()): void {
    const here = new Set<string>();
    for (const broadcast of this.#options.broadcasts()) {
      here.add(broadcast.id);
      if (this.#tracked.has(broadcast.id)) continue;
      const { playbackId } = broadcast.authorisation;
      // Players of the one before may be on their way out: what they were sent is counted there.
      const bytesOut = this.#byPlayback.has(playbackId) ? this.#options.audience(playbackId).bytesOut : 0;
      const tracked = { broadcast, bytesIn: 0, bytesOut, seenMs: nowMs, endedMs: null };
      this.#tracked.set(broadcast.id, tracked);
      this.#byPlayback.set(playbackId, tracked);
    }
    for (const [id, tracked] of this.#tracked) {
      if (!here.has(id)) tracked.endedMs ??= nowMs;
      this.#count(tracked, nowMs);
      if (tracked.endedMs === null || nowMs - tracked.endedMs < KEEP_AFTER_END_MS) continue;
      this.#tracked.delete(id);
      const { playbackId } = tracked.broadcast.authorisation;
      if (this.#byPlayback.get(playbackId) === tracked) this.#byPlayback.delete(playbackId);
    }
  }

  #count(tracked: Tracked, nowMs: number): void {
    const { broadcast } = tracked;
    const { liveStreamId, playbackId } = broadcast.authorisation;
    const row = this.of(liveStreamId, nowMs);
    const elapsedMs = Math.max(0, Math.min(nowMs - tracked.seenMs, MAX_LOOK_MS));
    tracked.seenMs = nowMs;
    if (broadcast.publisher) row.streamedMs += elapsedMs;
    row.bytesIn += broadcast.bytesIn - tracked.bytesIn;
    tracked.bytesIn = broadcast.bytesIn;
    // What plays there now may be the next one.
    if (this.#byPlayback.get(playbackId) !== tracked) return;
    const { viewers, bytesOut } = this.#options.audience(playbackId);
    row.viewerMs += viewers * elapsedMs;
    row.bytesOut += Math.max(0, bytesOut - tracked.bytesOut);
    tracked.bytesOut = bytesOut;
  }

  async #write(): Promise<void> {
    const rows = [...this.#rows.values()].filter(isUsed);
    this.#rows = new Map();
    this.#wroteMs = Date.now();
    if (rows.length === 0) return;
    this.#writing = this.#options.sink.add(rows).then(
      () => {
        this.#failing = false;
      },
      (error) => {
        if (!this.#failing) this.#options.log.warn({ reason: error.message }, 'usage: cannot be written for now');
        this.#failing = true;
        for (const row of rows) this.#putBack(row);
      },
    );
    await this.#writing;
    this.#writing = null;
  }

  #putBack(row: UsageRow): void {
    const there = this.#rows.get(`${row.liveStreamId} ${row.day}`);
    if (!there) {
      if (this.#rows.size < MAX_ROWS) this.#rows.set(`${row.liveStreamId} ${row.day}`, row);
      return;
    }
    for (const name of COUNTS) there[name] += row[name];
    for (const [bucket, plays] of row.startups) there.startups.set(bucket, (there.startups.get(bucket) ?? 0) + plays);
  }
}

const COUNTS = Object.keys(noUsage()) as (keyof UsageCounts)[];
const isUsed = (row: UsageRow): boolean => row.startups.size > 0 || COUNTS.some((name) => row[name] > 0);
