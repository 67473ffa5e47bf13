import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { type FastifyInstance, type FastifyServerFactory, fastify, LogController } from 'fastify';
import type { Logger } from '../base/index.ts';
import type { Store } from '../store/index.ts';
import { requireToken } from './authentication.ts';
import { addBodyParsers, contractCompiler } from './bodies.ts';
import { notFound, sendError } from './errors.ts';
import { healthRoutes } from './routes/health.ts';
import { type LivePort, liveStreamRoutes } from './routes/live-streams.ts';
import type { PublicAddresses } from './to-live-stream.ts';

export interface ApiOptions {
  readonly store: Store;
  readonly live: LivePort;
  readonly config: PublicAddresses;
  readonly log: Logger;
  /** Makes the HTTP server where the API shares it with others. */
  readonly serverFactory?: FastifyServerFactory;
  /** True from the moment on that the process wants no new work: `/health/ready` then answers 503. */
  readonly isDraining?: () => boolean;
}

const MAX_BODY_BYTES = 256 * 1024;

/** The API, ready to listen. It does not close the store. */
export function createApi(options: ApiOptions): FastifyInstance {
  const { store, live, config, log, serverFactory, isDraining = () => false } = options;
  const app = fastify({
    loggerInstance: log as FastifyInstance['log'],
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    // As long as a request line can be: an odd id is not found, not "too long".
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 16_384 },
    frameworkErrors: sendError,
    ...(serverFactory && { serverFactory }),
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.setValidatorCompiler(contractCompiler);
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(notFound);
  addBodyParsers(app);
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
  });
  app.addHook('onResponse', async (request, reply) => {
    if (!log.isLevelEnabled('debug')) return;
    const path = request.url.split('?', 1)[0];
    request.log.debug(
      { method: request.method, path, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'api: request',
    );
  });
  requireToken(app, store);
  app.register(healthRoutes, { store, isDraining });
  app.register(liveStreamRoutes, { store, live, addresses: config });
  return app;
}
