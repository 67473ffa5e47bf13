import { quoted, seconds } from './attributes.ts';
import type { MediaPlaylist, MediaSegment } from './model.ts';

/** What the client asked for. */
export interface RenderOptions {
  /** Render a Playlist Delta Update (RFC 8216bis 6.2.5.1) if anything can be skipped. */
  readonly skip: boolean;
}

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
  const skipped = options.skip ? skippableSegments(playlist) : 0;
  let text = `#EXTM3U\n#EXT-X-VERSION:${playlist.version}\n`;
  if (playlist.independentSegments) text += '#EXT-X-INDEPENDENT-SEGMENTS\n';
  text += `#EXT-X-TARGETDURATION:${playlist.targetDurationS}\n`;
  text += serverControl(playlist);
  if (playlist.partTargetUs !== null) text += `#EXT-X-PART-INF:PART-TARGET=${seconds(playlist.partTargetUs)}\n`;
  text += `#EXT-X-MEDIA-SEQUENCE:${playlist.mediaSequence}\n#EXT-X-DISCONTINUITY-SEQUENCE:${playlist.discontinuitySequence}\n`;
  if (skipped > 0) text += `#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}\n`;
  // A delta names the map in force again: a client that lost the skipped segments still knows how to decode the others.
  let map: string | null = null;
  for (let i = skipped; i < playlist.segments.length; i++) {
    const segment = playlist.segments[i];
    text += renderSegment(segment, map);
    map = segment.map;
  }
  if (playlist.preloadHint !== null) text += `#EXT-X-PRELOAD-HINT:TYPE=PART,URI=${quoted(playlist.preloadHint)}\n`;
  for (const report of playlist.renditionReports) {
    const part = report.lastPart === null ? '' : `,LAST-PART=${report.lastPart}`;
    text += `#EXT-X-RENDITION-REPORT:URI=${quoted(report.uri)},LAST-MSN=${report.lastMsn}${part}\n`;
  }
  if (playlist.endList) return `${text}#EXT-X-ENDLIST\n`;
  // hls.js 1.7 takes a segment whose URI is the playlist's last line for one that is still in progress.
  return playlist.preloadHint === null && playlist.renditionReports.length === 0
    ? `${text}# No part is promised for now.\n`
    : text;
}

/** Parts come before the EXTINF of their own segment; what applies to the segment comes before its first part. */
function renderSegment(segment: MediaSegment, mapBefore: string | null): string {
  let text = segment.discontinuity ? '#EXT-X-DISCONTINUITY\n' : '';
  if (segment.map !== null && (segment.map !== mapBefore || segment.discontinuity)) {
    text += `#EXT-X-MAP:URI=${quoted(segment.map)}\n`;
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
