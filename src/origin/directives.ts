import type { LiveWindow } from '../segments/index.ts';

/** The delivery directives of a playlist request (RFC 8216bis 6.2.5). */
export interface Directives {
  readonly msn: number | null;
  readonly part: number;
  readonly skip: boolean;
}

const NONE: Directives = { msn: null, part: 0, skip: false };

/**
 * Reads the directives from a query; what is not a directive changes nothing. Null for what must be answered 400: a part
 * without a segment, a number that is none, a directive given twice. Without `_HLS_part` the request is one for part 0: the
 * native player of Apple asks so for the first part of a segment, and would go on asking if it got an answer without it.
 */
export function parseDirectives(query: string): Directives | null {
  if (!query.includes('_HLS_')) return NONE;
  let msn: number | null = null;
  let part: number | null = null;
  let skip: string | null = null;
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    const value = equals < 0 ? '' : pair.slice(equals + 1);
    if (name === '_HLS_skip') {
      if (skip !== null) return null;
      skip = value;
    } else if (name === '_HLS_msn' || name === '_HLS_part') {
      if (!/^\d{1,15}$/.test(value) || (name === '_HLS_msn' ? msn : part) !== null) return null;
      if (name === '_HLS_msn') msn = Number(value);
      else part = Number(value);
    }
  }
  if (msn === null && part !== null) return null;
  // `v2` would also skip date ranges, which these playlists do not offer.
  return { msn, part: part ?? 0, skip: skip === 'YES' };
}

/**
 * Whether a request is for media so far ahead that it must be a mistake (RFC 8216bis 6.2.5.2, answered 400): a segment more
 * than two past the last complete one, or a part beyond the Advance Part Limit. A part index that a listed segment has reached
 * is never too far: players that do not want low latency ask for the last part of the next segment.
 */
export function tooFarAhead(window: LiveWindow, msn: number, part: number): boolean {
  if (msn > window.nextMsn + 1) return true;
  if (msn < window.nextMsn) return false;
  const limit = window.partTargetUs < 1e6 ? Math.ceil(3e6 / window.partTargetUs) : 3;
  if (part < (window.inProgress?.parts.length ?? 0) + limit) return false;
  return !window.listed().some((segment) => part < segment.parts.length);
}
