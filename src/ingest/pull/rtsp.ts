import { once } from 'node:events';
import net from 'node:net';
import { CodedError, randomHex } from '../../base/index.ts';
import type { Destination, Outbound } from '../../outbound/index.ts';
import type { FfmpegInput } from './ffmpeg-source.ts';
import {
  authorizationFor,
  type Challenge,
  challengeOf,
  headerOf,
  type RtspMessage,
  RtspReader,
  writeMessage,
} from './rtsp-message.ts';
import type { SourceEnd } from './source.ts';
import { endOfStatus } from './source-end.ts';

const TIMEOUT_US = 10_000_000;
/** Of an answer and of a description, what ffmpeg is given to read: no more than it takes to play H.264 and AAC. */
const HEADERS = /^(?:session|content-type|content-base|content-location|public|rtp-info|range)$/i;
const SDP = /^(?:[vostcbm]=|a=(?:control|rtpmap|fmtp|range|recvonly|sendonly|sendrecv)\b)/;
/** Answered badly, these end it; the others are asked on the off chance. */
const NEEDED = new Set(['DESCRIBE', 'SETUP', 'PLAY']);

/** So often a server may say that its challenge is too old, and so much may be unanswered. */
const MAX_STALE = 2;
const MAX_ASKED = 64;

/** A request under way. */
interface Asked {
  readonly message: RtspMessage;
  readonly method: string;
  /** ffmpeg's own number for it. */
  readonly cseq: string;
  /** How often it was asked with a user name. */
  authorised: number;
}

/**
 * What ffmpeg is told for an RTSP URL: it speaks to us, on loopback, and we speak to the address that was checked, over the one TCP
 * connection that `outbound` made. So it resolves nothing, follows nobody elsewhere, sees no password, and gets its media interleaved.
 */
export async function rtspInput(url: string, outbound: Outbound, signal: AbortSignal): Promise<FfmpegInput> {
  const { socket: upstream, destination } = await outbound.connectTcp(url, 'pull');
  if (signal.aborted) upstream.destroy();
  const server = net.createServer();
  const close = () => {
    server.close();
    upstream.destroy();
  };
  upstream.on('error', () => {}); // 'close' follows
  upstream.on('close', close);
  try {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  } catch (error) {
    // Nobody else knows of the connection yet.
    close();
    throw error;
  }
  if (upstream.destroyed) close();
  const { port } = (server.address() as net.AddressInfo | null) ?? { port: 0 };
  // Whoever else finds the port does not know the name.
  const local = `rtsp://127.0.0.1:${port}/${randomHex(16)}`;
  const relay = new RtspRelay(upstream, destination, local);
  server.on('connection', (socket) => relay.accept(socket, () => server.close()));
  return {
    protocols: ['rtsp', 'tcp', 'rtp'],
    input: [
      ...['-f', 'rtsp', '-rtsp_transport', 'tcp', '-allowed_media_types', 'video+audio'],
      ...['-timeout', String(TIMEOUT_US), '-i', local],
    ],
    reason: () => relay.reason,
    release: () => {
      relay.close();
      close();
    },
  };
}

/** Stands between ffmpeg and one RTSP server: reads every message of both, and hands on the media. */
class RtspRelay {
  /** Why nothing comes, once that is known. */
  reason: SourceEnd | null = null;
  readonly #upstream: net.Socket;
  readonly #credentials: Destination['credentials'];
  readonly #local: string;
  /** The same, as the server knows it. */
  readonly #remote: string;
  readonly #clients = new Set<net.Socket>();
  #client: net.Socket | null = null;
  readonly #asked = new Map<number, Asked>();
  #sequence = 0;
  #challenge: Challenge | null = null;

