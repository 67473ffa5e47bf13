import type { FastifyReply, FastifyRequest } from 'fastify';
import { CodedError, monotonicMs, sha256 } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import type { Principal } from '../store/index.ts';
import { networkOf } from './address.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route is not limited: what a machine asks again and again. */
    unlimited?: boolean;
  }
}

/** Requests a minute; 0 or nothing: no limit. */
export type RateLimits = Partial<Pick<Config, 'apiRatePerMinute' | 'apiAnonymousPerMinute'>>;

const WINDOW_MS = 60_000;
/** Of senders that are remembered: with more than that in a minute the oldest are forgotten. */
const MAX_SENDERS = 50_000;

/** What an organization may ask in a minute with all its tokens and people together, as a multiple of what one token may. */
const ORGANIZATION_SHARE = 5;

export interface RateLimiter {
  /**
   * Before a credential is looked up: none that was never right, from an address that has used up what strangers may ask, so that
   * guesses cost no query. @throws CodedError too_many_requests
   */
  refuseGuess(request: FastifyRequest, reply: FastifyReply): void;
  /** The request's credential was right. */
  noteGood(request: FastifyRequest): void;
  /** Takes one off the sender's minute. @throws CodedError too_many_requests */
  count(request: FastifyRequest, reply: FastifyReply): void;
  /**
   * Looks at an error before it is answered: requests that authentication refused are counted there, and the error is exchanged for
   * `too_many_requests` when there were too many.
   */
  exchange<E extends Error>(error: E, request: FastifyRequest, reply: FastifyReply): E | CodedError;
}

/**
 * Limits what each access token or signed-in person may ask in a minute, each organization, and each address without a valid
 * credential; before the body is read (S56, S57). A known sender is not held up by strangers at its address.
 */
export function createRateLimiter({ apiRatePerMinute = 0, apiAnonymousPerMinute = 0 }: RateLimits): RateLimiter {
  const known = new Windows();
  const organizations = new Windows();
  const strangers = new Windows();
  const good = new Remembered();
  const counted = new WeakSet<FastifyRequest>();
  /** Whose credential is in `good`: the store remembers a token's principal for a second, and its digest need not be made anew. */
  const noted = new WeakSet<Principal>();

  function tell(reply: FastifyReply, limit: number, { taken, resetS }: Taken, who: string): void {
    reply.header('ratelimit-limit', limit);
    reply.header('ratelimit-remaining', Math.max(0, limit - taken));
    reply.header('ratelimit-reset', resetS);
    if (taken <= limit) return;
    reply.header('retry-after', resetS);
    throw new CodedError(
      'too_many_requests',
      `More than ${limit} requests a minute with ${who}: go on in ${resetS} s, as Retry-After says.`,
    );
  }

  function countStranger(request: FastifyRequest, reply: FastifyReply): void {
    if (apiAnonymousPerMinute === 0) return;
    const taken = strangers.take(networkOf(request));
    tell(reply, apiAnonymousPerMinute, taken, 'your address without a valid access token');
  }

  const limiter: RateLimiter = {
    refuseGuess(request, reply) {
      const credential = credentialOf(request);
      if (apiAnonymousPerMinute === 0 || credential === undefined) return;
      if (strangers.size === 0 || strangers.taken(networkOf(request)) < apiAnonymousPerMinute || good.has(credential))
        return;
      counted.add(request);
      countStranger(request, reply);
    },
    noteGood(request) {
      if (apiAnonymousPerMinute === 0 || noted.has(request.principal)) return;
      noted.add(request.principal);
      const credential = credentialOf(request);
      if (credential !== undefined) good.add(credential);
    },
    count(request, reply) {
      if (request.routeOptions.config.unlimited) return;
      counted.add(request);
      const { principal } = request;
      if (!principal) return countStranger(request, reply);
      if (apiRatePerMinute === 0) return;
      const { organizationId, tokenId, userId } = principal;
      if (organizationId !== '') {
        const taken = organizations.take(organizationId);
        tell(reply, ORGANIZATION_SHARE * apiRatePerMinute, taken, 'all access tokens and members of this organization');
      }
      tell(reply, apiRatePerMinute, known.take(tokenId ?? userId), tokenId ? 'this access token' : 'your account');
    },
    exchange(error, request, reply) {
      if (counted.has(request)) return error;
      try {
        limiter.count(request, reply);
        return error;
      } catch (tooMany) {
        return tooMany as CodedError;
      }
    },
  };
  return limiter;
}

/** Counts what a tenant may make the server send to somebody a few times a minute only (S56). */
export class Allowance {
  readonly #perMinute: number;
  readonly #windows = new Windows();

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** One more of the caller's for `what`, which is there and is theirs: names that somebody makes up would be kept. @throws CodedError too_many_requests, with Retry-After in the reply */
  take({ principal: { organizationId, environment } }: FastifyRequest, reply: FastifyReply, what: string): void {
    const { taken, resetS } = this.#windows.take(`${organizationId}/${environment}/${what}`);
    if (taken <= this.#perMinute) return;
    reply.header('retry-after', resetS);
    throw new CodedError(
      'too_many_requests',
      `${this.#perMinute} of these a minute are allowed: go on in ${resetS} s.`,
    );
  }
}

/** Counts what one network may send in a minute, of something that everybody may. */
export class NetworkAllowance {
  readonly #perMinute: number;
  readonly #windows = new Windows();

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** @throws CodedError too_many_requests, with Retry-After in the reply */
  take(request: FastifyRequest, reply: FastifyReply): void {
    const { taken, resetS } = this.#windows.take(networkOf(request));
    if (taken <= this.#perMinute) return;
    reply.header('retry-after', resetS);
    throw new CodedError('too_many_requests', `Your address may send ${this.#perMinute} of these a minute.`);
  }
}

const credentialOf = ({ headers }: FastifyRequest): string | undefined => headers.authorization ?? headers.cookie;

/** Credentials that were right, by digest; the latest ones. */
class Remembered {
  readonly #digests = new Set<string>();

  has(credential: string): boolean {
    return this.#digests.has(sha256(credential).toString('base64'));
  }

  add(credential: string): void {
    const digest = sha256(credential).toString('base64');
    if (this.#digests.has(digest)) return;
    if (this.#digests.size >= MAX_SENDERS) this.#digests.delete(this.#digests.keys().next().value!);
    this.#digests.add(digest);
  }
}

interface Taken {
  readonly taken: number;
  readonly resetS: number;
}

/** How much each sender has taken of its current minute. */
class Windows {
  readonly #open = new Map<string, { taken: number; readonly endMs: number }>();

  /** How many senders are remembered. */
  get size(): number {
    return this.#open.size;
  }

  /** What the sender has taken of its minute. */
  taken(sender: string): number {
    const window = this.#open.get(sender);
    return window && window.endMs > monotonicMs() ? window.taken : 0;
  }

  /** Takes one more. */
  take(sender: string): Taken {
    const now = monotonicMs();
    let window = this.#open.get(sender);
    if (!window || window.endMs <= now) {
      // Deleted first, so that the map stays in the order of their ends.
      this.#open.delete(sender);
      this.#forget(now);
      window = { taken: 0, endMs: now + WINDOW_MS };
      this.#open.set(sender, window);
    }
    window.taken++;
    return { taken: window.taken, resetS: Math.ceil((window.endMs - now) / 1000) };
  }

  #forget(now: number): void {
    for (const [sender, { endMs }] of this.#open) {
      if (endMs > now && this.#open.size < MAX_SENDERS) return;
      this.#open.delete(sender);
    }
  }
}
