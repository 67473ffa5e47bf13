import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { ClientAddress, clientAddress, FailureLimiter, type Logger, monotonicMs } from '../../base/index.ts';
import type { LiveRegistry, PublishAuthoriser } from '../../live/index.ts';
import { BrowserConnection, type ConnectionContext, type RefusalReason } from './connection.ts';

export interface BrowserPublishersOptions {
  /** Its path stands before ours where a proxy leaves it there. */
  readonly publicUrl: string;
  /** Networks of the proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly publisherTimeoutMs: number;
  readonly maxConnections: number;
  /** Of addresses other than loopback, behind which a proxy may stand. */
  readonly maxConnectionsPerAddress: number;
  readonly failuresPerMinute: number;
  readonly authoriser: PublishAuthoriser;
  readonly registry: LiveRegistry;
  readonly log: Logger;
}

const TICK_MS = 250;
/** One message: a key frame of the largest picture that a browser encodes has less. */
const MAX_MESSAGE_BYTES = 8 << 20;
const MAX_FRAGMENTS = 64;

/** Takes the WebSockets of browsers that publish. Any page may open one: the key is the secret, and no cookie is looked at. */
export class BrowserPublishers {
  readonly #options: BrowserPublishersOptions;
  readonly #context: ConnectionContext;
  readonly #upgrader = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    maxFragments: MAX_FRAGMENTS,
  });
  readonly #connections = new Set<BrowserConnection>();
  /** Not accepted (yet), oldest first: when all places are taken the oldest of them gives way. */
  readonly #strangers = new Set<BrowserConnection>();
  readonly #timer: NodeJS.Timeout;
  readonly #path: string;
  readonly #addresses: ClientAddress;
  #closed = false;
  /** Publishes refused and connections turned away since the start, by reason. */
  readonly refused: Readonly<Record<RefusalReason, number>>;

  constructor(options: BrowserPublishersOptions) {
    this.#options = options;
    this.#addresses = new ClientAddress(options.trustedProxies);
    this.#path = `${new URL(options.publicUrl).pathname.replace(/\/$/, '')}/publish`;
    const refused: Record<RefusalReason, number> = {
      unknown_key: 0,
      disabled: 0,
      already_live: 0,
      unchecked: 0,
      unsupported_codec: 0,
      no_media: 0,
      protocol_error: 0,
      too_many: 0,
    };
    this.refused = refused;
    this.#context = {
      authoriser: options.authoriser,
      registry: options.registry,
      failures: new FailureLimiter(options.failuresPerMinute),
      publisherTimeoutMs: options.publisherTimeoutMs,
      log: options.log,
      accepted: (connection) => this.#strangers.delete(connection),
      closed: (connection) => {
        this.#connections.delete(connection);
        this.#strangers.delete(connection);
      },
      refused: (reason) => refused[reason]++,
    };
    this.#timer = setInterval(() => {
      const now = monotonicMs();
      for (const connection of this.#connections) connection.tick(now);
    }, TICK_MS).unref();
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Whether a request to upgrade is for us; `url` as it stands in the request. */
  handles(url: string): boolean {
    const path = url.split('?', 1)[0];
    return path === '/publish' || path === this.#path;
  }

  /** Takes an upgrade's socket: what becomes of it is ours from here on. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until the WebSocket has it.
    const ignore = () => {};
    socket.on('error', ignore);
    const { maxConnections, maxConnectionsPerAddress } = this.#options;
    const address = clientAddress(request, this.#addresses);
    let already = 0;
    for (const { remoteAddress } of this.#connections) if (remoteAddress === address) already++;
    if (this.#closed || (already >= maxConnectionsPerAddress && !isLoopback(address))) {
      this.#turnAway(socket);
      return;
    }
    if (this.#connections.size >= maxConnections) {
      const [oldest] = this.#strangers;
      if (!oldest) {
        this.#turnAway(socket);
        return;
      }
      this.#context.refused('too_many');
      oldest.close('silent');
    }
    this.#upgrader.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new BrowserConnection(webSocket, socket, address, this.#context);
      this.#connections.add(connection);
      this.#strangers.add(connection);
    });
  }

  /** Closes every connection, and takes no more. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const connection of [...this.#connections]) connection.close('shutdown');
  }

  #turnAway(socket: Duplex): void {
    this.#context.refused('too_many');
    socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    setTimeout(() => socket.destroy(), 1000).unref();
  }
}

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';
