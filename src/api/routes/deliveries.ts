import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { CodedError, isoTime, isoTimeOrNull } from '../../base/index.ts';
import { Delivery, DeliveryDetails, DeliveryList, DeliveryQuery, Resend, Resent } from '../../contract/index.ts';
import type { DeliveryRow, Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { listAnswer, pageOf } from '../paging.ts';
import type { Allowance } from '../rate-limit.ts';
import { IdParams } from '../resource.ts';
import { endpointNotFound } from './webhook-endpoints.ts';

export interface DeliveryRoutesOptions {
  readonly store: Pick<Store, 'deliveryLog' | 'webhookEndpoints'>;
  /** Of each way to send anew, for each endpoint. */
  readonly resends: Allowance;
}

const Params = Type.Object({ id: Type.String(), did: Type.String() });
const deliveryNotFound = () =>
  new CodedError(
    'not_found',
    'Delivery not found: they are kept for 30 days. GET /webhook_endpoints/{id}/deliveries lists them.',
  );

/** /webhook_endpoints/{id}/deliveries: the log of what was sent, and sending it anew. */
export const deliveryRoutes: FastifyPluginAsyncTypebox<DeliveryRoutesOptions> = async (app, options) => {
  const { deliveryLog, webhookEndpoints } = options.store;

  app.get(
    '/webhook_endpoints/:id/deliveries',
    {
      schema: {
        operationId: 'listDeliveries',
        summary: 'List deliveries to a webhook endpoint, newest first',
        params: IdParams,
        querystring: DeliveryQuery,
        response: { 200: DeliveryList },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const filter = { ...page, ...readFilter(request.query) };
      const found = await deliveryLog.list(request.principal, request.params.id, filter);
      if (!found) throw endpointNotFound();
      return listAnswer(found.rows.map(show), found.total, page);
    },
  );

  app.get(
    '/webhook_endpoints/:id/deliveries/:did',
    {
      schema: {
        operationId: 'getDelivery',
        summary: 'Read a delivery with all its attempts',
        params: Params,
        response: { 200: DeliveryDetails },
      },
    },
    async (request) => {
      const { id, did } = request.params;
      const found = await deliveryLog.get(request.principal, id, did);
      if (!found) throw deliveryNotFound();
      const attempts = found.log.map((attempt) => ({
        started_at: isoTime(attempt.startedMs),
        duration_ms: attempt.durationMs,
        status: attempt.status,
        error: attempt.error,
        request_headers: attempt.requestHeaders,
        response_body: attempt.responseBody,
      }));
      return { ...show(found), body: found.body, attempts };
    },
  );

  app.post(
    '/webhook_endpoints/:id/deliveries/:did/resend',
    {
      schema: {
        operationId: 'resendDelivery',
        summary: 'Send the event of a delivery anew, sixty times a minute at most',
        params: Params,
        response: { 200: Delivery },
      },
    },
    async (request, reply) => {
      const { id, did } = request.params;
      if (!(await webhookEndpoints.get(request.principal, id))) throw deliveryNotFound();
      options.resends.take(request, reply, `one ${id}`);
      const row = await deliveryLog.resend(request.principal, id, did);
      if (!row) throw deliveryNotFound();
      return show(row);
    },
  );

  app.post(
    '/webhook_endpoints/:id/resend',
    {
      schema: {
        operationId: 'resendDeliveries',
        summary: 'Send the events of a range of deliveries anew; those that are dead, by default',
        params: IdParams,
        body: Resend,
        response: { 200: Resent },
      },
    },
    async (request, reply) => {
      if (!(await webhookEndpoints.get(request.principal, request.params.id))) throw endpointNotFound();
      options.resends.take(request, reply, `many ${request.params.id}`);
      const { state } = request.body;
      const resent = await deliveryLog.resendAll(request.principal, request.params.id, {
        ...readFilter(request.body),
        state,
      });
      if (!resent) throw endpointNotFound();
      const { nextFromMs } = resent;
      return { resent: resent.resent, more: nextFromMs !== null, next_from: isoTimeOrNull(nextFromMs) };
    },
  );

  allowOnly(app, '/webhook_endpoints/:id/deliveries', ['GET']);
  allowOnly(app, '/webhook_endpoints/:id/deliveries/:did', ['GET']);
  allowOnly(app, '/webhook_endpoints/:id/deliveries/:did/resend', ['POST']);
  allowOnly(app, '/webhook_endpoints/:id/resend', ['POST']);
};

const readFilter = ({ state, event, from, to }: Pick<DeliveryQuery, 'state' | 'event' | 'from' | 'to'>) => ({
  state,
  event,
  fromMs: readTime('from', from),
  toMs: readTime('to', to),
});

function readTime(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new CodedError('bad_request', `${field} must be a time such as 2026-03-01T10:00:00.000Z.`);
  return ms;
}
const show = (row: DeliveryRow): Delivery => ({
  _id: row.id,
  event_id: row.eventId,
  event: row.eventName,
  number: row.number,
  state: row.state,
  reason: row.reason,
  attempt_count: row.attempts,
  next_attempt_at: isoTimeOrNull(row.nextAttemptMs),
  first_attempt_at: isoTimeOrNull(row.firstAttemptMs),
  finished_at: isoTimeOrNull(row.finishedMs),
  resend_of: row.resendOf,
  creation_time: isoTime(row.createdMs),
});
