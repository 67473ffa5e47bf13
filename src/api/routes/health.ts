import type { FastifyInstance } from 'fastify';
import { CodedError } from '../../base/index.ts';
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

  app.get('/health/ready', open, async () => {
    if (isDraining()) throw new CodedError('store_unavailable', 'The server is shutting down.');
    if (!(await store.ready())) throw new CodedError('store_unavailable', 'The database does not answer.');
    return { status: 'ok' };
  });

  allowOnly(app, '/health/live', ['GET'], open);
  allowOnly(app, '/health/ready', ['GET'], open);
}
