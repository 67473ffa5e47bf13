import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { CodedError } from '../../base/index.ts';
import {
  isMasked,
  LiveStream,
  PageQuery,
  PLATFORM_TEMPLATES,
  Platform,
  PlatformChange,
  PlatformCreate,
  PlatformTemplateList,
  Success,
  templateOf,
} from '../../contract/index.ts';
import type { PlatformRow, Principal } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { objectIdOf } from '../idempotency.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { IdParams, liveStreamNotFound, type ResourceOptions } from '../resource.ts';
import { toLiveStream, toPlatform } from '../to-live-stream.ts';

const Params = Type.Object({ id: Type.String(), pid: Type.String() });
const notFound = () =>
  new CodedError('not_found', 'Platform not found. GET /live_streams/{id} shows those of the live stream.');

/** /live_streams/{id}/platforms: add, change, restart, remove where else a live stream is pushed to; /platform_templates. */
export const platformRoutes: FastifyPluginAsyncTypebox<ResourceOptions> = async (app, options) => {
  const { live, addresses, dialect, checkDestination } = options;
  const { liveStreams, platforms } = options.store;
  // LiveAPI's clients expect the platform, Castr's the whole live stream (liveapi-contract.md §3).
  const Answer = Type.Unsafe<Platform | LiveStream>(dialect === 'castr' ? LiveStream : Platform);

  async function answer(principal: Principal, platform: PlatformRow): Promise<Platform | LiveStream> {
    if (dialect === 'liveapi') return toPlatform(platform, live.platformStatuses(platform.liveStreamId));
    const row = await liveStreams.get(principal, platform.liveStreamId);
    if (!row) throw liveStreamNotFound();
    return toLiveStream(row, addresses, dialect, live);
  }

  /** @throws CodedError bad_request, destination_refused */
  async function checkServer(server: string): Promise<string> {
    const host = hostOf(server);
    if (!host)
      throw new CodedError('bad_request', 'server must be an rtmp:// or rtmps:// URL without a user name in it.');
    await checkDestination(server, 'platform');
    return host;
  }

  app.post(
    '/live_streams/:id/platforms',
    {
      schema: {
        operationId: 'createPlatform',
        summary: 'Add a platform to a live stream',
        params: IdParams,
        body: PlatformCreate,
        response: { 200: Answer },
      },
    },
    async (request) => {
      const { principal, params, body } = request;
      if (!(await liveStreams.exists(principal, params.id))) throw liveStreamNotFound();
      if ([body.key, body.server].some((text) => text !== undefined && isMasked(text)))
        throw new CodedError('bad_request', 'key or server is masked: send it whole.');
      const server = body.server ?? serverOf(body.template);
      const host = await checkServer(server);
      const { template, name = host, key = '', enabled = true, metadata = null } = body;
      const { audio = 'keep', delay_s: delayS = 0, codecs = null } = body;
      const values = { template, name, server, key, enabled, metadata, audio, delayS, codecs };
      const platform = await platforms.create(principal, params.id, values, objectIdOf(request));
      if (!platform) throw liveStreamNotFound();
      live.platformsChanged(params.id);
      return answer(principal, platform);
    },
  );

  app.patch(
    '/live_streams/:id/platforms/:pid',
    {
      schema: {
        operationId: 'updatePlatform',
        summary: 'Change a platform; enabled: false pauses it',
        params: Params,
        body: PlatformChange,
        response: { 200: Answer },
      },
    },
    async (request) => {
      const { principal, params, body } = request;
      const stream = await liveStreams.get(principal, params.id);
      if (!stream) throw liveStreamNotFound();
      if (!stream.platforms.some(({ id }) => id === params.pid)) throw notFound();
      // One that is masked stays what it is, or is refused by the store.
      if (body.server !== undefined && !isMasked(body.server)) await checkServer(body.server);
      const platform = await platforms.update(principal, params.id, params.pid, body);
      if (!platform) throw notFound();
      live.platformsChanged(params.id);
      return answer(principal, platform);
    },
  );

  app.post(
    '/live_streams/:id/platforms/:pid/restart',
    {
      schema: {
        operationId: 'restartPlatform',
        summary: 'Connect to a platform anew, at once; 409 when nothing is pushed to it',
        params: Params,
        response: { 200: Answer },
      },
    },
    async ({ principal, params }) => {
      const stream = await liveStreams.get(principal, params.id);
      if (!stream) throw liveStreamNotFound();
      const platform = stream.platforms.find(({ id }) => id === params.pid);
      if (!platform) throw notFound();
      if (!live.restartPlatform(params.id, params.pid)) {
        const why = platform.enabled ? 'the live stream is not on air' : 'the platform is paused (enabled: false)';
        throw new CodedError('conflict', `Nothing is pushed to this platform: ${why}.`);
      }
      return answer(principal, platform);
    },
  );

  app.delete(
    '/live_streams/:id/platforms/:pid',
    {
      schema: {
        operationId: 'deletePlatform',
        summary: 'Remove a platform',
        params: Params,
        response: { 200: Success },
      },
    },
    async ({ principal, params }) => {
      if (!(await liveStreams.exists(principal, params.id))) throw liveStreamNotFound();
      if (!(await platforms.delete(principal, params.id, params.pid))) throw notFound();
      live.platformsChanged(params.id);
      return { success: true };
    },
  );

  app.get(
    '/platform_templates',
    {
      schema: {
        operationId: 'listPlatformTemplates',
        summary: 'List the services that are known: server, form of the key, what they take',
        querystring: PageQuery,
        response: { 200: PlatformTemplateList },
      },
    },
    async ({ query }) => {
      const page = pageOf(query);
      const docs = PLATFORM_TEMPLATES.slice((page.page - 1) * page.limit, page.page * page.limit);
      return listAnswer(
        docs.map((known) => ({ ...known, servers: [...known.servers], codecs: [...known.codecs] })),
        PLATFORM_TEMPLATES.length,
        page,
      );
    },
  );

  allowOnly(app, '/platform_templates', ['GET']);
  allowOnly(app, '/live_streams/:id/platforms', ['POST']);
  allowOnly(app, '/live_streams/:id/platforms/:pid', ['PATCH', 'DELETE']);
  allowOnly(app, '/live_streams/:id/platforms/:pid/restart', ['POST']);
};

/** Where the service that the template names takes streams. @throws CodedError bad_request for one that we do not know */
function serverOf(template: string): string {
  const [server] = templateOf(template)?.servers ?? [];
  if (server) return server;
  const names = PLATFORM_TEMPLATES.filter(({ servers }) => servers.length > 0).map((known) => known.template);
  throw new CodedError(
    'bad_request',
    `server is missing: only templates that name ${names.join(', ')} bring their own.`,
  );
}

/** The host of an RTMP URL; null for anything else, and for one with a user name: it would be stored in clear. */
function hostOf(server: string): string | null {
  const [, authority] = /^rtmps?:\/\/([^\s/?#\\]+)(?:[/?#][^\s\\]*)?$/i.exec(server) ?? [];
  if (!authority || authority.includes('@')) return null;
  return authority.replace(/:\d*$/, '') || null;
}
