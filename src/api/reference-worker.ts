import { parentPort } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import scalar from '@scalar/fastify-api-reference';
import { fastify } from 'fastify';

// A thread of its own: the library's browser script is 5 MB of text, and reading and zipping it would stall every live stream for
// half a second. It stands inside the Fastify plugin and cannot be had but from its route, so it is asked for there, in an app
// that never listens.

const app = fastify();
await app.register(scalar, { configuration: { url: '/' } });
const { rawPayload } = await app.inject('/reference/js/scalar.js');
parentPort!.postMessage(gzipSync(rawPayload));
