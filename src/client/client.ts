import type {
  ErrorAnswer,
  LiveStream,
  LiveStreamChange,
  LiveStreamList,
  PageQuery,
  Success,
} from '../contract/index.ts';

export interface ClientOptions {
  /** The server's `public_url`. */
  readonly baseUrl: string;
  readonly tokenId: string;
  readonly secret: string;
}

/** Every method rejects with ApiError for an answer that is not a 2xx, and with fetch's TypeError when there is none. */
export interface Client {
  readonly liveStreams: {
    create(values?: LiveStreamChange): Promise<LiveStream>;
    get(id: string): Promise<LiveStream>;
    list(page?: Partial<PageQuery>): Promise<LiveStreamList>;
    update(id: string, change: LiveStreamChange): Promise<LiveStream>;
    delete(id: string): Promise<Success>;
  };
}

/** An answer of the server that is not a 2xx; the message is the server's. */
export class ApiError extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.statusCode = statusCode;
  }
}

/** A client that acts with one access token. */
export function createClient({ baseUrl, tokenId, secret }: ClientOptions): Client {
  const base = baseUrl.replace(/\/+$/, '');
  const authorization = `Basic ${Buffer.from(`${tokenId}:${secret}`).toString('base64')}`;

  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers = body === undefined ? { authorization } : { authorization, 'content-type': 'application/json' };
    const answer = await fetch(base + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text) as T;
    throw new ApiError(
      answer.status,
      readMessage(text) ?? `The server answered ${answer.status} to ${method} ${path}.`,
    );
  }

  const one = (id: string) => `/live_streams/${encodeURIComponent(id)}`;
  return {
    liveStreams: {
      create: (values) => call('POST', '/live_streams', values),
      get: (id) => call('GET', one(id)),
      list: (page = {}) => call('GET', `/live_streams?${new URLSearchParams(page as Record<string, string>)}`),
      update: (id, change) => call('PATCH', one(id), change),
      delete: (id) => call('DELETE', one(id)),
    },
  };
}

/** The message of an error in the contract's shape; undefined for anything else, such as a proxy's own page. */
function readMessage(text: string): string | undefined {
  try {
    return (JSON.parse(text) as ErrorAnswer).message;
  } catch {
    return undefined;
  }
}
