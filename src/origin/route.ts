/** What a media path names. One shape for all, so that the hot path stays monomorphic. */
export interface Route {
  readonly kind: 'multivariant' | 'media' | 'init' | 'segment' | 'part' | 'viewer';
  readonly rendition: 'main' | 'audio';
  readonly playbackId: string;
  /** The optional owner in the path. */
  readonly userId: string | null;
  /** What the viewer has been given to watch with: it stands in the path, so that URLs within playlists carry it on. */
  readonly token: string | null;
  /** Empty for playlists, and for a viewer's report. */
  readonly broadcastId: string;
  /** Segment number, or the run's number for `init`. */
  readonly number: number;
  readonly part: number;
}

const PLAYBACK_ID = '(?:lv|live)_[0-9a-f]{32}';
const ID = '[0-9a-f]{24}';
const TOKEN = '[A-Za-z0-9_-]{46}';
const NUMBER = '0|[1-9][0-9]{0,14}';
const MEDIA = new RegExp(
  `^/hls/(?:(${ID})/)?(${PLAYBACK_ID})/(?:~(${TOKEN})/)?(?:(index|main|audio)\\.m3u8|(viewer)|(${ID})/(audio-)?(?:init-(${NUMBER})\\.mp4|(${NUMBER})(?:\\.(${NUMBER}))?\\.m4s))$`,
);
const PAGE = new RegExp(`^/embed/(${PLAYBACK_ID})$`);
const PASS = new RegExp(`^/embed/(${PLAYBACK_ID})/pass$`);
/** Where people land who follow a link of the server: set-up, an invitation, a new password. */
const ACCOUNT = /^\/dashboard\/(?:setup|invitation|password)$/;
/** Where people publish from their browser, with a key and without a session. */
const PUBLISH = /^\/dashboard\/publish$/;
/** The dashboard finds its way below its path by itself. */
const DASHBOARD = /^\/dashboard(?:\/(?!assets\/).*)?$/;
const ASSET = /^\/(?:embed|dashboard)\/assets\/([A-Za-z0-9_-][A-Za-z0-9._-]*)$/;

/** Reads a path below `/hls/`. Only the one canonical spelling of a resource has a route; null for all others. */
export function mediaRoute(path: string): Route | null {
  const match = MEDIA.exec(path);
  if (!match) return null;
  const [, userId, playbackId, token, playlist, viewer, broadcastId, audio, init, msn, part] = match;
  return {
    kind: viewer
      ? 'viewer'
      : playlist === 'index'
        ? 'multivariant'
        : playlist
          ? 'media'
          : init
            ? 'init'
            : part
              ? 'part'
              : 'segment',
    rendition: playlist === 'audio' || audio ? 'audio' : 'main',
    playbackId,
    userId: userId ?? null,
    token: token ?? null,
    broadcastId: broadcastId ?? '',
    number: Number(init ?? msn ?? 0),
    part: Number(part ?? 0),
  };
}

/** The playback id of a player page's path, or null. */
export const pagePlaybackId = (path: string): string | null => PAGE.exec(path)?.[1] ?? null;

/** The playback id that somebody asks for a token for, or null. */
export const passPlaybackId = (path: string): string | null => PASS.exec(path)?.[1] ?? null;

export const isAccountPage = (path: string): boolean => ACCOUNT.test(path);

export const isPublishPage = (path: string): boolean => PUBLISH.test(path);

export const isDashboardPage = (path: string): boolean => DASHBOARD.test(path);

/** The script for pages of other people: its name stays, whatever it loads has names of its own. */
export const isPlayerScript = (path: string): boolean => path === '/embed/player.js';

/** The file name of a page's asset, or null. */
export const assetName = (path: string): string | null => ASSET.exec(path)?.[1] ?? null;

/** Names relative to the playlists, as the routes above read them. */
export function initName(broadcastId: string, rendition: 'main' | 'audio', run: number): string {
  return `${broadcastId}/${prefix(rendition)}init-${run}.mp4`;
}
export function segmentName(broadcastId: string, rendition: 'main' | 'audio', msn: number): string {
  return `${broadcastId}/${prefix(rendition)}${msn}.m4s`;
}
export function partName(broadcastId: string, rendition: 'main' | 'audio', msn: number, part: number): string {
  return `${broadcastId}/${prefix(rendition)}${msn}.${part}.m4s`;
}

const prefix = (rendition: 'main' | 'audio'): string => (rendition === 'audio' ? 'audio-' : '');
