import { type Logger, monotonicMs, newId } from '../../base/index.ts';
import {
  type Authorisation,
  type Claim,
  goesInCircles,
  type LiveRegistry,
  type Publisher,
  type PublisherEnd,
  readVia,
  VIA_NAME,
} from '../../live/index.ts';
import type { Packet } from '../../media/index.ts';
import { LeadIn } from './lead-in.ts';
import type { MakeSource, PullProtocol, Source, SourceContext, SourceEnd } from './source.ts';
import { LOOP, TIMEOUT } from './source-end.ts';

/** How an attempt is over: by its source, by whoever closed it, or because the live stream could not be claimed. */
export type AttemptEnd =
  | { readonly by: 'source'; readonly end: SourceEnd }
  | { readonly by: 'us'; readonly reason: PublisherEnd }
  | { readonly by: 'claim'; readonly reason: 'busy' | 'disabled' };

export interface AttemptOptions {
  readonly url: string;
  readonly makeSource: MakeSource;
  readonly context: SourceContext;
  readonly registry: LiveRegistry;
  /** As of `ticket`. */
  readonly authorisation: Authorisation;
  readonly ticket: number;
  readonly log: Logger;
  /** Whether an encoder takes its place. */
  yields(): boolean;
  /** How long it may take to the first frame, and between two. */
  readonly firstFrameMs: number;
  silenceMs(): number;
  /** It feeds the live stream. */
  online(): void;
  /** Bytes have come. */
  progress(bytes: number): void;
  ended(end: AttemptEnd): void;
}

/** One try at one URL: the source, and the publisher that it is to `live`. Claims the live stream when media has come. */
export class Attempt implements Publisher {
  readonly id = newId();
  readonly url: string;
  readonly remoteAddress: string;
  readonly startedMs = monotonicMs();
  lastDataMs = this.startedMs;
  bytesReceived = 0;
  via: readonly string[] = [];
  readonly #options: AttemptOptions;
  readonly #source: Source;
  readonly #leadIn = new LeadIn();
  #lastPacketMs = this.startedMs;
  #claim: Claim | null = null;
  #claiming = false;
  #closed = false;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.url = options.url;
    this.remoteAddress = URL.parse(options.url)?.host ?? '';
    const { liveStreamId } = options.authorisation;
    this.#source = options.makeSource(
      options.url,
      {
        packet: (packet) => this.#packet(packet),
        progress: (bytes) => {
          this.lastDataMs = monotonicMs();
          this.bytesReceived += bytes;
          options.progress(bytes);
        },
        unsupported: (kind, codec) => {
          options.log.info({ kind, codec }, 'source sends a codec that is not carried');
          this.#claim?.refuseCodec(codec);
        },
        metadata: (values) => {
          this.via = readVia(values[VIA_NAME]);
          if (goesInCircles(this.via, liveStreamId)) this.#finish({ by: 'source', end: LOOP });
        },
        ended: (end) => this.#finish({ by: 'source', end }),
      },
      options.context,
    );
  }

  /** By the source's own knowledge, which it may have got meanwhile. */
  get protocol(): PullProtocol {
    return this.#source.protocol;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get yields(): boolean {
    return this.#options.yields();
  }

  /** Milliseconds since it feeds the live stream; null before. */
  onlineSinceMs: number | null = null;

  start(): void {
    this.#source.start();
  }

  /** Looks at the clock. */
  tick(nowMs: number): void {
    const { firstFrameMs, silenceMs } = this.#options;
    if (this.#closed || this.#claiming) return;
    if (!this.#claim) {
      if (nowMs - this.startedMs > firstFrameMs) this.#finish({ by: 'source', end: TIMEOUT });
    } else if (nowMs - this.#lastPacketMs > silenceMs()) this.#finish({ by: 'source', end: SILENT });
  }

  close(reason: PublisherEnd): void {
    this.#finish({ by: 'us', reason });
  }

  #packet(packet: Packet): void {
    if (this.#closed) return;
    this.#lastPacketMs = monotonicMs();
    if (this.#claim) this.#claim.write(packet);
    else if (this.#leadIn.take(packet) && !this.#claiming) void this.#begin();
  }

  async #begin(): Promise<void> {
    this.#claiming = true;
    const { registry, authorisation, ticket, log } = this.#options;
    const answer = await registry.claim(authorisation, this, ticket).catch((error: unknown) => {
      log.error({ err: error }, 'live stream could not be claimed');
      return { ok: false, reason: 'busy' } as const;
    });
    this.#claiming = false;
    if (!answer.ok) {
      this.#finish({ by: 'claim', reason: answer.reason === 'disabled' ? 'disabled' : 'busy' });
      return;
    }
    if (this.#closed) return answer.claim.release('source_failed');
    this.#claim = answer.claim;
    this.#lastPacketMs = monotonicMs();
    this.onlineSinceMs = this.#lastPacketMs;
    this.#options.online();
    for (const packet of this.#leadIn.release()) this.#claim?.write(packet);
  }

  #finish(end: AttemptEnd): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#source.close();
    this.#claim?.release(end.by === 'us' ? end.reason : end.by === 'source' ? publisherEnd(end.end) : 'source_failed');
    this.#claim = null;
    this.#leadIn.release();
    this.#options.ended(end);
  }
}

function publisherEnd({ code }: SourceEnd): PublisherEnd {
  if (code === 'source_ended' || code === 'media_unsupported' || code === 'loop') return code;
  return 'source_failed';
}

const SILENT: SourceEnd = { code: 'silent', message: 'The source has fallen silent.', permanent: false };
