import { CodedError } from '../../base/index.ts';
import { type AmfInput, type AmfValue, encodeAmf0 } from '../amf/index.ts';
import { Acknowledger, DEFAULT_WINDOW } from './acknowledger.ts';
import { ChunkReader } from './chunk-reader.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { type Command, isObject, readCommand, writeCommand } from './command.ts';
import { ClientHandshake } from './handshake.ts';
import { ChunkStreamId, MessageType, UserControl } from './message-type.ts';

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
  /** The server said no, before or while publishing. Both strings are a stranger's, and may be empty. */
  refused(code: string, description: string): void;
}

const CONNECT = 1;
const RELEASE_STREAM = 2;
const FC_PUBLISH = 3;
const CREATE_STREAM = 4;
const PUBLISH = 5;
const FC_UNPUBLISH = 6;
const DELETE_STREAM = 7;

/** The publishing end of one connection. */
export class ClientSession {
  readonly #options: ClientOptions;
  readonly #events: ClientEvents;
  readonly #handshake = new ClientHandshake();
  readonly #reader = new ChunkReader(
    (type, _timestamp, streamId, body) => this.#onMessage(type, streamId, body),
    1 + 2 * 1536,
  );
  readonly #writer = new ChunkWriter();
  readonly #acknowledger = new Acknowledger();
  #state: ClientState = 'new';
  #streamId = 0;
  #bytesReceived = 0;
  #bytesAcknowledged = 0;

  constructor(options: ClientOptions, events: ClientEvents) {
    this.#options = options;
    this.#events = events;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** What the server says to have received, modulo 2^32; stands still when nothing moves. 0 when it never said so. */
  get bytesAcknowledged(): number {
    return this.#bytesAcknowledged;
  }

  /** Begins, once the socket is connected. */
  start(): void {
    this.#state = 'handshake';
    this.#events.send(this.#handshake.start());
  }

  /** Takes what the socket read; the bytes may be reused. Throws CodedError('rtmp_protocol'): close the connection then. */
  receive(bytes: Buffer): void {
    this.#bytesReceived += bytes.length;
    let rest = bytes;
    if (this.#state === 'handshake') {
      const taken = this.#handshake.receive(rest, (answer) => this.#writer.raw(answer));
      rest = rest.subarray(taken);
      if (this.#handshake.done) this.#connect();
    }
    if (rest.length > 0) this.#reader.receive(rest);
    if (this.#acknowledger.due(this.#bytesReceived)) this.#writer.acknowledge(this.#bytesReceived);
    this.#flush();
  }

  /** An object of the stream's properties, as onMetaData behind @setDataFrame. */
  sendMetadata(metadata: { readonly [key: string]: AmfInput }): void {
    const body = encodeAmf0('@setDataFrame', 'onMetaData', new Map(Object.entries(metadata)));
    this.#send(ChunkStreamId.stream, MessageType.dataAmf0, 0, body);
  }

  /** `body` is an FLV audio tag's. */
  sendAudio(timestampMs: number, body: Uint8Array): void {
    this.#send(ChunkStreamId.audio, MessageType.audio, timestampMs, body);
  }

  /** `body` is an FLV video tag's. */
  sendVideo(timestampMs: number, body: Uint8Array): void {
    this.#send(ChunkStreamId.video, MessageType.video, timestampMs, body);
  }

  /** Says goodbye. The caller lets it out, and closes. */
  stop(): void {
    if (this.#streamId !== 0) {
      writeCommand(this.#writer, 0, 'FCUnpublish', FC_UNPUBLISH, null, this.#options.streamName);
      writeCommand(this.#writer, 0, 'deleteStream', DELETE_STREAM, null, this.#streamId);
    }
    this.#state = 'stopped';
    this.#flush();
  }

  #send(chunkStreamId: number, type: number, timestampMs: number, body: Uint8Array): void {
    if (this.#state !== 'published') throw new Error(`media sent in state ${this.#state}`);
    this.#writer.message(chunkStreamId, type, this.#streamId, timestampMs, body);
    this.#flush();
  }

  #flush(): void {
    const bytes = this.#writer.take();
    if (bytes !== null) this.#events.send(bytes);
  }

  #connect(): void {
    const { app, tcUrl } = this.#options;
    this.#state = 'connecting';
    const flashVer = 'FMLE/3.0 (compatible; LiveAPI)';
    writeCommand(this.#writer, 0, 'connect', CONNECT, { app, type: 'nonprivate', flashVer, tcUrl });
  }

  #createStream(): void {
    const { streamName, chunkSize = 4096 } = this.#options;
    this.#state = 'creating';
    this.#writer.windowSize(DEFAULT_WINDOW);
    this.#writer.setChunkSize(chunkSize);
    writeCommand(this.#writer, 0, 'releaseStream', RELEASE_STREAM, null, streamName);
    writeCommand(this.#writer, 0, 'FCPublish', FC_PUBLISH, null, streamName);
    writeCommand(this.#writer, 0, 'createStream', CREATE_STREAM, null);
  }

  #publish(streamId: number): void {
    this.#state = 'publishing';
    this.#streamId = streamId;
    writeCommand(this.#writer, streamId, 'publish', PUBLISH, null, this.#options.streamName, 'live');
  }

  #onMessage(type: number, streamId: number, body: Buffer): void {
    switch (type) {
      case MessageType.commandAmf0:
      case MessageType.commandAmf3:
        this.#onCommand(readCommand(type, streamId, body));
        break;
      case MessageType.windowSize:
        if (body.length >= 4) this.#acknowledger.window = body.readUInt32BE(0);
        break;
      case MessageType.acknowledgement:
        if (body.length >= 4) this.#bytesAcknowledged = body.readUInt32BE(0);
        break;
      case MessageType.userControl:
        if (body.length >= 6 && body.readUInt16BE(0) === UserControl.pingRequest)
          this.#writer.pong(body.subarray(2, 6));
        break;
    }
  }

  /** Answers are matched by state first: some servers answer with transaction id 0, or twice. */
  #onCommand({ name, transactionId, rest }: Command): void {
    if (name === '_result') {
      if (this.#state === 'connecting' && (transactionId === CONNECT || transactionId === 0)) this.#createStream();
      else if (this.#state === 'creating' && (transactionId === CREATE_STREAM || transactionId === 0)) {
        rest.read();
        const streamId = rest.read();
        if (typeof streamId === 'number') this.#publish(streamId);
        else if (transactionId === CREATE_STREAM)
          throw new CodedError('rtmp_protocol', 'createStream gave no stream id');
      }
    } else if (name === '_error') {
      // A server that knows no releaseStream or FCPublish says so, and takes the stream nevertheless.
      if (transactionId === RELEASE_STREAM || transactionId === FC_PUBLISH) return;
      rest.read();
      this.#refused(rest.read());
    } else if (name === 'onStatus') {
      rest.read();
      const info = rest.read();
      const { code, level } = isObject(info) ? info : {};
      if (level === 'error') this.#refused(info);
      else if (code === 'NetStream.Publish.Start' && this.#state === 'publishing') {
        this.#state = 'published';
        this.#flush();
        this.#events.published();
      }
    } else if (name === 'close') this.#refused({ code: 'close' });
  }

  #refused(info: AmfValue): void {
    if (this.#state === 'refused' || this.#state === 'stopped') return;
    this.#state = 'refused';
    const { code, description } = isObject(info) ? info : {};
    this.#events.refused(typeof code === 'string' ? code : '', typeof description === 'string' ? description : '');
  }
}
