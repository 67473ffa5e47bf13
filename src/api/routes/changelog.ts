import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { marked } from 'marked';
import { Type } from 'typebox';
import { allowOnly } from '../errors.ts';

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif; }
body { max-width: 46rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; } h2 { margin-top: 2.5rem; padding-bottom: .25rem; border-bottom: 1px solid #8884; font-size: 1.25rem; }
li { margin: .35rem 0; } code { font-size: .9em; padding: .1em .3em; border-radius: .3em; background: #8882; }
a { color: light-dark(#0b57d0, #8ab4f8); } nav { font-size: .9rem; }
`;
const POLICY = `default-src 'none'; img-src data:; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** /changelog: CHANGELOG.md as a page. The file is ours, and the page's policy runs no script whatever stands in it. */
export async function changelogRoutes(app: FastifyInstance): Promise<void> {
  // Its links lead to files of the repository, which is not served: their texts name them.
  const text = readFileSync(new URL('../../../CHANGELOG.md', import.meta.url), 'utf8').replaceAll(
    /\[([^\]]+)\]\((?!https:)[^)]*\)/g,
    '$1',
  );
  const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>LiveAPI changelog</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<nav><a href="reference">API reference</a></nav>
${marked.parse(text, { async: false })}</body>
</html>
`;
  const open = { config: { open: true } };
  const schema = {
    operationId: 'getChangelog',
    summary: 'What changed from version to version, as a page',
    produces: ['text/html'],
    response: { 200: Type.String() },
  };
  app.get('/changelog', { ...open, schema }, async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('cache-control', 'public, max-age=3600')
      .header('content-security-policy', POLICY)
      .send(page),
  );
  allowOnly(app, '/changelog', ['GET'], open);
}
