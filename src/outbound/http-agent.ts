import { isIP, type Socket } from 'node:net';
import { Agent, type Dispatcher } from 'undici';
import type { Target } from './destination.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** More than this of the answer's body is not read. */
  readonly maxResponseBytes: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Where it came from in the end, after redirects, with the user name and password if they are for there too. */
  readonly url: string;
  /** As it came: nothing is decompressed, and compression is not asked for. */
  readonly body: Buffer;
  /** Whether there was more than was read. */
  readonly truncated: boolean;
}

/** An answer whose body is read as it comes. */
export interface HttpStream extends Omit<HttpAnswer, 'body' | 'truncated'> {
  /** As it came. Reading no further holds the sender back; the iteration throws when the body breaks off or pauses for too long. */
  readonly body: AsyncIterable<Buffer>;
  /** Ends it, and its connection. To be called in any case, and any number of times. */
  close(): void;
}

/** What a connection is asked for. The implementation checks the addresses that it connects to. */
export type ConnectTo = (
  target: Pick<Target, 'host' | 'port' | 'isAddress'> & { readonly tls: boolean },
) => Promise<Socket>;

const MAX_HEADER_BYTES = 16_384;
const KEEP_ALIVE_MS = 4000;

/** HTTP/1.1 over connections that somebody else makes, kept for a few seconds between requests. Follows no redirects. */
export class HttpAgent {
  readonly #agent: Agent;

  constructor(connectTo: ConnectTo) {
    this.#agent = new Agent({
      allowH2: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      // The caller's signal bounds all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: ({ hostname, port, protocol }, done) => {
        const tls = protocol === 'https:';
        const host = hostname.replace(/^\[|\]$/g, '');
        connectTo({ host, port: Number(port) || (tls ? 443 : 80), isAddress: isIP(host) > 0, tls }).then(
          (socket) => done(null, socket),
          (error: Error) => done(error, null),
        );
      },
    });
  }

  /** Rejects when no whole answer came: no connection, an answer that is not HTTP or is cut, the signal. */
  async request(target: Target, request: HttpRequest, signal: AbortSignal): Promise<Omit<HttpAnswer, 'url'>> {
    const answer = await this.#send(target, request, { signal });
    const { bytes, truncated } = await readUpTo(answer.body, request.maxResponseBytes);
    return { status: answer.statusCode, headers: answer.headers, body: bytes, truncated };
  }

  /** Resolves with the answer's head; its body is still on its way. `idleMs`: the longest pause in it. */
  async stream(
    target: Target,
    headers: HttpRequest['headers'],
    { signal, idleMs }: { readonly signal: AbortSignal; readonly idleMs: number },
  ): Promise<Omit<HttpStream, 'url'>> {
    const answer = await this.#send(target, { method: 'GET', headers }, { signal, bodyTimeout: idleMs });
    const { body } = answer;
    // Destroyed while nobody reads, it would have nobody to tell.
    body.on('error', () => {});
    return { status: answer.statusCode, headers: answer.headers, body, close: () => void body.destroy() };
  }

  #send(
    { scheme, host, port, path, credentials }: Target,
    { method, headers, body }: Omit<HttpRequest, 'maxResponseBytes'>,
    limits: { readonly signal: AbortSignal; readonly bodyTimeout?: number },
  ) {
    return this.#agent.request({
      origin: `${scheme}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`,
      path,
      method,
      headers: credentials ? { ...headers, authorization: basic(credentials) } : headers,
      ...(body !== undefined && { body }),
      ...limits,
    });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

const basic = ({ user, password }: NonNullable<Target['credentials']>): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

async function readUpTo(body: Dispatcher.ResponseData['body'], maxBytes: number) {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    // Leaving the loop ends the stream, and with it the connection.
    if (length > maxBytes) break;
  }
  return { bytes: Buffer.concat(chunks, Math.min(length, maxBytes)), truncated: length > maxBytes };
}
