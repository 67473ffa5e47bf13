// A strict reader of playlists, written apart from the product's own: what it refuses, a player may refuse too.
// RFC 8216bis: 4.1 (lines), 4.2 (attribute lists), 4.4 (tags).

/** A partial segment as listed (4.4.4.9). */
export interface ListedPart {
  readonly uri: string;
  readonly durationS: number;
  readonly durationText: string;
  readonly independent: boolean;
}

/** A segment as listed. `map` is the one in force; `ownMap` the one whose tag stands directly before it. */
export interface ListedSegment {
  readonly msn: number;
  readonly uri: string;
  readonly durationS: number;
  readonly durationText: string;
  readonly title: string;
  readonly discontinuity: boolean;
  /** EXT-X-GAP: listed for its number, not to be fetched. */
  readonly gap: boolean;
  readonly ownMap: string | null;
  readonly map: string | null;
  readonly dateText: string | null;
  readonly parts: readonly ListedPart[];
}

export interface RenditionReport {
  readonly uri: string;
  readonly lastMsn: number | null;
  readonly lastPart: number | null;
}

export interface ServerControl {
  readonly canBlockReload: boolean;
  readonly canSkipUntilS: number | null;
  readonly canSkipDateRanges: boolean;
  readonly holdBackS: number | null;
  readonly partHoldBackS: number | null;
}

export interface MediaPlaylist {
  readonly kind: 'media';
  readonly version: number;
  readonly targetDurationText: string;
  readonly targetDurationS: number;
  readonly mediaSequence: number;
  readonly discontinuitySequence: number | null;
  readonly independentSegments: boolean;
  readonly partTargetS: number | null;
  readonly control: ServerControl | null;
  /** Segments that a delta update left out; null in a full playlist. */
  readonly skipped: number | null;
  readonly segments: readonly ListedSegment[];
  /** Parts of the segment that is not finished, and what stands before its first part. */
  readonly openParts: readonly ListedPart[];
  readonly openDiscontinuity: boolean;
  readonly openMap: string | null;
  readonly hints: readonly { readonly type: string; readonly uri: string }[];
  readonly reports: readonly RenditionReport[];
  readonly playlistType: string | null;
  readonly ended: boolean;
  readonly tags: ReadonlySet<string>;
}

export interface Variant {
  readonly uri: string;
  readonly attributes: ReadonlyMap<string, string>;
}

export interface MultivariantPlaylist {
  readonly kind: 'multivariant';
  readonly version: number;
  readonly independentSegments: boolean;
  readonly variants: readonly Variant[];
  readonly media: readonly ReadonlyMap<string, string>[];
  readonly tags: ReadonlySet<string>;
}

/** What is wrong with a playlist's text, or with one of its lines. */
export class PlaylistError extends Error {
  override readonly name = 'PlaylistError';
}

export const need = (condition: unknown, why: string): void => {
  if (!condition) throw new PlaylistError(why);
};

/** H01: header, line ends, characters. */
export function readLines(text: string): string[] {
  need(text.startsWith('#EXTM3U\n') || text.startsWith('#EXTM3U\r\n'), 'the first line is not #EXTM3U');
  need(text.endsWith('\n'), 'no line end at the end');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  need(!/[\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffd]/.test(text), 'a control character, or not UTF-8');
  need(!/\r(?!\n)/.test(text), 'a CR without LF');
  return text.split(/\r?\n/).slice(0, -1);
}

