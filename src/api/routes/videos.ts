import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { CodedError } from '../../base/index.ts';
import {
  ErrorAnswer,
  PageQuery,
  Success,
  Video,
  VideoFolder,
  VideoFolderList,
  VideoList,
} from '../../contract/index.ts';
import { allowOnly } from '../errors.ts';
import { notImplemented } from '../not-implemented.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { IdParams, type ResourceOptions } from '../resource.ts';

const Upload = Type.Object({ url: Type.String() });
const Contents = Type.Object({ id: Type.String(), cid: Type.String() });
const noVideos = () =>
  notImplemented('videos', 'Only live streams can be played: POST /live_streams and push to what it answers.');
const notFound = () => new CodedError('not_found', 'Video not found: this server keeps no videos yet.');

/** /videos: none yet. Without a prefix one object is a video, under /v2 it is a folder (liveapi-contract.md §1.5, §1.6). */
export const videoRoutes: FastifyPluginAsyncTypebox<ResourceOptions> = async (app, { dialect }) => {
  const castr = dialect === 'castr';
  const One = castr ? VideoFolder : Video;
  const refuse = async () => {
    throw noVideos();
  };
  const miss = async () => {
    throw notFound();
  };

  app.get(
    '/videos',
    {
      schema: {
        operationId: 'listVideos',
        summary: 'List videos: none yet',
        querystring: PageQuery,
        response: { 200: castr ? VideoFolderList : VideoList },
      },
    },
    async (request) => listAnswer([], 0, pageOf(request.query)),
  );

  const create = { operationId: 'createVideo', summary: 'Create a video: not yet' };
  app.post('/videos', { schema: { ...create, response: { 200: One, 501: ErrorAnswer } } }, refuse);

  const upload = { operationId: 'createVideoUpload', summary: 'Get an address to upload a video to: not yet' };
  const uploads = { schema: { ...upload, params: IdParams, response: { 200: Upload, 501: ErrorAnswer } } };
  app.post('/videos/:id/uploads', uploads, refuse);

  const remove = { operationId: 'deleteVideo', summary: 'Delete a video' };
  app.delete('/videos/:id', { schema: { ...remove, params: IdParams, response: { 200: Success } } }, miss);
  allowOnly(app, '/videos', ['GET', 'POST']);
  allowOnly(app, '/videos/:id/uploads', ['POST']);

  if (castr) {
    const rename = { operationId: 'updateVideoFolder', summary: 'Rename a folder of videos' };
    app.patch('/videos/:id', { schema: { ...rename, params: IdParams, response: { 200: One } } }, miss);
    const list = { operationId: 'listVideoFolderContents', summary: 'List what is in a folder of videos' };
    const Items = VideoFolder.properties.data;
    app.get('/videos/:id/contents', { schema: { ...list, params: IdParams, response: { 200: Items } } }, miss);
    const take = { operationId: 'deleteVideoFolderContent', summary: 'Delete one video of a folder' };
    const taken = { schema: { ...take, params: Contents, response: { 200: Success } } };
    app.delete('/videos/:id/contents/:cid', taken, miss);
    allowOnly(app, '/videos/:id', ['PATCH', 'DELETE']);
    allowOnly(app, '/videos/:id/contents', ['GET']);
    allowOnly(app, '/videos/:id/contents/:cid', ['DELETE']);
  } else {
    const read = { operationId: 'getVideo', summary: 'Read a video' };
    app.get('/videos/:id', { schema: { ...read, params: IdParams, response: { 200: One } } }, miss);
    allowOnly(app, '/videos/:id', ['GET', 'DELETE']);
  }
};
