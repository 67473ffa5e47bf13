import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ClientAddress, clientAddress } from '../base/index.ts';
import type { PlaybackRefusal, PlaybackRules, Verdict, ViewerFacts } from '../live/index.ts';
import { SHARED_HEADERS, sendJson } from './respond.ts';

/** Who may watch what; `live`'s PlaybackAccess. */
export interface Access {
  check(playbackId: string, facts: ViewerFacts): Verdict | Promise<Verdict>;
  rules(playbackId: string): Promise<PlaybackRules | null>;
  pass(
    playbackId: string,
    facts: ViewerFacts,
    password?: string | null,
    address?: string,
  ): Promise<{ readonly token: string; readonly expiresS: number } | PlaybackRefusal>;
}

export interface GateOptions {
  readonly access: Access;
  /** The header in which a proxy says from which country a request comes; null: none does. */
  readonly countryHeader: string | null;
  readonly addresses: ClientAddress;
  /** Of our own pages. */
  readonly publicOrigin: string;
}

const MAX_TOKEN = 4096;
const MAX_BODY = 8192;

const WORDS: Record<PlaybackRefusal, readonly [status: 401 | 403, message: string]> = {
  token_required: [401, 'This stream is for viewers with a signed token: add ?token=… to the URL.'],
  token_invalid: [403, 'The token is not valid for this stream: ask for a new one.'],
  token_expired: [403, 'The token has expired: ask for a new one.'],
  password_required: [401, 'This stream asks for a password: open its embed page.'],
  password_wrong: [403, 'The password is wrong.'],
  domain_blocked: [403, 'This stream may not be shown on this site.'],
  country_blocked: [403, 'This stream may not be watched where you are.'],
};

/** Stands before everything that can be watched, and answers those whom it does not let in. */
export class Gate {
  readonly #options: GateOptions;
  readonly #countryHeader: string | null;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#countryHeader = options.countryHeader?.toLowerCase() ?? null;
  }

  /** `token`: that of the path, else the query's. */
  facts(req: IncomingMessage, token: string | null, query: string): ViewerFacts {
    const given = token ?? (query.includes('token=') ? new URLSearchParams(query).get('token') : null);
    const { origin, referer } = req.headers;
    return {
      token: given === null ? null : given.slice(0, MAX_TOKEN + 1),
      site: origin && origin !== 'null' ? origin : (referer ?? null),
      country: this.#country(req),
    };
  }

  check(playbackId: string, facts: ViewerFacts): Verdict | Promise<Verdict> {
    return this.#options.access.check(playbackId, facts);
  }

  /** Says why somebody may not watch. */
  refuse(res: ServerResponse, reason: PlaybackRefusal): void {
    const [statusCode, message] = WORDS[reason];
    const error = statusCode === 401 ? 'Unauthorized' : 'Forbidden';
    sendJson(res, statusCode, { statusCode, error, code: reason, message });
  }

  /** A viewer whose token is in the query is sent on to where it stands in the path, and so in the URLs of all that follows. */
  async redirect(
    res: ServerResponse,
    playbackId: string,
    facts: ViewerFacts,
    name: string,
    query: string,
  ): Promise<void> {
    const pass = await this.#options.access.pass(playbackId, facts);
    if (typeof pass === 'string') return this.refuse(res, pass);
    const rest = new URLSearchParams(query);
    rest.delete('token');
    const location = `~${pass.token}/${name}${rest.size > 0 ? `?${rest}` : ''}`;
    res
      .writeHead(302, ['Location', location, 'Cache-Control', 'no-store', 'Content-Length', '0', ...SHARED_HEADERS])
      .end();
  }

  /** POST /embed/{playback id}/pass: a password, or the page around the player, for a token. Its body is JSON, of whatever type. */
  async pass(req: IncomingMessage, res: ServerResponse, playbackId: string): Promise<void> {
    const body = await readBody(req);
    if (body === null)
      return sendJson(res, 413, { statusCode: 413, error: 'Payload Too Large', message: 'At most 8 KiB.' });
    const text = (name: string) => (typeof body?.[name] === 'string' ? (body[name] as string) : null);
    if (!body)
      return sendJson(res, 400, { statusCode: 400, error: 'Bad Request', message: 'The body must be a JSON object.' });
    const { origin } = req.headers;
    // Our own page says where it is embedded: no page can make it say something else. Others are told by their browser; a page of no
    // origin (a sandboxed frame) could say anything.
    const site = origin === this.#options.publicOrigin ? text('site') : origin && origin !== 'null' ? origin : null;
    const facts = { token: text('token'), site, country: this.#country(req) };
    const address = clientAddress(req, this.#options.addresses);
    const pass = await this.#options.access.pass(playbackId, facts, text('password')?.slice(0, 255), address);
    if (typeof pass === 'string') return this.refuse(res, pass);
    sendJson(res, 200, { token: pass.token, expires_at: new Date(pass.expiresS * 1000).toISOString() });
  }

  /** Which pages may frame the player (S42): a list of CSP sources, `*` for all. @throws CodedError store_unavailable */
  async frameAncestors(playbackId: string): Promise<string> {
    const rules = await this.#options.access.rules(playbackId);
    if (!rules?.byDomain) return '*';
    const sources = rules.domains.flatMap((domain) => [`${domain}:*`, `*.${domain}:*`]);
    return [`'self'`, ...sources].join(' ');
  }

  #country(req: IncomingMessage): string | null {
    if (this.#countryHeader === null || !fromProxy(req, this.#options.addresses)) return null;
    const value = req.headers[this.#countryHeader];
    return typeof value === 'string' && /^[A-Za-z]{2}$/.test(value) ? value : null;
  }
}

/** A header about the viewer is believed from the proxies that the operator trusts alone: anybody else could write what they like. */
const fromProxy = (req: IncomingMessage, { trusts }: ClientAddress): boolean => trusts(req.socket.remoteAddress ?? '');

/** The JSON object in a body; undefined when it is none, null when it is too long. */
async function readBody(req: IncomingMessage): Promise<Record<string, unknown> | null | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY) return null;
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString() || '{}');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
