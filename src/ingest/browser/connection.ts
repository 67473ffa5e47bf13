import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { CodedError, type FailureLimiter, forLog, type Logger, monotonicMs, newId } from '../../base/index.ts';
import { extractKey } from '../../formats/rtmp/index.ts';
import {
  type Claim,
  type LiveRegistry,
  type PublishAuthoriser,
  type Publisher,
  type PublisherEnd,
  REFUSALS,
} from '../../live/index.ts';
import { type Frame, readFrame, readPublish } from './frame.ts';
import { ToPackets } from './to-packets.ts';

/** What a connection needs from its server and from others. */
export interface ConnectionContext {
  readonly authoriser: PublishAuthoriser;
  readonly registry: LiveRegistry;
  readonly failures: FailureLimiter;
  readonly publisherTimeoutMs: number;
  readonly log: Logger;
  /** It has a live stream now, and need not give way to others. */
  accepted(connection: BrowserConnection): void;
  closed(connection: BrowserConnection): void;
  refused(reason: RefusalReason): void;
}

/** Why a publish is refused, or a connection turned away. */
export type RefusalReason =
  | 'unknown_key'
  | 'disabled'
  | 'already_live'
  | 'unchecked' // the store did not answer
  | 'unsupported_codec'
  | 'no_media'
  | 'protocol_error'
  | 'too_many';

const UNTIL_PUBLISH_MS = 5000;
/** For the store to answer, with room for a contender to be judged and a failure to be held back. */
const CHECK_MS = 15_000;
/** For a refusal to reach the browser before the connection goes. */
const LINGER_MS = 1000;
/** The upgrade, and a message with a key. Who is not accepted makes us hold no more. */
const STRANGER_BYTES = 16_384;
/** A browser that does not read what we answer (pongs) has this much left waiting at most. */
const MAX_UNREAD_BYTES = 65_536;
/** In a second: 60 pictures with the shortest of sounds, after a moment without a connection. */
const MAX_MESSAGES = 2000;
const MAX_BYTES = 16 << 20;
/** Frames that cannot be decoded are told so often. */
const MAX_TOLD = 5;
/** The close code for what we do not allow (RFC 6455, 7.4.1), and for the end in order. */
const POLICY = 1008;
const NORMAL = 1000;

type Step = 'waiting' | 'checking' | 'publishing' | 'refused';

/** One browser that publishes: its messages into packets, our answers out. */
export class BrowserConnection implements Publisher {
  readonly id = newId();
  readonly protocol = 'browser';
  readonly remoteAddress: string;
  lastDataMs = monotonicMs();
  readonly #context: ConnectionContext;
  readonly #log: Logger;
  readonly #webSocket: WebSocket;
  readonly #packets = new ToPackets();
  #claim: Claim | null = null;
  #wasAccepted = false;
  #lastPacketMs = 0;
  #bytes = 0;
  #step: Step = 'waiting';
  #deadlineMs = this.lastDataMs + UNTIL_PUBLISH_MS;
  #end: PublisherEnd | null = null;
  #closed = false;
  #told = 0;
  /** What has come in the second that began then. */
  #secondMs = this.lastDataMs;
  #messagesHere = 0;
  #bytesHere = 0;

