import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import { isoTime, isoTimeOrNull } from '../../base/index.ts';
import { BroadcastList, EventList, EventQuery, PageQuery } from '../../contract/index.ts';
import type { Scope, Store } from '../../store/index.ts';
import type { Dialect } from '../dialect.ts';
import { allowOnly } from '../errors.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { IdParams, liveStreamNotFound } from '../resource.ts';
import { listEvents } from './events.ts';

export interface ActivityRoutesOptions {
  readonly store: Pick<Store, 'events' | 'broadcasts'>;
  readonly dialect: Dialect;
}

const { live_stream: _, ...filters } = EventQuery.properties;
const Query = Type.Object(filters);

/** What happened to one live stream, also when it is deleted: its events and its broadcasts, and Castr's names for the events. */
export const activityRoutes: FastifyPluginAsyncTypebox<ActivityRoutesOptions> = async (app, { store, dialect }) => {
  const { events, broadcasts } = store;
  const known = async (scope: Scope, id: string) => {
    if (!(await events.knows(scope, id))) throw liveStreamNotFound();
  };
  const eventsOf = (path: string, operationId: string, summary: string) => {
    app.get(
      path,
      { schema: { operationId, summary, params: IdParams, querystring: Query, response: { 200: EventList } } },
      async (request) => {
        const { id } = request.params;
        await known(request.principal, id);
        return listEvents(events, request.principal, request.query as Static<typeof Query>, id);
      },
    );
    allowOnly(app, path, ['GET']);
  };

  eventsOf('/live_streams/:id/events', 'listLiveStreamEvents', 'List the events of a live stream, newest first');
  if (dialect === 'castr') {
    eventsOf('/activity_logs/stream/:id', 'listActivityLogs', "A live stream's events, under Castr's name");
    eventsOf('/activity_events/stream/:id', 'listActivityEvents', "A live stream's events, under Castr's name");
  }

  app.get(
    '/live_streams/:id/broadcasts',
    {
      schema: {
        operationId: 'listBroadcasts',
        summary: 'List the sessions of a live stream on air, newest first',
        params: IdParams,
        querystring: PageQuery,
        response: { 200: BroadcastList },
      },
    },
    async (request) => {
      const { id } = request.params;
      await known(request.principal, id);
      const page = pageOf(request.query);
      const { rows, total } = await broadcasts.list(request.principal, id, page);
      const docs = rows.map((row) => ({
        _id: row.id,
        protocol: row.protocol,
        address: row.address,
        started_at: isoTime(row.startedMs),
        ended_at: isoTimeOrNull(row.endedMs),
        reason: row.reason,
      }));
      return listAnswer(docs, total, page);
    },
  );
  allowOnly(app, '/live_streams/:id/broadcasts', ['GET']);
};
