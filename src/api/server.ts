import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { type FastifyInstance, type FastifyServerFactory, fastify, LogController } from 'fastify';
import type { Logger } from '../base/index.ts';
import type { Store } from '../store/index.ts';
import { requirePrincipal } from './authentication.ts';
import { addBodyParsers, contractCompiler } from './bodies.ts';
import { addBrowserHeaders } from './browser-headers.ts';
import { type CheckDestination, DIALECTS } from './dialect.ts';
import { notFound, sendError } from './errors.ts';
import { addIdempotency } from './idempotency.ts';
import { LiveUpdates, type UpdatesPort } from './live-updates.ts';
import { addOpenApi } from './openapi.ts';
import { Guesses, type MailPort } from './people.ts';
import { Allowance, createRateLimiter, NetworkAllowance, type RateLimits } from './rate-limit.ts';
import { requestIdOf } from './request-id.ts';
import type { LivePort } from './resource.ts';
import { accessTokenRoutes } from './routes/access-tokens.ts';
import { activityRoutes } from './routes/activity.ts';
import { type BeaconPort, beaconRoutes } from './routes/beacon.ts';
import { changelogRoutes } from './routes/changelog.ts';
import { deliveryRoutes } from './routes/deliveries.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { invitationRoutes } from './routes/invitations.ts';
import { liveStreamRoutes } from './routes/live-streams.ts';
import { memberRoutes } from './routes/members.ts';
import { type MetricsRoutesOptions, metricsRoutes } from './routes/metrics.ts';
import { type OpenApiDocument, openApiRoutes } from './routes/openapi.ts';
import { organizationRoutes } from './routes/organizations.ts';
import { passwordResetRoutes } from './routes/password-resets.ts';
import { platformRoutes } from './routes/platforms.ts';
import { type PlaybackTokenPort, playbackTokenRoutes } from './routes/playback-tokens.ts';
import { pullTestRoutes } from './routes/pull-test.ts';
import { recordingRoutes } from './routes/recordings.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { setupRoutes } from './routes/setup.ts';
import { type SigningKeyPort, signingKeyRoutes } from './routes/signing-keys.ts';
import { type StatsPort, statsRoutes } from './routes/stats.ts';
import { type ServerStatusPort, statusRoutes } from './routes/status.ts';
import { type StillsPort, stillRoutes } from './routes/stills.ts';
import { type StreamHealthPort, streamHealthRoutes } from './routes/stream-health.ts';
import { subSecondStreamRoutes } from './routes/sub-second-streams.ts';
import { updatesRoutes } from './routes/updates.ts';
import { type UsagePort, usageRoutes } from './routes/usage.ts';
import { userRoutes } from './routes/users.ts';
import { videoRoutes } from './routes/videos.ts';
import { webhookEndpointRoutes } from './routes/webhook-endpoints.ts';
import { SessionCookie } from './session-cookie.ts';
import type { PublicAddresses } from './to-live-stream.ts';

export interface ApiOptions {
  readonly store: Store;
  readonly live: LivePort &
    StatsPort &
    UpdatesPort &
    StreamHealthPort &
    UsagePort &
    BeaconPort &
    PlaybackTokenPort &
    SigningKeyPort &
    ServerStatusPort &
    StillsPort;
  readonly config: PublicAddresses &
    RateLimits & {
      readonly trustedProxies?: readonly string[];
      /** Whether what players report is counted; it is, when not given. */
      readonly embedAnalytics?: boolean;
    };
  readonly log: Logger;
  /** The outbound guard's word on addresses that webhooks, platforms and pulls are given. */
  readonly checkDestination: CheckDestination;
  /** What sends e-mails, where a mail server is configured. */
  readonly mail?: MailPort | null;
  /** Where requests are counted, and who may read the metrics; without it there are none. */
  readonly metrics?: MetricsRoutesOptions;
  /** Makes the HTTP server where the API shares it with others. */
  readonly serverFactory?: FastifyServerFactory;
  /** True from the moment on that the process wants no new work: `/health/ready` then answers 503. */
  readonly isDraining?: () => boolean;
}

const MAX_BODY_BYTES = 256 * 1024;
/** Of one network: hundreds may watch behind one address, each of whom reports six times a minute. */
const BEACONS_PER_MINUTE = 6000;

