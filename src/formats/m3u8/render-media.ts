import { quoted, seconds } from './attributes.ts';
import type { MediaPlaylist, MediaSegment } from './model.ts';

/** What the client asked for. */
export interface RenderOptions {
  /** Render a Playlist Delta Update (RFC 8216bis 6.2.5.1) if anything can be skipped. */
  readonly skip: boolean;
  /** What stands before the model's segments and was rendered earlier. It counts for MEDIA-SEQUENCE, which is that of its first. */
  readonly earlier?: {
    readonly segments: number;
    /** URI of the EXT-X-MAP in force at its end. */
    readonly map: string | null;
  };
}

/** The lines of some segments, to stand anywhere in a playlist. `mapBefore` is the EXT-X-MAP in force before them. */
export function renderSegments(segments: readonly MediaSegment[], mapBefore: string | null): string {
  let text = '';
  let map = mapBefore;
  for (const segment of segments) {
    text += renderSegment(segment, map);
    map = segment.map;
  }
  return text;
}

/** Names the initialization section of what follows. */
export const renderMap = (uri: string): string => `#EXT-X-MAP:URI=${quoted(uri)}\n`;

/**
 * How many segments a delta update leaves out: those that lie wholly beyond the skip boundary, counted from the end of the
 * playlist (RFC 8216bis 4.4.3.8). 0 for ended playlists and those that do not offer it.
 */
export function skippableSegments(playlist: MediaPlaylist): number {
  const boundaryUs = playlist.serverControl?.canSkipUntilUs;
  if (boundaryUs === null || boundaryUs === undefined || playlist.endList) return 0;
  let fromEndUs = 0;
  let index = playlist.segments.length;
  while (index > 0 && fromEndUs <= boundaryUs) fromEndUs += playlist.segments[--index].durationUs;
  return index;
}

/** The playlist's text, ending with a newline. */
export function renderMediaPlaylist(playlist: MediaPlaylist, options: RenderOptions): string {
  const [head, tail] = renderAround(playlist, options);
  return head + tail;
}

/** The playlist's text in two: what comes before the earlier segments, and what comes after. In a delta update nothing stands between. */
export function renderAround(playlist: MediaPlaylist, { skip, earlier }: RenderOptions): [head: string, tail: string] {
  const skippedHere = skip ? skippableSegments(playlist) : 0;
  const skipped = skippedHere + (skip && earlier && !playlist.endList ? earlier.segments : 0);
  let head = `#EXTM3U\n#EXT-X-VERSION:${playlist.version}\n`;
  if (playlist.independentSegments) head += '#EXT-X-INDEPENDENT-SEGMENTS\n';
  head += `#EXT-X-TARGETDURATION:${playlist.targetDurationS}\n`;
  head += serverControl(playlist);
  if (playlist.partTargetUs !== null) head += `#EXT-X-PART-INF:PART-TARGET=${seconds(playlist.partTargetUs)}\n`;
  head += `#EXT-X-MEDIA-SEQUENCE:${playlist.mediaSequence}\n#EXT-X-DISCONTINUITY-SEQUENCE:${playlist.discontinuitySequence}\n`;
  if (skipped > 0) head += `#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}\n`;
  // A delta names the map in force again: a client that lost the skipped segments still knows how to decode the others.
  const map = skipped > 0 ? null : (earlier?.map ?? null);
  let tail = renderSegments(skippedHere > 0 ? playlist.segments.slice(skippedHere) : playlist.segments, map);
  if (playlist.preloadHint !== null) tail += `#EXT-X-PRELOAD-HINT:TYPE=PART,URI=${quoted(playlist.preloadHint)}\n`;
  for (const report of playlist.renditionReports) {
    const part = report.lastPart === null ? '' : `,LAST-PART=${report.lastPart}`;
    tail += `#EXT-X-RENDITION-REPORT:URI=${quoted(report.uri)},LAST-MSN=${report.lastMsn}${part}\n`;
  }
  if (playlist.endList) return [head, `${tail}#EXT-X-ENDLIST\n`];
  // hls.js 1.7 takes a segment whose URI is the playlist's last line for one that is still in progress.
  return playlist.preloadHint === null && playlist.renditionReports.length === 0
    ? [head, `${tail}# No part is promised for now.\n`]
    : [head, tail];
}

/** Parts come before the EXTINF of their own segment; what applies to the segment comes before its first part. */
function renderSegment(segment: MediaSegment, mapBefore: string | null): string {
  let text = segment.discontinuity ? '#EXT-X-DISCONTINUITY\n' : '';
  if (segment.map !== null && (segment.map !== mapBefore || segment.discontinuity)) {
    text += renderMap(segment.map);
  }
  if (segment.dateTimeUs !== null) {
    text += `#EXT-X-PROGRAM-DATE-TIME:${new Date(Math.round(segment.dateTimeUs / 1000)).toISOString()}\n`;
  }
  if (segment.gap && segment.uri !== null) text += '#EXT-X-GAP\n';
  for (const part of segment.parts) {
    text += `#EXT-X-PART:DURATION=${seconds(part.durationUs)},URI=${quoted(part.uri)}`;
    text += `${part.independent ? ',INDEPENDENT=YES' : ''}${part.gap ? ',GAP=YES' : ''}\n`;
  }
  return segment.uri === null ? text : `${text}#EXTINF:${seconds(segment.durationUs)},\n${segment.uri}\n`;
}

function serverControl(playlist: MediaPlaylist): string {
  const control = playlist.serverControl;
  if (!control) return '';
  const attributes: string[] = [];
  if (control.canBlockReload) attributes.push('CAN-BLOCK-RELOAD=YES');
  if (control.canSkipUntilUs !== null) attributes.push(`CAN-SKIP-UNTIL=${seconds(control.canSkipUntilUs)}`);
  if (control.holdBackUs !== null) attributes.push(`HOLD-BACK=${seconds(control.holdBackUs)}`);
  if (control.partHoldBackUs !== null) attributes.push(`PART-HOLD-BACK=${seconds(control.partHoldBackUs)}`);
  return `#EXT-X-SERVER-CONTROL:${attributes.join(',')}\n`;
}
