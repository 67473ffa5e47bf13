import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** The reference page. It holds no script of its own, so that its policy can forbid every inline one. */
export const REFERENCE_PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>LiveAPI reference</title>
    <link rel="icon" href="data:," />
    <link rel="alternate" type="application/json" title="OpenAPI" href="openapi.json" />
  </head>
  <body>
    <div id="app"></div>
    <noscript>This page needs JavaScript. The same as data: <a href="openapi.json">openapi.json</a>, <a href="openapi.yaml">openapi.yaml</a>.</noscript>
    <script src="reference/scalar.js"></script>
    <script src="reference/start.js"></script>
  </body>
</html>
`;

/** Nothing from elsewhere, no inline script, no eval. The library sets inline styles, which a nonce cannot allow. */
export const REFERENCE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Starts the library without fonts, proxy, telemetry or assistant of its maker's servers. */
export const REFERENCE_START = `Scalar.createApiReference('#app', ${JSON.stringify({
  url: 'openapi.json',
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: 'never',
  defaultOpenAllTags: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  documentDownloadType: 'both',
  metaData: { title: 'LiveAPI reference' },
})});
`;

let script: Promise<Buffer> | undefined;

/** The library's browser script, gzipped: made in a thread of its own the first time that somebody opens the page. */
export function referenceScript(): Promise<Buffer> {
  script ??= (async () => {
    const worker = new Worker(new URL('./reference-worker.ts', import.meta.url), { name: 'reference' });
    const [zipped] = (await once(worker, 'message')) as [Uint8Array];
    return Buffer.from(zipped.buffer, zipped.byteOffset, zipped.byteLength);
  })();
  script.catch(() => (script = undefined));
  return script;
}
