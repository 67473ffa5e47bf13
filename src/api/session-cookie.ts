import type { FastifyReply, FastifyRequest } from 'fastify';
import { CodedError, secretsEqual, sha256Hex } from '../base/index.ts';
import { SESSION_MS, type SignedIn, type Store } from '../store/index.ts';
import { addressOf } from './address.ts';

/** A person's session as a request brought it. */
export interface BrowserSession extends SignedIn {
  /** What the header x-csrf-token has to repeat. */
  readonly csrfToken: string;
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The session cookie and the proofs that a request comes from our own pages (S16, S40). */
export class SessionCookie {
  readonly #sessions: Store['sessions'];
  readonly #origin: string;
  /** `__Host-` binds it to this host and to TLS; browsers refuse that over http, which is for development. */
  readonly #name: string;
  readonly #attributes: string;

  constructor(sessions: Store['sessions'], publicUrl: string) {
    const { origin, protocol } = new URL(publicUrl);
    const secure = protocol === 'https:';
    this.#sessions = sessions;
    this.#origin = origin;
    this.#name = secure ? '__Host-liveapi' : 'liveapi';
    this.#attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  }

  /**
   * Whose session the request belongs to; null without a cookie of an open session.
   * @throws CodedError forbidden when it may change something and does not prove that our pages sent it
   */
  async read(request: FastifyRequest): Promise<BrowserSession | null> {
    const secret = this.#secretOf(request);
    const signedIn = secret && (await this.#sessions.verify(secret));
    if (!signedIn) return null;
    const csrfToken = csrfTokenOf(secret);
    this.refuseForeignOrigin(request);
    if (!SAFE_METHODS.has(request.method)) {
      const given = request.headers['x-csrf-token'];
      if (typeof given !== 'string' || !secretsEqual(given, csrfToken)) {
        const message = 'Send the header x-csrf-token with the csrf_token of GET /sessions/current.';
        throw new CodedError('forbidden', message);
      }
    }
    return { ...signedIn, csrfToken };
  }

  /** @throws CodedError forbidden for a request that may change something and that another site's page sent */
  refuseForeignOrigin(request: FastifyRequest): void {
    if (SAFE_METHODS.has(request.method)) return;
    const { origin, 'sec-fetch-site': site } = request.headers;
    if ((origin === undefined || origin === this.#origin) && (site === undefined || site === 'same-origin')) return;
    throw new CodedError('forbidden', `Only pages at ${this.#origin} (public_url) may send this from a browser.`);
  }

  /** A new session in the place of the one that the request came with. */
  async start(request: FastifyRequest, reply: FastifyReply, userId: string): Promise<{ readonly csrfToken: string }> {
    const before = this.#secretOf(request);
    const signedIn = before && (await this.#sessions.verify(before));
    if (signedIn) await this.#sessions.end(signedIn.user.id, signedIn.sessionId);
    const from = { userAgent: request.headers['user-agent'] ?? '', address: addressOf(request) };
    const { secret } = await this.#sessions.create(userId, from);
    reply.header('set-cookie', `${this.#name}=${secret}; Max-Age=${SESSION_MS / 1000}; ${this.#attributes}`);
    return { csrfToken: csrfTokenOf(secret) };
  }

  /** Lets the browser forget the cookie. */
  clear(reply: FastifyReply): void {
    reply.header('set-cookie', `${this.#name}=; Max-Age=0; ${this.#attributes}`);
  }

  #secretOf(request: FastifyRequest): string | null {
    for (const pair of (request.headers.cookie ?? '').split(';')) {
      const equals = pair.indexOf('=');
      if (pair.slice(0, equals).trim() !== this.#name) continue;
      const value = pair.slice(equals + 1).trim();
      if (/^[0-9a-f]{64}$/.test(value)) return value;
    }
    return null;
  }
}

/** Follows from the cookie's value, which it does not give away: so it is nowhere stored. */
const csrfTokenOf = (secret: string): string => sha256Hex(`csrf:${secret}`);
