import type { IncomingMessage, ServerResponse } from 'node:http';
import { ClientAddress, forLog, type Logger } from '../base/index.ts';
import type { Verdict, ViewerFacts } from '../live/index.ts';
import type { LiveWindow, Shelf, StoredMedia } from '../segments/index.ts';
import type { Audience } from './audience.ts';
import { type Access, Gate } from './gate.ts';
import { Pages } from './pages.ts';
import { PlaylistCache } from './playlist-cache.ts';
import { sendError, sendMedia, sendNothing, sendPreflight, sendStored } from './respond.ts';
import {
  assetName,
  isAccountPage,
  isDashboardPage,
  isPlayerScript,
  isPublishPage,
  mediaRoute,
  pagePlaybackId,
  passPlaybackId,
  type Route,
} from './route.ts';
import { type AudienceStats, NO_SESSION, sessionOf, Viewers } from './viewers.ts';
import { MEDIA_TYPES, mediaEtag, PartRequest, PlaylistRequest } from './waiting.ts';

export interface OriginOptions {
  readonly shelf: Pick<Shelf, 'get' | 'find'>;
  /** What viewers' URLs begin with, without a slash at the end; may contain a path, when a proxy adds one. */
  readonly publicUrl: string;
  /** The folder of the built pages: player.html, audio.html, account.html, dashboard.html, publish.html, assets/. */
  readonly webRoot: string;
  readonly access: Access;
  /** Networks of the proxies whose word about viewers is believed. */
  readonly trustedProxies?: readonly string[];
  /** The header in which they say from which country a request comes. */
  readonly countryHeader?: string | null;
  /** Whether something would bring it, so that `wanted` is worth asking. */
  readonly mayCome?: (playbackId: string) => boolean;
  /**
   * Somebody wants to watch what is not on air. Null when nothing would bring it; else it is being started, and the promise says
   * whether it plays.
   */
  readonly wanted?: (playbackId: string) => Promise<boolean> | null;
  /** Playback sessions that are counted at a time, of all broadcasts together. */
  readonly maxSessions?: number;
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
  readonly log: Logger;
}

export interface Origin {
  /** Whether the request target is the origin's to answer. */
  handles(url: string): boolean;
  /** Answers one request, now or later. Never throws. */
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** Playlists rendered so far. */
  readonly renders: number;
  /** Viewers of all broadcasts now. */
  readonly viewers: number;
  /** Requests so far, by what they were for. */
  readonly requests: Readonly<Record<Route['kind'], number>>;
  /** Bytes of all playlists and media sent so far. */
  readonly bytesOut: number;
  /** Who watches a live stream's broadcast now; null when it has none. */
  audience(playbackId: string): AudienceStats | null;
  /** From now on requests are answered 503. Those that wait are answered when their windows end. */
  close(): void;
}

const MAX_URL = 8192;
/** Requests that wait for a live stream that is being started, of all together. */
const MAX_HELD = 2000;

