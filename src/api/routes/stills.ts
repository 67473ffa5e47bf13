import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { CodedError } from '../../base/index.ts';
import type { Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { IdParams, liveStreamNotFound } from '../resource.ts';

export interface StillsPort {
  /** A JPEG; null while there is no picture. `owner` bounds how many one may wait for. @throws CodedError not_implemented, too_many_requests */
  still(playbackId: string, owner: string): Promise<Buffer | null>;
}

export interface StillsRoutesOptions {
  readonly store: Pick<Store, 'liveStreams'>;
  readonly live: StillsPort;
}

const TYPE = 'image/jpeg';

/** /live_streams/{id}/still: what is to be seen now. */
export const stillRoutes: FastifyPluginAsyncTypebox<StillsRoutesOptions> = async (app, { store, live }) => {
  const url = '/live_streams/:id/still';
  const schema = {
    operationId: 'getStill',
    summary: 'A picture of the running broadcast, ten seconds old at most; 404 while there is none',
    params: IdParams,
    produces: [TYPE],
    response: { 200: Type.Unsafe<Buffer>(Type.String({ description: 'JPEG.', examples: ['…'] })) },
  };
  app.get(url, { schema }, async ({ principal, params }, reply) => {
    const row = await store.liveStreams.get(principal, params.id);
    if (!row) throw liveStreamNotFound();
    const jpeg = await live.still(row.playbackId, principal.organizationId);
    if (!jpeg) throw new CodedError('not_found', 'There is no picture: no encoder sends one to this live stream.');
    return reply.type(TYPE).send(jpeg);
  });

  allowOnly(app, url, ['GET']);
};
