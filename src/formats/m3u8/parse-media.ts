import { integer, microseconds, parseAttributes } from './attributes.ts';
import { lines } from './lines.ts';
import type {
  ByteRange,
  MediaPlaylist,
  MediaSegment,
  PlaylistPart,
  RenditionReport,
  SegmentKey,
  ServerControl,
} from './model.ts';

/** Tags that may stand once in a Media Playlist. */
const ONCE = new Set(
  'VERSION INDEPENDENT-SEGMENTS TARGETDURATION SERVER-CONTROL PART-INF MEDIA-SEQUENCE DISCONTINUITY-SEQUENCE SKIP ENDLIST'
    .split(' ')
    .map((name) => `EXT-X-${name}`),
);

/**
 * Reads a Media Playlist, also a delta update. Unknown tags are ignored, as RFC 8216bis 6.3.1 asks. Throws an Error that says
 * which tag is wrong, among them master tags, a tag given twice and a missing target duration.
 */
export function parseMediaPlaylist(text: string): MediaPlaylist {
  const segments: MediaSegment[] = [];
  const renditionReports: RenditionReport[] = [];
  const seen = new Set<string>();
  const header = {
    version: 1,
    independentSegments: false,
    targetDurationS: 0,
    serverControl: null as ServerControl | null,
    partTargetUs: null as number | null,
    mediaSequence: 0,
    discontinuitySequence: 0,
    skippedSegments: 0,
    preloadHint: null as string | null,
    endList: false,
  };
  let map: Pick<MediaSegment, 'map' | 'mapByteRange' | 'mapKey'> = { map: null };
  let key: SegmentKey | null = null;
  let byteRange: ByteRange | null = null;
  let rangeText: string | null = null;
  const ranges = new RangeReader();
  let parts: PlaylistPart[] = [];
  let extinfUs: number | null = null;
  let discontinuity = false;
  let gap = false;
  let dateTimeUs: number | null = null;
  /** Where the next segment's date lies by counting on from the last one given. */
  let countedUs: number | null = null;

  const addSegment = (uri: string | null, durationUs: number): void => {
    const startUs = dateTimeUs ?? countedUs;
    segments.push({
      uri,
      durationUs,
      discontinuity,
      dateTimeUs: startUs,
      ...map,
      gap,
      parts,
      ...(byteRange && { byteRange }),
      ...(key && { key }),
    });
    countedUs = startUs === null ? null : startUs + durationUs;
    parts = [];
    extinfUs = dateTimeUs = byteRange = null;
    discontinuity = gap = false;
  };

  for (const { tag, value } of lines(text)) {
    if (tag !== null && ONCE.has(tag)) {
      if (seen.has(tag)) throw new Error(`${tag} stands twice`);
      seen.add(tag);
    }
    switch (tag) {
      case null:
        if (extinfUs === null) throw new Error(`no EXTINF before ${value}`);
        byteRange = rangeText === null ? null : ranges.read(rangeText, value);
        rangeText = null;
        addSegment(value, extinfUs);
        break;
      case 'EXTINF':
        extinfUs = microseconds(value.split(',', 1)[0], tag);
        break;
      case 'EXT-X-PART': {
        const attributes = parseAttributes(value);
        const uri = required(attributes, 'URI', tag);
        const range = attributes.get('BYTERANGE');
        parts.push({
          uri,
          durationUs: microseconds(attributes.get('DURATION'), 'DURATION'),
          independent: attributes.get('INDEPENDENT') === 'YES',
          gap: attributes.get('GAP') === 'YES',
          ...(range !== undefined && { byteRange: ranges.read(range, uri) }),
        });
        break;
      }
      case 'EXT-X-DISCONTINUITY':
        discontinuity = true;
        break;
      case 'EXT-X-GAP':
        gap = true;
        break;
      case 'EXT-X-MAP': {
        const attributes = parseAttributes(value);
        const uri = required(attributes, 'URI', tag);
        const range = attributes.get('BYTERANGE');
        map = {
          map: uri,
          ...(range !== undefined && { mapByteRange: ranges.read(range, uri) }),
          ...(key && { mapKey: key }),
        };
        break;
      }
      case 'EXT-X-BYTERANGE':
        rangeText = value;
        break;
      case 'EXT-X-KEY':
        key = parseKey(value);
        break;
      case 'EXT-X-PROGRAM-DATE-TIME':
        dateTimeUs = Date.parse(value) * 1000;
        if (Number.isNaN(dateTimeUs)) throw new Error(`${tag} is not a date: ${value}`);
        break;
      case 'EXT-X-VERSION':
        header.version = integer(value, tag);
        break;
      case 'EXT-X-INDEPENDENT-SEGMENTS':
        header.independentSegments = true;
        break;
      case 'EXT-X-TARGETDURATION':
        header.targetDurationS = integer(value, tag);
        break;
      case 'EXT-X-SERVER-CONTROL':
        header.serverControl = parseServerControl(value);
        break;
      case 'EXT-X-PART-INF':
        header.partTargetUs = microseconds(parseAttributes(value).get('PART-TARGET'), 'PART-TARGET');
        break;
      case 'EXT-X-MEDIA-SEQUENCE':
        header.mediaSequence = integer(value, tag);
        break;
      case 'EXT-X-DISCONTINUITY-SEQUENCE':
        header.discontinuitySequence = integer(value, tag);
        break;
      case 'EXT-X-SKIP':
        header.skippedSegments = integer(parseAttributes(value).get('SKIPPED-SEGMENTS'), 'SKIPPED-SEGMENTS');
        break;
      case 'EXT-X-PRELOAD-HINT': {
        const attributes = parseAttributes(value);
        if (attributes.get('TYPE') === 'PART') header.preloadHint = required(attributes, 'URI', tag);
        break;
      }
      case 'EXT-X-RENDITION-REPORT': {
        const attributes = parseAttributes(value);
        const lastPart = attributes.get('LAST-PART');
        renditionReports.push({
          uri: required(attributes, 'URI', tag),
          lastMsn: integer(attributes.get('LAST-MSN'), 'LAST-MSN'),
          lastPart: lastPart === undefined ? null : integer(lastPart, 'LAST-PART'),
        });
        break;
      }
      case 'EXT-X-ENDLIST':
        header.endList = true;
        break;
      case 'EXT-X-STREAM-INF':
      case 'EXT-X-MEDIA':
      case 'EXT-X-I-FRAME-STREAM-INF':
        throw new Error(`${tag} in a media playlist`);
    }
  }
  if (header.targetDurationS === 0) throw new Error('EXT-X-TARGETDURATION is missing');
  if (parts.length > 0)
    addSegment(
      null,
      parts.reduce((sum, part) => sum + part.durationUs, 0),
    );
  return { ...header, segments, renditionReports };
}

