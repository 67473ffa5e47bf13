import type { IncomingMessage, ServerResponse } from 'node:http';
import { monotonicMs } from '../base/index.ts';
import type { LiveWindow, Waiter } from '../segments/index.ts';
import type { Audience } from './audience.ts';
import { type Directives, parseDirectives, tooFarAhead } from './directives.ts';
import type { Freshness, PlaylistCache, RenderedPlaylist } from './playlist-cache.ts';
import { hasRendition } from './playlist-model.ts';
import { acceptsGzip, type ErrorStatus, sendEntity, sendError, sendMedia } from './respond.ts';
import type { Route } from './route.ts';
import { NO_SESSION, newSession, playerSession, sessionOf } from './viewers.ts';

/** How long a request for a stream that has just begun is held. */
const FIRST_PLAYLIST_MS = 10_000;
/** While the publisher is away a reload is held for the better part of a second, so that nobody spins on an unchanged playlist. */
const PAUSED_MS = 600;

/** A request that is answered now or when the window has changed. Waiting, it belongs to the window; a client that hangs up frees it. */
abstract class WindowRequest implements Waiter {
  deadlineMs = 0;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly window: LiveWindow;
  readonly route: Route;
  readonly audience: Audience;
  /** Everybody may have the answer, and caches may keep it. */
  readonly shared: boolean;

  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    window: LiveWindow,
    route: Route,
    audience: Audience,
    shared: boolean,
  ) {
    this.req = req;
    this.res = res;
    this.window = window;
    this.route = route;
    this.audience = audience;
    this.shared = shared;
  }

  /** Answers if it can. False when it must wait, until `deadlineMs` at most. */
  protected abstract attempt(): boolean;
  protected abstract giveUp(): void;

  start(): void {
    if (!this.attempt()) this.window.wait(this);
  }

  get gone(): boolean {
    return this.req.socket.destroyed;
  }

  onChange(): boolean {
    try {
      return this.attempt();
    } catch {
      // One answer that cannot be made must not keep the others waiting.
      this.res.destroy();
      return true;
    }
  }

  /** What came in the moment before still counts: a process that was held up notices both at once. */
  onDeadline(): void {
    if (!this.onChange()) this.giveUp();
  }

  protected fail(status: ErrorStatus): true {
    sendError(this.res, status);
    return true;
  }
}

/** A request for a Multivariant or Media Playlist, with its delivery directives. */
export class PlaylistRequest extends WindowRequest {
  readonly #playlists: PlaylistCache;
  readonly #query: string;
  /** Read when the playlist exists: before, and after ENDLIST, they mean nothing. */
  #directives: Directives | null = null;
  /** The reload was asked for while the publisher was away. */
  #askedInPause = false;

  constructor(
    playlists: PlaylistCache,
    query: string,
    ...rest: [
      req: IncomingMessage,
      res: ServerResponse,
      window: LiveWindow,
      route: Route,
      audience: Audience,
      shared: boolean,
    ]
  ) {
    super(...rest);
    this.#playlists = playlists;
    this.#query = query;
  }

  protected attempt(): boolean {
    const window = this.window;
    // A Media Playlist of parts alone is refused by ffmpeg, and by hls.js, which tries twice more and gives up: it is held until
    // there is a segment. What the Multivariant Playlist says is known earlier.
    if (this.route.kind === 'multivariant' ? !window.begun : !window.playable) {
      if (window.paused || window.ended) return this.fail(404);
      this.deadlineMs ||= monotonicMs() + FIRST_PLAYLIST_MS;
      return false;
    }
    if (!hasRendition(window, this.route.rendition)) return this.fail(404);
    if (this.route.kind === 'multivariant' || window.ended) return this.#answer('plain', false);
    if (!this.#directives) {
      this.#directives = parseDirectives(this.#query);
      if (!this.#directives) return this.fail(400);
      const { msn, part } = this.#directives;
      if (msn !== null && tooFarAhead(window, msn, part)) return this.fail(400);
      this.#askedInPause = window.paused;
      // RFC 8216bis 6.2.5.2: blocking for more than three target durations ends with 503.
      this.deadlineMs = monotonicMs() + (window.paused ? PAUSED_MS : 3000 * window.targetDurationS);
    }
    const { msn, part, skip } = this.#directives;
    if (msn === null) return this.#answer('plain', skip);
    if (window.hasPart(msn, part)) {
      // What left the window is not waited for (the draft: the whole playlist, "even if it is no longer in the playlist"),
      // and such an answer would grow stale in a cache.
      return this.#answer(msn < window.nextMsn - 1 ? 'plain' : 'directive', skip);
    }
    return window.paused && !this.#askedInPause && this.#answer('none', skip);
  }

  protected giveUp(): void {
    if (!this.#directives) {
      // Key frames further apart than a request may be held: the native player of Apple begins with parts.
      if (this.window.begun && hasRendition(this.window, this.route.rendition)) this.#answer('none', false);
      else this.fail(404);
    } else if (this.#askedInPause) this.#answer('none', this.#directives.skip);
    else this.fail(503);
  }

  #answer(freshness: Freshness, skip: boolean): true {
    let playlist: RenderedPlaylist;
    if (this.route.kind === 'multivariant') {
      playlist = this.#playlists.multivariant(this.window);
      const session = sessionOf(this.#query) ?? playerSession(this.req) ?? newSession();
      if (session !== NO_SESSION) {
        playlist = playlist.forSession(session);
        freshness = 'none';
      }
    } else playlist = this.#playlists.media(this.window, this.route.rendition, skip);
    if (!this.shared) freshness = 'none';
    const gzip = acceptsGzip(this.req);
    const body = gzip ? playlist.gzip : playlist.identity;
    this.audience.sent(sendEntity(this.req, this.res, playlist.headers(freshness, gzip), playlist.etag, body));
    return true;
  }
}

/** A request for a part: there, or hinted and waited for, or not found (RFC 8216bis 6.2.6). */
export class PartRequest extends WindowRequest {
  protected attempt(): boolean {
    const { rendition, number: msn, part } = this.route;
    const segment = this.window.segment(msn);
    if (!segment?.start[rendition]) return this.fail(404);
    const found = segment.parts[part]?.[rendition];
    if (found) {
      this.audience.sent(
        sendMedia(this.req, this.res, MEDIA_TYPES[rendition], mediaEtag(this.route), [found], this.shared),
      );
      return true;
    }
    const hinted = !segment.complete && part === segment.parts.length && !this.window.paused && !this.window.ended;
    if (!hinted) return this.fail(404);
    this.deadlineMs ||= monotonicMs() + 3000 * this.window.targetDurationS;
    return false;
  }

  protected giveUp(): void {
    this.fail(503);
  }
}

export const MEDIA_TYPES = { main: 'video/mp4', audio: 'audio/mp4' } as const;

/** Names are never reused, so the name is the validator. */
export const mediaEtag = (route: Route): string =>
  `"${route.broadcastId}-${route.kind}-${route.rendition}-${route.number}.${route.part}"`;
