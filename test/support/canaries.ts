import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';

/** Every secret that went over this process's HTTP clients so far: what answers handed out and what requests proved themselves with. */
const canaries = new Set<string>();
/** What this process wrote into the path of a URL itself, as fuzzing does with the values that it has: paths are logged. */
const written = new Set<string>();
/** Shorter ones stand in a log by chance. */
const SHORTEST = 8;
let [searches, leaks] = [0, 0];

/** Fields whose value is a secret. `setup_token` is none: `serve` prints it for the first owner. */
const SECRET_FIELD = /^(secret|secrets|.*password|token|csrf_token|key|stream_?key)$/i;
/** What an answer shows when it hides the secret; what fuzzing puts there: ids, times, addresses, JavaScript's own names. */
const NO_SECRET = /^[A-Za-z_]*$|^[*•.x]{3}|^[0-9a-f]{24}$|^\d{4}-\d\d-\d\dT|^\w+:\/\//;

/** One secret that no log may show. */
export function addCanary(word: string): void {
  // Eight hex digits alone can stand in a log by chance; with what precedes them they cannot.
  const password = /\?(password=\w{8,})$/.exec(word)?.[1];
  if (password) canaries.add(password);
  if (word.length >= SHORTEST && !NO_SECRET.test(word)) canaries.add(word);
}

/** Takes the secrets out of what a body says: fields that are named so, and what stands behind the `#` of links. */
export function addCanariesOf(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inside] of Object.entries(value)) {
    if (typeof inside !== 'string') {
      if (SECRET_FIELD.test(name) && Array.isArray(inside))
        for (const word of inside) if (typeof word === 'string') addCanary(word);
      addCanariesOf(inside);
    } else if (SECRET_FIELD.test(name)) addCanary(inside);
    else if (/^https?:.*#[\w-]{16,}$/.test(inside)) addCanary(inside.slice(inside.indexOf('#') + 1));
  }
}

function addJson(text: string): void {
  try {
    addCanariesOf(JSON.parse(text));
  } catch {
    // Cut off, or another type: nothing was handed out.
  }
}

function addHeader(name: string, value: string): void {
  if (/^authorization$/i.test(name)) {
    const given = value.replace(/^\w+ +/, '');
    addCanary(given);
    const [, secret] = /^[^:]*:(.*)$/.exec(Buffer.from(given, 'base64').toString('latin1')) ?? [];
    if (secret && /^[\x20-\x7e]{16,}$/.test(secret)) addCanary(secret);
  } else if (/^(set-)?cookie$/i.test(name)) {
    const [pair] = value.split(';');
    addCanary(pair!.slice(pair!.indexOf('=') + 1));
  } else if (/^x-csrf-token$/i.test(name)) addCanary(value);
}

const addPath = (path: string): void => {
  for (const step of path.split('?', 1)[0]!.split('/')) written.add(step);
};

/** As undici tells of it: built-in fetch, too. */
interface Undici {
  readonly request: { readonly path: string; readonly headers: string | readonly string[] };
  readonly response: { readonly headers: readonly Buffer[] };
  readonly chunk: Uint8Array | string;
}
const addPairs = (pairs: readonly (string | Buffer)[]): void => {
  for (let i = 0; i + 1 < pairs.length; i += 2) addHeader(String(pairs[i]), String(pairs[i + 1]));
};
const bodies = new WeakMap<object, string>();
const gather = ({ request, chunk }: Undici): void => {
  const body = (bodies.get(request) ?? '') + Buffer.from(chunk as Uint8Array).toString('utf8');
  // Only whole JSON parses, and no answer of the API with a secret is long.
  if (body.length > 1 << 20) return;
  bodies.set(request, body);
  if (/^\s*[{[]/.test(body) && /[}\]]\s*$/.test(body)) addJson(body);
};
const on = (channel: string, listener: (message: Undici) => void): void =>
  subscribe(channel, (message) => listener(message as Undici));
on('undici:request:create', ({ request: { path, headers } }) => {
  addPath(path);
  addPairs(typeof headers === 'string' ? headers.split(/\r\n|: /) : headers);
});
on('undici:request:bodyChunkSent', gather);
on('undici:request:headers', ({ request, response }) => {
  bodies.delete(request);
  addPairs(response.headers);
});
on('undici:request:bodyChunkReceived', gather);

// As node:http tells of it. `push` is looked at, as a listener would make the answer flow before its reader is there.
subscribe('http.client.response.finish', (message) => {
  const { request, response } = message as { request: ClientRequest; response: IncomingMessage };
  addPath(request.path);
  for (const name of ['authorization', 'cookie', 'x-csrf-token']) {
    const value = request.getHeader(name);
    if (value !== undefined) addHeader(name, String(value));
  }
  for (const cookie of response.headers['set-cookie'] ?? []) addHeader('set-cookie', cookie);
  if (!response.headers['content-type']?.includes('json')) return;
  const chunks: Buffer[] = [];
  const push = response.push.bind(response);
  response.push = (chunk: Buffer | null, ...rest) => {
    if (chunk) chunks.push(chunk);
    else addJson(Buffer.concat(chunks).toString('utf8'));
    return push(chunk, ...rest);
  };
});

const secrets = (): string[] => [...canaries].filter((word) => !written.has(word));

/** Looks for every canary in what processes have written. @throws when one is there, with what stands before it */
export function searchCanaries(output: string): void {
  searches++;
  const byStart = Map.groupBy(secrets(), (word) => word.slice(0, SHORTEST));
  // One pass, however many there are: thousands of secrets meet megabytes of log.
  for (let at = 0; at + SHORTEST <= output.length; at++) {
    const found = byStart.get(output.slice(at, at + SHORTEST))?.find((word) => output.startsWith(word, at));
    if (found === undefined) continue;
    leaks++;
    throw new Error(`S21 a secret stands in the server's output: ${output.slice(Math.max(0, at - 200), at)}…`);
  }
  const leftover = /[?&](password|token|key|secret)=\w{8,}/i.exec(output);
  if (!leftover) return;
  leaks++;
  throw new Error(`S21 a URL with its secret stands in the output: …${leftover[0].slice(0, 12)}…`);
}

process.on('exit', () => {
  if (searches > 0) console.log(`S21 ${secrets().length} canaries, ${leaks} found`);
});
