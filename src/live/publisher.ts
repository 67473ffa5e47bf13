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
  | 'loop' // what it sends comes from this very live stream
  | 'gave_way' // a pull: an encoder took its place
  | 'source_ended' // a pull: its source said that it is over
  | 'source_failed' // a pull: its source broke off, fell silent or sent what cannot be read
  | 'idle' // a pull on demand: nobody watched for `stop_after_idle_s`
  | 'unscheduled' // a pull: the time that its schedule names is over
  | 'reconfigured' // a pull: its settings changed
  | 'shutdown';

/** By what a publisher's media comes. RTMPS sources are `pull-rtmp`, as the other names say the format and not its encryption. */
export type PublisherProtocol =
  | 'rtmp'
  | 'rtmps'
  | 'browser'
  | 'pull-rtmp'
  | 'pull-flv'
  | 'pull-hls'
  | 'pull-ts'
  | 'pull-rtsp'
  | 'pull-srt';

/** What feeds a broadcast: an RTMP(S) connection, a browser, a pull, the built-in demo. Implemented by the rooms that accept them. */
export interface Publisher {
  /** For logs: joins all lines of one connection. */
  readonly id: string;
  readonly protocol: PublisherProtocol;
  readonly remoteAddress: string;
  /** When its last bytes came, by `monotonicMs`. */
  readonly lastDataMs: number;
  /** All that has come over its connection. */
  readonly bytesReceived: number;
  /** Its connection is gone. */
  readonly closed: boolean;
  /** Of a pull: it makes room as soon as an encoder comes (`gave_way`). Without it the encoder is refused (`pull_holds`). */
  readonly yields?: boolean;
  /** Live streams that the media has passed through on its way here, ours or others', oldest first (`readVia`). */
  readonly via?: readonly string[];
  /** Ends it in this very tick: the socket is destroyed before this returns. */
  close(reason: PublisherEnd): void;
}

/** A pull feeds a live stream as long as no encoder does; encoders have precedence over it, unless it does not yield. */
export function isPull({ protocol }: Pick<Publisher, 'protocol'>): boolean {
  return protocol.startsWith('pull-');
}
