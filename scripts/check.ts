// `npm run check`: types, lint and formatting, imports, compared secrets, lock file, paths in the documents, the coverage page. One line for each; what a failed
// one printed follows it. Exits 1 when any failed.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name: string) => join(root, 'node_modules', '.bin', name);

const CHECKS: readonly { readonly name: string; readonly command: readonly string[]; readonly needs?: string }[] = [
  { name: 'types', command: [bin('tsc'), '-p', 'tsconfig.json'] },
  { name: 'types of the web pages', command: [bin('tsc'), '-p', 'tsconfig.web.json'], needs: 'web' },
  { name: 'lint and formatting', command: [bin('biome'), 'check', '--colors=off'] },
  { name: 'imports', command: [process.execPath, 'scripts/check-imports.ts'] },
  { name: 'compared secrets', command: [process.execPath, 'scripts/check-secrets.ts'] },
  { name: 'lock file', command: [process.execPath, 'scripts/check-lock-file.ts'] },
  { name: 'documents', command: [process.execPath, 'scripts/check-docs.ts'] },
  { name: 'coverage page', command: [process.execPath, 'scripts/coverage.ts', '--check'] },
];

function run([program, ...args]: readonly string[]): Promise<{ ok: boolean; output: string }> {
  return new Promise((done) => {
    const child = spawn(program!, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.on('error', (error) => done({ ok: false, output: `${program}: ${error.message}` }));
    child.on('close', (code) => done({ ok: code === 0, output }));
  });
}

/** Runs every check, one after the other, and prints what each says. */
export async function runChecks(): Promise<{ passed: number; failed: number }> {
  let [passed, failed] = [0, 0];
  for (const { name, command, needs } of CHECKS) {
    if (needs && !existsSync(join(root, needs))) continue;
    const started = performance.now();
    const { ok, output } = await run(command);
    console.log(`${ok ? '✔' : '✘'} ${name}  ${((performance.now() - started) / 1000).toFixed(1)} s`);
    if (ok) passed++;
    else {
      failed++;
      console.log(output.trimEnd().replace(/^/gm, '  '));
    }
  }
  return { passed, failed };
}

if (import.meta.main) process.exit((await runChecks()).failed > 0 ? 1 : 0);
