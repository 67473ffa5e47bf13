import { CodedError } from '../../base/index.ts';
import type { AmfValue } from '../amf/index.ts';
import { Acknowledger, DEFAULT_WINDOW } from './acknowledger.ts';
import { ChunkReader } from './chunk-reader.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { type Command, isObject, readCommand, writeCommand } from './command.ts';
import { ClientHandshake } from './handshake.ts';
import { MessageType, UserControl } from './message-type.ts';

/** Why a server does not serve us. All strings are a stranger's, and may be empty. */
export interface Refusal {
  readonly code: string;
  readonly description: string;
  /** Where it sends us instead. Never followed: nobody has checked that address. */
  readonly redirect: string | null;
}

/** `creating`: the connection stands, its message stream does not yet. `refused` and `stopped` are final. */
export type LinkState = 'new' | 'handshake' | 'connecting' | 'creating' | 'created' | 'refused' | 'stopped';

/** Called from within start() and receive(). */
export interface LinkEvents {
  send(bytes: Buffer): void;
  /** The connection stands: to put into the writer what is asked for before the message stream. */
  connected(): void;
  created(streamId: number): void;
  /** An onStatus that is no error. */
  status(code: string): void;
  refused(refusal: Refusal): void;
  /** A message that is neither a command nor about the connection itself. */
  message(type: number, timestamp: number, streamId: number, body: Buffer): void;
  /** A user control event about a message stream. */
  streamEvent(event: number): void;
}

const CONNECT = 1;
/** 2 and 3 are for what is asked on the off chance: a server that does not know it says so, and serves nevertheless. */
const OPTIONAL = [2, 3];
const CREATE_STREAM = 4;

/**
 * What publishing and playing have in common: the connecting end of one connection, from the handshake to a message stream. What
 * the server may make it hold is bounded by the ChunkReader; how long it may take, by the owner's clock.
 */
export class ClientLink {
  readonly writer = new ChunkWriter();
  readonly reader: ChunkReader;
  readonly #target: { readonly app: string; readonly tcUrl: string };
  readonly #events: LinkEvents;
  readonly #handshake = new ClientHandshake();
  readonly #acknowledger = new Acknowledger();
  #state: LinkState = 'new';
  #bytesReceived = 0;
  #bytesAcknowledged = 0;

  constructor(target: { readonly app: string; readonly tcUrl: string }, events: LinkEvents) {
    this.#target = target;
    this.#events = events;
    this.reader = new ChunkReader(this.#onMessage, 1 + 2 * 1536);
  }

  get state(): LinkState {
    return this.#state;
  }

  /** What the server says to have received, modulo 2^32. */
  get bytesAcknowledged(): number {
    return this.#bytesAcknowledged;
  }

  start(): void {
    this.#state = 'handshake';
    this.#events.send(this.#handshake.start());
  }

  /** Throws CodedError('rtmp_protocol'). What comes after the end is not looked at. */
  receive(bytes: Buffer): void {
    if (this.#state === 'refused' || this.#state === 'stopped') return;
    this.#bytesReceived += bytes.length;
    let rest = bytes;
    if (this.#state === 'handshake') {
      const taken = this.#handshake.receive(rest, (answer) => this.writer.raw(answer));
      rest = rest.subarray(taken);
      if (this.#handshake.done) this.#connect();
    }
    if (rest.length > 0) this.reader.receive(rest);
    if (this.#acknowledger.due(this.#bytesReceived)) this.writer.acknowledge(this.#bytesReceived);
    this.flush();
  }

  /** Puts a command into the writer. */
  command(streamId: number, name: string, ...values: Parameters<typeof writeCommand>[2][]): void {
    writeCommand(this.writer, streamId, name, ...values);
  }

  /** Sends what is in the writer. */
  flush(): void {
    const bytes = this.writer.take();
    if (bytes !== null) this.#events.send(bytes);
  }

  /** Nothing that comes is looked at any more. */
  stop(): void {
    this.#state = 'stopped';
    this.reader.stop();
  }

  #connect(): void {
    const { app, tcUrl } = this.#target;
    this.#state = 'connecting';
    // These four in this order are what FFmpeg sends, and so what every service takes.
    this.command(0, 'connect', CONNECT, { app, type: 'nonprivate', flashVer: 'FMLE/3.0 (compatible; LiveAPI)', tcUrl });
  }

  readonly #onMessage = (type: number, timestamp: number, streamId: number, body: Buffer): void => {
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
        if (body.length < 6) break;
        if (body.readUInt16BE(0) === UserControl.pingRequest) this.writer.pong(body.subarray(2, 6));
        else this.#events.streamEvent(body.readUInt16BE(0));
        break;
      default:
        this.#events.message(type, timestamp, streamId, body);
    }
  };

  /** Answers are matched by state first: some servers answer with transaction id 0, or twice (G07). */
  #onCommand({ name, transactionId, rest }: Command): void {
    if (name === '_result') {
      rest.read();
      if (this.#state === 'connecting' && (transactionId === CONNECT || transactionId === 0)) {
        const info = rest.read();
        if (isObject(info) && info.level === 'error') this.#refused(info);
        else this.#createStream();
      } else if (this.#state === 'creating' && (transactionId === CREATE_STREAM || transactionId === 0)) {
        const streamId = rest.read();
        if (typeof streamId === 'number') {
          this.#state = 'created';
          this.#events.created(streamId >>> 0);
        } else if (transactionId === CREATE_STREAM)
          throw new CodedError('rtmp_protocol', 'createStream gave no stream id');
      }
    } else if (name === '_error') {
      if (OPTIONAL.includes(transactionId)) return;
      rest.read();
      this.#refused(rest.read());
    } else if (name === 'onStatus') {
      rest.read();
      const info = rest.read();
      if (!isObject(info)) return;
      if (info.level === 'error') this.#refused(info);
      // A request to go to another address (NetConnection.Connect.ReconnectRequest) is a status as well, and nobody follows it.
      else if (typeof info.code === 'string') this.#events.status(info.code);
    } else if (name === 'close') this.#refused({ code: 'close' });
  }

  #createStream(): void {
    this.#state = 'creating';
    this.writer.windowSize(DEFAULT_WINDOW);
    this.#events.connected();
    this.command(0, 'createStream', CREATE_STREAM, null);
  }

  #refused(info: AmfValue): void {
    if (this.#state === 'refused' || this.#state === 'stopped') return;
    this.#state = 'refused';
    this.reader.stop();
    const { code, description, ex } = isObject(info) ? info : {};
    const text = (value: AmfValue | undefined) => (typeof value === 'string' ? value : '');
    const redirect = ex !== undefined && isObject(ex) && typeof ex.redirect === 'string' ? ex.redirect : null;
    this.#events.refused({ code: text(code), description: text(description), redirect });
  }
}
