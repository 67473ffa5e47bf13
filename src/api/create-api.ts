import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { FastifyInstance } from 'fastify';
import type { DocumentOptions, OpenApiDocument } from './routes/openapi.ts';
import { type ApiOptions, createApp } from './server.ts';

/** The API, ready to listen. It does not close the store. */
export function createApi(options: ApiOptions): FastifyInstance {
  const { publicUrl, rtmpPublicUrl } = options.config;
  return createApp(options, documentMaker({ publicUrl, rtmpPublicUrl, metrics: options.metrics !== undefined }));
}

/** Answers with the OpenAPI document, made in a thread of its own the first time that somebody asks. */
function documentMaker(workerData: DocumentOptions): () => Promise<OpenApiDocument> {
  let document: Promise<OpenApiDocument> | undefined;
  return () => {
    document ??= (async () => {
      const worker = new Worker(new URL('./openapi-worker.ts', import.meta.url), { name: 'openapi', workerData });
      const [{ json, yaml }] = (await once(worker, 'message')) as [Record<'json' | 'yaml', Uint8Array>];
      return { json: bufferOf(json), yaml: bufferOf(yaml) };
    })();
    document.catch(() => (document = undefined));
    return document;
  };
}

const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array) => Buffer.from(buffer, byteOffset, byteLength);
