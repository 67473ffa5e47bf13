import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { CodedError } from '../../base/index.ts';
import { LiveStream, LiveStreamChange, LiveStreamList, PageQuery, Success } from '../../contract/index.ts';
import type { Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { type PublicAddresses, toLiveStream } from '../to-live-stream.ts';

/** What the API asks of what is on air. */
export interface LivePort {
  isOnline(liveStreamId: string): boolean;
  /** Disconnects the publisher, if there is one, before it returns. */
  stop(liveStreamId: string, reason: 'disabled' | 'deleted'): void;
}

export interface LiveStreamRoutesOptions {
  readonly store: Pick<Store, 'liveStreams'>;
  readonly live: LivePort;
  readonly addresses: PublicAddresses;
}

const MAX_LIMIT = 100;
const Params = Type.Object({ id: Type.String() });
const notFound = () =>
  new CodedError('not_found', 'Live stream not found. GET /live_streams lists those that this access token reaches.');

/** /live_streams: create, list, read, change, delete. */
export const liveStreamRoutes: FastifyPluginAsyncTypebox<LiveStreamRoutesOptions> = async (app, options) => {
  const { live, addresses } = options;
  const { liveStreams } = options.store;
  const show = (row: Parameters<typeof toLiveStream>[0]) => toLiveStream(row, addresses, live.isOnline(row.id));

  app.post('/live_streams', { schema: { body: LiveStreamChange, response: { 200: LiveStream } } }, async (request) =>
    toLiveStream(await liveStreams.create(request.principal, request.body), addresses),
  );

  app.get(
    '/live_streams',
    { schema: { querystring: PageQuery, response: { 200: LiveStreamList } } },
    async (request) => {
      const page = request.query.page;
      const limit = Math.min(request.query.limit, MAX_LIMIT);
      const { rows, total } = await liveStreams.list(request.principal, { page, limit });
      return { docs: rows.map(show), total, limit, page, pages: Math.ceil(total / limit) || 1 };
    },
  );

  app.get('/live_streams/:id', { schema: { params: Params, response: { 200: LiveStream } } }, async (request) => {
    const row = await liveStreams.get(request.principal, request.params.id);
    if (!row) throw notFound();
    return show(row);
  });

  app.patch(
    '/live_streams/:id',
    { schema: { params: Params, body: LiveStreamChange, response: { 200: LiveStream } } },
    async (request) => {
      const row = await liveStreams.update(request.principal, request.params.id, request.body);
      if (!row) throw notFound();
      // Written first: an encoder that comes back at once is refused.
      if (request.body.enabled === false) live.stop(row.id, 'disabled');
      return show(row);
    },
  );

  app.delete('/live_streams/:id', { schema: { params: Params, response: { 200: Success } } }, async (request) => {
    if (!(await liveStreams.delete(request.principal, request.params.id))) throw notFound();
    live.stop(request.params.id, 'deleted');
    return { success: true };
  });

  allowOnly(app, '/live_streams', ['GET', 'POST']);
  allowOnly(app, '/live_streams/:id', ['GET', 'PATCH', 'DELETE']);
};
