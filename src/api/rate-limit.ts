import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { CodedError, monotonicMs } from '../base/index.ts';
import type { Config } from '../config/index.ts';
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

/**
 * Limits what each access token or signed-in person may ask in a minute, and each address without a valid credential; before the
 * body is read (S57). A known sender is not held up by strangers at its address. Registered after the authentication.
 *
 * Returns what looks at an error before it is answered: requests that authentication refused are counted there, and the error
 * is exchanged for `too_many_requests` when there were too many.
 */
export function addRateLimits(app: FastifyInstance, { apiRatePerMinute = 0, apiAnonymousPerMinute = 0 }: RateLimits) {
  const known = new Windows();
  const strangers = new Windows();
  const counted = new WeakSet<FastifyRequest>();

  /** @throws CodedError too_many_requests */
  function count(request: FastifyRequest, reply: FastifyReply): void {
    if (request.routeOptions.config.unlimited) return;
    counted.add(request);
    const { principal } = request;
    const limit = principal ? apiRatePerMinute : apiAnonymousPerMinute;
    if (limit === 0) return;
    const { taken, resetS } = principal
      ? known.take(principal.tokenId ?? principal.userId)
      : strangers.take(networkOf(request));
    reply.header('ratelimit-limit', limit);
    reply.header('ratelimit-remaining', Math.max(0, limit - taken));
    reply.header('ratelimit-reset', resetS);
    if (taken <= limit) return;
    reply.header('retry-after', resetS);
    const who = principal ? 'this access token' : 'your address without a valid access token';
    throw new CodedError(
      'too_many_requests',
      `More than ${limit} requests a minute with ${who}: go on in ${resetS} s, as Retry-After says.`,
    );
  }

  app.addHook('onRequest', async (request, reply) => count(request, reply));

  return <E extends Error>(error: E, request: FastifyRequest, reply: FastifyReply): E | CodedError => {
    if (counted.has(request)) return error;
    try {
      count(request, reply);
      return error;
    } catch (tooMany) {
      return tooMany as CodedError;
    }
  };
}

/** How much each sender has taken of its current minute. */
class Windows {
  readonly #open = new Map<string, { taken: number; readonly endMs: number }>();

  take(sender: string): { readonly taken: number; readonly resetS: number } {
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
