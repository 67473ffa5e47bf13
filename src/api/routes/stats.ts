import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { CodedError } from '../../base/index.ts';
import { Stats } from '../../contract/index.ts';
import type { Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { type OnAirStats, toStats } from '../to-stats.ts';

/** What the API asks of what is on air, to show it. */
export interface StatsPort {
  /** Null while no encoder is connected. */
  stats(liveStreamId: string): OnAirStats | null;
}

export interface StatsRoutesOptions {
  readonly store: Pick<Store, 'liveStreams'>;
  readonly live: StatsPort;
}

const Params = Type.Object({ id: Type.String() });

/** /live_streams/{id}/stats: how the running broadcast fares. */
export const statsRoutes: FastifyPluginAsyncTypebox<StatsRoutesOptions> = async (app, { store, live }) => {
  const url = '/live_streams/:id/stats';

  const schema = {
    operationId: 'getStats',
    summary: 'What the running broadcast measures; 404 while the live stream is offline',
    params: Params,
    response: { 200: Stats },
  };
  app.get(url, { schema }, async (request) => {
    const { id } = request.params;
    if (!(await store.liveStreams.exists(request.principal, id)))
      throw new CodedError(
        'not_found',
        'Live stream not found. GET /live_streams lists those that this access token reaches.',
      );
    const stats = live.stats(id);
    if (!stats)
      throw new CodedError('not_found', 'Stream not found upstream: no encoder is connected to this live stream.');
    return toStats(id, stats);
  });

  allowOnly(app, url, ['GET']);
};
