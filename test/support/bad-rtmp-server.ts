import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { type AmfInput, type AmfObject, encodeAmf0 } from '../../src/formats/amf/index.ts';
import { MessageType, ServerSession, writeMessage } from '../../src/formats/rtmp/index.ts';
import { FLV_AUDIO, FLV_VIDEO, frameHash } from './flv-frames.ts';

/** What the server does to who publishes; `ok` is a well-behaved one. */
export type Manners =
  | 'ok'
  | 'mute' // takes the connection and says nothing
  | 'endless_handshake' // sends its handshake one byte at a time
  | 'no_answer' // reads publish and does not answer
  | 'hang_up' // ends the connection when it reads publish
  | 'reset' // resets it a moment after publishing began
  | 'deaf' // reads nothing once publishing has begun
  | 'slow' // reads a little now and then
  | 'impatient' // hangs up on who has sent nothing for a second
  | 'babble' // sends what is not RTMP
  | 'flood' // never stops sending pings
  | 'move' // asks to reconnect elsewhere
  | 'redirect' // refuses, and says where to go
  | { readonly refuse: string; readonly description?: string };

/** One connection that got as far as publishing. */
export interface Published {
  readonly app: string;
  readonly tcUrl: string;
  readonly streamName: string;
  /** `metadata`, `avc`, `aac`, then one for each frame: `v` (`V` a key frame) or `a`, with the hash of its data. */
  readonly seen: string[];
  readonly frames: { readonly hash: string; readonly ms: number }[];
  readonly metadata: AmfObject[];
  /** It said goodbye. */
  stopped: boolean;
  closed: boolean;
}

export interface RtmpReceiver {
  readonly port: number;
  manners: Manners;
  /** TCP connections so far. */
  readonly attempts: number;
  readonly published: readonly Published[];
  /** Sees to it that nobody can connect, and cuts who is connected; `open` again takes the same port. */
  kill(): Promise<void>;
  open(): Promise<void>;
}

const SLOW_READ_MS = 200;
/** Nobody may go there. */
const ELSEWHERE = 'rtmp://127.0.0.1:9/hidden-elsewhere';

/** A receiver of RTMP in this process whose manners can be chosen. It keeps hashes of the frames, not the frames. */
export async function startRtmpReceiver(
  manners: Manners = 'ok',
  options: { readonly tls?: tls.TlsOptions; readonly host?: string } = {},
): Promise<RtmpReceiver> {
  const { host = '127.0.0.1' } = options;
  const sockets = new Set<net.Socket>();
  const published: Published[] = [];
  let port = 0;
  let attempts = 0;
  const receiver = {
    manners,
    published,
    get port() {
      return port;
    },
    get attempts() {
      return attempts;
    },
    async kill() {
      for (const socket of sockets) socket.resetAndDestroy();
      if (!server.listening) return;
      server.close();
      if (sockets.size > 0) await once(server, 'close');
    },
    async open() {
      server.listen(port, host);
      await once(server, 'listening');
      port = (server.address() as net.AddressInfo).port;
    },
  };
  const onSocket = (socket: net.Socket): void => {
    attempts++;
    sockets.add(socket);
    // A test that is over does not wait for it.
    socket.setNoDelay(true).unref();
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    serve(socket, receiver.manners, published);
  };
  const server = options.tls ? tls.createServer(options.tls, onSocket) : net.createServer(onSocket);
  server.on('tlsClientError', () => {});
  await receiver.open();
  server.unref();
  return receiver;
}

function serve(socket: net.Socket, manners: Manners, published: Published[]): void {
  if (manners === 'mute') {
    socket.resume();
    return;
  }
  if (manners === 'babble') {
    socket.resume();
    socket.write(Buffer.alloc(8000, 0xff));
    return;
  }
  let stream: Published | null = null;
  const drip: Buffer[] = [];
  const timers: NodeJS.Timeout[] = [];
  const end = () => {
    for (const timer of timers) clearInterval(timer);
    if (stream) stream.closed = true;
  };
  socket.on('close', end);
  const media = (type: number, ms: number, body: Buffer) => {
    if (stream === null) return;
    const video = type === FLV_VIDEO;
    if (body[1] === 0) stream.seen.push(video ? 'avc' : 'aac');
    else {
      const hash = frameHash(body.subarray(video ? 5 : 2));
      stream.seen.push((video ? (body[0]! >> 4 === 1 ? 'V' : 'v') : 'a') + hash);
      stream.frames.push({ hash, ms });
    }
  };
  /** By the server's own chunk size; after what the session has to say. */
  const say = (level: string, code: string, more: { readonly [key: string]: AmfInput }) => {
    const body = encodeAmf0('onStatus', 0, null, { level, code, ...more });
    setImmediate(() => socket.write(writeMessage(3, MessageType.commandAmf0, 0, 0, body, 4096)));
  };
  const session = new ServerSession({
    send: (bytes) => {
      if (manners === 'endless_handshake') drip.push(bytes);
      else if (socket.writable) socket.write(bytes);
    },
    play: () => socket.destroy(),
    playStopped: () => {},
    media: (kind, ms, body) => media(kind === 'video' ? FLV_VIDEO : FLV_AUDIO, ms, body),
    metadata: (metadata) => {
      stream?.metadata.push(metadata);
      stream?.seen.push('metadata');
    },
    unpublish: () => {
      if (stream) stream.stopped = true;
    },
    publish: ({ app, tcUrl, streamName }) => {
      if (manners === 'no_answer') return;
      if (manners === 'hang_up') {
        socket.end();
        return;
      }
      if (manners === 'redirect') {
        say('error', 'NetConnection.Connect.Rejected', { ex: { redirect: ELSEWHERE } });
        return;
      }
      if (typeof manners === 'object') {
        session.refuse(manners.refuse, manners.description ?? '');
        // Its answer leaves when the session has read all.
        setImmediate(() => socket.end());
        return;
      }
      stream = { app, tcUrl, streamName, seen: [], frames: [], metadata: [], stopped: false, closed: false };
      published.push(stream);
      session.acceptPublish();
      if (manners === 'move') say('status', 'NetConnection.Connect.ReconnectRequest', { tcUrl: ELSEWHERE });
      if (manners === 'reset') setImmediate(() => socket.resetAndDestroy());
      if (manners === 'deaf' || manners === 'slow') socket.pause();
      if (manners === 'slow') timers.push(setInterval(() => socket.resume(), SLOW_READ_MS));
      if (manners === 'impatient') socket.setTimeout(1000, () => socket.destroy());
      if (manners === 'flood') {
        const ping = Buffer.from([2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0]);
        const pings = Buffer.concat(Array.from({ length: 5000 }, () => ping));
        const pour = () => {
          if (socket.writable && socket.write(pings)) setImmediate(pour);
        };
        socket.on('drain', pour);
        pour();
      }
    },
  });
  socket.on('data', (bytes) => {
    if (manners === 'slow' && stream) socket.pause();
    session.receive(bytes);
    if (manners === 'endless_handshake' && timers.length === 0)
      timers.push(setInterval(() => socket.writable && drip[0] && socket.write(drip[0].subarray(0, 1)), 20));
  });
}
