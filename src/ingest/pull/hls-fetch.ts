import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, monotonicMs } from '../../base/index.ts';
import type { ByteRange } from '../../formats/m3u8/index.ts';
import { HEAD_MS, IDLE_MS } from './http-limits.ts';
import type { SourceContext, SourceEnd, SourceEvents } from './source.ts';
import { endOfStatus } from './source-end.ts';

/** Chunks below this are not how media is sent: each costs as much as a thousand bytes. The first ones are free. */
const LEAST_CHUNK = 64;
const FREE_CHUNKS = 1024;
/** For each millisecond that a source's bytes take, so many are left to everybody else. */
const REST = 2;
const FIRST_BYTES = 65_536;
const MAX_COOKIES = 20;
const MAX_COOKIE_LENGTH = 4096;

/** Ends the source for a reason that is its own. */
export class SourceFailure extends Error {
  readonly end: SourceEnd;
  constructor(end: SourceEnd) {
    super(end.message);
    this.end = end;
  }
}

/** What was fetched. */
export interface Fetched {
  /** Where it came from in the end: what relative URLs start from. */
  readonly url: string;
  readonly body: Buffer;
}

export interface FetchOptions {
  readonly maxBytes: number;
  readonly headMs?: number;
  readonly range?: ByteRange | undefined;
}

/** Fetches the resources of one HLS source, each through the guard, with the cookies that its servers gave it. */
export class HlsFetch {
  readonly #context: SourceContext;
  readonly #events: SourceEvents;
  readonly #signal: AbortSignal;
  /** Of each host: name and value. */
  readonly #cookies = new Map<string, Map<string, string>>();

  constructor(context: SourceContext, events: SourceEvents, signal: AbortSignal) {
    this.#context = context;
    this.#events = events;
    this.#signal = signal;
  }

  /**
   * The whole of a resource, or the piece that is asked for.
   * @throws SourceFailure for other answers than 200 and 206, for what is compressed, too large or in crumbs; CodedError destination_…
   */
  async get(url: string, { maxBytes, headMs = HEAD_MS, range }: FetchOptions): Promise<Fetched> {
    const { host } = new URL(url);
    const cookie = [...(this.#cookies.get(host) ?? [])].map((pair) => pair.join('=')).join('; ');
    const answer = await this.#context.outbound.stream(url, {
      kind: 'pull',
      headers: {
        ...(cookie && { cookie }),
        ...(range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
      },
      timeoutMs: headMs,
      idleMs: IDLE_MS,
      signal: this.#signal,
    });
    try {
      if (answer.status !== 200 && answer.status !== 206) throw new SourceFailure(endOfStatus(answer.status));
      this.#keepCookies(new URL(answer.url).host, answer.headers['set-cookie']);
      const encoding = answer.headers['content-encoding'];
      if (encoding !== undefined && encoding !== 'identity') throw badAnswer('compressed, which was not asked for');
      let read = Buffer.allocUnsafeSlow(FIRST_BYTES);
      let chunks = 0;
      // A server that does not know ranges sends all of it; read no further than the piece.
      const end = range && answer.status === 200 ? range.offset + range.length : maxBytes;
      let length = 0;
      for await (const bytes of answer.body) {
        this.#events.progress(bytes.length);
        if (length + bytes.length > maxBytes) throw badAnswer(`larger than ${sizeOf(maxBytes)}`);
        if (length + bytes.length > read.length)
          read = Buffer.concat([read], Math.max(length + bytes.length, 2 * read.length));
        bytes.copy(read, length);
        length += bytes.length;
        if (++chunks > FREE_CHUNKS + length / LEAST_CHUNK) throw badAnswer('cut into crumbs');
        if (length >= end) break;
      }
      // What is kept of it would keep the room to grow as well.
      const body = length * 2 < read.length ? Buffer.from(read.subarray(0, length)) : read.subarray(0, length);
      if (!range) return { url: answer.url, body };
      const from = answer.status === 200 ? range.offset : 0;
      return { url: answer.url, body: body.subarray(from, from + range.length) };
    } finally {
      answer.close();
    }
  }

  /** Does a piece of work, and then rests twice as long: no source takes more than its share of our time. @throws as `wait`, and what `work` throws */
  async share<T>(work: () => T): Promise<T> {
    const startedMs = monotonicMs();
    try {
      return work();
    } finally {
      await this.wait(REST * (monotonicMs() - startedMs));
    }
  }

  /** Waits. @throws when the source is closed */
  async wait(ms: number): Promise<void> {
    await delay(Math.max(0, ms), null, { signal: this.#signal });
  }

  /** Name and value, for the very host that set it: attributes are not looked at, a source lives shortly. */
  #keepCookies(host: string, header: string | string[] | undefined): void {
    if (header === undefined) return;
    const cookies = this.#cookies.get(host) ?? new Map<string, string>();
    for (const line of [header].flat()) {
      const [, name, value] = /^\s*([\w!#$%&'*+.^`|~-]+)=([^;\s\p{Cc}]*)/u.exec(line) ?? [];
      if (name && value !== undefined && name.length + value.length <= MAX_COOKIE_LENGTH)
        if (cookies.has(name) || cookies.size < MAX_COOKIES) cookies.set(name, value);
    }
    if (this.#cookies.has(host) || this.#cookies.size < MAX_COOKIES) this.#cookies.set(host, cookies);
  }
}

/** The absolute form of a URI in a playlist. @throws CodedError destination_refused for what is not fetched over HTTP (S72) */
export function resolveUri(uri: string, base: string): string {
  const url = URL.parse(uri, base);
  if (!url || !/^https?:$/.test(url.protocol))
    throw new CodedError('destination_refused', 'The playlist names what is not at an http:// or https:// URL.');
  const from = new URL(base);
  // What was given for a host is good for all of it.
  if (url.origin === from.origin && !url.username) [url.username, url.password] = [from.username, from.password];
  return url.href;
}

const sizeOf = (bytes: number): string => (bytes < 1 << 20 ? `${bytes >> 10} KiB` : `${bytes >> 20} MiB`);

const badAnswer = (what: string): SourceFailure =>
  new SourceFailure({
    code: 'bad_answer',
    message: `The source sends a playlist or a segment that is ${what}.`,
    permanent: false,
  });
