import { connect, type Socket } from 'node:net';
import { ClientSession } from '../../src/formats/rtmp/index.ts';
import { FLV_AUDIO, FLV_VIDEO, type FlvTag } from './flv-frames.ts';

export interface SessionPublisher {
  readonly socket: Socket;
  /** Resolves when the server has taken the publisher; rejects with its refusal, or when the connection ends before. */
  readonly accepted: Promise<void>;
  /** Resolves when all tags are sent and what was sent has left. */
  readonly sent: Promise<void>;
  /** Resolves when the connection is closed, by either side. */
  readonly closed: Promise<void>;
  /** Sends no more, and leaves the connection open. */
  fallSilent(): void;
  /** Says goodbye as an encoder does, and closes. */
  stop(): Promise<void>;
}

export interface SessionOptions {
  readonly chunkSize?: number;
  /** Added to every timestamp: what the encoder's clock shows at the start. */
  readonly offsetMs?: number;
  /** So much is sent at once, as by an encoder that had to hold it back. */
  readonly headStartMs?: number;
  /** Sends the codec configurations again before each key frame. */
  readonly repeatConfig?: boolean;
  /** Begins again with the first tag, timestamps going on, until it is stopped. */
  readonly loop?: boolean;
}

const isConfig = ({ type, body }: FlvTag): boolean => (type === FLV_VIDEO || type === FLV_AUDIO) && body[1] === 0;
const isKeyFrame = ({ type, body }: FlvTag): boolean => type === FLV_VIDEO && body[0]! >> 4 === 1 && body[1] === 1;

/** Publishes FLV tags in real time through the product's own RTMP client: for what ffmpeg has no option for. */
export function publishTags(tags: readonly FlvTag[], url: string, options: SessionOptions = {}): SessionPublisher {
  const { hostname, port, pathname, search } = new URL(url);
  const [, app = '', ...name] = pathname.split('/');
  const socket = connect({ host: hostname, port: Number(port || 1935), noDelay: true });
  const { promise: accepted, resolve: accept, reject: refuse } = Promise.withResolvers<void>();
  const { promise: sent, resolve: finish } = Promise.withResolvers<void>();
  accepted.catch(() => {}); // whoever waits for it hears of it; who only waits for `closed` need not
  const configs = tags.filter(isConfig);
  const media = options.loop ? tags.filter((tag) => tag.type !== 18) : tags;
  const roundMs = Math.round(Math.max(...media.map((tag) => tag.timestampMs)) + 1000 / 30);
  let timer: NodeJS.Timeout | undefined;

  const session = new ClientSession(
    {
      app,
      tcUrl: `rtmp://${hostname}:${port}/${app}`,
      streamName: name.join('/') + search,
      ...(options.chunkSize ? { chunkSize: options.chunkSize } : {}),
    },
    {
      send: (bytes) => void (socket.writable && socket.write(bytes)),
      refused: (code, description) => refuse(new Error(`${code}: ${description}`)),
      published() {
        accept();
        const startMs = performance.now() - (options.headStartMs ?? 0);
        let next = 0;
        const send = ({ type, body }: FlvTag, timestampMs: number): void => {
          const stamp = (timestampMs + (options.offsetMs ?? 0)) % 2 ** 32;
          if (type === FLV_VIDEO) session.sendVideo(stamp, body);
          else if (type === FLV_AUDIO) session.sendAudio(stamp, body);
        };
        const pump = (): void => {
          for (; options.loop || next < media.length; next++) {
            const tag = media[next % media.length]!;
            const timestampMs = tag.timestampMs + Math.floor(next / media.length) * roundMs;
            if (timestampMs > performance.now() - startMs) {
              timer = setTimeout(pump, 5);
              return;
            }
            if (options.repeatConfig && isKeyFrame(tag)) for (const config of configs) send(config, timestampMs);
            send(tag, timestampMs);
          }
          socket.write('', () => finish());
        };
        pump();
      },
    },
  );
  socket.on('connect', () => session.start());
  socket.on('data', (bytes) => {
    if (!socket.destroyed) session.receive(bytes);
  });
  socket.on('error', () => {}); // 'close' follows
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      clearTimeout(timer);
      refuse(new Error('the connection ended before it was accepted'));
      finish();
      resolve();
    });
  });
  return {
    socket,
    accepted,
    sent,
    closed,
    fallSilent: () => clearTimeout(timer),
    async stop() {
      clearTimeout(timer);
      session.stop();
      socket.end();
      socket.resume();
      await closed;
    },
  };
}
