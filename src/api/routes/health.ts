import type { FastifyInstance, FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { ErrorAnswer } from '../../contract/index.ts';
import type { Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';

export interface HealthOptions {
  readonly store: Pick<Store, 'ready'>;
  readonly isDraining: () => boolean;
}

const Health = Type.Object({ status: Type.String({ enum: ['ok'] }) }, { $id: 'Health' });

/** /health: `live` says that the process answers, `ready` that it can do its work. Both are open to all and say no more. */
export async function healthRoutes(app: FastifyInstance, { store, isDraining }: HealthOptions): Promise<void> {
  const open = { config: { open: true, unlimited: true } };
  const live = { operationId: 'getLiveness', summary: 'Whether the process answers', response: { 200: Health } };
  const ready = {
    operationId: 'getReadiness',
    summary: 'Whether the server can do its work: 503 while it cannot, and once it is told to stop',
    response: { 200: Health },
  };

  app.get('/health/live', { ...open, schema: live }, async () => ({ status: 'ok' }));

  app.get('/health/ready', { ...open, schema: ready }, async (_request, reply) => {
    if (isDraining()) return notReady(reply, 'The server is shutting down: try again when it is back.');
    if (!(await store.ready()))
      return notReady(reply, 'The database does not answer: try again in a moment; the log says more.');
    return { status: 'ok' };
  });

  allowOnly(app, '/health/live', ['GET'], open);
  allowOnly(app, '/health/ready', ['GET'], open);
}

function notReady(reply: FastifyReply, message: string): ErrorAnswer {
  reply.code(503).header('retry-after', '1');
  return { statusCode: 503, error: 'Service Unavailable', message };
}
