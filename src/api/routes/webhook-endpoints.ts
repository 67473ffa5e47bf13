import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError, isoTime, isoTimeOrNull } from '../../base/index.ts';
import {
  EVENTS,
  exampleOf,
  NewWebhookEndpoint,
  PageQuery,
  SecretRotation,
  Success,
  WebhookEndpoint,
  WebhookEndpointChange,
  WebhookEndpointCreate,
  WebhookEndpointList,
  WebhookTest,
} from '../../contract/index.ts';
import type { NewWebhookSecret, Store, WebhookEndpointRow } from '../../store/index.ts';
import type { CheckDestination } from '../dialect.ts';
import { allowOnly } from '../errors.ts';
import { objectIdOf } from '../idempotency.ts';
import { listAnswer, pageOf } from '../paging.ts';
import type { Allowance } from '../rate-limit.ts';
import { IdParams } from '../resource.ts';

export interface WebhookEndpointRoutesOptions {
  readonly store: Pick<Store, 'webhookEndpoints'>;
  readonly checkDestination: CheckDestination;
  /** Of tests, for each endpoint. */
  readonly tests: Allowance;
}

/** The one answer for an endpoint that is not there and for one of somebody else. */
export const endpointNotFound = (): CodedError =>
  new CodedError(
    'not_found',
    'Webhook endpoint not found. GET /webhook_endpoints lists those that this access token reaches.',
  );

/** /webhook_endpoints: create, list, read, change, delete, rotate the secret, test. */
export const webhookEndpointRoutes: FastifyPluginAsyncTypebox<WebhookEndpointRoutesOptions> = async (app, options) => {
  const { checkDestination } = options;
  const { webhookEndpoints } = options.store;

  app.post(
    '/webhook_endpoints',
    {
      schema: {
        operationId: 'createWebhookEndpoint',
        summary: 'Create a webhook endpoint; its secret is in this answer only',
        body: WebhookEndpointCreate,
        response: { 200: NewWebhookEndpoint },
      },
    },
    async (request) => {
      await checkDestination(request.body.url, 'webhook');
      return showNew(await webhookEndpoints.create(request.principal, request.body, objectIdOf(request)));
    },
  );

  app.get(
    '/webhook_endpoints',
    {
      schema: {
        operationId: 'listWebhookEndpoints',
        summary: 'List webhook endpoints, newest first',
        querystring: PageQuery,
        response: { 200: WebhookEndpointList },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const { rows, total } = await webhookEndpoints.list(request.principal, page);
      return listAnswer(rows.map(show), total, page);
    },
  );

  app.get(
    '/webhook_endpoints/:id',
    {
      schema: {
        operationId: 'getWebhookEndpoint',
        summary: 'Read a webhook endpoint',
        params: IdParams,
        response: { 200: WebhookEndpoint },
      },
    },
    async (request) => {
      const row = await webhookEndpoints.get(request.principal, request.params.id);
      if (!row) throw endpointNotFound();
      return show(row);
    },
  );

  app.patch(
    '/webhook_endpoints/:id',
    {
      schema: {
        operationId: 'updateWebhookEndpoint',
        summary: 'Change a webhook endpoint; enabled: true starts anew, without what was given up',
        params: IdParams,
        body: WebhookEndpointChange,
        response: { 200: WebhookEndpoint },
      },
    },
    async (request) => {
      // First whether it is there: a stranger's id is not found, whatever else is wrong.
      if (!(await webhookEndpoints.get(request.principal, request.params.id))) throw endpointNotFound();
      if (request.body.url !== undefined) await checkDestination(request.body.url, 'webhook');
      const row = await webhookEndpoints.update(request.principal, request.params.id, request.body);
      if (!row) throw endpointNotFound();
      return show(row);
    },
  );

  app.delete(
    '/webhook_endpoints/:id',
    {
      schema: {
        operationId: 'deleteWebhookEndpoint',
        summary: 'Delete a webhook endpoint with its deliveries',
        params: IdParams,
        response: { 200: Success },
      },
    },
    async (request) => {
      if (!(await webhookEndpoints.delete(request.principal, request.params.id))) throw endpointNotFound();
      return { success: true };
    },
  );

  app.post(
    '/webhook_endpoints/:id/rotate_secret',
    {
      schema: {
        operationId: 'rotateWebhookSecret',
        summary: 'Give a webhook endpoint a new secret; the one before signs beside it for a while',
        params: IdParams,
        body: SecretRotation,
        response: { 200: NewWebhookEndpoint },
      },
    },
    async (request) => {
      const overlapMs = request.body.overlap_s * 1000;
      const rotated = await webhookEndpoints.rotateSecret(request.principal, request.params.id, overlapMs);
      if (!rotated) throw endpointNotFound();
      return showNew(rotated);
    },
  );

  app.post(
    '/webhook_endpoints/:id/test',
    {
      schema: {
        operationId: 'testWebhookEndpoint',
        summary: 'Send a test event to this endpoint alone, thirty times a minute at most',
        params: IdParams,
        body: WebhookTest,
        response: { 200: WebhookEndpoint },
      },
    },
    async (request, reply) => {
      const endpoint = await webhookEndpoints.get(request.principal, request.params.id);
      if (!endpoint) throw endpointNotFound();
      options.tests.take(request, reply, endpoint.id);
      const { event: name = 'webhook-test' } = request.body;
      const payload = examplePayload(name);
      const row = await webhookEndpoints.test(request.principal, request.params.id, { name, payload });
      if (!row) throw endpointNotFound();
      return show(row);
    },
  );

  allowOnly(app, '/webhook_endpoints', ['GET', 'POST']);
  allowOnly(app, '/webhook_endpoints/:id', ['GET', 'PATCH', 'DELETE']);
  allowOnly(app, '/webhook_endpoints/:id/rotate_secret', ['POST']);
  allowOnly(app, '/webhook_endpoints/:id/test', ['POST']);
};

/** Made up from the event's schema: nothing of anybody's. */
const examplePayload = (name: keyof typeof EVENTS): object => exampleOf({ ...EVENTS[name].payload }, {}) as object;

function show(row: WebhookEndpointRow): WebhookEndpoint {
  const { lastAttempt } = row;
  return {
    _id: row.id,
    url: row.url,
    name: row.name,
    events: row.events,
    enabled: row.enabled,
    failing_since: isoTimeOrNull(row.failingSinceMs),
    disabled_reason: row.disabledReason,
    last_delivery: lastAttempt && {
      time: isoTime(lastAttempt.startedMs),
      status: lastAttempt.status,
      error: lastAttempt.error,
    },
    environment: row.environment,
    organization: row.organizationId,
    creation_time: isoTime(row.createdMs),
  };
}

const showNew = ({ row, secret }: NewWebhookSecret): NewWebhookEndpoint => ({ ...show(row), secret });