  constructor(upstream: net.Socket, { host, port, path, credentials }: Destination, local: string) {
    this.#upstream = upstream;
    this.#credentials = credentials;
    this.#local = local;
    this.#remote = `rtsp://${net.isIPv6(host) ? `[${host}]` : host}${port === 554 ? '' : `:${port}`}${path === '/' ? '' : path}`;
    const reader = new RtspReader(
      (message) => this.#fromServer(message),
      (frame) => this.#toClient(frame),
    );
    upstream.on('data', (bytes) => this.#read(reader, bytes));
    upstream.on('close', () => this.#client?.end());
  }

  /** Takes a connection; the first that knows the name is ffmpeg's, and `found` is told. */
  accept(socket: net.Socket, found: () => void): void {
    this.#clients.add(socket);
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => {
      this.#clients.delete(socket);
      if (socket === this.#client) this.#upstream.destroy();
    });
    const reader = new RtspReader(
      (message) => {
        if (!this.#client && message.start.split(' ')[1]?.startsWith(this.#local)) {
          this.#client = socket;
          found();
          for (const other of this.#clients) if (other !== socket) other.destroy();
        }
        if (socket === this.#client) this.#fromClient(message);
        else socket.destroy();
      },
      (frame) => {
        if (socket === this.#client) this.#upstream.write(frame);
      },
    );
    socket.on('data', (bytes) => this.#read(reader, bytes));
    socket.on('drain', () => this.#upstream.resume());
  }

  close(): void {
    for (const socket of this.#clients) socket.destroy();
  }

  #read(reader: RtspReader, bytes: Buffer): void {
    try {
      reader.push(bytes);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.#fail({
        code: 'bad_answer',
        message: `The source sends what cannot be read: ${error.message}.`,
        permanent: false,
      });
    }
  }

  #toClient(bytes: Buffer): void {
    if (this.#client && !this.#client.destroyed && !this.#client.write(bytes)) this.#upstream.pause();
  }

  #fail(reason: SourceEnd): void {
    this.reason ??= reason;
    this.#upstream.destroy();
  }

  #fromClient(message: RtspMessage): void {
    const [method = '', uri = ''] = message.start.split(' ');
    const there = uri.startsWith(this.#local) ? this.#remote + uri.slice(this.#local.length) : uri;
    const cseq = headerOf(message, 'cseq') ?? '';
    this.#ask({ message: { ...message, start: `${method} ${there} RTSP/1.0` }, method, cseq, authorised: 0 });
  }

  #ask(asked: Asked): void {
    const { message, method } = asked;
    const sequence = ++this.#sequence;
    if (this.#asked.size >= MAX_ASKED) {
      // Cameras that play well leave what keeps the session alive unanswered.
      const [oldest] = [...this.#asked].find(([, { method: unanswered }]) => !NEEDED.has(unanswered)) ?? [];
      if (oldest === undefined) {
        this.#fail(SILENT);
        return;
      }
      this.#asked.delete(oldest);
    }
    this.#asked.set(sequence, asked);
    const headers: (readonly [string, string])[] = [['CSeq', String(sequence)]];
    headers.push(...message.headers.filter(([name]) => !/^(?:cseq|authorization)$/i.test(name)));
    if (this.#challenge && this.#credentials) {
      asked.authorised++;
      const uri = message.start.split(' ')[1]!;
      headers.push(['Authorization', authorizationFor(this.#challenge, this.#credentials, method, uri)]);
    }
    this.#upstream.write(writeMessage({ ...message, headers }));
  }

  #fromServer(message: RtspMessage): void {
    const status = Number(/^RTSP\/1\.\d (\d{3})\b/.exec(message.start)?.[1]);
    const sequence = Number(headerOf(message, 'cseq'));
    const asked = this.#asked.get(sequence);
    // A request of the server, or an answer to nothing.
    if (!status || !asked) return;
    if (status === 100) return;
    this.#asked.delete(sequence);
    if (status === 401 && this.#credentials && this.#mayAnswer(message, asked)) {
      this.#ask(asked);
      return;
    }
    if (status >= 300 && status < 400) {
      this.#fail(REDIRECTED);
      return;
    }
    if (status >= 400 && NEEDED.has(asked.method)) {
      this.#fail(status === 461 ? NO_TCP : endOfStatus(status));
      return;
    }
    const headers: (readonly [string, string])[] = [['CSeq', asked.cseq]];
    headers.push(...message.headers.filter(([name]) => HEADERS.test(name)));
    const transport = headerOf(message, 'transport');
    if (asked.method === 'SETUP') {
      const channels = /^RTP\/AVP\/TCP\b.*;\s*interleaved=(\d+-\d+)/i.exec(transport ?? '')?.[1];
      if (!channels) {
        this.#fail(NO_TCP);
        return;
      }
      headers.push(['Transport', `RTP/AVP/TCP;unicast;interleaved=${channels}`]);
    }
    let { body } = message;
    if (body.length > 0) {
      const lines = body.toString('latin1').split(/\r?\n/);
      body = Buffer.from(`${lines.filter((line) => SDP.test(line)).join('\r\n')}\r\n`, 'latin1');
      headers.push(['Content-Length', String(body.length)]);
    }
    this.#toClient(writeMessage({ start: message.start, headers, body }));
  }

  /** Whether there is a challenge that has not been answered in vain already. */
  #mayAnswer(message: RtspMessage, { authorised }: Asked): boolean {
    const challenge = challengeOf(message);
    if (!challenge || authorised > (challenge.stale ? MAX_STALE : 0)) return false;
    this.#challenge = challenge;
    return true;
  }
}

const SILENT: SourceEnd = { code: 'bad_answer', message: 'The source answers nothing.', permanent: false };
const REDIRECTED: SourceEnd = {
  code: 'bad_answer',
  message: 'The source sends us to another address, which is not followed: pull from there.',
  permanent: true,
};
const NO_TCP: SourceEnd = {
  code: 'bad_answer',
  message: 'The source gives its media over UDP only: allow RTSP over TCP (interleaved) there.',
  permanent: true,
};
