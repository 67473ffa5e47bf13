import type { FastifyInstance } from 'fastify';
import type { PublicAddresses } from './to-live-stream.ts';

/** First parts of the paths that people's sessions are made and managed under: no other site's script reads these (S44). */
const DASHBOARD = /^(?:\/v2)?\/(?:sessions|users|setup|password_resets|invitations|organizations|members)(?:[/?]|$)/;

const ALLOWED_HEADERS = 'authorization, content-type, idempotency-key, x-request-id';
const EXPOSED_HEADERS =
  'retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset, x-request-id, idempotent-replayed';

/**
 * What browsers are told with every answer (S45), and who may read it from a page of another site (S44): everybody, but never
 * with credentials of the browser's own, so a page can do only what an access token that it holds can do. Preflights are answered
 * here, before anybody is asked for a token.
 */
export function addBrowserHeaders(app: FastifyInstance, { publicUrl }: Pick<PublicAddresses, 'publicUrl'>): void {
  const secure = publicUrl.startsWith('https:');
  app.addHook('onRequest', (request, reply, done) => {
    reply
      .header('cache-control', 'no-store')
      .header('x-content-type-options', 'nosniff')
      .header('referrer-policy', 'no-referrer')
      .header('permissions-policy', 'camera=(), geolocation=(), microphone=()')
      // An answer that a browser shows as a page by mistake can neither run nor load anything. Pages set their own.
      .header('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
    if (secure) reply.header('strict-transport-security', 'max-age=31536000');
    if (DASHBOARD.test(request.url)) return done();
    reply.header('access-control-allow-origin', '*').header('access-control-expose-headers', EXPOSED_HEADERS);
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return done();
    reply
      .code(204)
      .header('access-control-allow-methods', 'GET, POST, PATCH, PUT, DELETE')
      .header('access-control-allow-headers', ALLOWED_HEADERS)
      .header('access-control-max-age', '7200')
      .send();
  });
}
