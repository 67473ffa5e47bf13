import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError } from '../../base/index.ts';
import { Event, EventList, EventQuery } from '../../contract/index.ts';
import type { Scope, Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { IdParams } from '../resource.ts';

export interface EventRoutesOptions {
  readonly store: Pick<Store, 'events'>;
}

/** /events: the environment's log by number, so that a gap in what was delivered can be filled. */
export const eventRoutes: FastifyPluginAsyncTypebox<EventRoutesOptions> = async (app, { store }) => {
  const { events } = store;

  app.get(
    '/events',
    {
      schema: {
        operationId: 'listEvents',
        summary: 'List events, newest first; with after upwards from a number',
        querystring: EventQuery,
        response: { 200: EventList },
      },
    },
    (request) => listEvents(events, request.principal, request.query, request.query.live_stream),
  );

  app.get(
    '/events/:id',
    { schema: { operationId: 'getEvent', summary: 'Read an event', params: IdParams, response: { 200: Event } } },
    async (request) => {
      const event = await events.get(request.principal, request.params.id);
      if (!event)
        throw new CodedError('not_found', 'Event not found: they are kept for 30 days. GET /events lists them.');
      return event;
    },
  );

  allowOnly(app, '/events', ['GET']);
  allowOnly(app, '/events/:id', ['GET']);
};

/** A page of the log as the API answers it. */
export async function listEvents(
  events: Store['events'],
  scope: Scope,
  query: Pick<EventQuery, 'after' | 'page' | 'limit' | 'event'>,
  liveStreamId: string | undefined,
): Promise<EventList> {
  const page = pageOf(query);
  const { after, event: name } = query;
  const found = await events.list(scope, { ...page, after, name, liveStreamId });
  return { ...listAnswer(found.events, found.total, page), last_number: found.lastNumber };
}
