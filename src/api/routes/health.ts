import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ErrorAnswer } from '../../contract/index.ts';
import type { Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';

export interface HealthOptions {
  readonly store: Pick<Store, 'ready'>;
  readonly isDraining: () => boolean;
}

/** /health: `live` says that the process answers, `ready` that it can do its work. Both are open to all and say no more. */
export async function healthRoutes(app: FastifyInstance, { store, isDraining }: HealthOptions): Promise<void> {
  const open = { config: { open: true } };

  app.get('/health/live', open, async () => ({ status: 'ok' }));

  app.get('/health/ready', open, async (_request, reply) => {
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
