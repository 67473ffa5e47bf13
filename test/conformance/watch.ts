import { setTimeout as delay } from 'node:timers/promises';
import { comparable, lastPosition, mergeDelta, nextPosition } from './delta.ts';
import { type Answer, ask, withQuery } from './http.ts';
import {
  type ListedPart,
  type ListedSegment,
  type MediaPlaylist,
  type MultivariantPlaylist,
  PlaylistError,
  readPlaylist,
} from './playlist.ts';

/** One full playlist as it was answered. */
export interface Reload {
  readonly answer: Answer;
  readonly text: string;
  readonly playlist: MediaPlaylist;
}

/** What is known of one segment by the end of the watch. */
export interface WatchedSegment {
  readonly msn: number;
  /** As it was first listed; later lists must agree (H16). */
  readonly listed: ListedSegment;
  readonly listedAtMs: number;
  removedAtMs: number | null;
  /** Its parts in order, as long as they were ever listed. */
  readonly parts: ListedPart[];
}

export interface DeltaResult {
  readonly skipped: number | null;
  /** null: both answers could not be compared, as a part came between them. */
  readonly equal: boolean | null;
  readonly why: string;
  readonly delta: MediaPlaylist;
  readonly full: MediaPlaylist;
}

const LATE_S = 1;

/** Follows one media playlist as a low-latency player does, and keeps everything that it was given. */
export class RenditionWatch {
  readonly url: string;
  readonly reloads: Reload[] = [];
  readonly deltas: DeltaResult[] = [];
  readonly segments = new Map<number, WatchedSegment>();
  /** Answers to the first GET of each resource, by absolute URL. */
  readonly fetched = new Map<string, Answer>();
  /** Answers to hinted parts; `listedAtMs` is when the playlist that lists the part came. */
  readonly hinted = new Map<string, Answer>();
  readonly partListedAtMs = new Map<string, number>();
  /** Answers to removed segments, asked for at the last moment at which they must still be there (H19). */
  readonly late: { readonly url: string; readonly status: number }[] = [];
  readonly problems: string[] = [];
  #stopped = false;
  #work = new Set<Promise<unknown>>();
  #timers = new Set<NodeJS.Timeout>();
  #parts = new Map<number, ListedPart[]>();
  #waiters: (() => void)[] = [];

  constructor(url: string) {
    this.url = url;
  }

  get last(): MediaPlaylist | undefined {
    return this.reloads.at(-1)?.playlist;
  }

