import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { allowOnly } from '../errors.ts';
import { REFERENCE_PAGE, REFERENCE_POLICY, REFERENCE_START, referenceScript } from '../reference.ts';
import type { PublicAddresses } from '../to-live-stream.ts';

const PAGES = ['/openapi.json', '/openapi.yaml', '/reference', '/reference/scalar.js', '/reference/start.js'];
const CACHE = 'public, max-age=3600';

/** What the OpenAPI document depends on, beside the routes. */
export interface DocumentOptions extends PublicAddresses {
  /** Whether there is a route for them. */
  readonly metrics: boolean;
}

/** Bytes, so that all answers under way share them. */
export interface OpenApiDocument {
  readonly json: Buffer;
  readonly yaml: Buffer;
}

/** The API's own description for machines (/openapi.json, /openapi.yaml) and for people (/reference). Open to all. */
export async function openApiRoutes(
  app: FastifyInstance,
  options: { readonly document: () => Promise<OpenApiDocument> },
): Promise<void> {
  const open = (operationId: string, summary: string, type: string) => ({
    config: { open: true },
    schema: {
      operationId,
      summary,
      produces: [type],
      response: { 200: type === 'application/json' ? Type.Object({}) : Type.String() },
    },
  });
  const send = (reply: FastifyReply, type: string, body: string | Buffer | Readable) =>
    reply.type(type).header('cache-control', CACHE).send(body);

  app.get(
    '/openapi.json',
    open('getOpenApiJson', 'This document, as JSON', 'application/json'),
    async (_request, reply) => send(reply, 'application/json; charset=utf-8', (await options.document()).json),
  );

  app.get(
    '/openapi.yaml',
    open('getOpenApiYaml', 'This document, as YAML', 'application/yaml'),
    async (_request, reply) => send(reply, 'application/yaml; charset=utf-8', (await options.document()).yaml),
  );

  app.get('/reference', open('getReference', 'This document, as a page', 'text/html'), async (request, reply) => {
    // The page's addresses are relative, because a proxy may serve it below a path.
    if (request.url.split('?', 1)[0]!.endsWith('/')) return reply.redirect('../reference', 308);
    reply.header('content-security-policy', REFERENCE_POLICY);
    return send(reply, 'text/html; charset=utf-8', REFERENCE_PAGE);
  });

  app.get(
    '/reference/start.js',
    open('getReferenceStart', "The page's own script", 'text/javascript'),
    async (_request, reply) => send(reply, 'text/javascript; charset=utf-8', REFERENCE_START),
  );

  app.get(
    '/reference/scalar.js',
    open('getReferenceScript', "The script of the page's library", 'text/javascript'),
    async (request, reply) => {
      const zipped = await referenceScript();
      const accepts = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
      if (accepts) reply.header('content-encoding', 'gzip');
      return send(
        reply.header('vary', 'accept-encoding'),
        'text/javascript; charset=utf-8',
        accepts ? zipped : Readable.from([zipped]).pipe(createGunzip()),
      );
    },
  );

  for (const url of PAGES) allowOnly(app, url, ['GET'], { config: { open: true } });
}
