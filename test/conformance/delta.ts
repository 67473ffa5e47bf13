import { type MediaPlaylist, need } from './playlist.ts';

/** The number of the last listed segment and of the last part in the one after it (-1: none yet). */
export const lastPosition = (playlist: MediaPlaylist): { readonly msn: number; readonly part: number } => {
  const finished = playlist.mediaSequence + (playlist.skipped ?? 0) + playlist.segments.length;
  return playlist.openParts.length > 0
    ? { msn: finished, part: playlist.openParts.length - 1 }
    : { msn: finished - 1, part: (playlist.segments.at(-1)?.parts.length ?? 0) - 1 };
};

/** The msn and part that do not exist yet and come next. */
export const nextPosition = (playlist: MediaPlaylist): { readonly msn: number; readonly part: number } => ({
  msn: playlist.mediaSequence + (playlist.skipped ?? 0) + playlist.segments.length,
  part: playlist.openParts.length,
});

/**
 * A delta update put onto the previous full playlist (6.3.7).
 * @throws PlaylistError when the previous playlist does not hold what was skipped.
 */
export function mergeDelta(previous: MediaPlaylist, delta: MediaPlaylist): MediaPlaylist {
  if (delta.skipped === null) return delta;
  const first = delta.mediaSequence - previous.mediaSequence;
  need(
    first >= 0 && first + delta.skipped <= previous.segments.length,
    `the previous playlist does not hold the ${delta.skipped} skipped segments from ${delta.mediaSequence}`,
  );
  const kept = previous.segments.slice(first, first + delta.skipped);
  let map = kept.at(-1)?.map ?? null;
  const fresh = delta.segments.map((segment) => {
    map = segment.ownMap ?? map;
    return { ...segment, map };
  });
  return { ...delta, skipped: null, segments: [...kept, ...fresh], openMap: delta.openMap ?? map };
}

/** All that two playlists must agree in to be the same to a player. */
export const comparable = (playlist: MediaPlaylist): string =>
  JSON.stringify([
    playlist.targetDurationText,
    playlist.mediaSequence,
    playlist.discontinuitySequence,
    playlist.partTargetS,
    playlist.control,
    // A MAP tag may be repeated or left out where the one before stays in force; the parts of old segments are the reader's to forget.
    playlist.segments.map(({ msn, uri, durationText, discontinuity, gap, map, dateText }) => [
      msn,
      uri,
      durationText,
      discontinuity,
      gap,
      map,
      dateText,
    ]),
    playlist.segments.slice(-2).map((segment) => segment.parts),
    playlist.openParts,
    playlist.hints,
    playlist.ended,
  ]);
