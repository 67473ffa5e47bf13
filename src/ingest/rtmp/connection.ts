import type net from 'node:net';
import { CodedError, type FailureLimiter, forLog, type Logger, monotonicMs, newId } from '../../base/index.ts';
import { ToPackets } from '../../formats/flv/index.ts';
import { type PlayRequest, type PublishRequest, ServerSession, SHARED_CHUNK_BYTES } from '../../formats/rtmp/index.ts';
import {
  type Claim,
  goesInCircles,
  type LiveRegistry,
  type PublishAuthoriser,
  type Publisher,
  type PublisherEnd,
  REFUSALS,
  readVia,
  VIA_NAME,
} from '../../live/index.ts';
import type { Packet } from '../../media/index.ts';
import { Player } from './player.ts';
import type { Players } from './players.ts';

/** What a connection needs from its server and from others. */
export interface ConnectionContext {
  readonly authoriser: PublishAuthoriser;
  /** Null: players are turned away. */
  readonly players: Players | null;
  readonly registry: LiveRegistry;
  readonly failures: FailureLimiter;
  readonly publisherTimeoutMs: number;
  readonly log: Logger;
  /** What it does from now on. */
  counts(connection: RtmpConnection, as: ConnectionPart): void;
  /** There is room for another player from that address. */
  takesPlayer(address: string): boolean;
  closed(connection: RtmpConnection): void;
  /** Counts a publish that is refused. */
  refused(reason: RefusalReason): void;
}

/** A stranger has said nothing yet that would give it a place. */
export type ConnectionPart = 'stranger' | 'publisher' | 'player';

/** Why a publish or a player is refused, or a connection turned away. */
export type RefusalReason =
  | 'unknown_key'
  | 'disabled'
  | 'already_live'
  | 'unchecked' // the store did not answer
  | 'unsupported_codec'
  | 'no_media'
  | 'loop' // what it sends comes from the same live stream
  | 'play' // it came to play, and is not served
  | 'protocol_error'
  | 'too_many';

const HANDSHAKE_MS = 5000;
const UNTIL_PUBLISH_MS = 5000;
/** For the store, or whoever serves players, to answer, with room for a contender to be judged and a failure to be held back. */
const CHECK_MS = 15_000;
/** For a refusal to reach the peer before the socket goes. */
const LINGER_MS = 1000;
/** And for what a player still has to play. */
const PLAYER_LINGER_MS = 5000;
/** A peer that does not read what we tell it (acknowledgements, pings) has this much left waiting at most. */
const MAX_UNREAD_BYTES = 1 << 20;
/** Answers to a player whose socket is full of media: it asks and does not read. */
const MAX_UNREAD_ANSWERS = 65_536;

type Step = 'handshake' | 'connected' | 'checking' | 'publishing' | 'playing' | 'refused';

/** One RTMP peer: its socket's bytes into the session, the session's answers out, its media into packets. */
export class RtmpConnection implements Publisher {
  readonly id = newId();
  readonly protocol: 'rtmp' | 'rtmps';
  readonly remoteAddress: string;
  lastDataMs = monotonicMs();
  via: readonly string[] = [];
  #lastPacketMs = 0;
  readonly #context: ConnectionContext;
  readonly #log: Logger;
  readonly #session: ServerSession;
  #socket: net.Socket | null = null;
  #claim: Claim | null = null;
  #packets: ToPackets | null = null;
  #player: Player | null = null;
  /** As a player, once at least. */
  #wasAccepted = false;
  /** Of our answers to a player, since its socket was full. */
  #unreadAnswers = 0;
  /** When to give up on the present step, by `monotonicMs`; while it publishes, silence decides instead. */
  #deadlineMs = this.lastDataMs + HANDSHAKE_MS;
  #step: Step = 'handshake';
  #end: PublisherEnd | null = null;
  #closed = false;