/** The API with all its routes; `document` makes its description. */
export function createApp(options: ApiOptions, document: () => Promise<OpenApiDocument>): FastifyInstance {
  const { store, live, config, log, checkDestination, metrics, serverFactory, isDraining = () => false } = options;
  const app = fastify({
    loggerInstance: log as FastifyInstance['log'],
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    // Nobody's X-Forwarded-For is believed unless the operator says whose (S18).
    trustProxy: config.trustedProxies?.length ? [...config.trustedProxies] : false,
    genReqId: requestIdOf,
    // As long as a request line can be: an odd id is not found, not "too long".
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 16_384 },
    frameworkErrors: sendError,
    ...(serverFactory && { serverFactory }),
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.setValidatorCompiler(contractCompiler);
  app.setNotFoundHandler(notFound);
  addBodyParsers(app);
  addBrowserHeaders(app, config);
  // Hooks that wait for nothing are called back: a promise each would be a tenth of a read's work.
  app.addHook('onResponse', (request, reply, done) => {
    done();
    const route = request.routeOptions.url ?? 'none';
    metrics?.metrics.request(request.method, route, reply.statusCode, reply.elapsedTime);
    if (!log.isLevelEnabled('debug')) return;
    const path = request.url.split('?', 1)[0];
    request.log.debug(
      { method: request.method, path, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'api: request',
    );
  });
  const cookie = new SessionCookie(store.sessions, config.publicUrl);
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
  const guesses = new Guesses();
  const limiter = createRateLimiter(config);
  // Who opens the server's address in a browser: else the browser would ask for a password.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.url === '/' && request.headers.accept?.includes('text/html')) reply.redirect('dashboard');
    else done();
  });
  requirePrincipal(app, store, cookie, limiter);
  app.addHook('onRequest', (request, reply, done) => {
    limiter.count(request, reply);
    done();
  });
  app.setErrorHandler<Parameters<typeof sendError>[0]>((error, request, reply) =>
    sendError(limiter.exchange(error, request, reply), request, reply),
  );
  addIdempotency(app, store);
  // What is there once: not part of either dialect.
  addOpenApi(app, config);
  app.register(openApiRoutes, { document });
  app.register(changelogRoutes);
  app.register(healthRoutes, { store, isDraining });
  if (metrics) app.register(metricsRoutes, metrics);
  app.register(statusRoutes, { store, live });
  const { embedAnalytics: enabled = true } = config;
  app.register(beaconRoutes, { live, enabled, allowance: new NetworkAllowance(BEACONS_PER_MINUTE) });
  const updates = new LiveUpdates(store, live, log);
  app.addHook('preClose', async () => updates.close());
  const webhooks = { tests: new Allowance(30), resends: new Allowance(60) };
  // The contract's resources and our own beside them: there twice. All options of all routes travel together.
  for (const { prefix, dialect } of DIALECTS) {
    const resource = { prefix, dialect, store, live, addresses: config, checkDestination, ...webhooks };
    const people = { prefix, store, cookie, guesses, mail: options.mail ?? null, addresses: config };
    app.register(liveStreamRoutes, resource);
    app.register(platformRoutes, resource);
    app.register(pullTestRoutes, resource);
    app.register(recordingRoutes, resource);
    app.register(subSecondStreamRoutes, resource);
    app.register(videoRoutes, resource);
    app.register(statsRoutes, resource);
    app.register(streamHealthRoutes, resource);
    app.register(usageRoutes, resource);
    app.register(stillRoutes, resource);
    app.register(playbackTokenRoutes, resource);
    app.register(updatesRoutes, { prefix, updates });
    app.register(webhookEndpointRoutes, resource);
    app.register(deliveryRoutes, resource);
    app.register(eventRoutes, resource);
    app.register(activityRoutes, resource);
    app.register(accessTokenRoutes, resource);
    app.register(signingKeyRoutes, resource);
    app.register(setupRoutes, people);
    app.register(sessionRoutes, people);
    app.register(passwordResetRoutes, people);
    app.register(userRoutes, people);
    app.register(organizationRoutes, people);
    app.register(memberRoutes, people);
    app.register(invitationRoutes, people);
  }
  return app;
}
