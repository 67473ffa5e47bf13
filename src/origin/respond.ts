import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StoredMedia } from '../segments/index.ts';

/** Names and values in turn: node writes such a list as it is. */
export type Headers = string[];

export const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl';

/** On every answer, errors included: players on any page may read it. No credentials, so `*` is right. */
export const SHARED_HEADERS: readonly string[] = [
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Expose-Headers',
  'Age, Content-Length, Content-Range, Date, ETag',
  'Timing-Allow-Origin',
  '*',
];

/** Names are never reused, so what they name may be kept by any cache. */
export const IMMUTABLE = 'public, max-age=86400, immutable';
/** The same for the viewer's own cache alone: not everybody may watch it. */
const PRIVATE = 'private, max-age=86400, immutable';

/** An unread answer pins its segments: a socket that takes nothing for so long is closed. */
const UNREAD_MS = 20_000;

const ERROR_TEXTS = {
  400: 'Bad request',
  404: 'Not found',
  405: 'Method not allowed',
  414: 'URI too long',
  500: 'Internal error',
  503: 'Not available now',
} as const;
export type ErrorStatus = keyof typeof ERROR_TEXTS;

const ERRORS = new Map(
  Object.entries(ERROR_TEXTS).map(([status, text]) => {
    const body = Buffer.from(`${text}\n`);
    const headers: Headers = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(body.length)];
    headers.push('Cache-Control', 'no-store', ...SHARED_HEADERS);
    // The body of a request that is refused is not read to its end.
    if (status === '405') headers.push('Allow', 'GET, HEAD, OPTIONS', 'Connection', 'close');
    if (status === '503') headers.push('Retry-After', '1');
    return [Number(status), { headers, body }] as const;
  }),
);

/** An error's body depends on its status alone: what is unknown, offline or somebody else's looks the same. */
export function sendError(res: ServerResponse, status: ErrorStatus): void {
  const { headers, body } = ERRORS.get(status)!;
  res.writeHead(status, headers).end(body);
}

/** JSON for a player, for this one and this moment alone. */
export function sendJson(res: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  const headers = [
    'Content-Type',
    'application/json; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(text)),
  ];
  // The body of a request that is refused may not have been read to its end.
  if (status === 413) headers.push('Connection', 'close');
  res.writeHead(status, [...headers, 'Cache-Control', 'no-store', ...SHARED_HEADERS]).end(text);
}

const PREFLIGHT: Headers = [
  'Access-Control-Allow-Methods',
  'GET, HEAD, POST, OPTIONS',
  'Access-Control-Allow-Headers',
  'Authorization, Content-Type, If-None-Match, Range',
  'Access-Control-Max-Age',
  '86400',
  ...SHARED_HEADERS,
];

export function sendPreflight(res: ServerResponse): void {
  res.writeHead(204, PREFLIGHT).end();
}

/** Sends one Buffer or ASCII string, or 304 when the client has it. Returns the bytes of the body. */
export function sendEntity(
  req: IncomingMessage,
  res: ServerResponse,
  headers: Headers,
  etag: string,
  body: Buffer | string,
): number {
  if (isFresh(req, etag)) {
    sendNotModified(res, headers);
    return 0;
  }
  res.writeHead(200, headers).end(body, 'latin1');
  watchUnread(req);
  return req.method === 'HEAD' ? 0 : body.length;
}

const NOTHING: Headers = ['Cache-Control', 'no-store', ...SHARED_HEADERS];

/** All is well, and there is nothing to say. */
export function sendNothing(res: ServerResponse): void {
  res.writeHead(204, NOTHING).end();
}

/** Sends media that lies in several Buffers, whole or the range asked for, without joining them. Returns its bytes. */
export function sendMedia(
  req: IncomingMessage,
  res: ServerResponse,
  type: string,
  etag: string,
  chunks: readonly Buffer[],
  shared: boolean,
): number {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  const answer = mediaAnswer(req, type, etag, length, shared);
  if (answer.status === 304) sendNotModified(res, answer.headers);
  else if (answer.status === 416) res.writeHead(416, answer.headers).end();
  else {
    res.writeHead(answer.status, answer.headers);
    writeChunks(res, answer.status === 206 ? slice(chunks, answer.from, answer.to) : chunks);
    watchUnread(req);
  }
  return req.method === 'HEAD' ? 0 : answer.to - answer.from;
}

/** So much of a stored segment is in memory at a time, for each who takes it. */
const SLICE_BYTES = 1 << 18;

/**
 * The same for media outside of memory. Resolves with the bytes handed over when all is sent, or who asked is gone.
 * @throws Error when it cannot be read; then nothing is answered, or the connection is cut.
 */
