import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { CodedError } from '../base/index.ts';
import { ApiError, type Client, createClient } from '../client/index.ts';
import type { OutputOptions } from './output.ts';

export interface ApiOptions extends OutputOptions {
  readonly url?: string;
  readonly token?: string;
}

/** Where server and token stand when neither a flag nor the environment says: `{"url": "…", "token": "id:secret"}`. */
const CONFIG_FILE = join(process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'liveapi', 'cli.json');
const DEFAULT_URL = 'http://localhost:8080';

/** A group of commands that speak to a server: `liveapi streams …`. Its options are those of every command in it. */
export function apiGroup(program: Command, name: string, description: string, examples: readonly string[]): Command {
  return program
    .command(name)
    .description(description)
    .option('--url <url>', `the server's public_url (LIVEAPI_URL, else ${DEFAULT_URL})`)
    .option('--token <id:secret>', 'the access token; other users of this machine may see flags: better LIVEAPI_TOKEN')
    .option('--json', 'print JSON for programs')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      `\nServer and token may also stand in ${CONFIG_FILE}: {"url": "…", "token": "id:secret"}\n\nExamples:\n${examples.map((line) => `  $ liveapi ${line}`).join('\n')}`,
    );
}

/** The command was not called as it should be: exit code 2. */
export class UsageError extends Error {}

/** What a command is run with: its own options and those of its group, and the server that they name. */
export interface Context<O = object> {
  readonly client: Client;
  readonly options: ApiOptions & O;
}

/** Makes a command's action out of a function that needs a client. What goes wrong is said in one line with what to do. */
export function withClient<O, A extends unknown[]>(
  run: (context: Context<O>, ...args: A) => Promise<void>,
): (...all: unknown[]) => Promise<void> {
  return async (...all) => {
    const command = all.at(-1) as Command;
    const options = command.optsWithGlobals() as ApiOptions & O;
    let server: ReturnType<typeof connect> | undefined;
    const context: Context<O> = {
      options,
      // When it is asked for: not every way to run a command needs a server.
      get client() {
        return (server ??= connect(options)).client;
      },
    };
    try {
      await run(context, ...(all.slice(0, -2) as A));
    } catch (error) {
      throw server ? explain(error, server.url) : error;
    }
  };
}

function connect(options: ApiOptions): { url: string; client: Client } {
  const file = readConfigFile();
  const url = options.url ?? process.env.LIVEAPI_URL ?? file.url ?? DEFAULT_URL;
  const token = options.token ?? process.env.LIVEAPI_TOKEN ?? file.token;
  if (!token)
    throw new UsageError(
      `There is no access token: set LIVEAPI_TOKEN to id:secret, or write it to ${CONFIG_FILE}. The server's first start shows one.`,
    );
  const colon = token.indexOf(':');
  if (colon < 1) throw new UsageError('An access token is written id:secret.');
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw new UsageError(`${url} is not the address of a server: it begins with http:// or https://.`);
  return {
    url,
    client: createClient({ baseUrl: url, tokenId: token.slice(0, colon), secret: token.slice(colon + 1) }),
  };
}

function readConfigFile(): { url?: string; token?: string } {
  let text: string;
  try {
    text = readFileSync(CONFIG_FILE, 'utf8');
  } catch {
    return {};
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`${CONFIG_FILE} is not JSON: it holds {"url": "…", "token": "id:secret"}.`);
  }
}

/** The same error for people: the server's own words, or what keeps us from it. */
function explain(error: unknown, url: string): unknown {
  if (error instanceof ApiError) {
    const request = error.requestId && error.statusCode >= 500 ? ` (request ${error.requestId})` : '';
    return new CodedError('bad_request', `${error.message}${request}`);
  }
  if (error instanceof TypeError && error.cause instanceof Error)
    return new CodedError(
      'internal',
      `No answer from ${url}: ${reasonOf(error.cause)}. Is the server running, and is --url its public_url?`,
    );
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return new CodedError('internal', `No answer from ${url} in time.`);
  if (error instanceof SyntaxError)
    return new CodedError('internal', `${url} does not answer as a LiveAPI server does.`);
  return error;
}

/** What undici's own error hides: several addresses were tried, and each has its reason. */
function reasonOf(cause: Error): string {
  const [first] = cause instanceof AggregateError ? (cause.errors as Error[]) : [cause];
  return first?.message ?? cause.message;
}

/** Adds `--limit`, and collects as many entries. */
export const limitOption = ['--limit <n>', 'at most so many entries', count, 100] as const;

export async function take<T>(entries: AsyncIterable<T>, limit: number): Promise<T[]> {
  const taken: T[] = [];
  if (limit < 1) return taken;
  for await (const entry of entries) if (taken.push(entry) >= limit) break;
  return taken;
}

/** A whole number from 0 up, for an option. */
export function count(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It is a whole number.');
  return Number(value);
}

/** A value that may also come from standard input, as `-`: what is secret stays out of the list of processes. */
export const secretValue = (value: string): string => (value === '-' ? readFileSync(0, 'utf8').trim() : value);
