/** What a live stream was used for. Times in milliseconds. */
export interface UsageCounts {
  /** With an encoder. */
  streamedMs: number;
  /** All viewers' times together. */
  viewerMs: number;
  bytesIn: number;
  bytesOut: number;
  plays: number;
  uniqueViewers: number;
  watchMs: number;
  stalls: number;
  errors: number;
}

/** What was counted of a live stream since it was last written down. */
export interface UsageRow extends UsageCounts {
  readonly liveStreamId: string;
  /** Of UTC, YYYY-MM-DD. */
  readonly day: string;
  /** Plays by how long they took to begin: `startupBucket`. */
  readonly startups: Map<number, number>;
}

/** Keeps what was used. A rejected call is made again with the same rows, and more. */
export interface UsageSink {
  add(rows: readonly UsageRow[]): Promise<void>;
}

const FIRST_MS = 50;
const STEP = 1.15;
const MAX_BUCKET = 60;

/** Times are counted in steps of 15 %: 50 ms and less, …, 219 s and more. */
export const startupBucket = (ms: number): number =>
  Math.min(MAX_BUCKET, Math.max(0, Math.ceil(Math.log(ms / FIRST_MS) / Math.log(STEP))));

/** The longest time that belongs to a bucket, in ms. */
export const startupMs = (bucket: number): number => Math.round(FIRST_MS * STEP ** bucket);

export const noUsage = (): UsageCounts => ({
  streamedMs: 0,
  viewerMs: 0,
  bytesIn: 0,
  bytesOut: 0,
  plays: 0,
  uniqueViewers: 0,
  watchMs: 0,
  stalls: 0,
  errors: 0,
});