export async function sendStored(
  req: IncomingMessage,
  res: ServerResponse,
  type: string,
  etag: string,
  stored: StoredMedia,
  shared: boolean,
): Promise<number> {
  const { status, headers, from, to } = mediaAnswer(req, type, etag, stored.length, shared);
  if (status === 304) sendNotModified(res, headers);
  else if (status === 416 || req.method === 'HEAD') res.writeHead(status, headers).end();
  else {
    const media = await stored.open();
    let sent = from;
    try {
      while (sent < to && !req.socket.destroyed) {
        const slice = await media.read(sent, Math.min(SLICE_BYTES, to - sent));
        if (req.socket.destroyed) break;
        if (!res.headersSent) res.writeHead(status, headers);
        sent += slice.length;
        if (sent === to) res.end(slice);
        else if (!res.write(slice)) await taken(req, res);
      }
    } catch (error) {
      if (res.headersSent) res.destroy();
      throw error;
    } finally {
      media.close();
    }
    watchUnread(req);
    return sent - from;
  }
  return 0;
}

/** Resolves when the connection has taken what was written, or is gone. */
function taken(req: IncomingMessage, res: ServerResponse): Promise<void> {
  watchUnread(req);
  return new Promise((resolve) => {
    const done = () => {
      res.off('drain', done);
      req.socket.off('close', done);
      resolve();
    };
    if (req.socket.destroyed) return resolve();
    res.on('drain', done);
    req.socket.on('close', done);
  });
}

/** What a request for `length` bytes of media is answered; of its body the bytes between `from` and `to`. */
function mediaAnswer(
  req: IncomingMessage,
  type: string,
  etag: string,
  length: number,
  shared: boolean,
): { readonly status: 200 | 206 | 304 | 416; readonly headers: Headers; readonly from: number; readonly to: number } {
  const headers: Headers = ['Content-Type', type, 'Cache-Control', shared ? IMMUTABLE : PRIVATE];
  headers.push('ETag', etag, 'Accept-Ranges', 'bytes');
  headers.push(...SHARED_HEADERS);
  if (isFresh(req, etag)) return { status: 304, headers, from: 0, to: 0 };
  const range = req.headers.range === undefined ? null : parseRange(req, etag, length);
  if (range === 'unsatisfiable') {
    headers[3] = 'no-store';
    headers.push('Content-Range', `bytes */${length}`, 'Content-Length', '0');
    return { status: 416, headers, from: 0, to: 0 };
  }
  if (range) {
    headers.push('Content-Range', `bytes ${range.from}-${range.to - 1}/${length}`);
    headers.push('Content-Length', String(range.to - range.from));
    return { status: 206, headers, ...range };
  }
  headers.push('Content-Length', String(length));
  return { status: 200, headers, from: 0, to: length };
}

function writeChunks(res: ServerResponse, chunks: readonly Buffer[]): void {
  const last = chunks.length - 1;
  // Corked until the end of this turn, so that header and parts leave in one system call.
  if (last > 0) res.cork();
  for (let i = 0; i < last; i++) res.write(chunks[i]);
  res.end(chunks[last]);
}

function slice(chunks: readonly Buffer[], from: number, to: number): Buffer[] {
  const result: Buffer[] = [];
  let offset = 0;
  for (const chunk of chunks) {
    const begin = Math.max(from - offset, 0);
    const end = Math.min(to - offset, chunk.length);
    if (begin < end) result.push(chunk.subarray(begin, end));
    offset += chunk.length;
  }
  return result;
}

/** One range (RFC 9110 14.1.2); null for what a server may ignore: other units, several ranges, another version's range. */
function parseRange(
  req: IncomingMessage,
  etag: string,
  length: number,
): { from: number; to: number } | 'unsatisfiable' | null {
  const ifRange = req.headers['if-range'];
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(req.headers.range!);
  if (!match || (match[1] === '' && match[2] === '') || (ifRange !== undefined && ifRange !== etag)) return null;
  let from = Number(match[1]);
  let to = match[2] === '' ? length : Math.min(Number(match[2]) + 1, length);
  if (match[1] === '') {
    from = Math.max(length - Number(match[2]), 0);
    to = length;
  } else if (match[2] !== '' && Number(match[2]) < from) return null;
  return from < to ? { from, to } : 'unsatisfiable';
}

/** The headers of the full answer without those that speak of its body (RFC 9110 15.4.5). */
function sendNotModified(res: ServerResponse, headers: Headers): void {
  const kept: Headers = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (!headers[i].startsWith('Content-')) kept.push(headers[i], headers[i + 1]);
  }
  res.writeHead(304, kept).end();
}

/** If-None-Match, by weak comparison (RFC 9110 13.1.2). */
function isFresh(req: IncomingMessage, etag: string): boolean {
  const wanted = req.headers['if-none-match'];
  if (wanted === undefined) return false;
  const opaque = etag.replace(/^W\//, '');
  return wanted.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === opaque);
}

/** Whether the client takes gzip: named, and not with a quality of zero (RFC 9110 12.5.3). */
export function acceptsGzip(req: IncomingMessage): boolean {
  const accepted = req.headers['accept-encoding'];
  return accepted !== undefined && /(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))|,|$)/i.test(accepted);
}

/** Node counts progress, not time alone: a slow reader stays, one that has stopped reading goes. */
function watchUnread(req: IncomingMessage): void {
  if (req.socket.writableLength > 0) req.socket.setTimeout(UNREAD_MS);
}
