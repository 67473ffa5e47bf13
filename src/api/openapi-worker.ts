import { parentPort, workerData } from 'node:worker_threads';
import { stringify } from 'yaml';
import { createLogger } from '../base/index.ts';
import type { DocumentOptions } from './routes/openapi.ts';
import { createApp } from './server.ts';

// A thread of its own: the document is made from all routes with their schemas, which would stall every live stream for up to a
// quarter of a second. The routes are registered once more here, with nothing behind them, in an app that never listens.

const { publicUrl, rtmpPublicUrl, metrics } = workerData as DocumentOptions;
const nothing = {} as never;
const app = createApp(
  {
    store: nothing,
    live: nothing,
    config: { publicUrl, rtmpPublicUrl },
    log: createLogger('silent'),
    checkDestination: nothing,
    ...(metrics && { metrics: nothing }),
  },
  nothing,
);
await app.ready();
const document = app.swagger();
const bytes = (text: string) => new TextEncoder().encode(text);
parentPort!.postMessage({ json: bytes(JSON.stringify(document)), yaml: bytes(stringify(document)) });
