import { CodedError } from '../../base/index.ts';
import { type AmfObject, encodeAmf0 } from '../amf/index.ts';
import { Acknowledger, DEFAULT_WINDOW } from './acknowledger.ts';
import { splitAggregate } from './aggregate.ts';
import { ChunkReader } from './chunk-reader.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { type Command, isObject, readCommand, readMetadata, writeCommand } from './command.ts';
import { extractKey, type StreamKey } from './extract-key.ts';
import { ServerHandshake } from './handshake.ts';
import { HeldBytes } from './held-bytes.ts';
import { AUTHORISED_LIMITS } from './limits.ts';
import { mediaBody } from './media-body.ts';
import { ChunkStreamId, MessageType, UserControl } from './message-type.ts';
import { Timeline } from './timeline.ts';

/**
 * `authorising`: a publish request waits for acceptPublish() or refuse(). `asking`: a play request waits for acceptPlay() or
 * refusePlay(). `refused`: nothing is read any more. After the peer's own stop it is `connected` again, and may publish or play anew.
 */
export type SessionState =
  | 'handshake'
  | 'connecting'
  | 'connected'
  | 'authorising'
  | 'publishing'
  | 'asking'
  | 'playing'
  | 'refused';

/** What an encoder asks for. All strings are its own, and unchecked. */
export interface PublishRequest {
  readonly app: string;
  readonly tcUrl: string;
  readonly streamName: string;
  /** `live`, `record` or `append`; `live` when the encoder said nothing. */
  readonly type: string;
  readonly playKey: StreamKey;
}

/** What a player asks for. The playback id may stand where an encoder's key does, or be the app itself. */
export interface PlayRequest extends Omit<PublishRequest, 'type'> {
  /** The message stream that it plays on; nearly always 1. */
  readonly streamId: number;
  /** What follows the first `?`, as it came. */
  readonly query: string;
}

/** Called from within receive(), acceptPublish() and acceptPlay(). All strings are a stranger's, the stream name holds a secret. */
export interface ServerEvents {
  send(bytes: Buffer): void;
  publish(request: PublishRequest): void;
  play(request: PlayRequest): void;
  /** The player said that it stops, or asks for something else; the connection stays. */
  playStopped(): void;
  /** A message of the publisher, never empty. `body` may be kept and must not be written to. */
  media(kind: 'audio' | 'video', timestampMs: number, body: Buffer): void;
  metadata(metadata: AmfObject): void;
  /** The encoder said that it stops; the connection stays. */
  unpublish(): void;
}

/** How we send; both have a default. */
export interface ServerOptions {
  /** Bytes of the chunks that we send; FFmpeg takes over the same size for what it publishes. */
  readonly chunkSize?: number;
  /** The peer is asked to acknowledge after so many bytes. */
  readonly windowSize?: number;
}

/** The bit of capsEx that says: may be asked to reconnect (E-RTMP v2, CapsExMask). */
const RECONNECT = 1;
/** What we take of Enhanced RTMP, told to who asks: plain H.264, AAC and Opus, to be forwarded (mask 4), and reconnects as the one extension. */
const ENHANCED = {
  fourCcList: ['avc1', 'mp4a', 'Opus'],
  videoFourCcInfoMap: { avc1: 4 },
  audioFourCcInfoMap: { mp4a: 4, Opus: 4 },
  capsEx: RECONNECT,
};
const MAX_STREAMS_REFUSED = 64;
/** Play requests of one connection: each costs more than its bytes. */
const MAX_PLAYS = 64;
/** Flash players may look at the samples: what every server says to every player. */
const SAMPLE_ACCESS = encodeAmf0('|RtmpSampleAccess', true, true);

/** The accepting end of one connection, up to and including a publisher or a player. */
export class ServerSession {
  readonly #events: ServerEvents;
  readonly #options: ServerOptions;
  readonly #handshake = new ServerHandshake();
  readonly #reader: ChunkReader;
  readonly #writer = new ChunkWriter();
  readonly #acknowledger = new Acknowledger();
  #state: SessionState = 'handshake';
  #bytesReceived = 0;
  /** Inside receive() or acceptPublish(): replies are gathered until it returns. */
  #busy = false;
  readonly #held = new HeldBytes();

  #app = '';
  #tcUrl = '';
  #mayBeAskedToReconnect = false;
  #streamIds = 0;
  /** Of the publish request or the publisher. */
  #publishStreamId = 0;
  #publishName = '';
  /** Of the play request or the player. */
  #playStreamId = 0;
  #playName = '';
  #plays = 0;
  /** Message streams whose publish was refused because there is a publisher already: their media is nobody's. */
  readonly #refusedStreams = new Set<number>();
  #timeline = new Timeline();

