import { type AmfInput, encodeAmf0 } from '../amf/index.ts';
import { ClientLink } from './client-link.ts';
import { ChunkStreamId, MessageType } from './message-type.ts';

/** `creating`: the connection stands, its message stream does not yet. `refused` and `stopped` are final. */
export type ClientState =
  | 'new'
  | 'handshake'
  | 'connecting'
  | 'creating'
  | 'publishing'
  | 'published'
  | 'refused'
  | 'stopped';

/** Where to publish. */
export interface ClientOptions {
  readonly app: string;
  readonly tcUrl: string;
  /** With its query, as the destination gave it. A secret. */
  readonly streamName: string;
  /** Bytes of the chunks that we send. */
  readonly chunkSize?: number;
}

/** Called from within start() and receive(). */
export interface ClientEvents {
  send(bytes: Buffer): void;
  /** Media may be sent. */
  published(): void;
  /**
   * The server said no, before or while publishing. The strings are a stranger's, and may be empty. `redirect`: where it sends us
   * instead, which is not followed.
   */
  refused(code: string, description: string, redirect: string | null): void;
}

const RELEASE_STREAM = 2;
const FC_PUBLISH = 3;
const PUBLISH = 5;
const FC_UNPUBLISH = 6;
const DELETE_STREAM = 7;

/** The publishing end of one connection. What comes after its end is not looked at. */
export class ClientSession {
  readonly #options: ClientOptions;
  readonly #link: ClientLink;
  readonly #send: (bytes: Buffer) => void;
  #published = false;
  #streamId = 0;

  constructor(options: ClientOptions, events: ClientEvents) {
    const { streamName, chunkSize = 4096 } = options;
    this.#options = options;
    this.#send = (bytes) => events.send(bytes);
    const link = new ClientLink(options, {
      send: this.#send,
      connected: () => {
        link.writer.setChunkSize(chunkSize);
        link.command(0, 'releaseStream', RELEASE_STREAM, null, streamName);
        link.command(0, 'FCPublish', FC_PUBLISH, null, streamName);
      },
      created: (streamId) => {
        this.#streamId = streamId;
        // `live` is what the protocol calls it; YouTube refuses whatever else may stand there.
        link.command(streamId, 'publish', PUBLISH, null, streamName, 'live');
      },
      status: (code) => {
        if (code !== 'NetStream.Publish.Start' || this.state !== 'publishing') return;
        this.#published = true;
        link.flush();
        events.published();
      },
      refused: ({ code, description, redirect }) => events.refused(code, description, redirect),
      message: () => {},
      streamEvent: () => {},
    });
    this.#link = link;
  }

  get state(): ClientState {
    const { state } = this.#link;
    return state === 'created' ? (this.#published ? 'published' : 'publishing') : state;
  }

  /** What the server says to have received, modulo 2^32; stands still when nothing moves. 0 when it never said so. */
  get bytesAcknowledged(): number {
    return this.#link.bytesAcknowledged;
  }

  /** The message stream that the server gave, nearly always 1; 0 before that. */
  get streamId(): number {
    return this.#streamId;
  }

  /** Begins, once the socket is connected. */
  start(): void {
    this.#link.start();
  }

  /** Takes what the socket read; the bytes may be reused. Throws CodedError('rtmp_protocol'): close the connection then. */
  receive(bytes: Buffer): void {
    this.#link.receive(bytes);
  }

  /** An object of the stream's properties, as onMetaData behind @setDataFrame. */
  sendMetadata(metadata: { readonly [key: string]: AmfInput }): void {
    const body = encodeAmf0('@setDataFrame', 'onMetaData', new Map(Object.entries(metadata)));
    this.#message(ChunkStreamId.stream, MessageType.dataAmf0, 0, body);
  }

  /** `body` is an FLV audio tag's. */
  sendAudio(timestampMs: number, body: Uint8Array): void {
    this.#message(ChunkStreamId.audio, MessageType.audio, timestampMs, body);
  }

  /** `body` is an FLV video tag's. */
  sendVideo(timestampMs: number, body: Uint8Array): void {
    this.#message(ChunkStreamId.video, MessageType.video, timestampMs, body);
  }

  /** Says goodbye. The caller lets it out, and closes. */
  stop(): void {
    if (this.#link.state === 'created') {
      this.#link.command(0, 'FCUnpublish', FC_UNPUBLISH, null, this.#options.streamName);
      this.#link.command(0, 'deleteStream', DELETE_STREAM, null, this.#streamId);
    }
    this.#link.flush();
    this.close();
  }

  /** Ends it without a word: nothing is sent, and nothing that comes is looked at any more. */
  close(): void {
    this.#published = false;
    this.#link.stop();
  }

  #message(chunkStreamId: number, type: number, timestampMs: number, body: Uint8Array): void {
    if (!this.#published) throw new Error(`media sent in state ${this.state}`);
    this.#link.writer.message(chunkStreamId, type, this.#streamId, timestampMs, body);
    this.#link.flush();
  }
}
