// The documents speak of real things: every link, every path in code style and every `npm run` script named in README.md,
// AGENTS.md and docs/ must exist. Run alone it prints what does not and exits 1.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Scripts that npm runs without `run`. */
const SHORT = ['start', 'test'];
const FOLDERS = /^(src|docs|scripts|test|web|\.ci)\//;
const ROOT_FILES = /^[\w.-]+\.(md|json|ya?ml)$/;

function documents(root: string): string[] {
  const docs = existsSync(join(root, 'docs'))
    ? readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    : [];
  const inDocs = docs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`);
  return [
    ...['README.md', 'AGENTS.md', 'scripts/bench/README.md'].filter((name) => existsSync(join(root, name))),
    ...inDocs,
  ];
}

/** Checks the documents of the tree at `root`; returns one line for each thing that is named and does not exist. */
export function checkDocs(root: string): string[] {
  const missing: string[] = [];
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const document of documents(root)) {
    const text = readFileSync(join(root, document), 'utf8');
    const prose = text.replace(/^```[\s\S]*?^```/gm, '');
    for (const [, link] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?:|mailto:|#)/.test(link!)) continue;
      const path = decodeURIComponent(link!.replace(/[#?].*$/, ''));
      if (!existsSync(resolve(root, dirname(document), path))) missing.push(`${document}: link to ${link}`);
    }
    for (const [, code] of prose.matchAll(/`([^`\n]+)`/g)) {
      // Patterns and placeholders (`docs/guide/*.md`, `src/<room>`) name no file.
      const path = code!.replace(/:\d+$/, '');
      if (/[*<>{}…\s]/.test(path) || !(FOLDERS.test(path) || ROOT_FILES.test(path))) continue;
      if (!existsSync(join(root, path)) && !existsSync(join(root, dirname(document), path)))
        missing.push(`${document}: ${path}`);
    }
    for (const [, run, name] of text.matchAll(/\bnpm (run )?([a-z][\w:-]*)/g)) {
      if ((run || SHORT.includes(name!)) && !scripts[name!]) missing.push(`${document}: npm ${run ?? ''}${name}`);
    }
  }
  return missing;
}

if (import.meta.main) {
  const missing = checkDocs(fileURLToPath(new URL('..', import.meta.url)));
  for (const line of missing) console.log(`${line} does not exist`);
  process.exit(missing.length > 0 ? 1 : 0);
}
