// Who may import whom: reads the import lines of src/ and web/ and reports every one that breaks the plan of
// docs/architecture.md. Run alone it prints the breaches and exits 1 if there are any.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One import that the plan forbids, or one cycle. */
export interface Breach {
  /** Path of the importing file, from the root. */
  readonly file: string;
  readonly message: string;
}

const WORDS = ['base', 'contract', 'media', 'formats'];
const HUBS = ['config', 'live', 'segments', 'store', 'outbound', 'metrics'];
const DOORS = 'ingest packager egress recorder transcoder origin api webhooks mail cluster client'.split(' ');
const ASSEMBLY = ['app.ts', 'cli'];
/** Folders whose subfolders are rooms of their own, each with its index.ts. */
const NESTED = ['formats', 'ingest'];
const MEDIA_PATH = ['ingest', 'packager', 'segments', 'origin', 'egress', 'recorder'];

/** What a band-1 room must do without: sockets, files, timers, processes, SQL. */
const NOT_FOR_WORDS =
  /^(node:)?(net|tls|dgram|dns|https?|http2|fs|sqlite|timers|child_process|worker_threads|cluster)(\/|$)|^(kysely|fastify)(\/|$)/;

/**
 * What opens connections or starts programs, and the rooms that may: to an address that somebody gave us only `outbound` connects
 * (S30). `client` and `cli` talk to the server that their user names, `store` to the operator's database, `mail` to the operator's
 * mail server; `ingest` wraps accepted connections.
 */
