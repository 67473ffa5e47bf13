import type { Socket } from 'node:net';
import { CodedError, monotonicMs } from '../base/index.ts';
import { ClientSession, withStreamId } from '../formats/rtmp/index.ts';
import { AckWatch } from './ack-watch.ts';
import { type Batch, FEED_CHUNK_SIZE, FEED_STREAM_ID, type FeedCursor, type Metadata } from './feed.ts';
import type { PushAddress } from './push-address.ts';
import { type PushFailure, pushFailure, refusalOf } from './push-failure.ts';
import type { PushTimings } from './push-timings.ts';

export interface PushConnectionOptions {
  /** Connected; from here on the connection's own. */
  readonly socket: Socket;
  readonly address: PushAddress;
  readonly timings: PushTimings;
  /** Not the connection's own: where it goes on may be given over another one. */
  readonly cursor: FeedCursor;
  /** What is to stand in onMetaData beside the feed's own. */
  readonly extraMetadata: () => Metadata;
  /** The service accepts the stream. */
  readonly onPublished: () => void;
  /** A batch begins with new codec configurations: before it is sent. */
  readonly onConfigs: () => void;
  /** It is over, not by our own wish; the socket is destroyed. */
  readonly onFailed: (failure: PushFailure) => void;
}

/** A service has little to say: acknowledgements, pings, a few status messages. More than this is somebody who wants our CPU. */
const FREE_BYTES = 1 << 20;
const BYTES_PER_MS = 16;

/** One connection to a platform: from the connected socket to its end. It holds no media: it is a place in the feed. */
export class PushConnection {
  readonly #options: PushConnectionOptions;
  readonly #socket: Socket;
  readonly #session: ClientSession;
  readonly #acks = new AckWatch();
  readonly #startedMs = monotonicMs();
  readonly #setup: NodeJS.Timeout;
  readonly #cursor: FeedCursor;
  #published = false;
  #fullSinceMs = Number.NaN;
  #bytesSent = 0;
  #socketError = false;
  /** Ends with everything given, not with the next failure. */
  #finishing = false;
  #over = false;
  readonly closed: Promise<void>;

  constructor(options: PushConnectionOptions) {
    this.#options = options;
    const { socket, timings } = options;
    this.#socket = socket;
    this.#cursor = options.cursor;
    this.#session = new ClientSession(
      { ...options.address, chunkSize: FEED_CHUNK_SIZE },
      {
        send: (bytes) => this.#write(bytes),
        published: () => this.#onPublished(),
        refused: (...refusal) => this.#fail(refusalOf(...refusal)),
      },
    );
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.setNoDelay(true).setKeepAlive(true, 10_000);
    socket.on('data', (bytes) => this.#onData(bytes));
    socket.on('drain', () => this.#onDrain());
    socket.on('error', () => {
      this.#socketError = true;
    });
    socket.on('close', () => this.#fail(pushFailure(this.#socketError ? 'connection_lost' : 'closed')));
    this.#setup = setTimeout(() => this.#fail(pushFailure('timeout', this.#session.state)), timings.setupMs);
    this.#session.start();
  }

  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** For how long nothing has moved although there was something to send; 0 while it moves. */
  stalledMs(nowMs: number): number {
    if (!this.#published) return 0;
    const full = Number.isNaN(this.#fullSinceMs) ? 0 : nowMs - this.#fullSinceMs;
    return Math.max(full, this.#acks.lateMs(nowMs, this.#bytesSent, this.#session.bytesAcknowledged));
  }

  /** Sends what there still is, then says goodbye. */
  finish(): void {
    this.#finishing = true;
    this.pump();
  }

  /** FCUnpublish, deleteStream, FIN. Resolves when the socket is closed, within `goodbyeMs` whatever the service does. */
  goodbye(): Promise<void> {
    if (this.#over) return this.closed;
    this.#leave();
    this.#session.stop();
    this.#socket.end();
    const cut = setTimeout(() => this.#socket.destroy(), this.#options.timings.goodbyeMs);
    void this.closed.then(() => clearTimeout(cut));
    return this.closed;
  }

  /** Ends it without a word. */
  destroy(): void {
    this.#leave();
    this.#socket.destroy();
  }

  #leave(): void {
    this.#over = true;
    clearTimeout(this.#setup);
  }

  #fail(failure: PushFailure): void {
    if (this.#over) return;
    this.destroy();
    this.#options.onFailed(failure);
  }

  #onData(bytes: Buffer): void {
    if (this.#over) return;
    const allowed = FREE_BYTES + (monotonicMs() - this.#startedMs) * BYTES_PER_MS;
    try {
      if (this.#socket.bytesRead > allowed) throw new CodedError('rtmp_protocol', 'more than a service has to say');
      this.#session.receive(bytes);
    } catch (error) {
      this.#fail(pushFailure(error instanceof CodedError ? 'protocol_error' : 'internal'));
    }
  }

  #onPublished(): void {
    clearTimeout(this.#setup);
    this.#published = true;
    this.#options.onPublished();
    this.pump();
  }

  #onDrain(): void {
    this.#fullSinceMs = Number.NaN;
    this.pump();
  }

  /** Sends what the feed has, as far as the socket takes it. To be called when there is more. */
  pump(): void {
    if (!this.#published) return;
    while (!this.#over && Number.isNaN(this.#fullSinceMs)) {
      const batch = this.#cursor.next();
      if (batch === null) break;
      this.#send(batch, this.#cursor);
    }
    if (this.#finishing && this.#cursor.ended) void this.goodbye();
  }

  #send(batch: Batch, cursor: FeedCursor): void {
    const { restarts } = cursor;
    if (restarts || batch.configs) {
      this.#options.onConfigs();
      // Whoever was told may have ended it.
      if (this.#over) return;
      this.#socket.cork();
      this.#session.sendMetadata({ ...cursor.metadata(), ...this.#options.extraMetadata() });
      if (restarts) this.#sendRaw(cursor.head());
      this.#socket.uncork();
    }
    this.#sendRaw(batch.bytes);
  }

  /** The few services that give another message stream than the feed's get copies of their own. */
  #sendRaw(bytes: Buffer): void {
    const { streamId } = this.#session;
    this.#write(streamId === FEED_STREAM_ID ? bytes : withStreamId(bytes, streamId, FEED_CHUNK_SIZE));
  }

  /** All that goes out goes here: the session's own messages, and the feed's bytes between them. */
  #write(bytes: Buffer): void {
    if (!this.#socket.writable) return;
    this.#bytesSent += bytes.length;
    if (!this.#socket.write(bytes) && Number.isNaN(this.#fullSinceMs)) this.#fullSinceMs = monotonicMs();
  }
}
