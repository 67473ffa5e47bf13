/** What an element is to play. */
export interface Source {
  /** A multivariant or media playlist. */
  readonly url: string;
  /** The same without what only the server's own accounting needs. */
  readonly playlist: string;
  /** Null for playlists of other servers. */
  readonly playbackId: string | null;
  /** The server's public address, without a slash at its end; null with the playback id. */
  readonly root: string | null;
}

const playbackId = /^(?:lv|live)_[0-9a-f]{32}$/;
const ours = /^(.*)\/hls\/(?:[0-9a-f]{24}\/)?((?:lv|live)_[0-9a-f]{32})\/(?:~[\w-]+\/)?\w+\.m3u8$/;

/** The server that this script comes from. */
export const scriptServer = import.meta.url.replace(/\/embed\/.*$/s, '');

/**
 * Finds the playlist: `src` as it is, or a playback id on a server. Null where there is neither.
 * @param range what to play of a recording; handed to the server
 * @param token what the viewer was given to watch with
 */
export function findSource(
  given: { readonly src: string | null; readonly playbackId: string | null; readonly server: string | null },
  audioOnly: boolean,
  range: string | null,
  token: string | null,
): Source | null {
  const url = playlistUrl(given, audioOnly);
  if (!url) return null;
  if (token) url.searchParams.set('token', token);
  if (range) url.searchParams.set('range', range);
  const playlist = url.href;
  const [, root, id] = ours.exec(url.origin + url.pathname) ?? [];
  // This player reports by itself that it watches: its playlists may be those that all share.
  if (id) url.searchParams.set('_session', 'none');
  return { url: url.href, playlist, playbackId: id ?? null, root: root ?? null };
}

function playlistUrl(
  given: { readonly src: string | null; readonly playbackId: string | null; readonly server: string | null },
  audioOnly: boolean,
): URL | null {
  try {
    if (given.src) return new URL(given.src, document.baseURI);
    if (!given.playbackId || !playbackId.test(given.playbackId)) return null;
    const root = new URL(given.server ?? scriptServer, document.baseURI).href.replace(/\/$/, '');
    return new URL(`${root}/hls/${given.playbackId}/${audioOnly ? 'audio' : 'index'}.m3u8`);
  } catch {
    return null;
  }
}
