import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Runs the project's runner over a small tree of test files; `pattern` keeps the checks out. */
function runner(files: Record<string, string>, pattern: string): { status: number | null; lines: string[] } {
  const root = mkdtempSync(join(tmpdir(), 'runner-'));
  try {
    cpSync(fileURLToPath(new URL('../../scripts', import.meta.url)), join(root, 'scripts'), { recursive: true });
    writeFileSync(join(root, 'package.json'), '{"type":"module"}');
    mkdirSync(join(root, 'test/room'), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, 'test/room', name), text);
    // Inside a test process node:test hands its events to the parent: the runner must not believe it is such a child.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const done = spawnSync(process.execPath, ['scripts/test.ts', pattern], { cwd: root, env, encoding: 'utf8' });
    return { status: done.status, lines: (done.stdout + done.stderr).trimEnd().split('\n') };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const GOOD = `import { test } from 'node:test';
test('outer', async (t) => { await t.test('inner', () => {}); });`;
const BAD = `import { test } from 'node:test';
test('parent', async (t) => { await t.test('wrong sum', () => { throw new Error('one is not two'); }); });`;

test('counts what passed, ends with the count, exits 0', () => {
  const { status, lines } = runner({ 'good.test.ts': GOOD, 'not-a-test.ts': BAD }, 'room/');
  assert.equal(lines.at(-1), '2 passed, 0 failed');
  assert.equal(status, 0);
});

test('a failure, a crash, a file without tests and a run without files fail, each counted once and named', () => {
  const files = {
    'good.test.ts': GOOD,
    'bad.test.ts': BAD,
    'crash.test.ts': "throw new Error('on load')",
    'none.test.ts': '',
  };
  const { status, lines } = runner(files, 'room/');
  const text = lines.join('\n');
  assert.equal(lines.at(-1), '2 passed, 3 failed', text);
  assert.equal(status, 1);
  assert.match(text, /✘ wrong sum\n\s+one is not two\n.*test\/room\/bad\.test\.ts:2/);
  assert.match(text, /crash\.test\.ts +0 passed, 1 failed[\s\S]*on load/);
  assert.match(text, /none\.test\.ts[\s\S]*no test in this file/);

  const none = runner(files, 'no such file');
  assert.equal(none.lines.at(-1), '0 passed, 1 failed');
  assert.equal(none.status, 1);
});
