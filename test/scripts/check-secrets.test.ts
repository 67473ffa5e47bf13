import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkSecrets } from '../../scripts/check-secrets.ts';

/** Checks one file with these lines. */
function check(lines: readonly string[]): string[] {
  const root = mkdtempSync(join(tmpdir(), 'secrets-'));
  try {
    mkdirSync(join(root, 'src/api'), { recursive: true });
    writeFileSync(join(root, 'src/api/x.ts'), lines.join('\n'));
    return checkSecrets(root).map(({ file, line, text }) => `${file}:${line} ${text}`);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test('S12 what is named like a secret is not compared with === to another value', () => {
  const bad = [
    'if (row.secret_hash === hash) x();',
    'const ok = wanted !== sha256(password);',
    "return request.headers['x-csrf-token'] === expected;",
    'const a = b ? given.token == c : 0;',
    'const x = given?.signature!\n  !== wanted;',
    'for (const t of all) if (!t.gone && (t.sessionCookie) === name) y();',
  ];
  assert.deepEqual(
    bad.map((text) => check([text])),
    [
      ['src/api/x.ts:1 row.secret_hash === hash'],
      ['src/api/x.ts:1 wanted !== sha256(password)'],
      ["src/api/x.ts:1 request.headers['x-csrf-token'] === expected"],
      ['src/api/x.ts:1 given.token == c'],
      ['src/api/x.ts:2 given?.signature! !== wanted'],
      ['src/api/x.ts:1 (t.sessionCookie) === name'],
    ],
  );
});

test('S12 literals, ids, lengths, comments and explained allowances pass; allowances that explain nothing do not', () => {
  const good = [
    "if (token === undefined || token !== null || secret === '' || digest.length !== expected.length) x();",
    "const kind = typeof password === 'string' && typeof token === typeof other;",
    'list.find((t) => t.tokenId === id && t.token_id !== other);',
    'const f = (secret: string) => count === limit;',
    '// if (token === given) x();',
    '/* password !== given */',
    'if (token === SPECIAL) x(); // open compare: it is compared with a name that everybody knows',
    '// open compare: both are the public half',
    'if (signature === other) x();',
  ];
  assert.deepEqual(check(good), []);
  assert.deepEqual(check(['// open compare: ok', 'if (token === given) x();']), ['src/api/x.ts:2 token === given']);
});

test('S12 the source of this repository has no such comparison', () => {
  assert.deepEqual(checkSecrets(fileURLToPath(new URL('../..', import.meta.url))), []);
});
