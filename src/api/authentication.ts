import type { FastifyInstance, FastifyRequest } from 'fastify';
import { CodedError } from '../base/index.ts';
import type { Principal, Store } from '../store/index.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is asking. Set before every handler, except on routes that are open. */
    principal: Principal;
  }
  interface FastifyContextConfig {
    /** The route answers everybody. */
    open?: boolean;
  }
}

/** Asks for an access token by HTTP Basic on every route that does not say that it is open, and where there is no route. */
export function requireToken(app: FastifyInstance, store: Pick<Store, 'verifyToken'>): void {
  app.decorateRequest('principal', null as unknown as Principal);
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.open) return;
    const given = readBasic(request);
    const principal = given && (await store.verifyToken(given.id, given.secret));
    if (!principal) {
      const message = given
        ? 'The access token is unknown or revoked, or its secret is wrong: send HTTP Basic with a token id as user and its secret as password.'
        : 'Send an access token by HTTP Basic: its id as the user name, its secret as the password.';
      throw new CodedError('unauthorized', message);
    }
    request.principal = principal;
  });
}

function readBasic(request: FastifyRequest): { id: string; secret: string } | null {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=_-]{1,1024})$/i.exec(request.headers.authorization ?? '') ?? [];
  if (!encoded) return null;
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? null : { id: text.slice(0, colon), secret: text.slice(colon + 1) };
}
