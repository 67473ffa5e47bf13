// `npm test`: the checks, then the rooms' tests, then web pages, hostile input and end to end, and last and one at a time where
// pictures are judged by the clock. `npm test -- <pattern>…` runs only the test files whose path contains a pattern, without the checks.
// What asks the store runs a second time on Postgres. The last line is `N passed, N failed`; a file that crashes, hangs or has no tests
// counts as a failure, and so does a run without any test.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runChecks } from './check.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What one file may take. A file that hangs is ended after it, and its test that did not end is named. */
const FILE_LIMIT_MS = 5 * 60_000;

/** These start servers, encoders and browsers of their own, and come after the rooms. */
const WHOLE = /^test\/(web|hostile|conformance|e2e)\//;

/** Of these one at a time: what a viewer sees is judged second by second. */
const QUIET = /^test\/e2e\/(bad-network|browser|hls-js|steady)/;

/** These wait much longer than they compute: two of them run beside the others. */
const WAITING = /^test\/(egress|ingest|store\/(outage|upgrade)|webhooks\/chaos)/;

/** What takes longest begins first, so that nothing else waits for it in the end. */
const FIRST = [
  'test/store/outage',
  'test/store/upgrade',
  'test/webhooks/chaos',
  'test/api/tenants-matrix',
  'test/api/openapi.test',
  'test/webhooks/outbox',
  'test/cli/',
  'test/store/',
  'test/e2e/conformance',
  'test/web/',
  'test/hostile/',
  'test/e2e/lifecycle',
];

const rank = (path: string): number => {
  const place = FIRST.findIndex((start) => path.startsWith(start));
  return place < 0 ? FIRST.length : place;
};

/** What `test/support/database.ts` gives its database to: once on SQLite with all others, once more on Postgres. */
const ON_BOTH =
  /^test\/(api|store|webhooks)\/(?!sqlite|outage|upgrade|lock-data-dir|backup|sender|chaos|openapi-pages)/;

/** Loaded into the process of each file. */
const CPU_TIME = new URL('cpu-time.mjs', import.meta.url).href;
let filesRun = 0;
const total = { passed: 0, failed: 0, skipped: 0 };

/** The message and the place of an error that came out of a test file, as lines for the terminal. */
function explain(error: Error & { cause?: unknown }): string {
  const cause = error.cause instanceof Error ? error.cause : error;
  const frames = (cause.stack ?? '')
    .split('\n')
    .filter((line) => line.includes(root) && !line.includes('node_modules'));
  return [
    cause.message,
    ...frames.slice(0, 5).map((line) => line.replace(`file://${root}`, '').replace(root, '')),
  ].join('\n');
}

const indent = (text: string, by: string): string => text.trimEnd().replace(/^/gm, by);

/**
 * Runs one file in a process of its own, and prints a line for it: with its failures, and what it printed itself. `database` is the
 * address of a Postgres to run it on.
 */
