import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError, isoTime } from '../../base/index.ts';
import { ServerStatus } from '../../contract/index.ts';
import type { Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { version } from '../openapi.ts';

export interface ServerStatusPort {
  serverStatus(): Promise<{
    readonly disk: { readonly free: number; readonly total: number } | null;
    readonly ffmpeg: string | null;
    readonly rss: number;
    readonly eventLoopP99Ms: number;
    readonly onAir: number;
    readonly viewers: number;
  }>;
}

export interface StatusRoutesOptions {
  readonly store: Pick<Store, 'status' | 'organizations'>;
  readonly live: ServerStatusPort;
}

/** /status: how the server is. For owners of its first organization, as it is about all of them. */
export const statusRoutes: FastifyPluginAsyncTypebox<StatusRoutesOptions> = async (app, { store, live }) => {
  const startedAt = isoTime(Date.now() - process.uptime() * 1000);
  const schema = {
    operationId: 'getServerStatus',
    summary: "How the server is: versions, database, disk, load; for owners of the server's first organization",
    response: { 200: ServerStatus },
  };
  app.get('/status', { config: { role: 'owner' }, schema }, async (request) => {
    if (!(await store.organizations.isFirst(request.principal.organizationId)))
      throw new CodedError('forbidden', "Only owners of the server's first organization, who run it, may see this.");
    const [server, { nodes, ...database }] = await Promise.all([live.serverStatus(), store.status()]);
    return {
      version,
      node: process.version,
      started_at: startedAt,
      database,
      disk: server.disk,
      ffmpeg: server.ffmpeg,
      nodes: nodes.map(({ id, self }) => ({ _id: id, self })),
      on_air: server.onAir,
      viewers: server.viewers,
      memory: { rss: server.rss },
      event_loop_p99_ms: server.eventLoopP99Ms,
    };
  });

  allowOnly(app, '/status', ['GET'], { config: { role: 'owner' } });
};
