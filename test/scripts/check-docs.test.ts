import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkDocs } from '../../scripts/check-docs.ts';

test('links, paths and scripts that a document names must exist', () => {
  const root = mkdtempSync(join(tmpdir(), 'docs-'));
  try {
    mkdirSync(join(root, 'docs/guide'), { recursive: true });
    mkdirSync(join(root, 'src/live'), { recursive: true });
    writeFileSync(join(root, 'package.json'), '{"scripts":{"start":"x","check":"y"}}');
    const good = [
      'Run `npm start`, `npm run check` or npm ci; see [the plan](docs/architecture.md#words), [home](https://example.com/x).',
      'Rooms stand in `src/live` and `src/<room>`; `a/b.ts` is no path of ours. `docs/guide/*.md` are pages.',
      '```\n[not a link](nowhere.md) `src/nowhere`\n```',
    ];
    writeFileSync(join(root, 'README.md'), good.join('\n'));
    writeFileSync(join(root, 'docs/architecture.md'), '[up](../README.md) `package.json`');
    assert.deepEqual(checkDocs(root), []);
    writeFileSync(
      join(root, 'docs/guide/obs.md'),
      'see [x](../nowhere.md), `src/gone/index.ts:12`, `gone.md`, npm test, `npm run gone`',
    );
    assert.deepEqual(checkDocs(root), [
      'docs/guide/obs.md: link to ../nowhere.md',
      'docs/guide/obs.md: src/gone/index.ts',
      'docs/guide/obs.md: gone.md',
      'docs/guide/obs.md: npm test',
      'docs/guide/obs.md: npm run gone',
    ]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
