import { gzipSync } from 'node:zlib';
import { fastify } from 'fastify';

/** The reference page. It holds no script of its own, so that its policy can forbid every inline one. */
export const REFERENCE_PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>LiveAPI reference</title>
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

/**
 * The library's browser script, gzipped. It is 5 MB of text inside the Fastify plugin and cannot be had but from its route, so it is
 * asked for there, in an app that never listens, the first time that somebody opens the page.
 */
export function referenceScript(): Promise<Buffer> {
  script ??= (async () => {
    const { default: scalar } = await import('@scalar/fastify-api-reference');
    const app = fastify();
    await app.register(scalar, { configuration: { url: '/' } });
    const { rawPayload } = await app.inject('/reference/js/scalar.js');
    await app.close();
    return gzipSync(rawPayload);
  })();
  script.catch(() => (script = undefined));
  return script;
}
