import type { ByteRange, MediaPlaylist, MediaSegment, PlaylistPart, SegmentKey } from '../../formats/m3u8/index.ts';

/** Segments that are remembered, to know a playlist that is only old from one that began anew. */
const MAX_REMEMBERED = 100;
/** A source that leaves out more than this has begun anew. */
const MAX_LOST = 20;
/** No source is played further behind its live edge than this, whatever it asks for. */
const MAX_HOLD_BACK_MS = 180_000;

/** A segment or a part that is to be fetched next. */
export interface HlsItem {
  readonly uri: string;
  readonly byteRange?: ByteRange | undefined;
  /** EXT-X-MAP, with what it takes to read it. */
  readonly map: Pick<MediaSegment, 'map' | 'mapByteRange' | 'mapKey'>;
  readonly key: SegmentKey | null;
  /** Media sequence number of its segment. */
  readonly sequence: number;
  readonly durationMs: number;
  /** Counts the source's discontinuities: another number is another clock. */
  readonly discontinuity: number;
  /** What was left out before it. */
  readonly skippedMs: number;
  /** It ends its segment. */
  readonly last: boolean;
}

/** Where we are in a media playlist that changes under us, also where its numbers are not to be trusted (G12). */
export class HlsPosition {
  /** Of the next segment; NaN before the first. */
  #sequence = Number.NaN;
  /** Of the next part in it. */
  #part = 0;
  #discontinuity = 0;
  #skippedMs = 0;
  /** Of segments that are done, the latest last. */
  readonly #done = new Set<string>();
  #latest = '';

  /** What is new in a playlist, in its order; with parts where they are to be used. */
  take(playlist: MediaPlaylist, parts: boolean): HlsItem[] {
    const items: HlsItem[] = [];
    const { segments, mediaSequence } = playlist;
    for (let index = this.#locate(playlist, parts); index < segments.length; index++) {
      const segment = segments[index]!;
      if (segment.uri === null && !parts) break;
      const sequence = mediaSequence + index;
      if (sequence !== this.#sequence) this.#part = 0;
      if (segment.discontinuity && this.#part === 0 && !Number.isNaN(this.#sequence)) this.#discontinuity++;
      this.#sequence = sequence;
      if (parts && segment.parts.length > 0) {
        for (; this.#part < segment.parts.length; this.#part++) {
          const part = segment.parts[this.#part]!;
          const last = segment.uri !== null && this.#part + 1 === segment.parts.length;
          items.push(...this.#item(segment, part, last));
        }
      } else if (this.#part === 0) items.push(...this.#item(segment, segment, true));
      // Its parts are no longer listed, and some of them are still missing.
      else this.#skippedMs += segment.durationUs / 1000;
      if (segment.uri === null) break;
      this.#remember(segment);
      this.#sequence = sequence + 1;
      this.#part = 0;
    }
    return items;
  }

  #item(segment: MediaSegment, from: MediaSegment | PlaylistPart, last: boolean): HlsItem[] {
    const { map, mapByteRange, mapKey, key = null } = segment;
    const durationMs = from.durationUs / 1000;
    if (from.gap || segment.gap) {
      this.#skippedMs += durationMs;
      return [];
    }
    const item = {
      uri: from.uri!,
      byteRange: from.byteRange,
      map: { map, ...(mapByteRange && { mapByteRange }), ...(mapKey && { mapKey }) },
      key,
      sequence: this.#sequence,
      durationMs,
      discontinuity: this.#discontinuity,
      skippedMs: this.#skippedMs,
      last,
    };
    this.#skippedMs = 0;
    return [item];
  }

  /** Index of the segment to go on with. */
  #locate(playlist: MediaPlaylist, parts: boolean): number {
    const { segments, mediaSequence, targetDurationS } = playlist;
    if (Number.isNaN(this.#sequence)) return this.#start(playlist, parts);
    const index = this.#sequence - mediaSequence;
    const names = segments.map(nameOf);
    const latest = names.indexOf(this.#latest);
    // Numbered anew: what was played last is listed, elsewhere. Not to be believed where all have one name.
    const moved = latest >= 0 && latest === names.lastIndexOf(this.#latest) && latest !== index - 1;
    if (moved && this.#part === 0) return latest + 1;
    if (index >= 0 && index <= segments.length) return index;
    if (index < 0 && -index <= MAX_LOST) {
      this.#skippedMs += -index * targetDurationS * 1000;
      return 0;
    }
    // An old copy of what we know, from a server that is behind.
    if (index > 0 && names.some((name) => this.#done.has(name))) return segments.length;
    this.#discontinuity++;
    this.#sequence = Number.NaN;
    return this.#start(playlist, parts);
  }

  /** Near the live edge: as far from it as the source asks for. */
  #start(playlist: MediaPlaylist, parts: boolean): number {
    const { segments, serverControl, targetDurationS, endList } = playlist;
    this.#part = 0;
    if (endList) return 0;
    const holdUs = holdBackMs(playlist, parts) * 1000;
    let behindUs = 0;
    for (let index = segments.length - 1; index >= 0; index--) {
      const segment = segments[index]!;
      if (parts && serverControl) {
        for (let part = segment.parts.length - 1; part >= 0; part--) {
          behindUs += segment.parts[part]!.durationUs;
          if (behindUs < holdUs || !segment.parts[part]!.independent) continue;
          this.#part = part;
          // As if it had been begun: `take` keeps the part of the segment that it is in.
          this.#sequence = playlist.mediaSequence + index;
          return index;
        }
        if (segment.parts.length > 0) continue;
      }
      if (segment.uri === null) continue;
      behindUs += segment.durationUs || targetDurationS * 1e6;
      if (behindUs >= holdUs) return index;
    }
    return 0;
  }

  #remember(segment: MediaSegment): void {
    this.#latest = nameOf(segment);
    this.#done.delete(this.#latest);
    this.#done.add(this.#latest);
    if (this.#done.size > MAX_REMEMBERED) for (const oldest of this.#done) return void this.#done.delete(oldest);
  }
}

/** How far behind the live edge it is to be played. */
export function holdBackMs({ serverControl, targetDurationS }: MediaPlaylist, parts: boolean): number {
  const asked = parts ? serverControl?.partHoldBackUs : serverControl?.holdBackUs;
  return Math.min(MAX_HOLD_BACK_MS, asked ? asked / 1000 : 3 * targetDurationS * 1000);
}

const nameOf = ({ uri, byteRange }: MediaSegment): string => `${uri ?? ''}@${byteRange?.offset ?? ''}`;
