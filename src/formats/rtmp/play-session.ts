import { CodedError } from '../../base/index.ts';
import { type AmfObject, decodeAmf0 } from '../amf/index.ts';
import { splitAggregate } from './aggregate.ts';
import { ClientLink } from './client-link.ts';
import { isObject, readMetadata } from './command.ts';
import { AUTHORISED_LIMITS } from './limits.ts';
import { mediaBody } from './media-body.ts';
import { MessageType, UserControl } from './message-type.ts';
import { Timeline } from './timeline.ts';

/** What to play. */
export interface PlayOptions {
  readonly app: string;
  readonly tcUrl: string;
  /** With its query. May be a secret. */
  readonly streamName: string;
}

/**
 * Why nothing more comes. `not_found`: the server has no such stream now. `refused`: it does not serve us. `redirected`: it sends us
 * elsewhere, which is not followed. `ended`: it said that the stream is over. Code and description are a stranger's, and may be empty.
 */
export interface PlayEnd {
  readonly kind: 'not_found' | 'refused' | 'redirected' | 'ended';
  readonly code: string;
  readonly description: string;
}

/** Called from within start() and receive(). */
export interface PlayEvents {
  send(bytes: Buffer): void;
  /** The server has begun to play. */
  playing(): void;
  /** Never empty. `body` may be kept and must not be written to. Times go on rising after 2^32. */
  media(kind: 'audio' | 'video', timestampMs: number, body: Buffer): void;
  metadata(metadata: AmfObject): void;
  /** Said once; nothing follows. */
  ended(end: PlayEnd): void;
}

const FC_SUBSCRIBE = 3;
const PLAY = 5;
/** Live if there is such a stream, else a recorded one: in ms, as FFmpeg says it. */
const LIVE_OR_RECORDED = -2000;
/** How much media we say to hold: some servers begin with as much at once. */
const BUFFER_MS = 1000;
/** A server may need so little memory of ours to say what is over. */
const ENDS = new Set(['NetStream.Play.Stop', 'NetStream.Play.UnpublishNotify', 'NetStream.Play.Complete']);

/** The playing end of one connection. What the server sends is not trusted; nothing that comes after the end is looked at. */
export class PlaySession {
  readonly #events: PlayEvents;
  readonly #link: ClientLink;
  readonly #timeline = new Timeline();
  #playing = false;

  constructor({ app, tcUrl, streamName }: PlayOptions, events: PlayEvents) {
    this.#events = events;
    const link = new ClientLink(
      { app, tcUrl },
      {
        send: (bytes) => events.send(bytes),
        connected: () => link.command(0, 'FCSubscribe', FC_SUBSCRIBE, null, streamName),
        created: (streamId) => {
          link.reader.limits = AUTHORISED_LIMITS;
          link.command(streamId, 'play', PLAY, null, streamName, LIVE_OR_RECORDED);
          link.writer.setBufferLength(streamId, BUFFER_MS);
        },
        status: (code) => this.#onStatus(code),
        refused: ({ code, description, redirect }) => {
          const kind = redirect === null ? (isNotFound(code) ? 'not_found' : 'refused') : 'redirected';
          events.ended({ kind, code, description });
        },
        message: (type, timestamp, streamId, body) => this.#onMessage(type, timestamp, streamId, body),
        streamEvent: (event) => {
          if (event === UserControl.streamEof) this.#end('NetStream.Play.Stop');
        },
      },
    );
    this.#link = link;
  }

  get state(): 'new' | 'handshake' | 'connecting' | 'creating' | 'asking' | 'playing' | 'refused' | 'stopped' {
    const { state } = this.#link;
    return state === 'created' ? (this.#playing ? 'playing' : 'asking') : state;
  }

  /** Begins, once the socket is connected. */
  start(): void {
    this.#link.start();
  }

  /** Takes what the socket read; the bytes may be reused. Throws CodedError('rtmp_protocol'): close the connection then. */
  receive(bytes: Buffer): void {
    this.#link.receive(bytes);
  }

  /** Ends it: nothing is sent, and nothing that comes is looked at any more. */
  close(): void {
    this.#link.stop();
  }

  #onStatus(code: string): void {
    if (code === 'NetStream.Play.Start') this.#started();
    else if (isNotFound(code)) this.#end(code, 'not_found');
    else if (ENDS.has(code)) this.#end(code);
  }

  /** Some servers send media without saying that they begin. */
  #started(): void {
    if (this.#playing || this.#link.state !== 'created') return;
    this.#playing = true;
    this.#events.playing();
  }

  #end(code: string, kind: PlayEnd['kind'] = 'ended'): void {
    if (this.#link.state !== 'created') return;
    this.#link.stop();
    this.#events.ended({ kind, code, description: '' });
  }

  #onMessage(type: number, timestamp: number, streamId: number, body: Buffer): void {
    if (this.#link.state !== 'created') return;
    switch (type) {
      case MessageType.audio:
        this.#onMedia('audio', timestamp, body);
        break;
      case MessageType.video:
        this.#onMedia('video', timestamp, body);
        break;
      case MessageType.aggregate:
        splitAggregate(timestamp, streamId, body, (innerType, innerTime, id, inner) => {
          if (innerType === MessageType.audio || innerType === MessageType.video || innerType === MessageType.dataAmf0)
            this.#onMessage(innerType, innerTime, id, inner);
        });
        break;
      case MessageType.dataAmf0:
      case MessageType.dataAmf3: {
        const metadata = readMetadata(type, body);
        if (metadata !== null) this.#events.metadata(metadata);
        else if (type === MessageType.dataAmf0 && isComplete(body)) this.#end('NetStream.Play.Complete');
        break;
      }
    }
  }

  #onMedia(kind: 'audio' | 'video', timestamp: number, body: Buffer): void {
    if (body.length === 0) return;
    this.#started();
    this.#events.media(kind, this.#timeline.at(timestamp), mediaBody(kind, body));
  }
}

const isNotFound = (code: string): boolean =>
  code === 'NetStream.Play.StreamNotFound' || code === 'NetStream.Play.NoSupportedTrackFound';

/** onPlayStatus with NetStream.Play.Complete: a recorded stream is over. */
function isComplete(body: Buffer): boolean {
  try {
    const [name, ...rest] = decodeAmf0(body);
    return name === 'onPlayStatus' && rest.some((value) => isObject(value) && value.code === 'NetStream.Play.Complete');
  } catch (error) {
    if (error instanceof CodedError) return false;
    throw error;
  }
}