  /** `socket` is what `webSocket` stands on. */
  constructor(webSocket: WebSocket, socket: Duplex, remoteAddress: string, context: ConnectionContext) {
    this.remoteAddress = remoteAddress;
    this.#context = context;
    this.#log = context.log.child({ connection: this.id });
    this.#webSocket = webSocket;
    socket.on('data', (bytes: Buffer) => this.#count(bytes.length));
    webSocket.on('message', (data, isBinary) => this.#message(data, isBinary));
    webSocket.on('ping', () => {
      if (webSocket.bufferedAmount > MAX_UNREAD_BYTES) this.close('silent');
    });
    webSocket.on('error', (error: NodeJS.ErrnoException) => {
      this.#end ??= error.code?.startsWith('WS_ERR') ? 'protocol_error' : 'reset';
      this.#log.debug({ code: error.code }, 'socket failed');
      // What breaks the protocol would be waited for by `ws` for half a minute, with the live stream taken.
      this.close('reset');
    });
    webSocket.on('close', (code) => this.close(code === NORMAL ? 'stopped' : code === 1006 ? 'reset' : 'closed'));
    this.#log.debug({ address: remoteAddress }, 'connection opened');
  }

  get closed(): boolean {
    return this.#closed;
  }

  get bytesReceived(): number {
    return this.#bytes;
  }

  /** Looks at the clock; the server calls it a few times a second. */
  tick(nowMs: number): void {
    const { publisherTimeoutMs } = this.#context;
    if (this.#step !== 'publishing') {
      if (nowMs > this.#deadlineMs) this.close('silent');
    } else if (nowMs - this.lastDataMs > publisherTimeoutMs) this.close('silent');
    else if (nowMs - this.#lastPacketMs > publisherTimeoutMs) {
      // Bytes, but nothing to play: who only keeps the connection warm is not on air.
      this.#end ??= 'silent';
      const seconds = Math.round(publisherTimeoutMs / 1000);
      this.#refuse('no_media', `No picture and no sound has come for ${seconds} s.`);
    }
  }

  close(reason: PublisherEnd): void {
    if (this.#closed) return;
    this.#closed = true;
    const end = this.#end ?? reason;
    if (this.#step === 'publishing') this.#say({ type: 'ended', reason: end });
    this.#webSocket.terminate();
    this.#release(end);
    this.#context.closed(this);
    this.#log[this.#wasAccepted ? 'info' : 'debug'](
      { address: this.remoteAddress, reason: end, step: this.#step, bytes: this.#bytes },
      'connection closed',
    );
  }

  #count(bytes: number): void {
    this.lastDataMs = monotonicMs();
    this.#bytes += bytes;
    if (this.#step !== 'publishing' && this.#bytes > STRANGER_BYTES && !this.#wasAccepted) this.#break('too much');
  }

  #message(data: RawData, isBinary: boolean): void {
    if (this.#closed || this.#step === 'refused') return;
    if (this.#step === 'publishing') {
      if (isBinary) this.#media(data as Buffer);
      else this.#break('text');
      return;
    }
    const key = this.#step === 'waiting' && !isBinary ? readPublish(String(data)) : null;
    if (key === null) this.#break('not the message that was due');
    else void this.#publish(key);
  }

  #media(message: Buffer): void {
    if (this.lastDataMs - this.#secondMs >= 1000) {
      this.#secondMs = this.lastDataMs;
      this.#messagesHere = this.#bytesHere = 0;
    }
    this.#bytesHere += message.length;
    if (++this.#messagesHere > MAX_MESSAGES || this.#bytesHere > MAX_BYTES) {
      this.#break('too fast');
      return;
    }
    let frame: Frame;
    try {
      frame = readFrame(message);
      const packet = this.#packets.take(frame);
      if (!packet) return;
      this.#lastPacketMs = this.lastDataMs;
      this.#claim?.write(packet);
    } catch (error) {
      if (!(error instanceof CodedError)) {
        this.#log.error({ err: error, address: this.remoteAddress }, 'connection failed');
        this.#context.refused('protocol_error');
        this.close('protocol_error');
      } else if (error.code !== 'media_invalid') this.#break(error.message);
      else if (this.#told++ < MAX_TOLD) this.#log.warn({ reason: error.message }, 'frame dropped');
    }
  }

  async #publish(key: string): Promise<void> {
    this.#enter('checking', CHECK_MS);
    const { registry, authoriser, failures } = this.#context;
    const playKey = extractKey({ streamName: key, app: '', tcUrl: '' });
    const ticket = registry.ticket();
    try {
      const answer = await authoriser.authorise({ ...playKey, address: this.remoteAddress });
      if (this.#closed) return;
      if (!answer.ok) {
        if (answer.reason === 'disabled') return this.#refuse('disabled', REFUSALS.disabled);
        const delayMs = failures.failed(this.remoteAddress);
        this.#log.info({ name: forLog(playKey.playbackId), delayMs }, 'publish refused: unknown key');
        if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs).unref());
        return this.#refuse('unknown_key', REFUSALS.unknown_key);
      }
      const claimed = await registry.claim(answer.authorisation, this, ticket);
      if (!claimed.ok) {
        const { reason } = claimed;
        const refusal = reason === 'disabled' ? 'disabled' : reason === 'key_rotated' ? 'unknown_key' : 'already_live';
        return this.#refuse(refusal, REFUSALS[reason]);
      }
      if (this.#closed) return claimed.claim.release(this.#end ?? 'closed');
      this.#accept(claimed.claim);
    } catch (error) {
      if (this.#closed) return;
      this.#log.error({ err: error }, 'publish could not be checked');
      this.#refuse('unchecked', REFUSALS.unchecked);
    }
  }

  #accept(claim: Claim): void {
    this.#claim = claim;
    this.#wasAccepted = true;
    this.#enter('publishing', 0);
    // It had nothing to say while it was checked.
    this.lastDataMs = this.#lastPacketMs = monotonicMs();
    this.#context.accepted(this);
    const { liveStreamId } = claim.broadcast.authorisation;
    this.#log.info(
      { address: this.remoteAddress, protocol: this.protocol, liveStream: liveStreamId, broadcast: claim.broadcast.id },
      'publisher accepted',
    );
    this.#say({ type: 'accepted' });
  }

  /** What came breaks the protocol or a limit: there is nobody to explain it to. */
  #break(reason: string): void {
    this.#log.info({ address: this.remoteAddress, reason }, 'protocol error');
    this.#context.refused('protocol_error');
    this.close('protocol_error');
  }

  /** Says why, and closes once that is on its way. */
  #refuse(reason: RefusalReason, message: string): void {
    if (this.#closed || this.#step === 'refused') return;
    this.#log.info({ address: this.remoteAddress, reason }, 'publish refused');
    this.#context.refused(reason);
    this.#release(this.#end ?? 'closed');
    this.#enter('refused', LINGER_MS);
    this.#say({ type: 'refused', reason, message });
    this.#webSocket.close(POLICY, reason);
  }

  #say(message: Readonly<Record<string, string>>): void {
    if (this.#webSocket.readyState === this.#webSocket.OPEN) this.#webSocket.send(JSON.stringify(message));
  }

  #release(reason: PublisherEnd): void {
    this.#claim?.release(reason);
    this.#claim = null;
  }

  #enter(step: Step, forMs: number): void {
    this.#step = step;
    this.#deadlineMs = monotonicMs() + forMs;
  }
}
