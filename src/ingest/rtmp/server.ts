import net from 'node:net';
import tls from 'node:tls';
import { CodedError, FailureLimiter, type Logger, monotonicMs } from '../../base/index.ts';
import type { LiveRegistry, PublishAuthoriser } from '../../live/index.ts';
import { type ConnectionContext, type ConnectionPart, type RefusalReason, RtmpConnection } from './connection.ts';
import type { Players } from './players.ts';
import { readInto } from './socket-input.ts';

export interface RtmpServerOptions {
  /** Absent: all addresses of the machine. */
  readonly host?: string | undefined;
  readonly port: number;
  /** RTMPS: a second listener, when a certificate (PEM, full chain) and its key are given. */
  readonly tls?: { readonly port: number; readonly certificate: string | Buffer; readonly key: string | Buffer };
  readonly publisherTimeoutMs: number;
  /** Without accepted players, whom who serves them limits: they must not take the places of encoders. */
  readonly maxConnections: number;
  /** Players count apart. For addresses other than loopback, behind which a whole machine's encoders or a proxy may stand. */
  readonly maxConnectionsPerAddress: number;
  readonly failuresPerMinute: number;
  readonly authoriser: PublishAuthoriser;
  /** Who serves players; without it they are turned away. */
  readonly players?: Players | null;
  readonly registry: LiveRegistry;
  readonly log: Logger;
}

const TICK_MS = 250;
const TLS_HANDSHAKE_MS = 5000;
const FULL_TELL_MS = 10_000;
/** Connections that wait to be accepted: encoders and players may all come back in the same second. */
const BACKLOG = 4096;

/** Listens for RTMP (and RTMPS) encoders and players. Nothing that a peer does ends more than its own connection. */
export class RtmpServer {
  readonly #options: RtmpServerOptions;
  readonly #log: Logger;
  readonly #context: ConnectionContext;
  readonly #servers: (net.Server | tls.Server)[] = [];
  readonly #connections = new Set<RtmpConnection>();
  /** Connections that do not publish or play (yet), oldest first: when all places are taken the oldest of them gives way. */
  readonly #strangers = new Set<RtmpConnection>();
  readonly #players = new Set<RtmpConnection>();
  /** Without players, and players alone. */
  readonly #perAddress = new Map<string, number>();
  readonly #playersPerAddress = new Map<string, number>();
  /** Publishes and players refused and connections turned away since the start, by reason. */
  readonly refused: Readonly<Record<RefusalReason, number>>;
  /** Sockets whose TLS handshake is not done, oldest first. */
  readonly #handshaking = new Set<net.Socket>();
  #timer: NodeJS.Timeout | null = null;
  #fullToldMs = Number.NEGATIVE_INFINITY;
  #drained: (() => void) | null = null;

