import { parseMediaPlaylist } from '../../src/formats/m3u8/index.ts';
import type { LiveStream } from '../../test/support/server.ts';
import { createStreams, startBenchServer } from './bench-server.ts';
import { loadClip } from './clip.ts';
import { residentBytes } from './measure.ts';
import { Publisher, pause, startLoad } from './publisher.ts';
import type { Row } from './table.ts';

const PUBLISHERS = 100;
const WINDOW_S = 12;
const WINDOW_FACTOR = 1.15;
const PER_STREAM_BYTES = 100_000;
/** Long enough for the window to be full, and for what has left the playlist to be as much as it ever is. */
const FILL_MS = 45_000;

const CYCLES = 200;
/** More than are measured, twice: the allocator keeps what it once had, so its peak must lie before the measurement. */
const WARM_CYCLES = [400, 200];
/** Longer than an ended broadcast can still be read (60 s). */
const REST_MS = 70_000;
const AT_ONCE = 4;
/** Resident memory is counted in pages and arenas: less than this over all cycles is nothing. */
const NOISE_BYTES = 8e6;

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

async function contentLength(url: URL): Promise<number> {
  const answer = await fetch(url, { method: 'HEAD' });
  return answer.ok ? Number(answer.headers.get('content-length')) : 0;
}

/** Bytes of one rendition that can be fetched: the playlist's, and the segments before it that must still be there. */
async function heldBytes(playlist: URL): Promise<number> {
  const { segments, mediaSequence } = parseMediaPlaylist(await (await fetch(playlist)).text());
  let bytes = 0;
  for (const segment of segments) {
    for (const uri of segment.uri ? [segment.uri] : segment.parts.map((part) => part.uri))
      bytes += await contentLength(new URL(uri, playlist));
  }
  const first = segments[0]!.uri!;
  for (let number = mediaSequence - 1; ; number--) {
    const length = await contentLength(new URL(first.replace(String(mediaSequence), String(number)), playlist));
    if (length === 0) return bytes;
    bytes += length;
  }
}

/** What the server holds for one live stream, as a viewer can find out. */
async function windowBytes(stream: LiveStream): Promise<number> {
  const playlist = (name: string) => new URL(stream.playback.hls_url.replace('index.m3u8', name));
  return (await heldBytes(playlist('main.m3u8'))) + (await heldBytes(playlist('audio.m3u8')));
}

async function publishers(): Promise<Row> {
  const clip = await loadClip('1280x720', 2500);
  const server = await startBenchServer({ LIVEAPI_LIVE_WINDOW_S: String(WINDOW_S) });
  try {
    const streams = await createStreams(server, PUBLISHERS);
    const before = residentBytes(server.pid);
    const load = await startLoad(
      streams.map((stream) => ({ port: server.rtmpPort, key: stream.ingest.key })),
      clip,
    );
    await pause(FILL_MS);
    const used = residentBytes(server.pid) - before;
    const held = (await windowBytes(streams[0]!)) * PUBLISHERS;
    await load.close();
    const bar = held * WINDOW_FACTOR + PER_STREAM_BYTES * PUBLISHERS;
    return {
      what: `memory of ${PUBLISHERS} publishers, window of ${WINDOW_S} s`,
      measured: `+${mb(used)}`,
      beside: `media that can be fetched ${mb(held)}`,
      ratio: (used / held).toFixed(2),
      bar: `≤ ${WINDOW_FACTOR} × + 100 kB a stream = ${mb(bar)}`,
      met: used <= bar,
    };
  } finally {
    await server.close();
  }
}

async function cycles(): Promise<Row> {
  const clip = await loadClip('1280x720', 2500);
  const server = await startBenchServer({ LIVEAPI_LIVE_WINDOW_S: '6', LIVEAPI_RECONNECT_WINDOW_S: '0' });
  try {
    const streams = await createStreams(server, AT_ONCE);
    const churn = (count: number) =>
      Promise.all(
        streams.map(async ({ ingest }) => {
          for (let i = 0; i < count / AT_ONCE; i++) {
            const publisher = new Publisher({ port: server.rtmpPort, key: ingest.key }, clip);
            await publisher.accepted;
            await publisher.sendUpTo(2000);
            publisher.close();
            await publisher.closed;
          }
        }),
      );
    const rest = async () => {
      await pause(REST_MS);
      return residentBytes(server.pid);
    };
    let before = 0;
    for (const count of WARM_CYCLES) {
      await churn(count);
      before = await rest();
    }
    await churn(CYCLES);
    const grown = (await rest()) - before;
    return {
      what: `memory after ${CYCLES} connect and disconnect cycles of 2 s`,
      measured: `${grown < 0 ? '−' : '+'}${mb(Math.abs(grown))}`,
      beside: `${mb(before)} before`,
      bar: `+0 (less than ${mb(NOISE_BYTES)})`,
      met: grown < NOISE_BYTES,
    };
  } finally {
    await server.close();
  }
}

/** Resident memory with many publishers, against the media that must be kept; and whether connections leave any behind. */
export const memory = async (): Promise<Row[]> => [await publishers(), await cycles()];
