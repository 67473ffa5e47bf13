import { parseMediaPlaylist } from '../../src/formats/m3u8/index.ts';
import type { LiveStream, TestServer } from '../../test/support/server.ts';
import { createStreams, startBenchServer, startFloor } from './bench-server.ts';
import { loadClip } from './clip.ts';
import { during, median } from './measure.ts';
import { pause, startLoad } from './publisher.ts';
import { getRequest, hammer } from './raw-http.ts';
import type { Effort, Row } from './table.ts';

const CONNECTIONS = 16;
/** Fills the playlist with segments before they are fetched. */
const PUBLISH_MS = 14_000;

/**
 * What nginx 1.22 answers for each answer of bare node:http, measured once side by side (6,900 against 10,900 segments of
 * 500 kB a CPU-second with sendfile, 115,000 against 71,800 playlists of 1 kB): with it, our ratio to bare node:http tells
 * our ratio to nginx on machines without one.
 */
const NGINX_SEGMENT = 6_900 / 10_900;
const NGINX_PLAYLIST = 115_000 / 71_800;
const BAR_SEGMENT = 1.4;
const BAR_PLAYLIST = 0.6;

/** Answers a second of the server's CPU. */
async function perCpuSecond(pid: number, port: number, requests: readonly Buffer[], seconds: number): Promise<number> {
  await hammer(port, CONNECTIONS, requests, 1);
  let answers = 0;
  const { cpuMs } = await during(pid, async () => (answers = await hammer(port, CONNECTIONS, requests, seconds)));
  return answers / (cpuMs / 1000);
}

interface Kind {
  readonly what: string;
  readonly requests: readonly Buffer[];
  readonly bytes: number;
  readonly nginx: number;
  readonly bar: number;
}

/** Publishes for a while and stops: within the reconnect window the playlist then stands still and everything is there. */
async function publish(server: TestServer, stream: LiveStream): Promise<Kind[]> {
  const load = await startLoad([{ port: server.rtmpPort, key: stream.ingest.key }], await loadClip('1280x720', 1872));
  await pause(PUBLISH_MS);
  await load.close();
  await server.untilStatus(stream._id, 'offline');
  const playlistUrl = new URL(stream.playback.hls_url.replace('index.m3u8', 'main.m3u8'));
  const text = await (await fetch(playlistUrl)).text();
  const whole = parseMediaPlaylist(text).segments.filter(
    (segment) => segment.uri && !segment.gap && segment.durationUs > 1_900_000,
  );
  const urls = whole.map((segment) => new URL(segment.uri!, playlistUrl));
  let total = 0;
  for (const url of urls) total += (await (await fetch(url)).arrayBuffer()).byteLength;
  const bytes = Math.round(total / urls.length);
  return [
    {
      what: `segment of ${(bytes / 1000).toFixed(0)} kB, ${urls.length} in turn`,
      requests: urls.map((url) => getRequest(url.pathname)),
      bytes,
      nginx: NGINX_SEGMENT,
      bar: BAR_SEGMENT,
    },
    {
      what: `playlist of ${(text.length / 1000).toFixed(1)} kB`,
      requests: [getRequest(playlistUrl.pathname)],
      bytes: text.length,
      nginx: NGINX_PLAYLIST,
      bar: BAR_PLAYLIST,
    },
  ];
}

/** Segments and playlists over HTTP, beside node:http that answers as many bytes from one Buffer. */
export async function http({ seconds, rounds }: Effort): Promise<Row[]> {
  const server = await startBenchServer({ LIVEAPI_RECONNECT_WINDOW_S: '600' });
  try {
    const [stream] = await createStreams(server, 1);
    const rows: Row[] = [];
    for (const { what, requests, bytes, nginx, bar } of await publish(server, stream!)) {
      const [mine, floor]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        mine.push(await perCpuSecond(server.pid, server.httpPort, requests, seconds / 2));
        const bare = await startFloor('bare-http.ts', [String(bytes)]);
        floor.push(await perCpuSecond(bare.child.pid, bare.port, [getRequest('/')], seconds / 2));
        await bare.child.stop();
      }
      const ratio = median(mine.map((rate, round) => rate / floor[round]!));
      const toNginx = ratio / nginx;
      rows.push({
        what,
        measured: `${Math.round(median(mine))} requests per CPU-second`,
        beside: `bare node:http ${Math.round(median(floor))}`,
        ratio: `${ratio.toFixed(2)}; nginx ${toNginx.toFixed(2)}`,
        bar: `≥ ${bar} × nginx`,
        met: toNginx >= bar,
      });
    }
    return rows;
  } finally {
    await server.close();
  }
}
