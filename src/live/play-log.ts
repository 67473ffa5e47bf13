import { randomBytes } from 'node:crypto';
import { sha256 } from '../base/index.ts';
import { startupBucket } from './usage-counts.ts';
import type { UsageLog } from './usage-log.ts';

/** What a player tells of one play. */
export interface PlayReport {
  readonly playbackId: string;
  /** Made up by the player, for one play. */
  readonly playId: string;
  readonly event: 'play' | 'watch' | 'stall' | 'error' | 'end';
  /** Of this play, so far. */
  readonly watchedMs?: number | undefined;
  readonly startupMs?: number | undefined;
}

/** Plays that are remembered; the longest silent are forgotten first. */
const MAX_PLAYS = 200_000;
/** Viewers that are told apart on one day. */
const MAX_VIEWERS = 500_000;
/** Players report every ten seconds; a little may wait on its way. */
const SLACK_MS = 15_000;
const GONE_MS = 120_000;

interface Play {
  watchedMs: number;
  seenMs: number;
}

/**
 * Counts what players report into the usage. Viewers are told apart by a digest whose salt changes every day and is nowhere written:
 * neither an address nor anything else of them is kept. Reports are not believed to be true: nobody watches faster than time goes.
 */
export class PlayLog {
  readonly #usage: Pick<UsageLog, 'find' | 'of'>;
  /** By play id. */
  readonly #plays = new Map<string, Play>();
  readonly #viewers = new Set<string>();
  #day = '';
  #salt = '';

  constructor(usage: Pick<UsageLog, 'find' | 'of'>) {
    this.#usage = usage;
  }

  /** `viewer` is what tells one viewer from others. What is unknown is ignored. */
  report(report: PlayReport, viewer: string, nowMs = Date.now()): void {
    const liveStreamId = this.#usage.find(report.playbackId);
    if (liveStreamId === null) return;
    const row = this.#usage.of(liveStreamId, nowMs);
    const { event, startupMs } = report;
    if (event === 'stall') row.stalls++;
    else if (event === 'error') row.errors++;
    else if (event === 'play' && !this.#plays.has(report.playId)) {
      row.plays++;
      if (this.#isNew(`${liveStreamId} ${viewer}`, row.day)) row.uniqueViewers++;
      if (startupMs !== undefined) {
        const bucket = startupBucket(startupMs);
        row.startups.set(bucket, (row.startups.get(bucket) ?? 0) + 1);
      }
    }
    row.watchMs += this.#watched(report, nowMs);
  }

  /** By how much the play went on since its last report. */
  #watched({ playId, event, watchedMs }: PlayReport, nowMs: number): number {
    this.#forget(nowMs);
    const play = this.#plays.get(playId);
    // One whose beginning is not known counts from here on.
    if (!play && event === 'play') this.#plays.set(playId, { watchedMs: 0, seenMs: nowMs });
    if (watchedMs === undefined) return 0;
    if (!play) {
      if (event === 'watch') this.#plays.set(playId, { watchedMs, seenMs: nowMs });
      return 0;
    }
    const added = Math.max(0, Math.min(watchedMs - play.watchedMs, nowMs - play.seenMs + SLACK_MS));
    // Last in the order of who was heard of.
    this.#plays.delete(playId);
    this.#plays.set(playId, { watchedMs: Math.max(play.watchedMs, watchedMs), seenMs: nowMs });
    return added;
  }

  #forget(nowMs: number): void {
    for (const [id, { seenMs }] of this.#plays) {
      if (nowMs - seenMs < GONE_MS && this.#plays.size < MAX_PLAYS) return;
      this.#plays.delete(id);
    }
  }

  #isNew(viewer: string, day: string): boolean {
    if (day !== this.#day) {
      this.#day = day;
      this.#salt = randomBytes(16).toString('hex');
      this.#viewers.clear();
    }
    const digest = sha256(`${this.#salt} ${viewer}`).toString('base64').slice(0, 12);
    if (this.#viewers.has(digest) || this.#viewers.size >= MAX_VIEWERS) return false;
    this.#viewers.add(digest);
    return true;
  }
}