  /** Resolves after the next playlist has been noted, or when the watch is over. */
  nextReload(): Promise<void> {
    return this.#stopped ? Promise.resolve() : new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Watches until `stop`, or until the playlist has ended. */
  async run(): Promise<void> {
    while (!this.#stopped && !this.last?.ended) {
      const next = this.last ? nextPosition(this.last) : null;
      const query = next ? `_HLS_msn=${next.msn}&_HLS_part=${next.part}` : '';
      try {
        const [full, delta] = await Promise.all([
          ask(withQuery(this.url, query)),
          next ? ask(withQuery(this.url, `${query}&_HLS_skip=YES`)) : null,
        ]);
        if (this.#stopped) break;
        const before = this.last;
        if (full.status !== 200) {
          this.problems.push(`${full.status} for ${full.url}`);
          await delay(200);
        } else {
          this.#note(full);
          if (before && delta) this.#compare(before, delta);
        }
        // An answer that brings nothing (the encoder is away) must not make this a busy loop.
        if (
          before &&
          this.last &&
          lastPosition(before).msn === lastPosition(this.last).msn &&
          lastPosition(before).part === lastPosition(this.last).part
        )
          await delay(50);
      } catch (error) {
        this.problems.push(String(error));
        await delay(200);
      }
      for (const wake of this.#waiters.splice(0)) wake();
    }
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** Ends the watch and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    while (this.#work.size > 0) await Promise.allSettled(this.#work);
  }

  resolve(uri: string): string {
    return new URL(uri, this.url).href;
  }

  #track(work: Promise<unknown>): void {
    const guarded = work
      .catch((error: unknown) => this.problems.push(String(error)))
      .finally(() => this.#work.delete(guarded));
    this.#work.add(guarded);
  }

  #fetch(uri: string): void {
    const url = this.resolve(uri);
    if (this.fetched.has(url) || this.#asked.has(url)) return;
    this.#asked.add(url);
    this.#track(ask(url).then((answer) => this.fetched.set(url, answer)));
  }
  #asked = new Set<string>();

  #hint(uri: string): void {
    const url = this.resolve(uri);
    if (this.#asked.has(url)) return;
    this.#asked.add(url);
    this.#track(
      ask(url).then((answer) => {
        this.hinted.set(url, answer);
        if (answer.status === 200) this.fetched.set(url, answer);
        else this.#asked.delete(url); // the same name may be promised again when the encoder is back
      }),
    );
  }

  #note(answer: Answer): void {
    const text = answer.body.toString('utf8');
    const playlist = readPlaylist(text);
    if (playlist.kind !== 'media') throw new PlaylistError(`${this.url} is not a media playlist`);
    const previous = this.last;
    this.reloads.push({ answer, text, playlist });
    const at = answer.doneAtMs;
    for (const segment of playlist.segments) {
      if (segment.gap) continue;
      if (segment.ownMap) this.#fetch(segment.ownMap);
      if (segment.parts.length > (this.#parts.get(segment.msn)?.length ?? 0))
        this.#parts.set(segment.msn, [...segment.parts]);
      if (!this.segments.has(segment.msn)) {
        const parts = this.#parts.get(segment.msn) ?? [];
        this.#parts.set(segment.msn, parts);
        this.segments.set(segment.msn, { msn: segment.msn, listed: segment, listedAtMs: at, removedAtMs: null, parts });
        this.#fetch(segment.uri);
      }
      for (const part of segment.parts) this.#notePart(part, at);
    }
    if (playlist.openMap) this.#fetch(playlist.openMap);
    if (playlist.openParts.length > 0) this.#parts.set(nextPosition(playlist).msn, [...playlist.openParts]);
    for (const part of playlist.openParts) this.#notePart(part, at);
    for (const hint of playlist.hints) if (hint.type === 'PART') this.#hint(hint.uri);
    if (previous && playlist.mediaSequence > previous.mediaSequence) this.#noteRemoved(playlist.mediaSequence, at);
  }

  #notePart(part: ListedPart, atMs: number): void {
    const url = this.resolve(part.uri);
    if (this.partListedAtMs.has(url)) return;
    this.partListedAtMs.set(url, atMs);
    this.#fetch(part.uri);
  }

  #noteRemoved(before: number, atMs: number): void {
    const listed = (segment: WatchedSegment) =>
      this.reloads
        .filter(
          ({ playlist }) =>
            playlist.mediaSequence <= segment.msn && segment.msn < playlist.mediaSequence + playlist.segments.length,
        )
        .map(({ playlist }) => playlist.segments.reduce((sum, { durationS }) => sum + durationS, 0));
    for (const segment of this.segments.values()) {
      if (segment.msn >= before || segment.removedAtMs !== null) continue;
      segment.removedAtMs = atMs;
      const staysS = segment.listed.durationS + Math.max(...listed(segment)) - LATE_S;
      const url = this.resolve(segment.listed.uri);
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#track(ask(url).then((answer) => this.late.push({ url, status: answer.status })));
      }, staysS * 1000);
      this.#timers.add(timer);
    }
  }

  #compare(before: MediaPlaylist, answer: Answer): void {
    const full = this.last!;
    if (answer.status !== 200) {
      this.problems.push(`${answer.status} for ${answer.url}`);
      return;
    }
    const delta = readPlaylist(answer.body.toString('utf8'));
    if (delta.kind !== 'media') throw new PlaylistError(`${answer.url} is not a media playlist`);
    let equal: boolean | null = null;
    let why = '';
    try {
      const merged = mergeDelta(before, delta);
      const [a, b] = [nextPosition(merged), nextPosition(full)];
      if (
        a.msn === b.msn &&
        a.part === b.part &&
        merged.ended === full.ended &&
        merged.hints.length === full.hints.length
      ) {
        equal = comparable(merged) === comparable(full);
        if (!equal) why = `merged ${comparable(merged)} differs from ${comparable(full)}`;
      }
    } catch (error) {
      equal = false;
      why = String(error);
    }
    this.deltas.push({ skipped: delta.skipped, equal, why, delta, full });
  }
}

/** The multivariant playlist as it was answered, now and then. */
export interface MasterReload {
  readonly answer: Answer;
  readonly text: string;
  readonly playlist: MultivariantPlaylist;
}

/** Asks for the multivariant playlist once. @throws unless it is one. */
export async function readMaster(url: string): Promise<MasterReload> {
  const answer = await ask(url);
  if (answer.status !== 200) throw new Error(`${answer.status} for ${url}`);
  const text = answer.body.toString('utf8');
  const playlist = readPlaylist(text);
  if (playlist.kind !== 'multivariant') throw new PlaylistError(`${url} is not a multivariant playlist`);
  return { answer, text, playlist };
}