async function runFile(path: string, database?: string): Promise<void> {
  const started = performance.now();
  const file = join(root, path);
  let [passed, failed, skipped] = [0, 0, 0];
  let output = '';
  let errors = '';
  const failures: string[] = [];
  const running = new Set<string>();
  const cpuFile = join(tmpdir(), `liveapi-cpu-${process.pid}-${++filesRun}`);
  const env = {
    NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/tests'),
    // The fuzz loop has run in full on SQLite.
    ...(database && { LIVEAPI_FUZZ_RUNS: '600', LIVEAPI_TEST_DATABASE: database }),
    ...process.env,
    LIVEAPI_CPU_FILE: cpuFile,
  };
  const execArgv = ['--import', CPU_TIME];
  const events = run({ files: [file], cwd: root, env, execArgv, signal: AbortSignal.timeout(FILE_LIMIT_MS) });
  for await (const { type, data } of events) {
    if (type === 'test:stdout') output += data.message;
    else if (type === 'test:stderr') errors += data.message;
    else if (type === 'test:diagnostic' && data.nesting > 0) output += `${data.message}\n`;
    else if (type === 'test:dequeue' && data.name !== file) running.add(data.name);
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    running.delete(data.name);
    if (type === 'test:pass') {
      if (data.details.type === 'suite' || data.name === file) continue;
      if (data.skip !== undefined || data.todo !== undefined) skipped++;
      else passed++;
      if (typeof data.skip === 'string') output += `﹣ ${data.name}: ${data.skip}\n`;
      continue;
    }
    const { error } = data.details;
    // A test that failed only because a test inside it did has been reported by that one.
    if (error.failureType === 'subtestsFailed') continue;
    failed++;
    const what =
      data.name === file ? `the file did not end well${[...running].map((name) => `, in: ${name}`)}` : data.name;
    failures.push(`✘ ${what}\n${indent(explain(error), '  ')}`);
  }
  if (passed + failed + skipped === 0) {
    failed++;
    failures.push('✘ there is no test in this file');
  }
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  const cpu = existsSync(cpuFile) ? `, computed ${Number(readFileSync(cpuFile, 'utf8')).toFixed(1)} s` : '';
  rmSync(cpuFile, { force: true });
  const counts = `${passed} passed${failed ? `, ${failed} failed` : ''}${skipped ? `, ${skipped} skipped` : ''}`;
  console.log(
    `${failed ? '✘' : '✔'} ${path}${database ? ' on Postgres' : ''}  ${counts}  ${((performance.now() - started) / 1000).toFixed(1)} s${cpu}`,
  );
  if (output) console.log(indent(output, '    │ '));
  for (const failure of failures) console.log(indent(failure, '    '));
  if (failed && errors) console.log(indent(errors.slice(-8000), '    ┆ '));
}

/** A file, and the address of a Postgres when it is to run on one. */
type Run = readonly [path: string, database?: string];

/** `atOnce` at a time. */
async function runFiles(runs: readonly Run[], atOnce: number): Promise<void> {
  const waiting = [...runs];
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await runFile(...next);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

const started = performance.now();
const patterns = process.argv.slice(2);
const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => `test/${name}`)
  .filter((path) => patterns.length === 0 || patterns.some((pattern) => path.includes(pattern)))
  .sort()
  .sort((a, b) => rank(a) - rank(b));

if (patterns.length === 0) {
  const checks = await runChecks();
  total.passed += checks.passed;
  total.failed += checks.failed;
}
const both = process.env.LIVEAPI_TEST_DATABASE ? [] : files.filter((path) => ON_BOTH.test(path));
const postgres = both.length > 0 ? await (await import('../test/support/postgres.ts')).startPostgres() : null;
const rooms = files.filter((path) => !WHOLE.test(path)).map((path): Run => [path]);
const again = both.map((path): Run => [path, postgres!.url('postgres')]);
const waits = ([path]: Run) => WAITING.test(path);
// The others wait too: for the disk, for Postgres, for what they have started.
const places = Math.min(4, 2 * availableParallelism());
await Promise.all([
  runFiles(rooms.filter(waits), 2),
  runFiles(
    [...rooms, ...again].filter((run) => !waits(run)).sort((a, b) => rank(a[0]) - rank(b[0])),
    places,
  ),
]);
await postgres?.close();
const whole = files.filter((path) => WHOLE.test(path)).map((path): Run => [path]);
const quiet = ([path]: Run) => QUIET.test(path);
await runFiles(
  whole.filter((run) => !quiet(run)),
  Math.min(3, places),
);
await runFiles(whole.filter(quiet), 1);

if (files.length === 0) {
  total.failed++;
  console.log(`✘ no test file matches ${patterns.join(' ')}`);
}
if (total.skipped) console.log(`${total.skipped} skipped`);
console.log(`${((performance.now() - started) / 1000).toFixed(1)} s in all`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;
