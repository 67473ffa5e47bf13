import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError } from '../../base/index.ts';
import { Stats } from '../../contract/index.ts';
import type { Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { IdParams, liveStreamNotFound } from '../resource.ts';
import type { OnAir, PublicAddresses } from '../to-live-stream.ts';
import { type OnAirStats, toStats } from '../to-stats.ts';

/** What the API asks of what is on air, to show it. */
export interface StatsPort {
  /** Null while no encoder is connected. */
  stats(liveStreamId: string): OnAirStats | null;
}

export interface StatsRoutesOptions {
  readonly store: Pick<Store, 'liveStreams'>;
  readonly live: StatsPort & OnAir;
  readonly addresses: PublicAddresses;
}

/** /live_streams/{id}/stats: how the running broadcast fares. */
export const statsRoutes: FastifyPluginAsyncTypebox<StatsRoutesOptions> = async (app, options) => {
  const { live, addresses } = options;
  const { liveStreams } = options.store;
  const url = '/live_streams/:id/stats';

  const schema = {
    operationId: 'getStats',
    summary: 'What the running broadcast measures; 404 while the live stream is offline',
    params: IdParams,
    response: { 200: Stats },
  };
  app.get(url, { schema }, async (request) => {
    const { id } = request.params;
    const row = await liveStreams.get(request.principal, id);
    if (!row) throw liveStreamNotFound();
    const stats = live.stats(id);
    if (!stats)
      throw new CodedError('not_found', 'Stream not found upstream: no encoder is connected to this live stream.');
    const pulled = stats.publisher.protocol.startsWith('pull-');
    return toStats(id, stats, {
      addresses,
      platforms: row.platforms,
      statuses: row.platforms.length > 0 ? live.platformStatuses(id) : [],
      pulledFrom: pulled ? (live.pullStatus(id)?.url ?? 'pull://') : null,
    });
  });

  allowOnly(app, url, ['GET']);
};
