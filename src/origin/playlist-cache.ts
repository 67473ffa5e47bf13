import { gzipSync } from 'node:zlib';
import { type MediaPlaylist, renderAround, renderMultivariant, skippableSegments } from '../formats/m3u8/index.ts';
import type { LiveWindow, PastBlock } from '../segments/index.ts';
import { mediaPlaylist, multivariantPlaylist } from './playlist-model.ts';
import { gzipOf, type Piece, PlaylistPieces, settledBlocks } from './playlist-pieces.ts';
import { type Headers, PLAYLIST_TYPE, SHARED_HEADERS } from './respond.ts';

/** How long an answer may be kept by caches. */
export type Freshness = 'plain' | 'directive' | 'none';

/** What node writes without setting memory aside for it, header included. All playlists here are ASCII. */
const MAX_STRING = 15_000;

/** One text, rendered once, with its gzip form made when the first client takes it; the same bytes go to everybody. */
export class RenderedPlaylist {
  readonly etag: string;
  readonly #head: string;
  /** What stands between head and tail, and in other playlists too. */
  readonly #pieces: readonly Piece[];
  readonly #tail: string;
  readonly #targetDurationS: number;
  #identity: string | Buffer | null = null;
  #gzip: Buffer | null = null;
  readonly #headers = new Map<string, Headers>();

  constructor(head: string, pieces: readonly Piece[], tail: string, etag: string, targetDurationS: number) {
    this.#head = head;
    this.#pieces = pieces;
    this.#tail = tail;
    // Weak: one name for the plain and the compressed form.
    this.etag = `W/"${etag}"`;
    this.#targetDurationS = targetDurationS;
  }

  /** A short text is kept as a string: node sends it with its header in one piece, cheaper than a Buffer of that size. */
  get identity(): string | Buffer {
    if (this.#identity !== null) return this.#identity;
    const text = this.#head + this.#tail;
    if (this.#pieces.length === 0) this.#identity = text.length <= MAX_STRING ? text : Buffer.from(text, 'latin1');
    else {
      const middle = this.#pieces.map((piece) => piece.text);
      this.#identity = Buffer.concat([Buffer.from(this.#head, 'latin1'), ...middle, Buffer.from(this.#tail, 'latin1')]);
    }
    return this.#identity;
  }

  /** This with a viewer's session where reloads will carry it along: for no other viewer, and for no cache. */
  forSession(session: string): RenderedPlaylist {
    const text = this.identity.toString('latin1').replace(/^main\.m3u8$/m, `$&?_session=${session}`);
    return new RenderedPlaylist(text, [], '', this.etag.slice(3, -1), this.#targetDurationS);
  }

  get gzip(): Buffer {
    return (this.#gzip ??=
      this.#pieces.length > 0 ? gzipOf(this.#head, this.#pieces, this.#tail) : gzipSync(this.identity));
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
  readonly pieces = { main: new PlaylistPieces(), audio: new PlaylistPieces() };
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
      const settled = settledBlocks(window);
      const model = mediaPlaylist(window, rendition, settled);
      const blocks = window.past.slice(0, settled);
      if (skip && (skippableSegments(model) > 0 || (settled > 0 && !model.endList))) {
        const segments = blocks.reduce((sum, { listed }) => sum + listed, 0);
        const [head, tail] = renderAround(model, { skip, earlier: { segments, map: null } });
        rendered.delta = this.#render(window, head, [], tail, `${rendition}-delta`);
      } else {
        rendered.full ??= this.#full(window, rendition, model, blocks);
        if (skip) rendered.delta = rendered.full;
      }
    }
    return (skip ? rendered.delta : rendered.full)!;
  }

  multivariant(window: LiveWindow): RenderedPlaylist {
    const rendered = this.#current(window, 'multivariant');
    return (rendered.full ??= this.#render(window, renderMultivariant(multivariantPlaylist(window)), [], '', 'index'));
  }

  #full(
    window: LiveWindow,
    rendition: 'main' | 'audio',
    model: MediaPlaylist,
    blocks: readonly PastBlock[],
  ): RenderedPlaylist {
    const { pieces, map } = this.#of(window).pieces[rendition].of(window, rendition, blocks);
    const segments = blocks.reduce((sum, { listed }) => sum + listed, 0);
    const [head, tail] = renderAround(model, { skip: false, earlier: { segments, map } });
    return this.#render(window, head, pieces, tail, rendition);
  }

  #of(window: LiveWindow): WindowPlaylists {
    let playlists = this.#windows.get(window);
    if (!playlists) this.#windows.set(window, (playlists = new WindowPlaylists()));
    return playlists;
  }

  #current(window: LiveWindow, name: 'main' | 'audio' | 'multivariant'): Rendered {
    const rendered = this.#of(window)[name];
    if (rendered.version !== window.version) {
      rendered.version = window.version;
      rendered.full = rendered.delta = null;
    }
    return rendered;
  }

  #render(window: LiveWindow, head: string, pieces: readonly Piece[], tail: string, name: string): RenderedPlaylist {
    this.renders++;
    const etag = `${window.broadcastId}-${window.version}-${name}`;
    return new RenderedPlaylist(head, pieces, tail, etag, window.targetDurationS);
  }
}