const WAYS_OUT: readonly {
  readonly what: RegExp;
  readonly rooms: readonly string[];
  readonly files?: readonly string[];
}[] = [
  { what: /\b(net|tls|http|https|http2)\.(connect|createConnection|request|get)\(/, rooms: ['outbound', 'cli'] },
  {
    what: /\bnew (net\.|tls\.)?(Socket|TLSSocket|WebSocket|EventSource|XMLHttpRequest)\(/,
    rooms: ['outbound', 'cli', 'ingest'],
  },
  { what: /(?<![.\w#])fetch\(|\b(globalThis|global)\.fetch\b/, rooms: ['client', 'cli'] },
  {
    what: /^\s*import\s[^;]*\b(connect|createConnection|request|get|Socket|TLSSocket)\b[^;]*\}\s*from '(node:)?(net|tls|https?|http2)'/m,
    rooms: ['outbound', 'cli'],
  },
  { what: /from '(undici|node-fetch|axios|got|(node:)?dns(\/promises)?)'/, rooms: ['outbound'] },
  // Only the accepting half of it.
  { what: /from 'ws'/, rooms: [], files: ['src/ingest/browser/connection.ts', 'src/ingest/browser/server.ts'] },
  { what: /from '(node:)?dgram'/, rooms: [] },
  // A pull's ffmpeg reads addresses that the guard has checked, or our own relay.
  {
    what: /from '(node:)?child_process'/,
    rooms: ['cli'],
    files: ['src/ingest/pull/ffmpeg.ts', 'src/origin/stills.ts', 'src/metrics/server-health.ts'],
  },
  { what: /from 'pg(-[\w-]+)?'/, rooms: ['store'] },
  { what: /from 'nodemailer'/, rooms: ['mail'] },
];

/**
 * Where a file belongs: `room` is the folder under src/ (or under one of NESTED), `band` its number in the plan, 0 for a folder
 * that the plan does not know.
 */
interface Place {
  readonly room: string;
  readonly top: string;
  readonly band: 0 | 1 | 2 | 3 | 4;
}

function placeOf(path: string): Place | undefined {
  const [base, top, next, ...rest] = path.split('/');
  if (base !== 'src' || top === undefined) return undefined;
  const band = WORDS.includes(top)
    ? 1
    : HUBS.includes(top)
      ? 2
      : DOORS.includes(top)
        ? 3
        : ASSEMBLY.includes(top)
          ? 4
          : 0;
  return { room: NESTED.includes(top) && rest.length > 0 ? `${top}/${next}` : top, top, band };
}

function filesUnder(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|tsx|mts|js|mjs)$/.test(name) && !name.includes('node_modules'))
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

/** Import lines, re-exports, dynamic imports, and worker files named by `new URL('./x.ts', import.meta.url)`. */
const IMPORT =
  /(?:^|[;}])\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]|\bnew URL\(\s*['"](\.[^'"]+\.[jt]s)['"]\s*,\s*import\.meta\.url/gm;

const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');

function importsOf(code: string): string[] {
  return [...code.matchAll(IMPORT)].map((match) => (match[1] ?? match[2] ?? match[3])!);
}

/** Why `from` may not import `to` (both paths from the root), or undefined when it may. */
function refusal(from: string, to: string): string | undefined {
  const a = placeOf(from);
  const b = placeOf(to);
  if (!a) {
    const fromWeb = from.startsWith('web/') && b;
    if (fromWeb && b.top !== 'contract' && b.top !== 'client') return 'a web page may import contract and client only';
    return fromWeb && !to.endsWith('/index.ts') ? 'import a room through its index.ts' : undefined;
  }
  if (!b) return 'src/ imports nothing outside src/';
  if (a.band === 0 || a.room === b.room) return undefined;
  if (b.top !== 'app.ts' && to !== `src/${b.room}/index.ts`) return `import the room ${b.room} through its index.ts`;
  if (MEDIA_PATH.includes(a.top) && (b.top === 'store' || b.top === 'api'))
    return `${a.top} is on the media path, which never imports store or api`;
  if (a.band === 3 && b.band === 3) return 'a room of band 3 never imports another room of band 3';
  if (b.band > a.band) return `${a.room} (band ${a.band}) may not import ${b.room} (band ${b.band})`;
  if (a.band === 2 && b.band === 2 && !(a.top === 'store' && b.top === 'live'))
    return 'a hub imports no other hub (only store knows live, whose ports it implements)';
  if (a.band === 1 && b.top !== 'base' && !(a.top === 'formats' && (b.top === 'media' || b.top === 'formats')))
    return `${a.room} may use base only (formats also media and other formats)`;
  return undefined;
}

/** Cycles between files. Type imports count: what cannot be read without the other file is one file in two pieces. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const state = new Map<string, 'open' | 'done'>();
  const path: string[] = [];
  const visit = (file: string): void => {
    state.set(file, 'open');
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      if (state.get(next) === 'open') found.push([...path.slice(path.indexOf(next)), next]);
      else if (!state.has(next)) visit(next);
    }
    path.pop();
    state.set(file, 'done');
  };
  for (const file of graph.keys()) if (!state.has(file)) visit(file);
  return found;
}

/** Checks the tree at `root` (the folder that holds src/ and web/) and returns what breaks the plan, in file order. */
export function checkImports(root: string): Breach[] {
  const breaches: Breach[] = [];
  const graph = new Map<string, string[]>();
  const unknown = new Set<string>();
  for (const path of [...filesUnder(join(root, 'src')), ...filesUnder(join(root, 'web'))].sort()) {
    const file = relative(root, path).split(sep).join('/');
    const text = withoutComments(readFileSync(path, 'utf8'));
    const place = placeOf(file);
    const targets: string[] = [];
    graph.set(file, targets);
    if (place?.band === 0 && !unknown.has(place.top)) {
      unknown.add(place.top);
      breaches.push({ file, message: `docs/architecture.md knows no room src/${place.top}` });
    }
    if (place?.band === 1 && /\b(setTimeout|setInterval|setImmediate)\(/.test(text))
      breaches.push({ file, message: 'a room of band 1 has no timers' });
    for (const { what, rooms, files = [] } of place ? WAYS_OUT : []) {
      const found = what.exec(text.replace(/\bimport type [^;]*;/g, ''));
      if (found && !rooms.includes(place!.top) && !files.includes(file))
        breaches.push({ file, message: `has "${found[0].trim()}": connections go through src/outbound` });
    }
    for (const name of importsOf(text)) {
      if (!name.startsWith('.')) {
        if (place?.band === 1 && NOT_FOR_WORDS.test(name))
          breaches.push({ file, message: `imports ${name}: a room of band 1 has no sockets, files, timers or SQL` });
        continue;
      }
      const target = relative(root, resolve(dirname(path), name))
        .split(sep)
        .join('/');
      targets.push(target);
      const why = refusal(file, target);
      if (why) breaches.push({ file, message: `imports ${target}: ${why}` });
    }
  }
  for (const cycle of cycles(graph)) breaches.push({ file: cycle[0]!, message: `import cycle: ${cycle.join(' -> ')}` });
  return breaches;
}

if (import.meta.main) {
  const breaches = checkImports(fileURLToPath(new URL('..', import.meta.url)));
  for (const { file, message } of breaches) console.log(`${file}: ${message}`);
  process.exit(breaches.length > 0 ? 1 : 0);
}
