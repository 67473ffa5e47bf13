import type { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { UpdatesQuery } from '../../contract/index.ts';
import { allowOnly } from '../errors.ts';
import type { LiveUpdates } from '../live-updates.ts';

const TYPE = 'text/event-stream';
const Stream = Type.Unsafe<Readable | string>(
  Type.String({
    description:
      'Server-sent events. `entry`: an event as GET /events shows it, its number as `id`. `live`: `{"live_streams": [LiveState]}`, first of all that are on air or pulled, then every two seconds of those that changed.',
    examples: ['event: live\ndata: {"live_streams":[]}\n\n'],
  }),
);

/** /updates: what happens in the environment, as it happens. */
export const updatesRoutes: FastifyPluginAsyncTypebox<{ readonly updates: LiveUpdates }> = async (app, { updates }) => {
  app.get(
    '/updates',
    {
      schema: {
        operationId: 'followUpdates',
        summary: 'Follow what happens: events, and how live streams stand, as server-sent events',
        querystring: UpdatesQuery,
        produces: [TYPE],
        response: { 200: Stream },
      },
    },
    async (request, reply) => {
      reply.type(TYPE).header('x-accel-buffering', 'no');
      if (request.method === 'HEAD') return reply.send('');
      const { after = numberIn(request.headers['last-event-id']), for_s } = request.query;
      return reply.send(await updates.follow(request.principal, { after, for_s }, () => request.mayStill()));
    },
  );

  allowOnly(app, '/updates', ['GET']);
};

const numberIn = (text: string | string[] | undefined): number | undefined =>
  typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