  constructor(events: ServerEvents, options: ServerOptions = {}) {
    this.#events = events;
    this.#options = options;
    this.#reader = new ChunkReader(this.#onMessage, 1 + 2 * 1536);
  }

  get state(): SessionState {
    return this.#state;
  }

  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Enough is held until the publish request is decided: read no more from the socket until then. */
  get paused(): boolean {
    return this.#state === 'authorising' && this.#held.full;
  }

  /**
   * Takes what the socket read; the bytes may be reused afterwards.
   * Throws CodedError('rtmp_protocol') for what breaks the protocol or a limit: the connection is to be closed then.
   */
  receive(bytes: Buffer): void {
    this.#bytesReceived += bytes.length;
    if (this.#state === 'refused') return;
    this.#busy = true;
    try {
      this.#consume(bytes);
      if (this.#acknowledger.due(this.#bytesReceived)) this.#writer.acknowledge(this.#bytesReceived);
    } finally {
      this.#busy = false;
    }
    this.#flush();
  }

  /** Starts the publisher, and delivers what came since its request. Throws as receive() does. */
  acceptPublish(): void {
    if (this.#state !== 'authorising') throw new Error(`acceptPublish in state ${this.#state}`);
    this.#state = 'publishing';
    this.#timeline = new Timeline();
    this.#reader.limits = AUTHORISED_LIMITS;
    this.#reader.resume();
    this.#writer.streamBegin(this.#publishStreamId);
    this.#status(this.#publishStreamId, 'status', 'NetStream.Publish.Start', 'publishing');
    // Within receive(), its own loop goes on.
    if (this.#busy) return;
    this.#flush();
    this.#busy = true;
    try {
      for (const bytes of this.#held.take()) this.#consume(bytes);
    } finally {
      this.#busy = false;
    }
    this.#flush();
  }

  /** Turns the publisher or its request away; nothing is read any more. The caller lets the answer out, and closes. */
  refuse(code: string, description: string): void {
    this.#status(this.#publishStreamId, 'error', code, description);
    this.#end();
  }

  /**
   * Asks a publisher to connect anew by the address that it knows, as this server is about to stop; it publishes here until it leaves
   * (E-RTMP v2, "Reconnect Request"). False when it is no publisher, or has not said that it understands that: it is told nothing then.
   */
  requestReconnect(): boolean {
    if (this.#state !== 'publishing' || !this.#mayBeAskedToReconnect) return false;
    const description = 'The streaming server is about to stop: connect again.';
    this.#status(0, 'status', 'NetConnection.Connect.ReconnectRequest', description);
    this.#flush();
    return true;
  }

  /**
   * Starts the player. From here on whoever owns the socket may write whole messages of its own between our answers: on the message
   * stream of its request and in chunks of our size, each with a fmt 0 header (`writeMessage`).
   */
  acceptPlay(): void {
    if (this.#state !== 'asking') throw new Error(`acceptPlay in state ${this.#state}`);
    this.#state = 'playing';
    const id = this.#playStreamId;
    this.#writer.streamBegin(id);
    this.#status(id, 'status', 'NetStream.Play.Reset', 'playing and resetting');
    this.#status(id, 'status', 'NetStream.Play.Start', 'playing');
    this.#writer.message(ChunkStreamId.stream, MessageType.dataAmf0, id, 0, SAMPLE_ACCESS);
    // Also from within receive(): what the socket's owner writes next comes after it.
    this.#flush();
  }

  /** Tells the player that there is nothing more to play. The caller lets it out, and closes. */
  endPlay(): void {
    if (this.#state !== 'playing') return;
    this.#status(this.#playStreamId, 'status', 'NetStream.Play.UnpublishNotify', 'the stream is over');
    this.#writer.streamEof(this.#playStreamId);
    this.#end();
  }

  /** As refuse(), for a play request. */
  refusePlay(code: string, description: string): void {
    this.#status(this.#playStreamId, 'error', code, description);
    this.#end();
  }

  #end(): void {
    this.#state = 'refused';
    this.#reader.stop();
    this.#held.take();
    if (!this.#busy) this.#flush();
  }

  #flush(): void {
    const bytes = this.#writer.take();
    if (bytes !== null) this.#events.send(bytes);
  }

  #consume(bytes: Buffer): void {
    let rest = bytes;
    if (this.#state === 'handshake') {
      const taken = this.#handshake.receive(rest, (answer) => this.#writer.raw(answer));
      if (!this.#handshake.done) return;
      this.#state = 'connecting';
      rest = rest.subarray(taken);
    }
    const taken = this.#reader.receive(rest);
    if (taken < rest.length && this.#state === 'authorising') this.#held.add(rest.subarray(taken));
  }

  readonly #onMessage = (type: number, timestamp: number, streamId: number, body: Buffer): void => {
    switch (type) {
      case MessageType.audio:
        this.#onMedia('audio', timestamp, streamId, body);
        break;
      case MessageType.video:
        this.#onMedia('video', timestamp, streamId, body);
        break;
      case MessageType.commandAmf0:
      case MessageType.commandAmf3:
        this.#onCommand(readCommand(type, streamId, body));
        break;
      case MessageType.dataAmf0:
      case MessageType.dataAmf3: {
        const metadata = this.#isPublisher(streamId) ? readMetadata(type, body) : null;
        if (metadata !== null) this.#events.metadata(metadata);
        break;
      }
      case MessageType.aggregate:
        if (this.#isPublisher(streamId)) splitAggregate(timestamp, streamId, body, this.#onAggregated);
        break;
      case MessageType.windowSize:
        this.#acknowledger.window = controlValue(body);
        break;
      case MessageType.acknowledgement:
      case MessageType.peerBandwidth:
        controlValue(body);
        break;
      case MessageType.userControl:
        // User control event: two bytes of type; a ping carries four bytes to send back.
        if (body.length >= 6 && body.readUInt16BE(0) === UserControl.pingRequest)
          this.#writer.pong(body.subarray(2, 6));
        break;
    }
  };

  /** An aggregate holds audio, video and data (RTMP 1.0 section 7.1.6); commands in one would pass a stopped reader. */
  readonly #onAggregated = (type: number, timestamp: number, streamId: number, body: Buffer): void => {
    if (type === MessageType.audio || type === MessageType.video || type === MessageType.dataAmf0)
      this.#onMessage(type, timestamp, streamId, body);
  };

  /** Media counts only from the accepted publisher, on whatever message stream it thinks it has. */
  #isPublisher(streamId: number): boolean {
    return this.#state === 'publishing' && (this.#refusedStreams.size === 0 || !this.#refusedStreams.has(streamId));
  }

  #onMedia(kind: 'audio' | 'video', timestamp: number, streamId: number, body: Buffer): void {
    if (body.length === 0 || !this.#isPublisher(streamId)) return;
    this.#events.media(kind, this.#timeline.at(timestamp), mediaBody(kind, body));
  }

  #onCommand(command: Command): void {
    const { name, transactionId, streamId, rest } = command;
    if ((this.#state === 'connecting') !== (name === 'connect')) {
      const reason = name === 'connect' ? 'connect came twice' : 'a command came before connect';
      throw new CodedError('rtmp_protocol', reason);
    }
    switch (name) {
      case 'connect':
        this.#onConnect(command);
        break;
      case 'createStream':
        this.#reply(transactionId, ++this.#streamIds);
        break;
      case 'publish':
        this.#onPublish(command);
        break;
      case 'play':
        this.#onPlay(command);
        break;
      case 'FCPublish': {
        this.#reply(transactionId, undefined);
        const start = status('status', 'NetStream.Publish.Start', 'FCPublish');
        writeCommand(this.#writer, 0, 'onFCPublish', transactionId, null, start);
        break;
      }
      case 'FCUnpublish':
        this.#reply(transactionId, undefined);
        this.#unpublish();
        break;
      case 'closeStream':
        if (streamId === 0 || streamId === this.#publishStreamId) this.#unpublish();
        if (streamId === 0 || streamId === this.#playStreamId) this.#stopPlay();
        break;
      case 'deleteStream': {
        rest.read();
        const id = rest.read();
        if (typeof id === 'number') this.#refusedStreams.delete(id);
        if (typeof id !== 'number' || id === this.#publishStreamId) this.#unpublish();
        if (typeof id !== 'number' || id === this.#playStreamId) this.#stopPlay();
        break;
      }
      case 'getStreamLength':
        this.#reply(transactionId, 0);
        break;
      default:
        // releaseStream, _checkbw and all that we do not know: some encoders wait for an answer with their own id.
        this.#reply(transactionId, undefined);
    }
  }

  #onConnect({ transactionId, rest }: Command): void {
    const object = rest.read();
    const given: AmfObject = isObject(object) ? object : {};
    this.#app = typeof given.app === 'string' ? given.app : '';
    this.#tcUrl = typeof given.tcUrl === 'string' ? given.tcUrl : '';
    this.#mayBeAskedToReconnect = typeof given.capsEx === 'number' && (given.capsEx & RECONNECT) !== 0;
    this.#state = 'connected';
    const windowSize = this.#options.windowSize ?? DEFAULT_WINDOW;
    this.#writer.windowSize(windowSize);
    this.#writer.peerBandwidth(windowSize);
    this.#writer.setChunkSize(this.#options.chunkSize ?? 4096);
    const success = {
      ...status('status', 'NetConnection.Connect.Success', 'Connection succeeded.'),
      objectEncoding: given.objectEncoding === 3 ? 3 : 0,
      ...(given.fourCcList === undefined && given.capsEx === undefined ? {} : ENHANCED),
    };
    writeCommand(this.#writer, 0, '_result', transactionId, { fmsVer: 'FMS/3,0,1,123', capabilities: 31 }, success);
  }

  #onPublish({ streamId, rest }: Command): void {
    rest.read();
    const name = rest.read();
    // publish(false) is how Flash says that it stops.
    if (name === false) {
      if (streamId === this.#publishStreamId) this.#unpublish();
      return;
    }
    const streamName = typeof name === 'string' ? name : '';
    if (this.#state === 'asking' || this.#state === 'playing') {
      this.#status(streamId, 'error', 'NetStream.Publish.BadName', 'this connection plays');
      return;
    }
    if (this.#state === 'publishing') {
      this.#onSecondPublish(streamId, streamName);
      return;
    }
    const type = rest.read();
    const { playKey, ...where } = this.#where(streamName);
    this.#publishStreamId = streamId;
    this.#publishName = streamName;
    this.#refusedStreams.clear();
    this.#state = 'authorising';
    this.#reader.stop();
    this.#events.publish({ ...where, type: typeof type === 'string' ? type : 'live', playKey });
  }

  /** The same again changes nothing; another stream is refused, and the first goes on. */
  #onSecondPublish(streamId: number, streamName: string): void {
    if (streamId === this.#publishStreamId && streamName === this.#publishName) return;
    this.#status(streamId, 'error', 'NetStream.Publish.BadName', 'this connection publishes another stream already');
    if (streamId === this.#publishStreamId) return;
    this.#refusedStreams.add(streamId);
    if (this.#refusedStreams.size > MAX_STREAMS_REFUSED)
      throw new CodedError('rtmp_protocol', 'publish again and again');
  }

  #onPlay({ streamId, rest }: Command): void {
    rest.read();
    const name = rest.read();
    // play(false) is how Flash says that it stops.
    if (name === false) {
      this.#stopPlay();
      return;
    }
    const streamName = typeof name === 'string' ? name : '';
    if (this.#state === 'asking' || this.#state === 'playing') {
      // The same again changes nothing.
      if (streamId === this.#playStreamId && streamName === this.#playName) return;
      this.#status(streamId, 'error', 'NetStream.Play.Failed', 'this connection plays another stream already');
      return;
    }
    if (this.#state !== 'connected') {
      this.#status(streamId, 'error', 'NetStream.Play.Failed', 'this connection publishes');
      return;
    }
    if (++this.#plays > MAX_PLAYS) throw new CodedError('rtmp_protocol', 'play again and again');
    this.#playStreamId = streamId;
    this.#playName = streamName;
    this.#state = 'asking';
    const where = this.#where(streamName);
    const query = [streamName, this.#app, this.#tcUrl].find((place) => place.includes('?')) ?? '';
    this.#events.play({ ...where, streamId, query: query.slice(query.indexOf('?') + 1) });
  }

  #stopPlay(): void {
    if (this.#state !== 'asking' && this.#state !== 'playing') return;
    this.#state = 'connected';
    this.#events.playStopped();
  }

  #where(streamName: string): Pick<PublishRequest, 'app' | 'tcUrl' | 'streamName' | 'playKey'> {
    const where = { app: this.#app, tcUrl: this.#tcUrl, streamName };
    return { ...where, playKey: extractKey(where) };
  }

  #unpublish(): void {
    if (this.#state !== 'publishing') return;
    this.#state = 'connected';
    this.#refusedStreams.clear();
    this.#status(this.#publishStreamId, 'status', 'NetStream.Unpublish.Success', 'unpublished');
    this.#events.unpublish();
  }

  /** Transaction id 0 asks for no answer (RTMP 1.0 section 7.2). */
  #reply(transactionId: number, value: number | undefined): void {
    if (transactionId !== 0) writeCommand(this.#writer, 0, '_result', transactionId, null, value);
  }

  #status(streamId: number, level: 'status' | 'error', code: string, description: string): void {
    writeCommand(this.#writer, streamId, 'onStatus', 0, null, status(level, code, description));
  }
}

function status(level: 'status' | 'error', code: string, description: string): Record<string, string> {
  return { level, code, description };
}

/** Acknowledgement, window size and peer bandwidth begin with four bytes. */
function controlValue(body: Buffer): number {
  if (body.length < 4) throw new CodedError('rtmp_protocol', `a control message of ${body.length} bytes`);
  return body.readUInt32BE(0);
}