function parseServerControl(value: string): ServerControl {
  const attributes = parseAttributes(value);
  const time = (name: string): number | null =>
    attributes.has(name) ? microseconds(attributes.get(name), name) : null;
  return {
    canBlockReload: attributes.get('CAN-BLOCK-RELOAD') === 'YES',
    canSkipUntilUs: time('CAN-SKIP-UNTIL'),
    holdBackUs: time('HOLD-BACK'),
    partHoldBackUs: time('PART-HOLD-BACK'),
  };
}

function required(attributes: Map<string, string>, name: string, tag: string): string {
  const value = attributes.get(name);
  if (value === undefined) throw new Error(`${tag} has no ${name}`);
  return value;
}

/** EXT-X-KEY (RFC 8216bis 4.4.4.4); null for METHOD=NONE. */
function parseKey(value: string): SegmentKey | null {
  const attributes = parseAttributes(value);
  const method = required(attributes, 'METHOD', 'EXT-X-KEY');
  if (method === 'NONE') return null;
  const iv = attributes.get('IV');
  if (iv !== undefined && !/^0x[0-9a-f]{1,32}$/i.test(iv)) throw new Error(`IV is not a number of 128 bits: ${iv}`);
  return {
    method,
    uri: required(attributes, 'URI', 'EXT-X-KEY'),
    iv: iv === undefined ? null : Buffer.from(iv.slice(2).padStart(32, '0'), 'hex'),
    format: attributes.get('KEYFORMAT') ?? 'identity',
  };
}

/** Reads `length[@offset]` (RFC 8216bis 4.4.4.2): without an offset it goes on where the last piece of the same resource ended. */
class RangeReader {
  #uri = '';
  #end = 0;

  read(text: string, uri: string): ByteRange {
    const [length, offset] = text.split('@', 2);
    const range = {
      length: integer(length, 'BYTERANGE'),
      offset: offset === undefined ? (uri === this.#uri ? this.#end : 0) : integer(offset, 'BYTERANGE'),
    };
    this.#uri = uri;
    this.#end = range.offset + range.length;
    return range;
  }
}
