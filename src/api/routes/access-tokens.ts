import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError, isoTime, isoTimeOrNull } from '../../base/index.ts';
import {
  type AccessToken,
  AccessTokenCreate,
  AccessTokenList,
  NewAccessToken,
  PageQuery,
  Success,
} from '../../contract/index.ts';
import type { AccessTokenRow, Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { objectIdOf } from '../idempotency.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { audit } from '../people.ts';
import { IdParams } from '../resource.ts';

const config = { role: 'admin' } as const;

/** /access_tokens: make, list and revoke those of the environment that the request is made in. */
export const accessTokenRoutes: FastifyPluginAsyncTypebox<{ store: Pick<Store, 'tokens'> }> = async (app, options) => {
  const { tokens } = options.store;

  app.post(
    '/access_tokens',
    {
      config,
      schema: {
        operationId: 'createAccessToken',
        summary: 'Make an access token; its secret is in this answer only',
        body: AccessTokenCreate,
        response: { 200: NewAccessToken },
      },
    },
    async (request) => {
      const { principal, body } = request;
      const environment = body.environment ?? principal.environment;
      if (principal.kind === 'token' && environment !== principal.environment) {
        const message = `An access token of ${principal.environment} makes none of ${environment}: use one of ${environment}, or sign in.`;
        throw new CodedError('forbidden', message);
      }
      const expiresMs = body.expires_at === undefined ? principal.expiresMs : readExpiry(body.expires_at);
      if (principal.expiresMs !== null && expiresMs! > principal.expiresMs) {
        const message = `An access token makes none that outlives it: expires_at must be at most ${isoTime(principal.expiresMs)}.`;
        throw new CodedError('forbidden', message);
      }
      const values = { name: body.name, role: body.role, expiresMs, madeBy: principal.tokenId };
      const row = await tokens.create({ ...principal, environment }, values, objectIdOf(request));
      audit(request, 'access token made', { token: row.id, role: row.role, environment, by: principal.tokenId });
      return { ...toAccessToken(row), secret: row.secret };
    },
  );

  app.get(
    '/access_tokens',
    {
      config,
      schema: {
        operationId: 'listAccessTokens',
        summary: 'List access tokens, newest first',
        querystring: PageQuery,
        response: { 200: AccessTokenList },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const { rows, total } = await tokens.list(request.principal, page);
      return listAnswer(rows.map(toAccessToken), total, page);
    },
  );

  app.delete(
    '/access_tokens/:id',
    {
      config,
      schema: {
        operationId: 'revokeAccessToken',
        summary: 'Revoke an access token: refused from the next request on',
        params: IdParams,
        response: { 200: Success },
      },
    },
    async (request) => {
      if (!(await tokens.revoke(request.principal, request.params.id)))
        throw new CodedError('not_found', 'Access token not found. GET /access_tokens lists those of the environment.');
      audit(request, 'access token revoked', { token: request.params.id });
      return { success: true };
    },
  );

  allowOnly(app, '/access_tokens', ['GET', 'POST']);
  allowOnly(app, '/access_tokens/:id', ['DELETE']);
};

function readExpiry(text: string): number {
  const expiresMs = Date.parse(text);
  if (!(expiresMs > Date.now()))
    throw new CodedError('bad_request', 'expires_at must be a time to come, such as 2030-01-31T00:00:00.000Z.');
  return expiresMs;
}

function toAccessToken(row: AccessTokenRow): AccessToken {
  return {
    _id: row.id,
    name: row.name,
    environment: row.environment,
    role: row.role,
    created_by: row.userId,
    created_by_token: row.madeBy,
    creation_time: isoTime(row.createdMs),
    last_used_at: isoTimeOrNull(row.lastUsedMs),
    expires_at: isoTimeOrNull(row.expiresMs),
  };
}
