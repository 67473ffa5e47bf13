import type { Environment, ErrorAnswer } from '../contract/index.ts';

/** Who asks: an access token, or (on the server's own pages only) who is signed in there. */
export type Credentials =
  | { readonly tokenId: string; readonly secret: string }
  | { readonly csrfToken: string; readonly organizationId?: string; readonly environment?: Environment };

export type ClientOptions = Credentials & {
  /** The server's `public_url`. */
  readonly baseUrl: string;
  /** How long one attempt may take. Default 30 s. */
  readonly timeoutMs?: number;
  /** How often a call is tried again that may safely be repeated. Default 3. */
  readonly maxRetries?: number;
};

export interface CallOptions {
  /** Ends the call, and its retries, with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  /** For a POST: whoever repeats it with the same key within 24 h gets the answer of the first time. By default a new one. */
  readonly idempotencyKey?: string;
}

/** An answer of the server that is not a 2xx; the message is the server's. */
export class ApiError extends Error {
  readonly statusCode: number;
  /** What the server's log calls the request. */
  readonly requestId: string | null;
  /** How long the server asks to wait before the next try. */
  readonly retryAfterMs: number | null;

  constructor(
    statusCode: number,
    message: string,
    requestId: string | null = null,
    retryAfterMs: number | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
    this.statusCode = statusCode;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
  }
}

/** One request and its answer's body. `path` begins with a slash; undefined values of `query` are left out. */
export type Call = <T>(
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  more?: { readonly query?: object; readonly body?: unknown },
  options?: CallOptions,
) => Promise<T>;

const MAX_WAIT_MS = 30_000;

/**
 * Calls of one server with one access token. 429 and 503 are tried again after the time that the server names, and so are calls that
 * got no answer at all, except a DELETE: its second try would find nothing. Every POST carries an Idempotency-Key, so that trying
 * again creates nothing twice.
 * Rejects with ApiError for an answer that is not a 2xx, with fetch's TypeError when there is none, with a TimeoutError or the
 * signal's reason when the call was given up.
 */
export function createTransport(client: ClientOptions): Call {
  const { timeoutMs = 30_000, maxRetries = 3 } = client;
  const base = client.baseUrl.replace(/\/+$/, '');
  const credentials = credentialHeaders(client);

  async function attempt<T>(
    method: string,
    url: string,
    body: unknown,
    headers: Headers,
    signal: AbortSignal,
  ): Promise<T> {
    const answer = await fetch(url, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal,
    });
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text) as T;
    const message = readMessage(text) ?? `The server answered ${answer.status} to ${method} ${new URL(url).pathname}.`;
    const seconds = Number(answer.headers.get('retry-after') ?? Number.NaN);
    throw new ApiError(
      answer.status,
      message,
      answer.headers.get('x-request-id'),
      Number.isFinite(seconds) ? seconds * 1000 : null,
    );
  }

  return async (method, path, { query = {}, body } = {}, options = {}) => {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const search =
      given.length > 0
        ? `?${new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)]))}`
        : '';
    const headers = new Headers(credentials);
    if (body !== undefined) headers.set('content-type', 'application/json');
    if (method === 'POST') headers.set('idempotency-key', options.idempotencyKey ?? crypto.randomUUID());
    for (let retries = 0; ; retries++) {
      const timeout = AbortSignal.timeout(options.timeoutMs ?? timeoutMs);
      const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
      try {
        return await attempt(method, base + path + search, body, headers, signal);
      } catch (error) {
        if (retries >= maxRetries || options.signal?.aborted || !isTransient(error, method)) throw error;
        await sleep(waitMs(error, retries), options.signal);
      }
    }
  };
}

function credentialHeaders(who: Credentials): Record<string, string> {
  if ('tokenId' in who) return { authorization: `Basic ${btoa(`${who.tokenId}:${who.secret}`)}` };
  return {
    'x-csrf-token': who.csrfToken,
    ...(who.organizationId && { 'x-liveapi-organization': who.organizationId }),
    ...(who.environment && { 'x-liveapi-environment': who.environment }),
  };
}

function isTransient(error: unknown, method: string): boolean {
  if (error instanceof ApiError) return error.statusCode === 429 || error.statusCode === 503;
  return method !== 'DELETE';
}

/** As long as the server asks for, else a quarter of a second and twice as long each time; never two clients in step. */
function waitMs(error: unknown, retries: number): number {
  const asked = error instanceof ApiError ? error.retryAfterMs : null;
  return Math.min(MAX_WAIT_MS, (asked ?? 250 * 2 ** retries) * (1 + Math.random() / 4));
}

/** Resolves after `ms`; rejects with the signal's reason when that comes first. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** The message of an error in the contract's shape; undefined for anything else, such as a proxy's own page. */
function readMessage(text: string): string | undefined {
  try {
    return (JSON.parse(text) as ErrorAnswer).message;
  } catch {
    return undefined;
  }
}
