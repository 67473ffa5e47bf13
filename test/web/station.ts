// A television station for the player's tests: the demo clip as LL-HLS, in real time, with everything that can go wrong on
// request. Its HTTP and playlists are its own on purpose, so that the page is tested against misbehaviour no server of ours has.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readBoxes } from '../../src/formats/fmp4/index.ts';

const clip = fileURLToPath(new URL('../../src/cli/clip/demo.flv', import.meta.url));
const playbackId = `lv_${'0123456789abcdef'.repeat(2)}`;
const partsPerSegment = 6;
const segmentsListed = 8;
const partTargetS = 0.4;
const types: Record<string, string> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
};

type RenditionName = 'main' | 'audio';

interface Film {
  readonly init: Buffer;
  readonly parts: readonly { readonly bytes: Buffer; readonly durationS: number; readonly independent: boolean }[];
}

interface Segment {
  readonly msn: number;
  readonly run: number;
  readonly first: boolean;
  /** Indices into the films' parts. */
  readonly parts: number[];
}

const videoTimescale = 30_000;

/** The clip, some times over, as fragments of a third of a second. */
function shoot(selection: string, timescale: number): Film {
  const done = spawnSync(
    'ffmpeg',
    [
      ...['-v', 'error', '-stream_loop', '23', '-i', clip, ...selection.split(' '), '-c', 'copy', '-f', 'mp4'],
      ...['-video_track_timescale', String(videoTimescale), '-movflags', '+empty_moov+default_base_moof+frag_keyframe'],
      ...['-frag_duration', '330000', 'pipe:1'],
    ],
    { maxBuffer: 1 << 27 },
  );
  if (done.status !== 0) throw new Error(`ffmpeg: ${done.stderr}`);
  const boxes = readBoxes(done.stdout);
  const init = boxes.filter((box) => box.type === 'ftyp' || box.type === 'moov');
  const moofs = boxes.flatMap((box, i) => (box.type === 'moof' ? [i] : []));
  const starts = moofs.map((i) => firstDecodingTime(boxes[i].body));
  return {
    init: Buffer.concat(init.map((box) => done.stdout.subarray(box.start, box.end))),
    parts: moofs.slice(0, -1).map((i, n) => ({
      bytes: done.stdout.subarray(boxes[i].start, boxes[i + 1].end),
      durationS: (starts[n + 1] - starts[n]) / timescale,
      // The clip has a key frame each full second.
      independent: timescale !== videoTimescale || starts[n] % timescale === 0,
    })),
  };
}

let films: Record<RenditionName, Film> | undefined;
/** Once for all stations: while ffmpeg works, none of them answers. */
const shootBoth = () => (films ??= { main: shoot('-map 0', videoTimescale), audio: shoot('-map 0:a', 48_000) });

/** Of a fragment's first track. */
function firstDecodingTime(moof: Buffer): number {
  const inside = (body: Buffer, type: string) => readBoxes(body).find((box) => box.type === type)!.body;
  return Number(inside(inside(moof, 'traf'), 'tfdt').readBigUInt64BE(4));
}

/** One station: pages under `/sub/embed/…`, playlists under `/sub/hls/…`, one stream that is off air until `publish()`. */
export class Station {
  /** Requests for playlists and media, newest last. */
  readonly requests: string[] = [];
  /** What players reported to `/embed/beacon`. */
  readonly beacons: string[] = [];
  /** The page at `/host`: somebody else's, with players in it. */
  host = '';
  /** Answers of `/rec/…`: recordings, and what else a test wants there. */
  readonly shelf: (name: string) => string | Buffer | null;
  #denial: { readonly status: number; readonly code: string } | null = null;
  readonly #films = shootBoth();
  readonly #webRoot: string;
  readonly #server: Server;
  #segments: Segment[] = [];
  #nextMsn = 1000;
  #run = 0;
  #onAir = false;
  #over = false;
  #refuse = false;
  #timer: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];

  /** @param webRoot the folder of the built pages */
  constructor(webRoot: string, shelf: (name: string) => string | Buffer | null = () => null) {
    this.#webRoot = webRoot;
    this.shelf = shelf;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#wake();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  get playbackId(): string {
    return playbackId;
  }

  /** An origin that is not the pages' own. */
  get hostUrl(): string {
    return `${this.root.replace('127.0.0.1', 'localhost')}/host`;
  }

