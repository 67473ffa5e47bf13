import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError } from '../../base/index.ts';
import {
  PageQuery,
  SubSecondStream,
  SubSecondStreamChange,
  SubSecondStreamList,
  Success,
} from '../../contract/index.ts';
import type { LiveStreamRow } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { objectIdOf } from '../idempotency.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { IdParams, type ResourceOptions } from '../resource.ts';
import { toSubSecondStream } from '../to-live-stream.ts';

const KIND = 'sub_second';
const notFound = () =>
  new CodedError(
    'not_found',
    'Sub-second stream not found. GET /sub_second_streams lists those that this access token reaches.',
  );

/** /sub_second_streams: live streams of another kind, with an embed page and nothing to set. */
export const subSecondStreamRoutes: FastifyPluginAsyncTypebox<ResourceOptions> = async (app, options) => {
  const { live, addresses } = options;
  const { liveStreams } = options.store;
  const show = (row: LiveStreamRow) => toSubSecondStream(row, addresses, live.isOnline(row.id));

  app.post(
    '/sub_second_streams',
    {
      schema: {
        operationId: 'createSubSecondStream',
        summary: 'Create a sub-second stream',
        body: SubSecondStreamChange,
        response: { 200: SubSecondStream },
      },
    },
    async (request) => {
      const options = { kind: KIND, id: objectIdOf(request) } as const;
      return toSubSecondStream(await liveStreams.create(request.principal, request.body, options), addresses);
    },
  );

  app.get(
    '/sub_second_streams',
    {
      schema: {
        operationId: 'listSubSecondStreams',
        summary: 'List sub-second streams, newest first',
        querystring: PageQuery,
        response: { 200: SubSecondStreamList },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const { rows, total } = await liveStreams.list(request.principal, page, KIND);
      return listAnswer(rows.map(show), total, page);
    },
  );

  app.get(
    '/sub_second_streams/:id',
    {
      schema: {
        operationId: 'getSubSecondStream',
        summary: 'Read a sub-second stream',
        params: IdParams,
        response: { 200: SubSecondStream },
      },
    },
    async (request) => {
      const row = await liveStreams.get(request.principal, request.params.id, KIND);
      if (!row) throw notFound();
      return show(row);
    },
  );

  app.patch(
    '/sub_second_streams/:id',
    {
      schema: {
        operationId: 'updateSubSecondStream',
        summary: 'Change a sub-second stream; enabled: false cuts its encoder at once',
        params: IdParams,
        body: SubSecondStreamChange,
        response: { 200: SubSecondStream },
      },
    },
    async (request) => {
      const row = await liveStreams.update(request.principal, request.params.id, request.body, KIND);
      if (!row) throw notFound();
      if (request.body.enabled === false) live.stop(row.id, 'disabled');
      return show(row);
    },
  );

  app.delete(
    '/sub_second_streams/:id',
    {
      schema: {
        operationId: 'deleteSubSecondStream',
        summary: 'Delete a sub-second stream; its encoder is cut at once',
        params: IdParams,
        response: { 200: Success },
      },
    },
    async (request) => {
      if (!(await liveStreams.delete(request.principal, request.params.id, KIND))) throw notFound();
      live.stop(request.params.id, 'deleted');
      return { success: true };
    },
  );

  allowOnly(app, '/sub_second_streams', ['GET', 'POST']);
  allowOnly(app, '/sub_second_streams/:id', ['GET', 'PATCH', 'DELETE']);
};