/** An attribute list (4.2): values keep no quotes; names are unique. */
export function readAttributes(text: string): Map<string, string> {
  const attributes = new Map<string, string>();
  const pattern = /([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(,|$)/y;
  let end = 0;
  while (end < text.length) {
    pattern.lastIndex = end;
    const match = pattern.exec(text);
    if (!match) throw new PlaylistError(`not an attribute list: ${text}`);
    need(!attributes.has(match[1]!), `attribute twice: ${match[1]}`);
    attributes.set(match[1]!, match[2]!);
    end = pattern.lastIndex;
    need(match[3] === '' || end < text.length, `a comma at the end: ${text}`);
  }
  return attributes;
}

function quoted(attributes: Map<string, string>, name: string): string | null {
  const value = attributes.get(name);
  if (value === undefined) return null;
  need(/^".*"$/.test(value), `${name} is not a quoted string: ${value}`);
  return value.slice(1, -1);
}

function decimal(attributes: Map<string, string>, name: string): number | null {
  const value = attributes.get(name);
  if (value === undefined) return null;
  need(/^\d+(\.\d+)?$/.test(value), `${name} is not a decimal number: ${value}`);
  return Number(value);
}

function yes(attributes: Map<string, string>, name: string): boolean {
  const value = attributes.get(name);
  need(value === undefined || value === 'YES' || value === 'NO', `${name} is neither YES nor NO: ${value}`);
  return value === 'YES';
}

function integer(text: string, what: string): number {
  need(/^\d{1,15}$/.test(text), `${what} is not an integer: ${text}`);
  return Number(text);
}

const MEDIA_ONLY =
  /^EXT(INF|-X-(TARGETDURATION|MEDIA-SEQUENCE|DISCONTINUITY|DISCONTINUITY-SEQUENCE|ENDLIST|PLAYLIST-TYPE|MAP|PROGRAM-DATE-TIME|PART|PART-INF|PRELOAD-HINT|RENDITION-REPORT|SERVER-CONTROL|SKIP))$/;
const MASTER_ONLY = /^EXT-X-(STREAM-INF|MEDIA|I-FRAME-STREAM-INF|SESSION-DATA|SESSION-KEY|CONTENT-STEERING)$/;
const ONCE = new Set(
  'EXT-X-VERSION EXT-X-TARGETDURATION EXT-X-MEDIA-SEQUENCE EXT-X-DISCONTINUITY-SEQUENCE EXT-X-PART-INF EXT-X-SERVER-CONTROL EXT-X-SKIP EXT-X-ENDLIST EXT-X-PLAYLIST-TYPE EXT-X-INDEPENDENT-SEGMENTS'.split(
    ' ',
  ),
);

/** Reads a playlist of either kind. @throws PlaylistError */
export function readPlaylist(text: string): MediaPlaylist | MultivariantPlaylist {
  const lines = readLines(text)
    .slice(1)
    .filter((line) => line !== '' && !(line.startsWith('#') && !line.startsWith('#EXT')));
  const entries = lines.map((line) => {
    if (!line.startsWith('#')) return { tag: '', value: line };
    const colon = line.indexOf(':');
    return colon < 0 ? { tag: line.slice(1), value: '' } : { tag: line.slice(1, colon), value: line.slice(colon + 1) };
  });
  const tags = new Set<string>();
  for (const { tag } of entries) {
    need(!(tags.has(tag) && ONCE.has(tag)), `${tag} stands twice`);
    tags.add(tag);
  }
  const master = entries.some((entry) => MASTER_ONLY.test(entry.tag));
  need(!(master && entries.some((entry) => MEDIA_ONLY.test(entry.tag))), 'tags of both kinds of playlist in one file'); // H02
  return master ? readMultivariant(entries, tags) : readMedia(entries, tags);
}

type Entry = { readonly tag: string; readonly value: string };

function readMultivariant(entries: readonly Entry[], tags: Set<string>): MultivariantPlaylist {
  const variants: Variant[] = [];
  const media: Map<string, string>[] = [];
  let version = 1;
  let pending: Map<string, string> | null = null;
  for (const { tag, value } of entries) {
    if (tag === '') {
      if (!pending) throw new PlaylistError(`a URI without EXT-X-STREAM-INF: ${value}`);
      variants.push({ uri: value, attributes: pending });
      pending = null;
      continue;
    }
    need(!pending, 'EXT-X-STREAM-INF is not followed by its URI');
    if (tag === 'EXT-X-VERSION') version = integer(value, tag);
    else if (tag === 'EXT-X-STREAM-INF') pending = readAttributes(value);
    else if (tag === 'EXT-X-MEDIA') media.push(readAttributes(value));
  }
  need(!pending, 'EXT-X-STREAM-INF is not followed by its URI');
  need(variants.length > 0, 'no variant');
  return {
    kind: 'multivariant',
    version,
    independentSegments: tags.has('EXT-X-INDEPENDENT-SEGMENTS'),
    variants,
    media,
    tags,
  };
}

function readMedia(entries: readonly Entry[], tags: Set<string>): MediaPlaylist {
  let version = 1;
  let targetDurationText = '';
  let mediaSequence = 0;
  let discontinuitySequence: number | null = null;
  let partTargetS: number | null = null;
  let control: ServerControl | null = null;
  let skipped: number | null = null;
  let playlistType: string | null = null;
  const segments: ListedSegment[] = [];
  const hints: { type: string; uri: string }[] = [];
  const reports: RenditionReport[] = [];
  let map: string | null = null;
  let ownMap: string | null = null;
  let discontinuity = false;
  let gap = false;
  let dateText: string | null = null;
  let parts: ListedPart[] = [];
  let durationText: string | null = null;
  let title = '';
  for (const { tag, value } of entries) {
    switch (tag) {
      case '': {
        if (durationText === null) throw new PlaylistError(`a URI without EXTINF: ${value}`);
        need(/^[\x21-\x7e]+$/.test(value), `not a URI: ${value}`);
        const msn = mediaSequence + (skipped ?? 0) + segments.length;
        segments.push({
          msn,
          uri: value,
          durationS: Number(durationText),
          durationText,
          title,
          discontinuity,
          gap,
          ownMap,
          map,
          dateText,
          parts,
        });
        durationText = ownMap = dateText = null;
        discontinuity = gap = false;
        parts = [];
        break;
      }
      case 'EXT-X-VERSION':
        version = integer(value, tag);
        break;
      case 'EXT-X-TARGETDURATION':
        integer(value, tag);
        targetDurationText = value;
        break;
      case 'EXT-X-MEDIA-SEQUENCE':
        need(segments.length === 0 && skipped === null, 'EXT-X-MEDIA-SEQUENCE after a segment');
        mediaSequence = integer(value, tag);
        break;
      case 'EXT-X-DISCONTINUITY-SEQUENCE':
        need(
          segments.length === 0 && !discontinuity,
          'EXT-X-DISCONTINUITY-SEQUENCE after a segment or a discontinuity',
        );
        discontinuitySequence = integer(value, tag);
        break;
      case 'EXT-X-PLAYLIST-TYPE':
        need(value === 'EVENT' || value === 'VOD', `unknown playlist type: ${value}`);
        playlistType = value;
        break;
      case 'EXT-X-PART-INF':
        partTargetS = decimal(readAttributes(value), 'PART-TARGET');
        break;
      case 'EXT-X-SERVER-CONTROL': {
        const attributes = readAttributes(value);
        control = {
          canBlockReload: yes(attributes, 'CAN-BLOCK-RELOAD'),
          canSkipUntilS: decimal(attributes, 'CAN-SKIP-UNTIL'),
          canSkipDateRanges: yes(attributes, 'CAN-SKIP-DATERANGES'),
          holdBackS: decimal(attributes, 'HOLD-BACK'),
          partHoldBackS: decimal(attributes, 'PART-HOLD-BACK'),
        };
        break;
      }
      case 'EXT-X-SKIP':
        need(segments.length === 0, 'EXT-X-SKIP after a segment');
        skipped = integer(readAttributes(value).get('SKIPPED-SEGMENTS') ?? '', 'SKIPPED-SEGMENTS');
        break;
      case 'EXT-X-DISCONTINUITY':
        need(!discontinuity, 'two discontinuities before one segment');
        need(parts.length === 0, 'a discontinuity inside a segment');
        discontinuity = true;
        break;
      case 'EXT-X-GAP':
        gap = true;
        break;
      case 'EXT-X-MAP':
        need(parts.length === 0, 'EXT-X-MAP inside a segment');
        map = ownMap = quoted(readAttributes(value), 'URI');
        need(map, 'EXT-X-MAP without URI');
        break;
      case 'EXT-X-PROGRAM-DATE-TIME':
        need(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/.test(value), `not a date: ${value}`);
        dateText = value;
        break;
      case 'EXT-X-PART': {
        const attributes = readAttributes(value);
        const uri = quoted(attributes, 'URI');
        if (!uri) throw new PlaylistError('EXT-X-PART without URI');
        const text = attributes.get('DURATION') ?? '';
        parts.push({
          uri,
          durationS: decimal(attributes, 'DURATION') ?? Number.NaN,
          durationText: text,
          independent: yes(attributes, 'INDEPENDENT'),
        });
        need(text !== '', 'EXT-X-PART without DURATION');
        need(durationText === null, 'EXT-X-PART between EXTINF and its URI');
        break;
      }
      case 'EXTINF': {
        const match = /^(\d+(?:\.\d+)?),(.*)$/.exec(value);
        if (!match) throw new PlaylistError(`not an EXTINF: ${value}`);
        need(durationText === null, 'EXTINF without URI');
        durationText = match[1]!;
        title = match[2]!;
        break;
      }
      case 'EXT-X-PRELOAD-HINT': {
        const attributes = readAttributes(value);
        hints.push({ type: attributes.get('TYPE') ?? '', uri: quoted(attributes, 'URI') ?? '' });
        break;
      }
      case 'EXT-X-RENDITION-REPORT': {
        const attributes = readAttributes(value);
        reports.push({
          uri: quoted(attributes, 'URI') ?? '',
          lastMsn: decimal(attributes, 'LAST-MSN'),
          lastPart: decimal(attributes, 'LAST-PART'),
        });
        break;
      }
      default:
    }
  }
  need(durationText === null, 'EXTINF without URI');
  need(targetDurationText !== '', 'no EXT-X-TARGETDURATION');
  return {
    kind: 'media',
    version,
    targetDurationText,
    targetDurationS: Number(targetDurationText),
    mediaSequence,
    discontinuitySequence,
    independentSegments: tags.has('EXT-X-INDEPENDENT-SEGMENTS'),
    partTargetS,
    control,
    skipped,
    segments,
    openParts: parts,
    openDiscontinuity: discontinuity,
    openMap: map,
    hints,
    reports,
    playlistType,
    ended: tags.has('EXT-X-ENDLIST'),
    tags,
  };
}
