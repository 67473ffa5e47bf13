import type { PublisherEnd } from '../../live/index.ts';

/** What an RTMP player asks for. All strings are its own, and unchecked. */
export interface PlayRequest {
  /** `lv_<32 hex>`, wherever it stood; empty where there is none. */
  readonly playbackId: string;
  /** What followed the first `?` of the stream name, the app or the URL. */
  readonly query: string;
}

/** Why a player's connection is over: `stopped` by the player, `ended` by the end of what it played, `too_slow` by who serves it. */
export type PlayerEnd = PublisherEnd | 'ended' | 'refused' | 'too_slow';

/** A connection that wants to play. Whoever gets it answers with accept(), notFound() or refuse() within 15 s, or it is closed. */
export interface PlayerConnection {
  /** For logs: joins all lines of one connection. */
  readonly id: string;
  readonly protocol: 'rtmp' | 'rtmps';
  readonly remoteAddress: string;
  readonly closed: boolean;
  /** Tells the player that it plays; from here on bytes may be written. Does nothing when the connection is over. */
  accept(): void;
  /** There is no such stream; `message` says what to do. Closes the connection once that is on its way. */
  notFound(message: string): void;
  /** It is not served; `message` says why. Closes the connection once that is on its way. */
  refuse(message: string): void;
  /** What it plays is over: says so, and closes the connection once that is on its way. */
  end(): void;
  /**
   * Sends whole messages: made for message stream 1, in chunks of `SHARED_CHUNK_BYTES`, each with a fmt 0 header (`writeMessage`). The
   * bytes are not changed, and copied only for who plays on another message stream. False: the socket is full, and `onDrain` tells when it is not any more; nothing limits what is
   * written in spite of that.
   */
  write(bytes: Buffer): boolean;
  /** Bytes that were written and have not left. */
  readonly writableLength: number;
  onDrain(callback: () => void): void;
  /** Called once, also after end(), notFound() and refuse(); nothing may be written then. */
  onClose(callback: (reason: PlayerEnd) => void): void;
  /** Cuts the connection in this tick. */
  close(reason: 'too_slow' | 'shutdown'): void;
}

/** Who serves players. Implemented by egress. */
export interface Players {
  /** Returns at once. */
  play(request: PlayRequest, connection: PlayerConnection): void;
}
