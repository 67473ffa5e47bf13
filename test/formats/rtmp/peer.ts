import assert from 'node:assert/strict';
import { CodedError } from '../../../src/base/index.ts';
import {
  type AmfInput,
  type AmfObject,
  type AmfValue,
  decodeAmf0,
  encodeAmf0,
} from '../../../src/formats/amf/index.ts';
import {
  ChunkReader,
  type PlayRequest,
  type PublishRequest,
  ServerSession,
  writeMessage,
} from '../../../src/formats/rtmp/index.ts';

export const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');

export function assertProtocolError(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof CodedError, `${error instanceof Error ? error.stack : error}`);
    assert.equal(error.code, 'rtmp_protocol');
    assert.match(error.message, message);
    return true;
  });
}

export interface Media {
  readonly kind: 'audio' | 'video';
  readonly timestampMs: number;
  readonly body: Buffer;
}

export interface Message {
  readonly type: number;
  readonly timestamp: number;
  readonly streamId: number;
  readonly body: Buffer;
}

/** Feeds bytes as a socket does: in pieces, from one buffer that is overwritten each time. */
export function feed(bytes: Buffer, receive: (piece: Buffer) => unknown, sizes: readonly number[] = [65_536]): void {
  const shared = Buffer.alloc(Math.max(...sizes));
  for (let offset = 0, i = 0; offset < bytes.length; i++) {
    const count = bytes.copy(shared, 0, offset, offset + sizes[i % sizes.length]!);
    receive(shared.subarray(0, count));
    shared.fill(0xee);
    offset += count;
  }
}

/** Collects the messages in `bytes`. */
export function readMessages(bytes: Buffer, sizes?: readonly number[]): Message[] {
  const messages: Message[] = [];
  const reader = new ChunkReader((type, timestamp, streamId, body) =>
    messages.push({ type, timestamp, streamId, body }),
  );
  feed(bytes, (piece) => reader.receive(piece), sizes);
  return messages;
}

/** An encoder that a ServerSession answers, for tests: sends what it is told, remembers all that comes back. */
export class Peer {
  readonly session: ServerSession;
  /** One entry a send() of the session. */
  readonly sent: Buffer[] = [];
  readonly replies: Message[] = [];
  readonly publishes: PublishRequest[] = [];
  readonly plays: PlayRequest[] = [];
  readonly media: Media[] = [];
  readonly metadata: AmfObject[] = [];
  unpublished = 0;
  playsStopped = 0;
  #handshakeLeft = 3073;
  readonly #reader = new ChunkReader((type, timestamp, streamId, body) =>
    this.replies.push({ type, timestamp, streamId, body }),
  );

  /** `accept`: publish requests are accepted within the event. */
  constructor(accept = true) {
    this.session = new ServerSession({
      send: (bytes) => {
        this.sent.push(bytes);
        const skip = Math.min(this.#handshakeLeft, bytes.length);
        this.#handshakeLeft -= skip;
        this.#reader.receive(bytes.subarray(skip));
      },
      publish: (request) => {
        this.publishes.push(request);
        if (accept) this.session.acceptPublish();
      },
      play: (request) => this.plays.push(request),
      media: (kind, timestampMs, body) => this.media.push({ kind, timestampMs, body }),
      metadata: (metadata) => this.metadata.push(metadata),
      unpublish: () => this.unpublished++,
      playStopped: () => this.playsStopped++,
    });
  }

  /** C0, C1 and C2. */
  static handshake(): Buffer {
    return Buffer.concat([Buffer.from([3]), Buffer.alloc(3072)]);
  }

  static command(streamId: number, ...values: AmfInput[]): Buffer {
    return writeMessage(3, 20, streamId, 0, encodeAmf0(...values), 128);
  }

  handshake(): this {
    return this.bytes(Peer.handshake());
  }

  connect(object: AmfInput = { app: 'static', tcUrl: 'rtmp://localhost/static' }): this {
    return this.handshake().command(0, 'connect', 1, object);
  }

  /** Connected, with a stream, and its publish sent. */
  publish(name: AmfInput = 'name'): this {
    return this.connect().command(0, 'createStream', 4, null).command(1, 'publish', 5, null, name, 'live');
  }

  bytes(bytes: Buffer): this {
    feed(bytes, (piece) => this.session.receive(piece));
    return this;
  }

  command(streamId: number, ...values: AmfInput[]): this {
    return this.bytes(Peer.command(streamId, ...values));
  }

  message(type: number, timestamp: number, body: Buffer, streamId = 1): this {
    return this.bytes(writeMessage(type === 9 ? 6 : 4, type, streamId, timestamp, body, 128));
  }

  /** The commands that came back since the last call, decoded. */
  commands(): AmfValue[][] {
    const commands = this.replies.filter(({ type }) => type === 20).map(({ body }) => decodeAmf0(body));
    this.replies.length = 0;
    return commands;
  }

  /** The codes of all onStatus commands since the last call of commands(). */
  statusCodes(): AmfValue[] {
    return this.commands()
      .filter(([name]) => name === 'onStatus')
      .map(([, , , info]) => (info as AmfObject).code);
  }
}