  get root(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/sub`;
  }

  page(query = ''): string {
    return `${this.root}/embed/${playbackId}${query}`;
  }

  /** An encoder begins to send: a new run, after a discontinuity if there was one before. */
  publish(): void {
    clearTimeout(this.#timer);
    if (this.#over) this.clear();
    this.#onAir = true;
    this.#run++;
    let part = 0;
    const startedAt = performance.now();
    let sentS = 0;
    const next = () => {
      const { durationS } = this.#films.main.parts[part];
      const last = this.#segments.at(-1);
      if (!last || last.run !== this.#run || last.parts.length === partsPerSegment) {
        const first = last === undefined || last.run !== this.#run;
        this.#segments.push({ msn: this.#nextMsn++, run: this.#run, first, parts: [part] });
        if (this.#segments.length > segmentsListed) this.#segments.shift();
      } else last.parts.push(part);
      part++;
      sentS += durationS;
      this.#wake();
      const dueMs = startedAt + 1000 * (sentS + this.#films.main.parts[part].durationS) - performance.now();
      this.#timer = setTimeout(next, Math.max(0, dueMs));
    };
    // Part 0 exists once its last frame has come.
    this.#timer = setTimeout(next, 1000 * this.#films.main.parts[0].durationS);
  }

  /** The encoder goes away; the broadcast stays. */
  pause(): void {
    clearTimeout(this.#timer);
    this.#onAir = false;
    this.#wake();
  }

  /** The broadcast is over. */
  end(): void {
    this.pause();
    this.#over = true;
    this.#wake();
  }

  /** Nothing is known of the stream any more; the next broadcast has higher numbers. */
  clear(): void {
    this.pause();
    this.#segments = [];
    this.#nextMsn += 1000;
    this.#over = false;
    this.#wake();
  }

  /** While true, every connection is broken off. */
  refuse(refuse: boolean): void {
    this.#refuse = refuse;
    this.#wake();
  }

  /** From now on playlists are refused so; with status 200 no more. */
  deny(status: number, code = ''): void {
    this.#denial = status === 200 ? null : { status, code };
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.root);
    const [, sub, room, ...rest] = url.pathname.split('/');
    if (sub !== 'sub' || this.#refuse) return void request.socket.destroy();
    if (rest[0] === 'beacon') {
      for await (const chunk of request) this.beacons.push(String(chunk));
      return void response.writeHead(204, { 'access-control-allow-origin': '*' }).end();
    }
    if (room === 'embed') return this.#sendPage(rest, url, response);
    if (room === 'host') return void response.writeHead(200, { 'content-type': types['.html'] }).end(this.host);
    this.requests.push(url.pathname + url.search);
    if (room === 'rec') {
      const body = this.shelf(rest.join('/'));
      const headers = { 'access-control-allow-origin': '*', 'cache-control': 'no-store' };
      return void response.writeHead(body === null ? 404 : 200, headers).end(body);
    }
    if (this.#denial && url.pathname.endsWith('.m3u8')) {
      const { status, code } = this.#denial;
      const headers = { 'access-control-allow-origin': '*', 'content-type': 'application/json' };
      return void response.writeHead(status, headers).end(JSON.stringify({ statusCode: status, code, message: '' }));
    }
    const body = await this.#media(rest.slice(1), url.searchParams);
    if (this.#refuse) return void request.socket.destroy();
    const type = url.pathname.endsWith('.m3u8') ? 'application/vnd.apple.mpegurl' : 'video/mp4';
    const headers = { 'access-control-allow-origin': '*', 'cache-control': 'no-store', 'content-type': type };
    response.writeHead(body === null ? 404 : 200, headers).end(body);
  }

  #sendPage([first, asset]: string[], url: URL, response: ServerResponse): void {
    const file = first === 'assets' ? join('assets', asset) : first === 'player.js' ? first : null;
    if (file) {
      return void response
        .writeHead(200, { 'content-type': types[extname(file)], 'access-control-allow-origin': '*' })
        .end(readFileSync(join(this.#webRoot, file)));
    }
    const audio = url.searchParams.get('onlyAudio') === 'true';
    const hls = `${this.root}/hls/${playbackId}/${audio ? 'audio' : 'index'}.m3u8`;
    const html = readFileSync(join(this.#webRoot, audio ? 'audio.html' : 'player.html'), 'utf8');
    response.writeHead(200, {
      'content-type': types['.html'],
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
        "media-src 'self' blob:; connect-src *; worker-src 'self' blob:; font-src 'self'; base-uri 'none'; form-action 'none'",
    });
    response.end(html.replaceAll('%HLS_URL%', hls).replaceAll('%PLAYBACK_ID%', playbackId));
  }

  async #media([name, file]: string[], query: URLSearchParams): Promise<string | Buffer | null> {
    if (name === 'index.m3u8') {
      if (!this.#segments.length) return null;
      return (
        '#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-STREAM-INF:BANDWIDTH=800000,AVERAGE-BANDWIDTH=600000,' +
        'CODECS="avc1.4D401E,mp4a.40.2",RESOLUTION=1024x576,FRAME-RATE=30\nmain.m3u8\n'
      );
    }
    if (name === 'main.m3u8' || name === 'audio.m3u8')
      return this.#playlist(name.startsWith('main') ? 'main' : 'audio', query);
    if (name === 'viewer') return '';
    const [, audio, wanted] = /^(audio-)?(.+)\.(?:m4s|mp4)$/.exec(file) ?? [];
    const film = this.#films[audio ? 'audio' : 'main'];
    if (wanted.startsWith('init')) return film.init;
    const [msn, part] = wanted.split('.').map(Number);
    const find = () => this.#segments.find((segment) => segment.msn === msn);
    if (part === undefined) return bytes(film, find()?.parts);
    while (this.#onAir && !find()?.parts[part] && find()?.parts[part] !== 0) await this.#change();
    const index = find()?.parts[part];
    return index === undefined ? null : bytes(film, [index]);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #playlist(rendition: RenditionName, query: URLSearchParams): Promise<string | null> {
    const msn = Number(query.get('_HLS_msn') ?? 0);
    const part = Number(query.get('_HLS_part') ?? partsPerSegment - 1);
    const there = () => {
      const last = this.#segments.at(-1);
      return !last || last.msn > msn || (last.msn === msn && last.parts.length > part);
    };
    while (this.#onAir && msn && !there()) await this.#change();
    if (!this.#segments.length) return null;
    const film = this.#films[rendition];
    const prefix = rendition === 'audio' ? 'audio-' : '';
    const first = this.#segments[0];
    const lines = [
      '#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2',
      '#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.2',
      `#EXT-X-PART-INF:PART-TARGET=${partTargetS}`,
      `#EXT-X-MEDIA-SEQUENCE:${first.msn}\n#EXT-X-DISCONTINUITY-SEQUENCE:${first.run - (first.first ? 1 : 0)}`,
    ];
    const closed = (segment: Segment) =>
      segment !== this.#segments.at(-1) ||
      segment.parts.length === partsPerSegment ||
      segment.run < this.#run ||
      !this.#onAir;
    for (const segment of this.#segments) {
      if (segment.first) lines.push('#EXT-X-DISCONTINUITY');
      if (segment.first || segment === first)
        lines.push(`#EXT-X-MAP:URI="${segment.run}/${prefix}init-${segment.run}.mp4"`);
      const last = segment === this.#segments.at(-1);
      const name = (end: string) => `${segment.run}/${prefix}${segment.msn}${end}.m4s`;
      segment.parts.forEach((index, i) => {
        const { durationS, independent } = film.parts[index];
        const flag = independent ? ',INDEPENDENT=YES' : '';
        lines.push(`#EXT-X-PART:DURATION=${durationS.toFixed(5)},URI="${name(`.${i}`)}"${flag}`);
      });
      if (closed(segment)) {
        const durationS = segment.parts.reduce((sum, index) => sum + film.parts[index].durationS, 0);
        lines.push(`#EXTINF:${durationS.toFixed(5)},\n${name('')}`);
      }
      if (!last || !this.#onAir) continue;
      const hint = closed(segment)
        ? `${segment.run}/${prefix}${segment.msn + 1}.0.m4s`
        : name(`.${segment.parts.length}`);
      lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${hint}"`);
    }
    const other = rendition === 'main' ? 'audio' : 'main';
    const last = this.#segments.at(-1)!;
    lines.push(`#EXT-X-RENDITION-REPORT:URI="${other}.m3u8",LAST-MSN=${last.msn},LAST-PART=${last.parts.length - 1}`);
    if (this.#over) lines.push('#EXT-X-ENDLIST');
    return `${lines.join('\n')}\n`;
  }
}

function bytes(film: Film, parts: readonly number[] | undefined): Buffer | null {
  return parts ? Buffer.concat(parts.map((index) => film.parts[index].bytes)) : null;
}
