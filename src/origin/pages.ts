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
  readonly #playerScript: Asset | null;
  readonly #headers: Headers;
  readonly #policy: string;
  readonly #account: OwnPage | null;
  readonly #dashboard: OwnPage | null;
  readonly #publish: OwnPage | null;

  /** Reads `player.html`, `audio.html`, `account.html`, `dashboard.html` and `assets/` below `webRoot`; what is missing there is answered 503. */
  constructor(webRoot: string, publicUrl: string) {
    this.#publicUrl = publicUrl;
    this.#video = read(join(webRoot, 'player.html'))?.toString() ?? null;
    this.#audio = read(join(webRoot, 'audio.html'))?.toString() ?? null;
    for (const name of list(join(webRoot, 'assets'))) {
      const file = read(join(webRoot, 'assets', name));
      if (file) this.#assets.set(name, toAsset(name, file));
    }
    const script = read(join(webRoot, 'player.js'));
    this.#playerScript = script && toAsset('player.js', script, PLAYER_SCRIPT_CACHE);
    // The player runs its own script only, plays from this server only, and sends nothing elsewhere.
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
    ];
    this.#policy = policy.join('; ');
    this.#headers = ['Content-Type', 'text/html; charset=utf-8', 'Cache-Control', 'no-cache'];
    this.#headers.push('Referrer-Policy', 'strict-origin-when-cross-origin', ...PAGE_HEADERS);
    const account = read(join(webRoot, 'account.html'));
    this.#account = account && toOwnPage(account, ACCOUNT_POLICY);
    const publish = read(join(webRoot, 'publish.html'));
    this.#publish = publish && toOwnPage(publish, dashboardPolicy(origin));
    const dashboard = read(join(webRoot, 'dashboard.html'));
    // Its pages' paths are of any depth: its files are named from the top.
    const path = `${new URL(publicUrl).pathname.replace(/\/$/, '')}/dashboard`;
    const whole = dashboard?.toString().replaceAll('"./assets/', `"${escapeHtml(path)}/assets/`);
    this.#dashboard = whole ? toOwnPage(Buffer.from(whole), dashboardPolicy(origin)) : null;
  }

  /** Whether both pages are there. */
  get built(): boolean {
    return this.#video !== null && this.#audio !== null;
  }

  /**
   * The player page, for frames of `frameAncestors` (CSP sources). Whether the playback id is known plays no other part: nobody learns
   * here which streams exist.
   */
  sendPage(
    req: IncomingMessage,
    res: ServerResponse,
    playbackId: string,
    audioOnly: boolean,
    frameAncestors: string,
  ): void {
    const template = audioOnly ? this.#audio : this.#video;
    if (template === null) {
      sendError(res, 503);
      return;
    }
    const url = `${this.#publicUrl}/hls/${playbackId}/${audioOnly ? 'audio' : 'index'}.m3u8`;
    const body = Buffer.from(template.replaceAll('%HLS_URL%', escapeHtml(url)).replaceAll('%PLAYBACK_ID%', playbackId));
    const etag = etagOf(body);
    const policy = `${this.#policy}; frame-ancestors ${frameAncestors}`;
    const own = ['Content-Security-Policy', policy, 'ETag', etag, 'Content-Length', String(body.length)];
    sendEntity(req, res, [...this.#headers, ...own], etag, body);
  }

  /** The page on which people set up the server, accept an invitation, choose a new password: the same for everybody. */
  sendAccountPage(req: IncomingMessage, res: ServerResponse): void {
    sendOwnPage(req, res, this.#account);
  }

  /** The dashboard: one page for all of its paths, the same for everybody. */
  sendDashboard(req: IncomingMessage, res: ServerResponse): void {
    sendOwnPage(req, res, this.#dashboard);
  }

  /** The page from which a browser publishes: the same for everybody. */
  sendPublishPage(req: IncomingMessage, res: ServerResponse): void {
    sendOwnPage(req, res, this.#publish);
  }

  sendAsset(req: IncomingMessage, res: ServerResponse, name: string): void {
    const asset = this.#assets.get(name);
    if (asset) sendAsset(req, res, asset);
    else sendError(res, 404);
  }

  /** `<liveapi-player>` for pages of other people. */
  sendPlayerScript(req: IncomingMessage, res: ServerResponse): void {
    if (this.#playerScript) sendAsset(req, res, this.#playerScript);
    else sendError(res, 503);
  }
}

function sendAsset(req: IncomingMessage, res: ServerResponse, asset: Asset): void {
  if (asset.gzip && acceptsGzip(req)) sendEntity(req, res, asset.gzipHeaders, asset.etag, asset.gzip);
  else sendEntity(req, res, asset.plainHeaders, asset.etag, asset.plain);
}

/** Its name stays the same over versions. */
const PLAYER_SCRIPT_CACHE = 'public, max-age=60';

/** No other site frames, reads or feeds it; it runs its own script only, and talks to this server only (S41). */
const ACCOUNT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The same, but its components carry styles, it shows the player, and previews play from this server. */
const dashboardPolicy = (origin: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    `connect-src 'self' ${origin} ${origin.replace(/^http/, 'ws')}`,
    "media-src 'self' blob:",
    "worker-src 'self' blob:",
    `frame-src 'self' ${origin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

/** A page that is ours alone: nobody frames it. */
interface OwnPage {
  readonly body: Buffer;
  readonly etag: string;
  readonly headers: Headers;
}

function sendOwnPage(req: IncomingMessage, res: ServerResponse, page: OwnPage | null): void {
  if (page) sendEntity(req, res, page.headers, page.etag, page.body);
  else sendError(res, 503);
}

function toOwnPage(body: Buffer, policy: string): OwnPage {
  const etag = etagOf(body);
  const headers = [
    ...['Content-Type', 'text/html; charset=utf-8', 'Content-Length', String(body.length)],
    ...['Cache-Control', 'no-cache', 'ETag', etag],
    ...['Content-Security-Policy', policy, 'Referrer-Policy', 'no-referrer'],
    ...['X-Content-Type-Options', 'nosniff', 'Cross-Origin-Resource-Policy', 'same-origin'],
    ...['Cross-Origin-Opener-Policy', 'same-origin'],
  ];
  return { body, etag, headers };
}

const etagOf = (body: Buffer): string => `"${sha256(body.toString('latin1')).toString('hex').slice(0, 24)}"`;

function toAsset(name: string, plain: Buffer, cache = IMMUTABLE): Asset {
  const type = TYPES[extname(name)] ?? 'application/octet-stream';
  const compressible = COMPRESSIBLE.test(type);
  const gzip = compressible ? gzipSync(plain, { level: 9 }) : null;
  const etag = `W/${etagOf(plain)}`;
  const headers = ['Content-Type', type, 'Cache-Control', cache, 'ETag', etag, ...PAGE_HEADERS];
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
