import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { createLogger } from '../../src/base/index.ts';
import { type MediaPlaylist, parseMediaPlaylist } from '../../src/formats/m3u8/index.ts';
import { createOrigin, type Origin, type OriginOptions } from '../../src/origin/index.ts';
import { type LiveWindow, Part, type Past, type RunStart, Shelf } from '../../src/segments/index.ts';

export const PLAYBACK_ID = `lv_${'0123456789abcdef'.repeat(2)}`;
export const USER_ID = 'abcdefabcdefabcdefabcdef';
export const BROADCAST_ID = '111111111111111111111111';
export const HLS = `/hls/${PLAYBACK_ID}`;
export const PART_US = 333_000;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A live stream that everybody may watch. */
const EVERYBODY: OriginOptions['access'] = {
  check: () => 'open',
  rules: async () => null,
  pass: async () => 'password_wrong',
};

/** A real HTTP server with an origin and a shelf, and the hand that feeds a window. */
export class OnAir {
  readonly shelf: Shelf;
  readonly origin: Origin;
  readonly server: Server;
  window!: LiveWindow;
  readonly #past: ((broadcastId: string) => Past | null) | undefined;
  /** Parts pushed so far: numbers their bytes. */
  #parts = 0;

  constructor(
    options: {
      webRoot?: string;
      access?: OriginOptions['access'];
      publicUrl?: string;
      minWindowMs?: number;
      maxBytes?: number;
      /** What keeps segments beyond the window. */
      past?: (broadcastId: string) => Past | null;
      maxSessions?: number;
      clock?: () => number;
    } = {},
  ) {
    this.#past = options.past;
    this.shelf = new Shelf({
      minWindowMs: options.minWindowMs ?? 0,
      maxBytes: options.maxBytes ?? 1 << 28,
      keepAfterEndMs: 60_000,
    });
    this.origin = createOrigin({
      shelf: this.shelf,
      publicUrl: options.publicUrl ?? 'https://live.example.net',
      webRoot: options.webRoot ?? '/nonexistent',
      access: options.access ?? EVERYBODY,
      log: createLogger('silent'),
      maxSessions: options.maxSessions,
      clock: options.clock,
    });
    this.server = createServer((req, res) => this.origin.handle(req, res));
  }

  async listen(): Promise<void> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Opens the broadcast and begins its first run. */
  begin(broadcastId = BROADCAST_ID, start: Partial<RunStart> = {}, targetDurationS = 2): LiveWindow {
    const names = { broadcastId, playbackId: PLAYBACK_ID, userId: USER_ID };
    this.window = this.shelf.open({ ...names, discontinuitySequence: 8, past: this.#past?.(broadcastId) });
    this.window.open({ targetDurationS, partTargetUs: PART_US });
    this.run(start);
    return this.window;
  }

  run(start: Partial<RunStart> = {}): void {
    this.window.startRun({
      startedAtMs: Date.now(),
      main: {
        init: Buffer.from('init of main'),
        codecs: 'avc1.64001f,mp4a.40.2',
        width: 1280,
        height: 720,
        frameRate: 30,
      },
      audio: { init: Buffer.from('init of audio'), codecs: 'mp4a.40.2' },
      ...start,
    });
  }

  /** Pushes parts, each with its own bytes: `main` then `audio` and the part's number, padded. */
  parts(count = 1, audio = true): void {
    for (let i = 0; i < count; i++) {
      const n = this.#parts++;
      this.window.addPart(
        new Part({
          durationUs: PART_US,
          independent: (this.window.inProgress?.parts.length ?? 0) === 0,
          main: Buffer.from(`main ${n} `.padEnd(5000, 'm')),
          audio: audio ? Buffer.from(`audio ${n} `.padEnd(500, 'a')) : null,
        }),
      );
    }
  }

  /** Pushes whole segments of six parts. */
  segments(count: number, audio = true): void {
    for (let i = 0; i < count; i++) {
      this.parts(6, audio);
      this.window.closeSegment();
    }
  }

  async get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
    const req = request({ host: '127.0.0.1', port: this.port, path, method, headers }).end();
    const [res] = await once(req, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of res) chunks.push(chunk);
    return { status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks) };
  }

  async playlist(query = '', rendition = 'main'): Promise<MediaPlaylist> {
    const answer = await this.get(`${HLS}/${rendition}.m3u8${query && `?${query}`}`);
    if (answer.status !== 200) throw new Error(`playlist answered ${answer.status}`);
    return parseMediaPlaylist(answer.body.toString());
  }

  /** Sends bytes as they are on a connection of their own; resolves to the whole answer when the server has closed it. */
  async raw(head: string): Promise<string> {
    const socket = connect(this.port, '127.0.0.1');
    socket.write(head);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk);
    return Buffer.concat(chunks).toString('latin1');
  }

  /** Resolves when so many requests wait. */
  async waiting(count: number): Promise<void> {
    while (this.window.waiters !== count) await new Promise((resolve) => setTimeout(resolve, 2));
  }

  /** A wait over n parts: what a blocking reload for the part after the last asks for. */
  next(ahead = 0): string {
    return `_HLS_msn=${this.window.nextMsn}&_HLS_part=${(this.window.inProgress?.parts.length ?? 0) + ahead}`;
  }

  async close(): Promise<void> {
    this.shelf.close();
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** Starts one, and closes it when the test ends. */
export async function onAir(
  test: { after(done: () => Promise<void>): void },
  options?: ConstructorParameters<typeof OnAir>[0],
): Promise<OnAir> {
  const air = new OnAir(options);
  await air.listen();
  test.after(() => air.close());
  return air;
}
