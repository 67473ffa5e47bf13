import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { sha256 } from '../base/index.ts';
import { acceptsGzip, type Headers, IMMUTABLE, SHARED_HEADERS, sendEntity, sendError } from './respond.ts';

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
};
const COMPRESSIBLE = /^(text|application\/json|image\/svg)/;

/** Pages and scripts are what they say they are, and may be framed by pages that demand a policy of everything they load. */
const PAGE_HEADERS = [
  'X-Content-Type-Options',
  'nosniff',
  'Cross-Origin-Resource-Policy',
  'cross-origin',
  ...SHARED_HEADERS,
];

interface Asset {
  readonly etag: string;
  readonly plain: Buffer;
  readonly plainHeaders: Headers;
  readonly gzip: Buffer | null;
  readonly gzipHeaders: Headers;
}

/** The built player pages, read once: what is served comes from this table, so no path can leave the folder. */
export class Pages {
  readonly #publicUrl: string;
  readonly #video: string | null;
  readonly #audio: string | null;
  readonly #assets = new Map<string, Asset>();
  readonly #headers: Headers;
  readonly #account: { readonly body: Buffer; readonly etag: string; readonly headers: Headers } | null;

  /** Reads `player.html`, `audio.html`, `account.html` and `assets/` below `webRoot`; what is missing there is answered 503. */
  constructor(webRoot: string, publicUrl: string) {
    this.#publicUrl = publicUrl;
    this.#video = read(join(webRoot, 'player.html'))?.toString() ?? null;
    this.#audio = read(join(webRoot, 'audio.html'))?.toString() ?? null;
    for (const name of list(join(webRoot, 'assets'))) {
      const file = read(join(webRoot, 'assets', name));
      if (file) this.#assets.set(name, toAsset(name, file));
    }
    // Anyone may frame the player; it runs its own script only, plays from this server only, and sends nothing elsewhere.
    const origin = new URL(publicUrl).origin;
    const policy = [
      "default-src 'none'",
      "script-src 'self'",
      // The controls are web components that carry their style elements in their shadow trees.
      "style-src 'self' 'unsafe-inline'",
      "img-src 'self' data: blob:",
      "font-src 'self'",
      `connect-src 'self' ${origin}`,
      `media-src 'self' blob: ${origin}`,
      "worker-src 'self' blob:",
      "base-uri 'none'",
      "form-action 'none'",
      'frame-ancestors *',
    ];
    this.#headers = ['Content-Type', 'text/html; charset=utf-8', 'Cache-Control', 'no-cache'];
    this.#headers.push(
      'Content-Security-Policy',
      policy.join('; '),
      'Referrer-Policy',
      'strict-origin-when-cross-origin',
    );
    this.#headers.push(...PAGE_HEADERS);
    const account = read(join(webRoot, 'account.html'));
    this.#account = account && toAccountPage(account);
  }

  /** Whether both pages are there. */
  get built(): boolean {
    return this.#video !== null && this.#audio !== null;
  }

  /** The player page. Whether the playback id is known plays no part: nobody learns here which streams exist. */
  sendPage(req: IncomingMessage, res: ServerResponse, playbackId: string, audioOnly: boolean): void {
    const template = audioOnly ? this.#audio : this.#video;
    if (template === null) {
      sendError(res, 503);
      return;
    }
    const url = `${this.#publicUrl}/hls/${playbackId}/${audioOnly ? 'audio' : 'index'}.m3u8`;
    const body = Buffer.from(template.replaceAll('%HLS_URL%', escapeHtml(url)).replaceAll('%PLAYBACK_ID%', playbackId));
    const etag = etagOf(body);
    sendEntity(req, res, [...this.#headers, 'ETag', etag, 'Content-Length', String(body.length)], etag, body);
  }

  /** The page on which people set up the server, accept an invitation, choose a new password: the same for everybody. */
  sendAccountPage(req: IncomingMessage, res: ServerResponse): void {
    if (this.#account) sendEntity(req, res, this.#account.headers, this.#account.etag, this.#account.body);
    else sendError(res, 503);
  }

  sendAsset(req: IncomingMessage, res: ServerResponse, name: string): void {
    const asset = this.#assets.get(name);
    if (!asset) sendError(res, 404);
    else if (asset.gzip && acceptsGzip(req)) sendEntity(req, res, asset.gzipHeaders, asset.etag, asset.gzip);
    else sendEntity(req, res, asset.plainHeaders, asset.etag, asset.plain);
  }
}

/** No other site frames, reads or feeds it; it runs its own script only, and talks to this server only (S41). */
const ACCOUNT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

function toAccountPage(body: Buffer) {
  const etag = etagOf(body);
  const headers = [
    ...['Content-Type', 'text/html; charset=utf-8', 'Content-Length', String(body.length)],
    ...['Cache-Control', 'no-cache', 'ETag', etag],
    ...['Content-Security-Policy', ACCOUNT_POLICY, 'Referrer-Policy', 'no-referrer'],
    ...['X-Content-Type-Options', 'nosniff', 'Cross-Origin-Resource-Policy', 'same-origin'],
    ...['Cross-Origin-Opener-Policy', 'same-origin'],
  ];
  return { body, etag, headers };
}

const etagOf = (body: Buffer): string => `"${sha256(body.toString('latin1')).toString('hex').slice(0, 24)}"`;

function toAsset(name: string, plain: Buffer): Asset {
  const type = TYPES[extname(name)] ?? 'application/octet-stream';
  const compressible = COMPRESSIBLE.test(type);
  const gzip = compressible ? gzipSync(plain, { level: 9 }) : null;
  const etag = `W/${etagOf(plain)}`;
  const headers = ['Content-Type', type, 'Cache-Control', IMMUTABLE, 'ETag', etag, ...PAGE_HEADERS];
  if (compressible) headers.push('Vary', 'Accept-Encoding');
  return {
    etag,
    plain,
    plainHeaders: [...headers, 'Content-Length', String(plain.length)],
    gzip,
    gzipHeaders: [...headers, 'Content-Encoding', 'gzip', 'Content-Length', String(gzip?.length ?? 0)],
  };
}

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

function read(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
