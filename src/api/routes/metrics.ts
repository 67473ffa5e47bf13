import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { CodedError, secretsEqual } from '../../base/index.ts';
import { ErrorAnswer } from '../../contract/index.ts';
import { allowOnly } from '../errors.ts';

/** Where the API says what it did, and reads what there is to tell. */
export interface MetricsPort {
  readonly contentType: string;
  text(): Promise<string>;
  request(method: string, route: string, status: number, ms: number): void;
}

export interface MetricsRoutesOptions {
  readonly metrics: MetricsPort;
  /** What a scraper sends as its bearer token; without it only this machine is answered. */
  readonly token: string | undefined;
}

/** What a proxy adds: behind one on this machine every peer looks local. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

/** /metrics for Prometheus (S47): for holders of `metrics_token`; where none is set, for direct connections from this machine. */
export async function metricsRoutes(app: FastifyInstance, { metrics, token }: MetricsRoutesOptions): Promise<void> {
  const options = { config: { open: true, unlimited: true } } as const;
  const schema = {
    operationId: 'getMetrics',
    summary: 'Figures for Prometheus',
    produces: ['text/plain'],
    response: { 200: Type.String(), 403: ErrorAnswer },
  };

  app.get('/metrics', { ...options, schema }, async (request, reply) => {
    if (!(token === undefined ? isLocal(request) : holds(request, token)))
      throw new CodedError(
        'forbidden',
        'Metrics are for this machine only: read them there, or set metrics_token and send it as a bearer token.',
      );
    reply.type(metrics.contentType);
    return metrics.text();
  });

  allowOnly(app, '/metrics', ['GET'], options);
}

function isLocal(request: FastifyRequest): boolean {
  const address = request.socket.remoteAddress ?? '';
  const loopback = address === '::1' || /^(::ffff:)?127\./.test(address);
  // The name keeps out pages that have their own resolved to this machine.
  const named = /^(localhost|127\.[\d.]+|\[::1\])(:\d+)?$/i.test(request.headers.host ?? '');
  return loopback && named && !FORWARDED.some((name) => request.headers[name] !== undefined);
}

function holds(request: FastifyRequest, token: string): boolean {
  const [, given] = /^Bearer +(\S{1,1024})$/i.exec(request.headers.authorization ?? '') ?? [];
  return given !== undefined && secretsEqual(given, token);
}
