/** Why a publisher left. The encoder's own stop, a lost connection and our own decision are told apart in logs and API. */
export type PublisherEnd =
  | 'stopped' // the encoder said so (FCUnpublish, deleteStream, closeStream)
  | 'closed' // the connection ended in order (FIN)
  | 'reset' // the connection broke (RST, network error)
  | 'silent' // nothing came for `publisher_timeout_s`
  | 'taken_over' // silent, and the encoder came back on a new connection
  | 'disabled' // `enabled: false`
  | 'deleted' // the live stream was deleted
  | 'key_rotated' // it published with the key before
  | 'protocol_error'
  | 'media_unsupported' // a codec that we do not carry
  | 'shutdown';

/** What feeds a broadcast: an RTMP(S) connection, a pull, the built-in demo. Implemented by the rooms that accept them. */
export interface Publisher {
  /** For logs: joins all lines of one connection. */
  readonly id: string;
  readonly protocol: 'rtmp' | 'rtmps';
  readonly remoteAddress: string;
  /** When its last bytes came, by `monotonicMs`. */
  readonly lastDataMs: number;
  /** All that has come over its connection. */
  readonly bytesReceived: number;
  /** Its connection is gone. */
  readonly closed: boolean;
  /** Ends it in this very tick: the socket is destroyed before this returns. */
  close(reason: PublisherEnd): void;
}
