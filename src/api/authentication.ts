import type { FastifyInstance, FastifyRequest } from 'fastify';
import { CodedError } from '../base/index.ts';
import { type Environment, type Role, roleCovers } from '../contract/index.ts';
import type { Principal, Store } from '../store/index.ts';
import type { RateLimiter } from './rate-limit.ts';
import type { BrowserSession, SessionCookie } from './session-cookie.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is asking. Set before every handler, except on routes that are open. */
    principal: Principal;
    /** The person's session; null where an access token is asking. */
    browserSession: BrowserSession | null;
    /** Whether who asked may still do so: for answers that go on for long. Rejects when that cannot be known now. */
    mayStill(): Promise<boolean>;
  }
  interface FastifyContextConfig {
    /** The route answers everybody. One that changes something still refuses pages of other sites. */
    open?: boolean;
    /** Of one that is open and changes something: pages of other sites may too. */
    anyOrigin?: boolean;
    /** The least role that may; `member` by default. */
    role?: Role;
    /** Only people who have signed in: no access token may. */
    session?: true;
    /** The route is about the person, who need not be in any organization (`principal.organizationId` is then ''). */
    personal?: true;
    /** The organization is the `:id` of the path, not the one that the request's header chooses. */
    organizationInPath?: true;
  }
}

/** For one that the principal does not reach, whether it exists or not. */
export const organizationNotFound = (): CodedError =>
  new CodedError('not_found', 'Organization not found. GET /organizations lists those that you reach.');

/**
 * Asks for an access token (HTTP Basic) or a session (cookie) on every route that does not say that it is open, and where there
 * is no route; and for the role that the route needs.
 */
export function requirePrincipal(
  app: FastifyInstance,
  store: Pick<Store, 'verifyToken'>,
  cookie: SessionCookie,
  limits: Pick<RateLimiter, 'refuseGuess' | 'noteGood'>,
): void {
  app.decorateRequest('principal', null as unknown as Principal);
  app.decorateRequest('browserSession', null);
  app.decorateRequest('mayStill', async function (this: FastifyRequest) {
    const { organizationId } = this.principal;
    try {
      await identify(this);
      refuseOthers(this);
      // Without a header a person's first organization is meant, which may be another one by now.
      return this.principal.organizationId === organizationId;
    } catch (error) {
      if (error instanceof CodedError && error.code !== 'store_unavailable') return false;
      throw error;
    }
  });
  const identify = async (request: FastifyRequest) => {
    // A request with both is the token's: whoever sends one needs no cookie.
    if (request.headers.authorization !== undefined) {
      refuseForeignForm(request);
      request.principal = await readToken(request, store);
    } else {
      const browserSession = await cookie.read(request);
      if (!browserSession)
        throw unauthorized('Send an access token by HTTP Basic: its id as the user name, its secret as the password.');
      request.browserSession = browserSession;
      request.principal = choose(request, browserSession);
    }
  };
  const refuseOthers = (request: FastifyRequest) => {
    const { role = 'member', session } = request.routeOptions.config;
    if (session && request.principal.kind !== 'session')
      throw new CodedError('forbidden', 'Only somebody who has signed in may do this: no access token can.');
    if (!roleCovers(request.principal.role, role)) {
      const message = `This needs the role ${role}; ${request.principal.kind === 'token' ? 'the access token' : 'your role'} is ${request.principal.role}.`;
      throw new CodedError('forbidden', message);
    }
  };
  app.addHook('onRequest', async (request, reply) => {
    const { open, anyOrigin } = request.routeOptions.config;
    if (open) return anyOrigin ? undefined : cookie.refuseForeignOrigin(request);
    limits.refuseGuess(request, reply);
    await identify(request);
    limits.noteGood(request);
    refuseOthers(request);
  });
}

/**
 * A browser that has once asked its user for a token sends it along with other sites' forms too (S40). A script that was given the
 * token announces itself (`cors`), or, where the browser tells nothing of that, sends a type that no form can.
 * @throws CodedError forbidden
 */
function refuseForeignForm({ method, headers }: FastifyRequest): void {
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return;
  const { 'sec-fetch-site': site, 'sec-fetch-mode': mode, origin, 'content-type': type = '' } = headers;
  const asked =
    site === undefined
      ? origin === undefined || method !== 'POST' || /^application\/json\b/i.test(type)
      : site === 'same-origin' || site === 'none' || mode === 'cors';
  if (asked) return;
  throw new CodedError(
    'forbidden',
    "Another site's page sent this. A script on such a page sends its own authorization and content-type: application/json.",
  );
}

const unauthorized = (message: string) => new CodedError('unauthorized', message);

async function readToken(request: FastifyRequest, store: Pick<Store, 'verifyToken'>): Promise<Principal> {
  const given = readBasic(request);
  const principal = given && (await store.verifyToken(given.id, given.secret));
  if (!principal) {
    const message = given
      ? 'The access token is unknown or revoked, or its secret is wrong: send HTTP Basic with a token id as user and its secret as password.'
      : 'Send an access token by HTTP Basic: its id as the user name, its secret as the password.';
    throw unauthorized(message);
  }
  if (request.routeOptions.config.organizationInPath && idOf(request) !== principal.organizationId)
    throw organizationNotFound();
  return principal;
}

/** The organization and the environment that a person's request is about. */
function choose(request: FastifyRequest, { sessionId, user, organizations }: BrowserSession): Principal {
  const { personal, organizationInPath } = request.routeOptions.config;
  const person = { kind: 'session', tokenId: null, sessionId, userId: user.id, expiresMs: null } as const;
  const environment = readEnvironment(request);
  if (personal) return { ...person, organizationId: '', environment, role: 'member' };
  const wanted = organizationInPath ? idOf(request) : request.headers['x-liveapi-organization'];
  const chosen = wanted === undefined ? organizations[0] : organizations.find(({ id }) => id === wanted);
  if (!chosen && wanted !== undefined) throw organizationNotFound();
  if (!chosen) {
    const message = 'You are in no organization: make one with POST /organizations, or accept an invitation.';
    throw new CodedError('forbidden', message);
  }
  return { ...person, organizationId: chosen.id, environment, role: chosen.role };
}

const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id;

function readEnvironment(request: FastifyRequest): Environment {
  const environment = request.headers['x-liveapi-environment'] ?? 'production';
  if (environment === 'production' || environment === 'development') return environment;
  throw new CodedError('bad_request', 'x-liveapi-environment must be production or development.');
}

function readBasic(request: FastifyRequest): { id: string; secret: string } | null {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=_-]{1,1024})$/i.exec(request.headers.authorization ?? '') ?? [];
  if (!encoded) return null;
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? null : { id: text.slice(0, colon), secret: text.slice(colon + 1) };
}