  constructor(protocol: 'rtmp' | 'rtmps', remoteAddress: string, context: ConnectionContext) {
    this.protocol = protocol;
    this.remoteAddress = remoteAddress;
    this.#context = context;
    this.#log = context.log.child({ connection: this.id });
    this.#session = new ServerSession(
      {
        send: (bytes) => this.#send(bytes),
        publish: (command) => void this.#publish(command),
        play: (request) => this.#play(request),
        media: (kind, timestampMs, body) => this.#media(kind, timestampMs, body),
        metadata: (metadata) => this.#metadata(metadata[VIA_NAME]),
        unpublish: () => this.#unpublish(),
        playStopped: () => this.#playStopped(),
      },
      // FFmpeg takes it over for what it sends: fewer chunks are less work on both sides.
      { chunkSize: SHARED_CHUNK_BYTES },
    );
  }

  get closed(): boolean {
    return this.#closed;
  }

  get bytesReceived(): number {
    return this.#session.bytesReceived;
  }

  /** Takes the socket, whose bytes the caller passes to `receive`. */
  start(socket: net.Socket): void {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#end ??= 'reset';
      this.#log.debug({ code: error.code }, 'socket failed');
    });
    socket.on('end', () => {
      this.#end ??= 'closed';
      this.close('closed');
    });
    socket.on('close', () => this.close('closed'));
    this.#log.debug({ protocol: this.protocol, address: this.remoteAddress }, 'connection opened');
  }

  /** Bytes off the socket. The buffer is the caller's again when this returns. */
  receive(bytes: Buffer): void {
    if (this.#closed) return;
    this.lastDataMs = monotonicMs();
    if (this.#step === 'refused') return;
    try {
      this.#session.receive(bytes);
    } catch (error) {
      if (error instanceof CodedError)
        this.#log.info({ address: this.remoteAddress, reason: error.message }, 'protocol error');
      else this.#log.error({ err: error, address: this.remoteAddress }, 'connection failed');
      this.#context.refused('protocol_error');
      this.close('protocol_error');
      return;
    }
    if (this.#step === 'handshake' && this.#session.state !== 'handshake') this.#enter('connected', UNTIL_PUBLISH_MS);
    if (this.#session.paused) this.#socket?.pause();
  }

  /** Looks at the clock; the server calls it a few times a second. */
  tick(nowMs: number): void {
    if (this.#step === 'publishing') {
      const { publisherTimeoutMs } = this.#context;
      if (nowMs - this.lastDataMs > publisherTimeoutMs) this.close('silent');
      else if (nowMs - this.#lastPacketMs > publisherTimeoutMs) {
        // Bytes, but nothing to play: who only keeps the connection warm is not on air.
        this.#end ??= 'silent';
        const seconds = Math.round(publisherTimeoutMs / 1000);
        this.#refuse(
          'no_media',
          'NetStream.Publish.Failed',
          `No H.264 video and no AAC audio has come for ${seconds} s: look at the codecs that the encoder is set to.`,
        );
      }
    } else if (this.#step !== 'playing' && nowMs > this.#deadlineMs) this.close('silent');
  }

  /** Asks a publisher that understands it to connect anew, and goes on reading. Whether it was asked. */
  requestReconnect(): boolean {
    return !this.#closed && this.#session.requestReconnect();
  }

  close(reason: PublisherEnd): void {
    if (this.#closed) return;
    this.#closed = true;
    const end = this.#end ?? reason;
    this.#socket?.destroy();
    this.#release(end);
    this.#player?.over(end);
    this.#context.closed(this);
    const level = this.#packets || this.#wasAccepted ? 'info' : 'debug';
    this.#log[level](
      {
        address: this.remoteAddress,
        reason: this.#player?.reason ?? end,
        step: this.#step,
        bytes: this.#session.bytesReceived,
      },
      'connection closed',
    );
  }

  async #publish(command: PublishRequest): Promise<void> {
    this.#enter('checking', CHECK_MS);
    const { registry, authoriser, failures } = this.#context;
    const ticket = registry.ticket();
    try {
      const answer = await authoriser.authorise({ ...command.playKey, address: this.remoteAddress });
      if (this.#closed) return;
      if (!answer.ok) {
        if (answer.reason === 'disabled') return this.#refuseDisabled();
        const delayMs = failures.failed(this.remoteAddress);
        this.#log.info(
          { address: this.remoteAddress, name: forLog(command.playKey.playbackId), delayMs },
          'publish refused: unknown key',
        );
        if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs).unref());
        // One wording for an unknown key and for a wrong password: neither must be told from the other.
        return this.#refuse('unknown_key', 'NetStream.Publish.BadName', REFUSALS.unknown_key);
      }
      const claimed = await registry.claim(answer.authorisation, this, ticket);
      if (!claimed.ok) {
        if (claimed.reason === 'disabled') return this.#refuseDisabled();
        const { reason } = claimed;
        this.#log.info(
          { address: this.remoteAddress, liveStream: answer.authorisation.liveStreamId, reason },
          'publish refused: not its turn',
        );
        const refusal = reason === 'key_rotated' ? 'unknown_key' : 'already_live';
        return this.#refuse(refusal, 'NetStream.Publish.BadName', REFUSALS[reason]);
      }
      if (this.#closed) return claimed.claim.release(this.#end ?? 'closed');
      this.#accept(claimed.claim);
    } catch (error) {
      if (this.#closed) return;
      this.#log.error({ err: error }, 'publish could not be checked');
      this.#refuse('unchecked', 'NetStream.Publish.Failed', REFUSALS.unchecked);
    }
  }

  #accept(claim: Claim): void {
    this.#claim = claim;
    this.via = [];
    this.#packets = new ToPackets({
      unsupported: (kind, codec) => {
        this.#log.warn({ kind, codec }, 'unsupported codec');
        claim.refuseCodec(forLog(codec));
        if (kind === 'video') {
          this.#end = 'media_unsupported';
          this.#refuse(
            'unsupported_codec',
            'NetStream.Publish.Failed',
            `This server takes H.264 video, not ${forLog(codec)}: choose H.264 in the encoder.`,
          );
        }
      },
      dropped: (reason) => this.#log.warn({ reason }, 'frame dropped'),
    });
    this.#enter('publishing', 0);
    // While the key was checked the encoder had nothing to say: its silence begins here.
    this.lastDataMs = this.#lastPacketMs = monotonicMs();
    this.#context.counts(this, 'publisher');
    this.#log.info(
      {
        address: this.remoteAddress,
        protocol: this.protocol,
        liveStream: claim.broadcast.authorisation.liveStreamId,
        broadcast: claim.broadcast.id,
      },
      'publisher accepted',
    );
    try {
      // What came while the key was checked is delivered here.
      this.#session.acceptPublish();
    } catch (error) {
      this.#log.info({ reason: error instanceof Error ? error.message : String(error) }, 'protocol error');
      this.close('protocol_error');
      return;
    }
    this.#socket?.resume();
  }

  #media(kind: 'audio' | 'video', timestampMs: number, body: Buffer): void {
    const packets = this.#packets;
    if (!packets || !this.#claim) return;
    const packet: Packet | null =
      kind === 'video' ? packets.video(timestampMs, body) : packets.audio(timestampMs, body);
    if (!packet) return;
    this.#lastPacketMs = this.lastDataMs;
    // The claim may be gone by now: an unsupported codec ends the publish.
    this.#claim?.write(packet);
  }

  /** A push of ours, or of another server like this one, says which live streams the media has come through. */
  #metadata(value: unknown): void {
    const via = readVia(value);
    if (!this.#claim || via.length === 0) return;
    this.via = via;
    const { liveStreamId } = this.#claim.broadcast.authorisation;
    if (!goesInCircles(via, liveStreamId)) return;
    this.#log.warn({ address: this.remoteAddress, liveStream: liveStreamId, via }, 'publish refused: a loop');
    this.#end = 'loop';
    this.#refuse(
      'loop',
      'NetStream.Publish.Denied',
      'This stream comes from itself: a platform of this live stream, or of one that it is passed on to, leads back here. Remove that platform.',
    );
  }

  #unpublish(): void {
    this.#release('stopped');
    if (this.#step === 'publishing' || this.#step === 'checking') this.#enter('connected', UNTIL_PUBLISH_MS);
  }

  #play({ playKey: { playbackId }, query, streamId }: PlayRequest): void {
    const { players } = this.#context;
    const socket = this.#socket;
    if (!players || !socket) {
      this.#refusePlay('This server serves no players over RTMP: play the HLS URL instead.');
      return;
    }
    if (!this.#context.takesPlayer(this.remoteAddress)) {
      this.#refusePlay('Too many players come from this address: play the HLS URL instead.');
      return;
    }
    const player = new Player({
      id: this.id,
      protocol: this.protocol,
      remoteAddress: this.remoteAddress,
      socket,
      session: this.#session,
      streamId,
      accepted: () => {
        this.#enter('playing', 0);
        this.#wasAccepted = true;
        this.#context.counts(this, 'player');
        this.#log.info({ address: this.remoteAddress, name: forLog(playbackId) }, 'player accepted');
      },
      leave: () => {
        if (this.#step !== 'playing') this.#context.refused('play');
        this.#leave(PLAYER_LINGER_MS);
      },
      close: () => this.close('closed'),
    });
    this.#player = player;
    this.#enter('checking', CHECK_MS);
    players.play({ playbackId, query }, player);
  }

  #playStopped(): void {
    this.#player?.over('stopped');
    this.#player = null;
    this.#context.counts(this, 'stranger');
    this.#enter('connected', UNTIL_PUBLISH_MS);
  }

  #refusePlay(description: string): void {
    this.#context.refused('play');
    this.#session.refusePlay('NetStream.Play.Failed', description);
    this.#leave(LINGER_MS);
  }

  #refuseDisabled(): void {
    this.#log.info({ address: this.remoteAddress }, 'publish refused: disabled');
    this.#refuse('disabled', 'NetStream.Publish.Denied', REFUSALS.disabled);
  }

  /** Says why, and closes once that is on its way. */
  #refuse(reason: RefusalReason, code: string, description: string): void {
    if (this.#closed || this.#step === 'refused') return;
    this.#context.refused(reason);
    this.#session.refuse(code, description);
    this.#release(this.#end ?? 'closed');
    this.#leave(LINGER_MS);
  }

  #release(reason: PublisherEnd): void {
    this.#claim?.release(reason);
    this.#claim = null;
  }

  #leave(forMs: number): void {
    this.#enter('refused', forMs);
    this.#socket?.resume();
    // Said from within receive(), the reason leaves when that returns; the socket ends after it.
    queueMicrotask(() => this.#socket?.end());
  }

  #enter(step: Step, forMs: number): void {
    this.#step = step;
    this.#deadlineMs = monotonicMs() + forMs;
  }

  #send(bytes: Buffer): void {
    const socket = this.#socket;
    if (!socket || this.#closed || socket.writableEnded) return;
    // What a full socket holds for a player is its media, and limited by who serves it.
    this.#unreadAnswers = socket.writableNeedDrain ? this.#unreadAnswers + bytes.length : 0;
    socket.write(bytes);
    const unread = this.#step === 'playing' ? this.#unreadAnswers : socket.writableLength;
    if (unread > (this.#step === 'playing' ? MAX_UNREAD_ANSWERS : MAX_UNREAD_BYTES)) {
      this.#log.info({ address: this.remoteAddress }, 'peer does not read');
      this.close('silent');
    }
  }
}
