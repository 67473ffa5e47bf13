import http from 'node:http';
import https from 'node:https';

/** One answer with the times at which it came, in ms of `performance.now()`. */
export interface Answer {
  readonly url: string;
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly askedAtMs: number;
  readonly headersAtMs: number;
  readonly firstByteAtMs: number;
  readonly doneAtMs: number;
  /** `Date.now()` when the headers came. */
  readonly wallMs: number;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
  /** On a connection of its own, closed afterwards. */
  readonly alone?: boolean;
  /** Ends the wait with an error. Default 30 s: longer than any answer may take. */
  readonly timeoutMs?: number;
}

const agents = {
  'http:': new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY }),
  'https:': new https.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY }),
};

/** One request, with no redirect followed and nothing decoded. Rejects only when no whole answer came. */
export function ask(url: string, asking: Asking = {}): Promise<Answer> {
  const target = new URL(url);
  const secure = target.protocol === 'https:';
  const askedAtMs = performance.now();
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).request(
      url,
      {
        method: asking.method ?? 'GET',
        headers: { ...asking.headers },
        agent: asking.alone ? false : secure ? agents['https:'] : agents['http:'],
        ...(asking.signal ? { signal: asking.signal } : {}),
      },
      (response) => {
        const headersAtMs = performance.now();
        const wallMs = Date.now();
        let firstByteAtMs = 0;
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => {
          firstByteAtMs ||= performance.now();
          chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => {
          clearTimeout(timer);
          const doneAtMs = performance.now();
          resolve({
            url,
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
            askedAtMs,
            headersAtMs,
            firstByteAtMs: firstByteAtMs || doneAtMs,
            doneAtMs,
            wallMs,
          });
        });
      },
    );
    const timer = setTimeout(
      () => request.destroy(new Error(`no answer in ${asking.timeoutMs ?? 30_000} ms: ${url}`)),
      asking.timeoutMs ?? 30_000,
    );
    request.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    request.end(asking.body);
  });
}

/** Closes the connections that are kept for later requests. */
export function closeConnections(): void {
  agents['http:'].destroy();
  agents['https:'].destroy();
}

/** `url` with delivery directives behind the query that it may have: a playlist's own parameters stay (RFC 8216bis 6.2.5). */
export function withQuery(url: string, query: string): string {
  return query === '' ? url : `${url}${url.includes('?') ? '&' : '?'}${query}`;
}
