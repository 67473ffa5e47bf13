import net from 'node:net';
import { PlaySession } from '../../src/formats/rtmp/index.ts';

export interface PlayerTarget {
  readonly port: number;
  /** Absent: the bare bytes, with no dialogue before them. */
  readonly key?: string;
}

/** All players of the load read into it: they only count. */
const shared = Buffer.allocUnsafe(65_536);

/** One player of the load: the dialogue by our own client, then bytes are counted; or frames are told, to who wants them. */
export class CountingPlayer {
  bytes = 0;
  readonly #socket: net.Socket;
  readonly playing: Promise<void>;

  /** `onVideo` gets the body of each video message as it comes; a player with it reads everything, and so costs the load more. */
  constructor({ port, key }: PlayerTarget, onVideo?: (body: Buffer) => void) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.playing = promise;
    promise.catch(() => {}); // whoever waits for it is told
    let playing = key === undefined;
    const session = new PlaySession(
      { app: 'static', tcUrl: `rtmp://127.0.0.1:${port}/static`, streamName: key ?? '' },
      {
        send: (bytes) => void this.#socket.write(bytes),
        playing: () => {
          playing = onVideo === undefined;
          resolve();
        },
        media: (kind, _timestampMs, body) => {
          if (kind === 'video') onVideo?.(body);
        },
        metadata: () => {},
        ended: ({ code, description }) => reject(new Error(`${code} ${description}`)),
      },
    );
    const onread = {
      buffer: shared,
      callback: (length: number, buffer: Uint8Array) => {
        this.bytes += length;
        if (!playing) session.receive(buffer.subarray(0, length) as Buffer);
        return true;
      },
    };
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true, onread });
    this.#socket.on('error', reject);
    this.#socket.on('connect', () => {
      if (key === undefined) resolve();
      else session.start();
    });
  }

  get open(): boolean {
    return !this.#socket.destroyed;
  }

  close(): void {
    this.#socket.destroy();
  }
}
