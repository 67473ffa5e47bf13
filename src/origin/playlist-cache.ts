import { gzipSync } from 'node:zlib';
import { renderMediaPlaylist, renderMultivariant, skippableSegments } from '../formats/m3u8/index.ts';
import type { LiveWindow } from '../segments/index.ts';
import { mediaPlaylist, multivariantPlaylist } from './playlist-model.ts';
import { type Headers, PLAYLIST_TYPE, SHARED_HEADERS } from './respond.ts';

/** How long an answer may be kept by caches. */
export type Freshness = 'plain' | 'directive' | 'none';

/** What node writes without setting memory aside for it, header included. All playlists here are ASCII. */
const MAX_STRING = 15_000;

/** One text, rendered once, with its gzip form made when the first client takes it; the same bytes go to everybody. */
export class RenderedPlaylist {
  readonly etag: string;
  /** A short text is kept as a string: node sends it with its header in one piece, cheaper than a Buffer of that size. */
  readonly identity: string | Buffer;
  readonly #targetDurationS: number;
  #gzip: Buffer | null = null;
  readonly #headers = new Map<string, Headers>();

  constructor(text: string, etag: string, targetDurationS: number) {
    this.identity = text.length <= MAX_STRING ? text : Buffer.from(text, 'latin1');
    // Weak: one name for the plain and the compressed form.
    this.etag = `W/"${etag}"`;
    this.#targetDurationS = targetDurationS;
  }

  /** This with a viewer's session where reloads will carry it along: for no other viewer, and for no cache. */
  forSession(session: string): RenderedPlaylist {
    const text = this.identity.toString('latin1').replace(/^main\.m3u8$/m, `$&?_session=${session}`);
    return new RenderedPlaylist(text, this.etag.slice(3, -1), this.#targetDurationS);
  }

  get gzip(): Buffer {
    return (this.#gzip ??= gzipSync(this.identity));
  }

  headers(freshness: Freshness, gzip: boolean): Headers {
    const key = gzip ? `${freshness} gzip` : freshness;
    let headers = this.#headers.get(key);
    if (!headers) {
      headers = ['Content-Type', PLAYLIST_TYPE, 'Content-Length', String((gzip ? this.gzip : this.identity).length)];
      if (gzip) headers.push('Content-Encoding', 'gzip');
      headers.push('Vary', 'Accept-Encoding', 'Cache-Control', cacheControl(freshness, this.#targetDurationS));
      headers.push('ETag', this.etag, ...SHARED_HEADERS);
      this.#headers.set(key, headers);
    }
    return headers;
  }
}

/**
 * Whoever asks for the live edge without directives must not get it older than half a target duration; an answer to given
 * directives is found by its full query and may stay for six (Apple's advice for CDNs). What was promised and did not come is
 * never kept.
 */
function cacheControl(freshness: Freshness, targetDurationS: number): string {
  if (freshness === 'none') return 'no-store';
  if (freshness === 'directive') return `public, max-age=${6 * targetDurationS}`;
  return targetDurationS >= 2 ? 'public, max-age=1' : 'no-cache';
}

interface Rendered {
  version: number;
  full: RenderedPlaylist | null;
  delta: RenderedPlaylist | null;
}

/** The playlists of one window, as of its latest change. */
class WindowPlaylists {
  readonly main: Rendered = { version: -1, full: null, delta: null };
  readonly audio: Rendered = { version: -1, full: null, delta: null };
  readonly multivariant: Rendered = { version: -1, full: null, delta: null };
}

/** Renders on demand, once per change and form, however many ask. */
export class PlaylistCache {
  /** Lives as long as the window does. */
  readonly #windows = new WeakMap<LiveWindow, WindowPlaylists>();
  /** How many texts were made: for tests and for judging load. */
  renders = 0;

  media(window: LiveWindow, rendition: 'main' | 'audio', skip: boolean): RenderedPlaylist {
    const rendered = this.#current(window, rendition);
    if (skip ? !rendered.delta : !rendered.full) {
      const model = mediaPlaylist(window, rendition);
      const delta = skip && skippableSegments(model) > 0;
      if (delta) rendered.delta = this.#render(window, renderMediaPlaylist(model, { skip }), `${rendition}-delta`);
      else {
        rendered.full ??= this.#render(window, renderMediaPlaylist(model, { skip: false }), rendition);
        if (skip) rendered.delta = rendered.full;
      }
    }
    return (skip ? rendered.delta : rendered.full)!;
  }

  multivariant(window: LiveWindow): RenderedPlaylist {
    const rendered = this.#current(window, 'multivariant');
    return (rendered.full ??= this.#render(window, renderMultivariant(multivariantPlaylist(window)), 'index'));
  }

  #current(window: LiveWindow, name: keyof WindowPlaylists): Rendered {
    let playlists = this.#windows.get(window);
    if (!playlists) this.#windows.set(window, (playlists = new WindowPlaylists()));
    const rendered = playlists[name];
    if (rendered.version !== window.version) {
      rendered.version = window.version;
      rendered.full = rendered.delta = null;
    }
    return rendered;
  }

  #render(window: LiveWindow, text: string, name: string): RenderedPlaylist {
    this.renders++;
    return new RenderedPlaylist(text, `${window.broadcastId}-${window.version}-${name}`, window.targetDurationS);
  }
}
