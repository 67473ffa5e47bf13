import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { CodedError } from '../base/index.ts';
import type { Attempt, Principal, Store } from '../store/index.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The right to carry out a POST that came with an Idempotency-Key; null without one. */
    attempt: Attempt | null;
  }
}

/** What the object that a POST creates is to be called, where its sender may repeat it: see `Attempt`. */
export const objectIdOf = (request: FastifyRequest): string | undefined => request.attempt?.objectId;

/**
 * Carries out a POST with an `Idempotency-Key` once, however often it comes within 24 hours (L18): whoever repeats it gets the
 * answer of the first time. Only successes are kept: after a refusal the same key may try again. Another request under a key that
 * was used, and one whose first try is still under way in another process, are answered 409.
 */
export function addIdempotency(app: FastifyInstance, { idempotency }: Pick<Store, 'idempotency'>): void {
  /** What this process is at: whoever repeats one of them waits for its end. */
  const running = new Map<string, Promise<void>>();
  const ends = new WeakMap<FastifyRequest, () => void>();
  app.decorateRequest('attempt', null);

  app.addHook('preHandler', async (request, reply) => {
    const key = request.headers['idempotency-key'];
    if (key === undefined || request.method !== 'POST' || !request.principal) return;
    if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key))
      throw new CodedError('bad_request', 'Idempotency-Key must be 1 to 255 visible ASCII characters, such as a UUID.');
    const sender = senderOf(request.principal);
    const name = JSON.stringify([sender, key]);
    while (running.has(name)) await running.get(name);
    const { promise, resolve } = Promise.withResolvers<void>();
    running.set(name, promise);
    const end = () => {
      running.delete(name);
      resolve();
    };
    try {
      const content = JSON.stringify([request.url, request.body ?? null]);
      const begun = await idempotency.begin({ sender, key, content });
      if (begun.kind === 'begun') {
        request.attempt = begun.attempt;
        ends.set(request, end);
        return;
      }
      if (begun.kind === 'answered') {
        reply.code(begun.status).header('idempotent-replayed', 'true').type('application/json; charset=utf-8');
        return reply.send(begun.answer);
      }
      if (begun.kind === 'other_content')
        throw new CodedError(
          'conflict',
          'This Idempotency-Key came with another request within 24 hours: make a new key for each thing to create.',
        );
      reply.header('retry-after', '1');
      throw new CodedError(
        'conflict',
        'A request with this Idempotency-Key is being carried out: ask again in a second.',
      );
    } finally {
      if (!request.attempt) end();
    }
  });

  app.addHook('onSend', (request, reply, payload, done) => {
    const { attempt } = request;
    if (!attempt) return done();
    request.attempt = null;
    settle(request, reply, payload, attempt).then(() => done(), done);
  });

  async function settle(request: FastifyRequest, reply: FastifyReply, payload: unknown, attempt: Attempt) {
    try {
      if (reply.statusCode >= 500) await idempotency.giveUp(attempt);
      else if (reply.statusCode >= 300) await idempotency.forget(attempt);
      else await idempotency.keep(attempt, reply.statusCode, String(payload));
    } catch (error) {
      // What was made stays made: whoever repeats the request meets it under the same id.
      request.log.warn({ err: error }, 'api: an answer could not be kept for its Idempotency-Key');
    } finally {
      ends.get(request)?.();
    }
  }
}

/** A token's keys are its own, and so are a person's in each environment. */
function senderOf({ tokenId, userId, organizationId, environment }: Principal): string {
  return tokenId ?? `${userId}/${organizationId}/${environment}`;
}