/** Serves playlists, parts, segments and player pages. Reads the built pages at once; holds no socket and no timer. */
export function createOrigin(options: OriginOptions): Origin {
  const { shelf, log } = options;
  const publicUrl = options.publicUrl.replace(/\/+$/, '');
  const base = new URL(publicUrl).pathname.replace(/\/$/, '');
  const pages = new Pages(options.webRoot, publicUrl);
  if (!pages.built) log.warn('player pages are not built: embed URLs answer 503 until `npm run build` has run');
  const gate = new Gate({
    access: options.access,
    countryHeader: options.countryHeader ?? null,
    addresses: new ClientAddress(options.trustedProxies ?? []),
    publicOrigin: new URL(publicUrl).origin,
  });
  const playlists = new PlaylistCache();
  const viewers = new Viewers(options);
  const requests = { multivariant: 0, media: 0, init: 0, segment: 0, part: 0, viewer: 0 };
  let closed = false;
  let held = 0;

  /** A proxy may hand on the public path with its prefix or without: both are the same resource. */
  const withoutBase = (url: string): string =>
    base !== '' && url.startsWith(base) && url.charCodeAt(base.length) === 0x2f ? url.slice(base.length) : url;

  const handles = (url: string): boolean => {
    const local = withoutBase(url);
    // What players report is the API's.
    if (/^\/embed\/beacon(?:[/?]|$)/.test(local)) return false;
    return local.startsWith('/hls/') || local.startsWith('/embed/') || /^\/dashboard(?:[/?]|$)/.test(local);
  };

  const answer = (req: IncomingMessage, res: ServerResponse) => {
    if (req.url!.length > MAX_URL) return sendError(res, 414);
    if (req.method === 'OPTIONS') return sendPreflight(res);
    if (req.method === 'POST') return answerPost(req, res);
    if (req.method !== 'GET' && req.method !== 'HEAD') return sendError(res, 405);
    if (closed) return sendError(res, 503);
    const url = withoutBase(req.url!);
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = mark < 0 ? '' : url.slice(mark + 1);
    const route = mediaRoute(path);
    if (route) return answerMedia(req, res, route, query);
    const playbackId = pagePlaybackId(path);
    if (playbackId) return void answerPage(req, res, playbackId, query.split('&').includes('onlyAudio=true'));
    if (isPlayerScript(path)) return pages.sendPlayerScript(req, res);
    if (isAccountPage(path)) return pages.sendAccountPage(req, res);
    if (isPublishPage(path)) return pages.sendPublishPage(req, res);
    if (isDashboardPage(path)) return pages.sendDashboard(req, res);
    const asset = assetName(path);
    if (asset) return pages.sendAsset(req, res, asset);
    sendError(res, /%(?![0-9a-f]{2})/i.test(path) ? 400 : 404);
  };

  const answerPost = (req: IncomingMessage, res: ServerResponse) => {
    const path = withoutBase(req.url!).split('?', 1)[0]!;
    const playbackId = passPlaybackId(path);
    if (!playbackId) return sendError(res, 405);
    if (closed) return sendError(res, 503);
    later(req, res, gate.pass(req, res, playbackId));
  };

  const answerPage = (req: IncomingMessage, res: ServerResponse, playbackId: string, audioOnly: boolean) =>
    later(
      req,
      res,
      gate.frameAncestors(playbackId).then((sources) => pages.sendPage(req, res, playbackId, audioOnly, sources)),
    );

  /** What is waited for before the answer: whoever could not be asked is not there now. */
  const later = (req: IncomingMessage, res: ServerResponse, answered: Promise<void>) =>
    void answered.catch((error) => {
      if (req.socket.destroyed) return;
      log.warn({ reason: (error as Error).message, url: urlForLog(req) }, 'not answered');
      if (!res.headersSent) sendError(res, 503);
    });

  /** Looks at who asks, before anything is said of what is there. Where nothing is and nothing comes, nobody is asked about. */
  const answerMedia = (req: IncomingMessage, res: ServerResponse, route: Route, query: string) => {
    const window = windowOf(route);
    const comes = !window && route.broadcastId === '' && options.mayCome?.(route.playbackId);
    if (route.kind === 'viewer' || (!window && !comes)) return serve(req, res, route, query, window, true);
    const facts = gate.facts(req, route.token, query);
    const verdict = gate.check(route.playbackId, facts);
    if (typeof verdict === 'string') admit(verdict, req, res, route, query, facts);
    else
      void verdict.then((answer) => {
        if (!req.socket.destroyed) attempt(req, res, () => admit(answer, req, res, route, query, facts));
      });
  };

  const admit = (
    verdict: Verdict,
    req: IncomingMessage,
    res: ServerResponse,
    route: Route,
    query: string,
    facts: ViewerFacts,
  ) => {
    if (verdict === 'open') return findMedia(req, res, route, query, true);
    if (verdict === 'gone') return sendError(res, 404);
    if (verdict === 'unknown') return sendError(res, 503);
    if (verdict !== 'admitted') return gate.refuse(res, verdict);
    const byQuery = facts.token !== null && route.token === null && route.broadcastId === '';
    if (byQuery) later(req, res, gate.redirect(res, route.playbackId, facts, playlistName(route), query));
    else findMedia(req, res, route, query, false);
  };

  const windowOf = ({ broadcastId, playbackId }: Route): LiveWindow | undefined =>
    broadcastId === '' ? shelf.get(playbackId) : shelf.find(playbackId, broadcastId);

  const findMedia = (req: IncomingMessage, res: ServerResponse, route: Route, query: string, shared: boolean) => {
    const window = windowOf(route);
    const coming = route.broadcastId === '' && isAway(window) ? options.wanted?.(route.playbackId) : null;
    // Who reloads a playlist that has ended is told so; who comes anew waits for the next broadcast. A pause is waited out as always.
    if (coming && (!window || (window.ended && route.kind === 'multivariant')))
      void hold(coming, req, res, route, query, shared);
    else serve(req, res, route, query, window, shared);
  };

  /** Answers when what was asked for is on air, or does not come. */
  const hold = async (
    coming: Promise<boolean>,
    req: IncomingMessage,
    res: ServerResponse,
    route: Route,
    query: string,
    shared: boolean,
  ) => {
    if (held >= MAX_HELD) return sendError(res, 503);
    held++;
    const comes = await coming.finally(() => held--);
    if (req.socket.destroyed) return;
    const window = comes && !closed ? shelf.get(route.playbackId) : undefined;
    attempt(req, res, () => (window?.ended ? sendError(res, 404) : serve(req, res, route, query, window, shared)));
  };

  const serve = (
    req: IncomingMessage,
    res: ServerResponse,
    route: Route,
    query: string,
    window: LiveWindow | undefined,
    shared: boolean,
  ) => {
    const playlist = route.broadcastId === '';
    if (!window || (route.userId !== null && route.userId !== window.userId)) return sendError(res, 404);
    requests[route.kind]++;
    const audience = viewers.of(window);
    audience.lastAccessMs = Date.now();
    if (route.kind === 'viewer') return answerViewer(res, audience, query);
    if (route.kind === 'media') {
      const session = sessionOf(query);
      if (session !== null && session !== NO_SESSION) viewers.seen(audience, session);
    }
    if (playlist) new PlaylistRequest(playlists, query, req, res, window, route, audience, shared).start();
    else if (route.kind === 'part') new PartRequest(req, res, window, route, audience, shared).start();
    else {
      const chunks = route.kind === 'init' ? initChunks(window, route) : segmentChunks(window, route);
      const stored = chunks || route.kind === 'init' ? undefined : window.stored(route.number, route.rendition);
      if (chunks) audience.sent(sendMedia(req, res, MEDIA_TYPES[route.rendition], mediaEtag(route), chunks, shared));
      else if (stored) void serveStored(req, res, route, stored, audience, shared);
      else sendError(res, 404);
    }
  };

  /** From the disk: whoever asks for it waits for it, and nobody else does. */
  const serveStored = async (
    req: IncomingMessage,
    res: ServerResponse,
    route: Route,
    stored: StoredMedia,
    audience: Audience,
    shared: boolean,
  ) => {
    try {
      audience.sent(await sendStored(req, res, MEDIA_TYPES[route.rendition], mediaEtag(route), stored, shared));
    } catch (error) {
      // Deleted in the same moment, or a disk that does not answer: for players both are a segment that is not there.
      log.debug({ reason: (error as Error).message }, 'a segment of the rewind could not be read');
      if (!res.headersSent) sendError(res, 404);
    }
  };

  /** A page says that somebody watches: it needs no session in its playlists, and caches may share them. */
  const answerViewer = (res: ServerResponse, audience: Audience, query: string) => {
    const session = sessionOf(query);
    if (session === null || session === NO_SESSION) return sendError(res, 400);
    viewers.seen(audience, session);
    sendNothing(res);
  };

  const attempt = (req: IncomingMessage, res: ServerResponse, action: () => void) => {
    try {
      action();
    } catch (error) {
      log.error({ err: error, url: urlForLog(req) }, 'media request failed');
      if (res.headersSent) res.destroy();
      else sendError(res, 500);
    }
  };

  return {
    handles,
    handle: (req, res) => attempt(req, res, () => answer(req, res)),
    get renders() {
      return playlists.renders;
    },
    get viewers() {
      return viewers.total;
    },
    get bytesOut() {
      return viewers.bytesOut;
    },
    requests,
    audience(playbackId) {
      const window = shelf.get(playbackId);
      return window ? viewers.stats(window) : null;
    },
    close() {
      closed = true;
    },
  };
}

/** Nobody feeds it now. */
/** Tokens, in the path and in the query, are their viewers' alone. */
const urlForLog = (req: IncomingMessage): string =>
  forLog((req.url ?? '').split('?', 1)[0]!.replace(/\/~[^/]*/g, '/~…'));

const playlistName = ({ kind, rendition }: Route): string =>
  kind === 'multivariant' ? 'index.m3u8' : `${rendition}.m3u8`;

const isAway = (window: LiveWindow | undefined): boolean => !window || window.ended || window.paused;

function initChunks(window: LiveWindow, route: Route): Buffer[] | null {
  const init = window.init(route.number, route.rendition);
  return init ? [init] : null;
}

/** The parts of a complete segment; null while it is in progress, and where the rendition has nothing. */
function segmentChunks(window: LiveWindow, route: Route): Buffer[] | null {
  const segment = window.segment(route.number);
  if (!segment?.complete) return null;
  const chunks: Buffer[] = [];
  for (const part of segment.parts) {
    const chunk = part[route.rendition];
    if (!chunk) return null;
    chunks.push(chunk);
  }
  return chunks;
}
