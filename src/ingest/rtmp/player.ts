import type net from 'node:net';
import { type ServerSession, SHARED_CHUNK_BYTES, withStreamId } from '../../formats/rtmp/index.ts';
import type { PlayerConnection, PlayerEnd } from './players.ts';

/** The connection that a player came on. */
export interface PlayerHost {
  readonly id: string;
  readonly protocol: 'rtmp' | 'rtmps';
  readonly remoteAddress: string;
  readonly socket: net.Socket;
  readonly session: ServerSession;
  /** The message stream that it plays on. */
  readonly streamId: number;
  accepted(): void;
  /** Lets out what was said, and closes the socket. */
  leave(): void;
  close(): void;
}

/** One play request and what became of it: the connection as whoever serves players sees it. */
export class Player implements PlayerConnection {
  readonly #host: PlayerHost;
  #step: 'asking' | 'playing' | 'over' = 'asking';
  #reason: PlayerEnd | null = null;
  #onDrain: () => void = () => {};
  #onClose: (reason: PlayerEnd) => void = () => {};

  constructor(host: PlayerHost) {
    this.#host = host;
  }

  get id(): string {
    return this.#host.id;
  }

  get protocol(): 'rtmp' | 'rtmps' {
    return this.#host.protocol;
  }

  get remoteAddress(): string {
    return this.#host.remoteAddress;
  }

  get closed(): boolean {
    return this.#step === 'over';
  }

  get writableLength(): number {
    return this.#host.socket.writableLength;
  }

  /** Why it is over; null before. */
  get reason(): PlayerEnd | null {
    return this.#reason;
  }

  accept(): void {
    if (this.#step !== 'asking') return;
    this.#step = 'playing';
    this.#host.accepted();
    this.#host.session.acceptPlay();
    this.#host.socket.on('drain', this.#drained);
  }

  notFound(message: string): void {
    this.#refuse('NetStream.Play.StreamNotFound', message);
  }

  refuse(message: string): void {
    this.#refuse('NetStream.Play.Failed', message);
  }

  end(): void {
    if (this.#step !== 'playing') return;
    this.#host.session.endPlay();
    this.#host.leave();
    this.over('ended');
  }

  write(bytes: Buffer): boolean {
    if (this.#step !== 'playing') return false;
    const { socket, streamId } = this.#host;
    // Nearly all play on the first stream of their connection, and share the bytes.
    return socket.write(streamId === 1 ? bytes : withStreamId(bytes, streamId, SHARED_CHUNK_BYTES));
  }

  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  onClose(callback: (reason: PlayerEnd) => void): void {
    this.#onClose = callback;
  }

  close(reason: 'too_slow' | 'shutdown'): void {
    if (this.#step === 'over') return;
    this.over(reason);
    this.#host.close();
  }

  /** The connection is gone, or plays no more. */
  over(reason: PlayerEnd): void {
    if (this.#step === 'over') return;
    this.#step = 'over';
    this.#reason = reason;
    this.#host.socket.off('drain', this.#drained);
    this.#onClose(reason);
  }

  #refuse(code: string, message: string): void {
    if (this.#step !== 'asking') return;
    this.#host.session.refusePlay(code, message);
    this.#host.leave();
    this.over('refused');
  }

  readonly #drained = (): void => this.#onDrain();
}
