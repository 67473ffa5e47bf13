import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { CodedError } from '../../base/index.ts';
import {
  ErrorAnswer,
  ExportData,
  PageQuery,
  Recordings,
  TemporaryRecording,
  TemporaryRecordings,
} from '../../contract/index.ts';
import type { Principal } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { notImplemented } from '../not-implemented.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { IdParams, liveStreamNotFound, type ResourceOptions } from '../resource.ts';

const Params = Type.Object({ id: Type.String(), rid: Type.String() });
const withoutDefault = (type: Type.TInteger) => Type.Optional(Type.Integer({ ...type, default: undefined }));
const Query = Type.Object({
  page: withoutDefault(PageQuery.properties.page),
  limit: withoutDefault(PageQuery.properties.limit),
  start_time: Type.Optional(Type.String()),
  end_time: Type.Optional(Type.String()),
});

/** What is kept of broadcasts: nothing yet, in the shapes in which clients ask for it. */
export const recordingRoutes: FastifyPluginAsyncTypebox<ResourceOptions> = async (app, { store }) => {
  async function mustExist(principal: Principal, liveStreamId: string): Promise<void> {
    if (!(await store.liveStreams.exists(principal, liveStreamId))) throw liveStreamNotFound();
  }

  app.get(
    '/live_streams/:id/temporary_recordings',
    {
      schema: {
        operationId: 'listTemporaryRecordings',
        summary: 'List what is kept of broadcasts for 72 hours: none yet',
        params: IdParams,
        response: { 200: TemporaryRecordings },
      },
    },
    async ({ principal, params }) => {
      await mustExist(principal, params.id);
      return [];
    },
  );

  app.get(
    '/live_streams/:id/temporary_recordings/:rid',
    {
      schema: {
        operationId: 'getTemporaryRecording',
        summary: 'Read a temporary recording',
        params: Params,
        response: { 200: TemporaryRecording },
      },
    },
    async ({ principal, params }) => {
      await mustExist(principal, params.id);
      throw new CodedError('not_found', 'Recording not found: this server does not record yet.');
    },
  );

  app.post(
    '/live_streams/:id/temporary_recordings/:rid',
    {
      schema: {
        operationId: 'exportTemporaryRecording',
        summary: 'Export a stretch of a temporary recording: not yet',
        params: Params,
        response: { 200: ExportData, 501: ErrorAnswer },
      },
    },
    async ({ principal, params }) => {
      await mustExist(principal, params.id);
      throw notImplemented(
        'recordings',
        'Record at the encoder, or read hls_url with ffmpeg while the stream is live.',
      );
    },
  );

  app.get(
    '/live_streams/:id/recordings',
    {
      schema: {
        operationId: 'listRecordings',
        summary: 'List what is kept of broadcasts for good: none yet',
        params: IdParams,
        querystring: Query,
        response: { 200: Recordings },
      },
    },
    async ({ principal, params, query }) => {
      await mustExist(principal, params.id);
      const { page, limit } = query;
      // Clients of one kind decode a bare list, those of the other ask for pages (liveapi-contract.md §3).
      if (page === undefined && limit === undefined) return [];
      return listAnswer([], 0, pageOf({ page: page ?? 1, limit: limit ?? 20 }));
    },
  );

  app.get(
    '/live_streams/:id/epg',
    {
      schema: {
        operationId: 'getEpg',
        summary: 'The programme guide of a live stream: not yet',
        params: IdParams,
        response: { 200: Type.Object({}), 501: ErrorAnswer },
      },
    },
    async ({ principal, params }) => {
      await mustExist(principal, params.id);
      throw notImplemented('programme guide', 'GET /live_streams/{id}/events lists when the live stream was on air.');
    },
  );

  allowOnly(app, '/live_streams/:id/temporary_recordings', ['GET']);
  allowOnly(app, '/live_streams/:id/temporary_recordings/:rid', ['GET', 'POST']);
  allowOnly(app, '/live_streams/:id/recordings', ['GET']);
  allowOnly(app, '/live_streams/:id/epg', ['GET']);
};
