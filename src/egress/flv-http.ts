import type { IncomingMessage, ServerResponse } from 'node:http';
import { forLog, type Logger, newId } from '../base/index.ts';
import { encodeAmf0 } from '../formats/amf/index.ts';
import { writeFlvHeader, writeFlvTag } from '../formats/flv/index.ts';
import type { Players } from './players.ts';

export interface FlvOptions {
  readonly players: Players;
  /** What viewers' URLs begin with; may contain a path, when a proxy adds one. */
  readonly publicUrl: string;
  readonly log: Logger;
}

const ROUTE = /^\/live\/([^/?]*)\.flv(?:\?|$)/;
const PLAYBACK_ID = /^(?:lv|live)_[0-9a-f]{32}$/;
/** Players on any page may read it. */
const SHARED = ['Access-Control-Allow-Origin', '*', 'Timing-Allow-Origin', '*', 'Cache-Control', 'no-store'];
const PREFLIGHT = ['Access-Control-Allow-Methods', 'GET, HEAD, OPTIONS', 'Access-Control-Max-Age', '86400', ...SHARED];
const TEXTS = {
  403: 'Only with a token: ?token=…',
  404: 'Not found',
  405: 'Method not allowed',
  503: 'Not available now',
} as const;

/** Serves broadcasts as endless FLV files: `GET /live/<playback id>.flv`. */
export class FlvHttp {
  readonly #options: FlvOptions;
  readonly #base: string;

  constructor(options: FlvOptions) {
    this.#options = options;
    this.#base = new URL(options.publicUrl).pathname.replace(/\/$/, '');
  }

  /** Whether the request target is to be answered here. */
  handles(url: string): boolean {
    return this.#nameIn(url) !== null;
  }

  /** Answers one request until its player leaves or the broadcast ends. Never throws. */
  handle(req: IncomingMessage, res: ServerResponse): void {
    this.#answer(req, res).catch((error) => {
      this.#options.log.error({ err: error, url: forLog(req.url!.split('?', 1)[0]!) }, 'FLV request failed');
      res.destroy();
    });
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (req.method === 'OPTIONS') return void res.writeHead(204, PREFLIGHT).end();
    if (req.method !== 'GET' && req.method !== 'HEAD') return sendError(res, 405);
    const { players } = this.#options;
    const name = this.#nameIn(req.url!)!;
    const broadcast = PLAYBACK_ID.test(name) ? await players.find(name, req.url!.split('?', 2)[1] ?? '') : null;
    if (res.destroyed) return;
    if (broadcast === 'refused') return sendError(res, 403);
    if (!broadcast) return sendError(res, players.full ? 503 : 404);
    if (players.full) return sendError(res, 503);
    res.writeHead(200, ['Content-Type', 'video/x-flv', ...SHARED]);
    if (req.method === 'HEAD') return void res.end();
    // Who waits for the encoder is answered: proxies take silence for a failure.
    res.flushHeaders();
    const id = newId();
    const log = this.#options.log.child({ connection: id });
    log.info({ address: req.socket.remoteAddress, broadcast: broadcast.id }, 'FLV player accepted');
    let begun = false;
    const seat = players.add(broadcast, 'flv', {
      id,
      write: (bytes) => res.write(bytes),
      metadata: (metadata) => {
        const body = encodeAmf0('onMetaData', new Map(Object.entries(metadata)));
        const tag = writeFlvTag({ type: 'data', timestampMs: 0, body });
        if (begun) return tag;
        begun = true;
        const has = { audio: 'audiocodecid' in metadata, video: 'videocodecid' in metadata };
        return Buffer.concat([writeFlvHeader(has), tag]);
      },
      end: () => res.end(),
      cut: () => res.destroy(),
    });
    res.on('drain', () => seat.player.drained());
    res.on('close', () => {
      seat.leave();
      log.info({ bytes: seat.player.bytesOut }, 'FLV player left');
    });
  }

  /** A proxy may hand on the public path with its prefix or without. */
  #nameIn(url: string): string | null {
    const match =
      ROUTE.exec(url) ?? (url.startsWith(`${this.#base}/`) ? ROUTE.exec(url.slice(this.#base.length)) : null);
    return match?.[1] ?? null;
  }
}

function sendError(res: ServerResponse, status: keyof typeof TEXTS): void {
  const body = Buffer.from(`${TEXTS[status]}\n`);
  const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(body.length), ...SHARED];
  if (status === 405) headers.push('Allow', 'GET, HEAD, OPTIONS', 'Connection', 'close');
  if (status === 503) headers.push('Retry-After', '1');
  res.writeHead(status, headers).end(body);
}
