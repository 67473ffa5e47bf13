import { encodeAmf0 } from '../formats/amf/index.ts';
import { ChunkStreamId, MessageType, writeMessage } from '../formats/rtmp/index.ts';
import { FEED_CHUNK_SIZE, FEED_STREAM_ID } from './feed.ts';
import type { PlayerSeat, Players } from './players.ts';

/** An RTMP connection that asks to play; whoever accepted it has the session, the socket and its limits. */
export interface RtmpPlayerConnection {
  /** For logs. */
  readonly id: string;
  /** Says that the stream begins; from here on messages may be written. */
  accept(): void;
  /** Says that there is no such stream, and closes. */
  notFound(message: string): void;
  /** Says why it is not served, and closes. */
  refuse(message: string): void;
  /** Says that the stream is over, and closes. */
  end(): void;
  /** False: full, until it drains. */
  write(bytes: Buffer): boolean;
  onDrain(callback: () => void): void;
  onClose(callback: () => void): void;
  /** Cuts the connection in this tick. */
  close(reason: 'too_slow' | 'shutdown'): void;
}

const NOT_FOUND = 'Nothing is on air under this name: look at the URL, or wait until the encoder sends.';
const REFUSED = 'Not everybody may watch this: add ?token=… to the URL.';
const FULL = 'All places for players are taken: try again later, or play the HLS URL.';

/** Serves RTMP players: gives each its broadcast, or says why not. */
export class RtmpPlayers {
  readonly #players: Players;

  constructor(players: Players) {
    this.#players = players;
  }

  /** Returns at once; the connection is answered when it is known whether something is on air. */
  play(
    { playbackId, query }: { readonly playbackId: string; readonly query: string },
    connection: RtmpPlayerConnection,
  ): void {
    this.#play(playbackId, query, connection).catch((error: unknown) => {
      this.#players.failed(error);
      connection.close('shutdown');
    });
  }

  async #play(playbackId: string, query: string, connection: RtmpPlayerConnection): Promise<void> {
    const its: { closed: boolean; seat: PlayerSeat | null } = { closed: false, seat: null };
    connection.onClose(() => {
      its.closed = true;
      its.seat?.leave();
    });
    const broadcast = await this.#players.find(playbackId, query);
    if (its.closed) return;
    if (broadcast === 'refused') return connection.refuse(REFUSED);
    if (this.#players.full) return connection.refuse(FULL);
    if (!broadcast) return connection.notFound(NOT_FOUND);
    connection.accept();
    // Its own answers may have been more than the socket takes.
    if (its.closed) return;
    const seat = this.#players.add(broadcast, 'rtmp', {
      id: connection.id,
      write: (bytes) => connection.write(bytes),
      metadata: (metadata) => {
        const body = encodeAmf0('onMetaData', new Map(Object.entries(metadata)));
        return writeMessage(ChunkStreamId.stream, MessageType.dataAmf0, FEED_STREAM_ID, 0, body, FEED_CHUNK_SIZE);
      },
      end: () => connection.end(),
      cut: (reason) => connection.close(reason),
    });
    its.seat = seat;
    connection.onDrain(() => seat.player.drained());
  }
}
