import { connect, type Socket } from 'node:net';
import { type PlayEnd, PlaySession } from '../../src/formats/rtmp/index.ts';
import { FLV_AUDIO, FLV_VIDEO, type FlvTag } from './flv-frames.ts';
import { until } from './until.ts';

export interface SessionPlayer {
  readonly socket: Socket;
  /** What came, in its order: configurations and frames. */
  readonly tags: readonly FlvTag[];
  /** Of onMetaData, the latest. */
  metadata(): { readonly [key: string]: unknown } | null;
  /** Resolves when the server has said that it plays; rejects when it says no. */
  readonly playing: Promise<void>;
  /** Why nothing more comes; null where the connection ended without a word. */
  readonly ended: Promise<PlayEnd | null>;
  /** Waits until so many tags have come. */
  untilTags(count: number): Promise<void>;
  close(): void;
}

/** Plays a URL through the product's own RTMP client. */
export function playUrl(url: string): SessionPlayer {
  const { hostname, port, pathname, search } = new URL(url);
  const [, app = '', ...name] = pathname.split('/');
  const socket = connect({ host: hostname, port: Number(port || 1935), noDelay: true });
  const tags: FlvTag[] = [];
  let metadata: { readonly [key: string]: unknown } | null = null;
  const started = Promise.withResolvers<void>();
  const over = Promise.withResolvers<PlayEnd | null>();
  started.promise.catch(() => {}); // whoever waits for it hears of it
  const session = new PlaySession(
    { app, tcUrl: `rtmp://${hostname}:${port}/${app}`, streamName: name.join('/') + search },
    {
      send: (bytes) => void (socket.writable && socket.write(bytes)),
      playing: started.resolve,
      media: (kind, timestampMs, body) =>
        void tags.push({ type: kind === 'video' ? FLV_VIDEO : FLV_AUDIO, timestampMs, body }),
      metadata: (said) => {
        metadata = said;
      },
      ended: (end) => {
        started.reject(new Error(`${end.kind}: ${end.code} ${end.description}`));
        over.resolve(end);
      },
    },
  );
  socket.on('connect', () => session.start());
  socket.on('data', (bytes) => session.receive(bytes));
  socket.on('error', () => {}); // 'close' follows
  socket.on('close', () => {
    started.reject(new Error('the connection ended before it played'));
    over.resolve(null);
  });
  return {
    socket,
    tags,
    metadata: () => metadata,
    playing: started.promise,
    ended: over.promise,
    untilTags: async (count) => void (await until(`${count} tags have come`, 15_000, () => tags.length >= count, 10)),
    close: () => socket.destroy(),
  };
}
