import type { Sent } from '../support/flv-frames.ts';
import { type Fragment, type InitTrack, readFragments, readInit, type Sample } from './boxes.ts';
import type { ListedPart, ListedSegment } from './playlist.ts';
import type { MasterReload, RenditionWatch } from './watch.ts';

/** Something that happened to the publisher while the watch ran, in ms of `performance.now()`. */
export interface Mark {
  readonly event: 'away' | 'back';
  readonly atMs: number;
  readonly wallMs: number;
}

export interface PartEvidence {
  readonly listed: ListedPart;
  readonly bytes: Buffer | null;
  readonly fragments: readonly Fragment[];
}

export interface SegmentEvidence {
  readonly msn: number;
  /** Counts the discontinuities before it, from 0 at the first segment seen. */
  readonly run: number;
  readonly listed: ListedSegment;
  readonly listedAtMs: number;
  readonly bytes: Buffer | null;
  readonly fragments: readonly Fragment[];
  readonly init: readonly InitTrack[];
  readonly parts: readonly PartEvidence[];
}

export interface RenditionEvidence {
  readonly name: 'main' | 'audio';
  readonly watch: RenditionWatch;
  readonly segments: readonly SegmentEvidence[];
  /** By URL: bytes and what they say. */
  readonly inits: ReadonlyMap<string, { readonly bytes: Buffer; readonly tracks: readonly InitTrack[] }>;
  /** What could not be read at all, and why. */
  readonly unreadable: readonly string[];
}

/** All that the assertions look at. */
export interface Evidence {
  readonly masters: readonly MasterReload[];
  readonly main: RenditionEvidence;
  readonly audio: RenditionEvidence | null;
  readonly all: readonly RenditionEvidence[];
  readonly marks: readonly Mark[];
  /** What the publisher sent, a member a run; absent when that is not known. */
  readonly sent: readonly Sent[] | null;
  readonly forbiddenWords: readonly string[];
  /** Runs in which the publisher sent its configuration again and again. */
  readonly repeatedConfigRuns: readonly number[];
  /** Figures that a check leaves behind, by its number. */
  readonly figures: Map<string, string>;
}

/** The samples of one kind in a segment or part, in decoding order. */
export function samplesOf(
  fragments: readonly Fragment[],
  init: readonly InitTrack[],
  kind: 'video' | 'audio',
): Sample[] {
  const track = init.find((candidate) => candidate.kind === kind);
  return track
    ? fragments.flatMap((fragment) =>
        fragment.tracks.filter(({ id }) => id === track.id).flatMap(({ samples }) => samples),
      )
    : [];
}

/** The segments run by run. */
export function byRun(segments: readonly SegmentEvidence[]): SegmentEvidence[][] {
  const runs: SegmentEvidence[][] = [];
  for (const segment of segments) (runs[segment.run] ??= []).push(segment);
  return runs;
}

/** The track in which time is measured: video where there is one. */
export const leadTrack = (init: readonly InitTrack[]): InitTrack | undefined =>
  init.find(({ kind }) => kind === 'video') ?? init[0];

/** Puts together what one watch has brought. */
export function readEvidence(name: 'main' | 'audio', watch: RenditionWatch): RenditionEvidence {
  const unreadable: string[] = [];
  const attempt = <T>(what: string, nothing: T, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      unreadable.push(`${what}: ${error instanceof Error ? error.message : error}`);
      return nothing;
    }
  };
  const bytesOf = (uri: string): Buffer | null => {
    const answer = watch.fetched.get(watch.resolve(uri));
    if (answer?.status === 200) return answer.body;
    unreadable.push(`${uri}: ${answer ? `status ${answer.status}` : 'no answer'}`);
    return null;
  };
  const inits = new Map<string, { bytes: Buffer; tracks: InitTrack[] }>();
  const initOf = (uri: string | null): InitTrack[] => {
    if (!uri) return [];
    const url = watch.resolve(uri);
    let init = inits.get(url);
    if (!init) {
      const bytes = bytesOf(uri) ?? Buffer.alloc(0);
      init = { bytes, tracks: attempt(uri, [], () => readInit(bytes)) };
      inits.set(url, init);
    }
    return init.tracks;
  };
  let run = 0;
  const segments = [...watch.segments.values()]
    .sort((a, b) => a.msn - b.msn)
    .map((segment, index): SegmentEvidence => {
      if (segment.listed.discontinuity && index > 0) run++;
      const bytes = bytesOf(segment.listed.uri);
      const init = initOf(segment.listed.map);
      return {
        msn: segment.msn,
        run,
        listed: segment.listed,
        listedAtMs: segment.listedAtMs,
        bytes,
        fragments: bytes ? attempt(segment.listed.uri, [], () => readFragments(bytes, init)) : [],
        init,
        parts: segment.parts.map((listed) => {
          const part = bytesOf(listed.uri);
          return {
            listed,
            bytes: part,
            fragments: part ? attempt(listed.uri, [], () => readFragments(part, init)) : [],
          };
        }),
      };
    });
  return { name, watch, segments, inits, unreadable };
}
