import type {
  MediaPlaylist,
  MediaSegment,
  MultivariantPlaylist,
  PlaylistPart,
  RenditionReport,
  Variant,
} from '../formats/m3u8/index.ts';
import type { LiveWindow, PastBlock, WindowSegment } from '../segments/index.ts';
import { initName, partName, segmentName } from './route.ts';

/** 9 is what a delta update needs (RFC 8216bis 8); the same in every playlist, so that it never changes. */
const VERSION = 9;

/** Whether the rendition has, or had, media in the window. An audio playlist exists only then. */
export function hasRendition(window: LiveWindow, rendition: 'main' | 'audio'): boolean {
  if (rendition === 'main') return window.start !== null;
  const { start, past } = window;
  return (
    start?.audio != null ||
    window.listed().some((segment) => segment.start.audio !== null) ||
    past.some((block) => block.audio)
  );
}

/** EXT-X-INDEPENDENT-SEGMENTS: true unless a publisher without key frames made the packager cut elsewhere. */
export function independentSegments(window: LiveWindow): boolean {
  const independent = (segment: WindowSegment): boolean => segment.parts[0].independent;
  if (window.past.some((block) => !block.independent)) return false;
  return window.listed().every(independent) && (!window.inProgress?.parts.length || independent(window.inProgress));
}

/**
 * What the Media Playlist of one rendition says now, without the first `earlier` blocks of the past, which are rendered apart. Its
 * media sequence is that of the whole.
 */
export function mediaPlaylist(window: LiveWindow, rendition: 'main' | 'audio', earlier = 0): MediaPlaylist {
  const { past } = window;
  const listed = window.listed();
  const inProgress = window.inProgress?.parts.length ? window.inProgress : null;
  const targetUs = window.targetDurationS * 1e6;
  const segments: MediaSegment[] = new Array(listed.length);
  // Parts stay listed while their segment's end lies within three target durations of the playlist's (RFC 8216bis 6.2.2),
  // all of a segment's or none, because players count a part's index from the first one listed.
  let fromEndUs = inProgress?.durationUs ?? 0;
  for (let i = listed.length - 1; i >= 0; i--) {
    segments[i] = mediaSegment(window, listed[i], rendition, !window.ended && fromEndUs <= 3 * targetUs);
    fromEndUs += listed[i].durationUs;
  }
  segments.unshift(...past.slice(earlier).flatMap((block) => pastSegments(window, rendition, block)));
  if (inProgress) segments.push(mediaSegment(window, inProgress, rendition, true));
  const next = window.inProgress;
  return {
    version: VERSION,
    independentSegments: rendition === 'audio' || independentSegments(window),
    targetDurationS: window.targetDurationS,
    serverControl: {
      canBlockReload: true,
      canSkipUntilUs: 6 * targetUs,
      holdBackUs: 3 * targetUs,
      partHoldBackUs: 3 * window.partTargetUs,
    },
    partTargetUs: window.partTargetUs,
    mediaSequence: past[0]?.firstMsn ?? (listed.length > 0 ? listed[0].msn : window.nextMsn),
    discontinuitySequence: window.discontinuitySequence,
    skippedSegments: 0,
    segments,
    preloadHint: next?.start[rendition] ? partName(window.broadcastId, rendition, next.msn, next.parts.length) : null,
    renditionReports: renditionReports(window, rendition, inProgress ?? listed[listed.length - 1]),
    endList: window.ended,
  };
}

/** How a block's segments are listed: as they were when they left memory, so that nothing changes in a playlist but its ends. */
export function pastSegments(window: LiveWindow, rendition: 'main' | 'audio', block: PastBlock): MediaSegment[] {
  const id = window.broadcastId;
  return Array.from({ length: block.listed }, (_, i) => {
    const segment = block.segment(i);
    const gap = rendition === 'audio' && !segment.audio;
    return {
      uri: segmentName(id, rendition, segment.msn),
      durationUs: segment.durationUs,
      discontinuity: segment.discontinuity,
      dateTimeUs: segment.dateTimeUs,
      map: gap ? null : initName(id, rendition, segment.run),
      gap,
      parts: [],
    };
  });
}

function mediaSegment(
  window: LiveWindow,
  segment: WindowSegment,
  rendition: 'main' | 'audio',
  withParts: boolean,
): MediaSegment {
  const id = window.broadcastId;
  // A stretch without audio is a gap in the audio playlist: numbers and breaks stay those of the other rendition.
  const gap = segment.start[rendition] === null;
  const parts: PlaylistPart[] = [];
  if (withParts) {
    for (let i = 0; i < segment.parts.length; i++) {
      parts.push({
        uri: partName(id, rendition, segment.msn, i),
        durationUs: segment.parts[i].durationUs,
        independent: segment.parts[i].independent || rendition === 'audio',
        gap,
      });
    }
  }
  return {
    uri: segment.complete ? segmentName(id, rendition, segment.msn) : null,
    durationUs: segment.durationUs,
    discontinuity: segment.discontinuity,
    dateTimeUs: segment.dateTimeUs,
    map: gap ? null : initName(id, rendition, segment.run),
    gap,
    parts,
  };
}

/** One report: there are only two renditions, and both are cut at the same places. */
function renditionReports(
  window: LiveWindow,
  rendition: 'main' | 'audio',
  last: WindowSegment | undefined,
): RenditionReport[] {
  const other = rendition === 'main' ? 'audio' : 'main';
  if (!last || window.ended || !hasRendition(window, other)) return [];
  return [{ uri: `${other}.m3u8`, lastMsn: last.msn, lastPart: last.parts.length - 1 }];
}

/** The Multivariant Playlist: one variant, as the latest run has it. The window must have had a run. */
export function multivariantPlaylist(window: LiveWindow): MultivariantPlaylist {
  const { peak, average } = window.bandwidth('main');
  const main = window.start!.main;
  const variant: Variant = {
    uri: 'main.m3u8',
    bandwidth: peak,
    averageBandwidth: average,
    codecs: main.codecs,
    ...(main.width && main.height && { width: main.width, height: main.height }),
    ...(main.frameRate && { frameRate: main.frameRate }),
  };
  return { version: VERSION, independentSegments: independentSegments(window), variants: [variant] };
}