  constructor(options: RtmpServerOptions) {
    this.#options = options;
    this.#log = options.log;
    const refused: Record<RefusalReason, number> = {
      unknown_key: 0,
      disabled: 0,
      already_live: 0,
      unchecked: 0,
      unsupported_codec: 0,
      no_media: 0,
      loop: 0,
      play: 0,
      protocol_error: 0,
      too_many: 0,
    };
    this.refused = refused;
    this.#context = {
      authoriser: options.authoriser,
      players: options.players ?? null,
      registry: options.registry,
      failures: new FailureLimiter(options.failuresPerMinute),
      publisherTimeoutMs: options.publisherTimeoutMs,
      log: options.log,
      counts: (connection, as) => this.#count(connection, as),
      takesPlayer: (address) => isLoopback(address) || this.#hasRoom(this.#playersPerAddress, address),
      closed: (connection) => this.#forget(connection),
      refused: (reason) => refused[reason]++,
    };
  }

  /** The port really listened on (of interest when 0 was asked for). */
  get port(): number {
    return (this.#servers[0]!.address() as net.AddressInfo).port;
  }

  /** The port of RTMPS, or null. */
  get tlsPort(): number | null {
    return this.#servers[1] ? (this.#servers[1].address() as net.AddressInfo).port : null;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Listens. Rejects with `port_in_use` or `config_invalid` (certificate), and then listens nowhere. */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { host, port, tls: secure } = this.#options;
    const plain = net.createServer({ pauseOnConnect: true }, (socket) => this.#open('rtmp', socket));
    await this.#listen(plain, host, port, 'rtmp_port');
    if (secure) {
      let server: tls.Server;
      try {
        server = tls.createServer(
          { cert: secure.certificate, key: secure.key, minVersion: 'TLSv1.2', handshakeTimeout: TLS_HANDSHAKE_MS },
          (socket) => this.#open('rtmps', socket),
        );
      } catch (error) {
        throw new CodedError(
          'config_invalid',
          `tls_certificate or tls_key cannot be used: ${(error as Error).message}`,
        );
      }
      server.on('connection', (socket: net.Socket) => this.#admitHandshake(socket));
      server.on('tlsClientError', (error) => this.#log.debug({ reason: error.message }, 'TLS failed'));
      await this.#listen(server, host, secure.port, 'rtmps_port');
    }
    this.#timer = setInterval(() => {
      const now = monotonicMs();
      for (const connection of this.#connections) connection.tick(now);
    }, TICK_MS);
  }

  /**
   * Asks the publishers that understand it (Enhanced RTMP) to connect anew, to whichever server takes their address by then; the others
   * are told nothing. All are read until they leave. Returns how many were asked.
   */
  requestReconnects(): number {
    let asked = 0;
    for (const connection of this.#connections) if (connection.requestReconnect()) asked++;
    return asked;
  }

  /** Stops listening and closes every connection; resolves when all are gone. */
  async close(): Promise<void> {
    clearInterval(this.#timer ?? undefined);
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    for (const connection of [...this.#connections]) connection.close('shutdown');
    if (this.#connections.size > 0) await drained;
    await Promise.all(closed);
  }

  #listen(server: net.Server, host: string | undefined, port: number, key: string): Promise<void> {
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          error.code === 'EADDRINUSE'
            ? new CodedError(
                'port_in_use',
                `Port ${port} is taken by another program: choose another with ${key} or stop that program.`,
              )
            : new CodedError(
                'config_invalid',
                `Cannot listen on ${host ?? 'all addresses'}, port ${port} (${key}): ${error.message}`,
              ),
        ),
      );
      server.listen({ port, host, backlog: BACKLOG }, () => {
        server.removeAllListeners('error');
        server.on('error', (error) => this.#log.error({ err: error }, 'listener failed'));
        this.#servers.push(server);
        resolve();
      });
    });
  }

  /** Half-open TLS costs memory too: it is bounded like the strangers, and the oldest gives way. */
  #admitHandshake(socket: net.Socket): void {
    const { maxConnections, maxConnectionsPerAddress } = this.#options;
    const address = socket.remoteAddress ?? '';
    let already = this.#perAddress.get(address) ?? 0;
    for (const other of this.#handshaking) if (other.remoteAddress === address) already++;
    if (address === '' || (already >= maxConnectionsPerAddress && !isLoopback(address))) {
      socket.destroy();
      return;
    }
    if (this.#handshaking.size >= maxConnections) {
      const [oldest] = this.#handshaking;
      oldest?.destroy();
    }
    this.#handshaking.add(socket);
    const done = () => this.#handshaking.delete(socket);
    socket.once('close', done);
    // The handshake's own deadline is five seconds; after it the connection is counted where it is opened.
    setTimeout(done, TLS_HANDSHAKE_MS).unref();
  }

  #open(protocol: 'rtmp' | 'rtmps', accepted: net.Socket): void {
    // A listener for IPv6 names IPv4 peers in its own way.
    const address = (accepted.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
    const { maxConnections, maxConnectionsPerAddress } = this.#options;
    const already = this.#perAddress.get(address) ?? 0;
    if (address === '' || (already >= maxConnectionsPerAddress && !isLoopback(address))) {
      this.#log.debug({ address }, 'refused: too many connections from this address');
      this.#context.refused('too_many');
      accepted.destroy();
      return;
    }
    if (this.#connections.size - this.#players.size >= maxConnections) {
      const [oldest] = this.#strangers;
      // Once in a while only: who fills the places must not fill the log too.
      if (monotonicMs() - this.#fullToldMs > FULL_TELL_MS) {
        this.#fullToldMs = monotonicMs();
        this.#log.warn({ maxConnections }, 'all places taken: idle connections give way, oldest first');
      }
      this.#context.refused('too_many');
      if (!oldest) {
        accepted.destroy();
        return;
      }
      oldest.close('silent');
    }
    const connection = new RtmpConnection(protocol, address, this.#context);
    this.#connections.add(connection);
    this.#strangers.add(connection);
    add(this.#perAddress, address, 1);
    const onBytes = (bytes: Buffer) => connection.receive(bytes);
    if (protocol === 'rtmp') connection.start(readInto(accepted, onBytes));
    else {
      connection.start(accepted);
      accepted.on('data', onBytes);
    }
  }

  #hasRoom(counts: ReadonlyMap<string, number>, address: string): boolean {
    return (counts.get(address) ?? 0) < this.#options.maxConnectionsPerAddress;
  }

  /** Whether it may have to give way, and against which limits it counts. */
  #count(connection: RtmpConnection, as: ConnectionPart): void {
    if (!this.#connections.has(connection)) return;
    if (as === 'stranger') this.#strangers.add(connection);
    else this.#strangers.delete(connection);
    const plays = as === 'player';
    if (plays === this.#players.has(connection)) return;
    if (plays) this.#players.add(connection);
    else this.#players.delete(connection);
    add(this.#playersPerAddress, connection.remoteAddress, plays ? 1 : -1);
    add(this.#perAddress, connection.remoteAddress, plays ? -1 : 1);
  }

  #forget(connection: RtmpConnection): void {
    this.#connections.delete(connection);
    this.#strangers.delete(connection);
    const wasPlayer = this.#players.delete(connection);
    add(wasPlayer ? this.#playersPerAddress : this.#perAddress, connection.remoteAddress, -1);
    if (this.#connections.size === 0) this.#drained?.();
  }
}

function add(counts: Map<string, number>, address: string, change: 1 | -1): void {
  const count = (counts.get(address) ?? 0) + change;
  if (count > 0) counts.set(address, count);
  else counts.delete(address);
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.');
}
