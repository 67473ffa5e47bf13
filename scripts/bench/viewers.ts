import { gunzipSync } from 'node:zlib';
import { parseMediaPlaylist } from '../../src/formats/m3u8/index.ts';
import { createStreams, startBenchServer } from './bench-server.ts';
import { loadClip } from './clip.ts';
import { during, percentile } from './measure.ts';
import { type Load, pause, startLoad } from './publisher.ts';
import { type Asker, getRequest, RawConnection } from './raw-http.ts';
import type { Effort, Row } from './table.ts';

const STEPS = [1000, 2000, 4000, 6000];
const JOINS_PER_SECOND = 500;
const SETTLE_MS = 4000;
const BAR_VIEWERS = 4000;
const BAR_P99_MS = 100;
const PART_MS = 1000 / 3;
const HOPELESS_MS = 2000;

/** One part that all viewers go through: its two requests are made once and shared. */
interface Step {
  readonly msn: number;
  readonly number: number;
  readonly playlistRequest: Buffer;
  /** Known once the first of its playlist answers has been read. */
  part: {
    readonly request: Buffer;
    /** When the publisher wrote the frame that made the part complete. */
    readonly completeMs: number;
    readonly next: Step;
  } | null;
}

/**
 * The stream as the viewers know it. A part is complete with the arrival of the frame that no longer belongs to it, so its
 * time is when the publisher wrote that frame, found by the part's place on the playlist's own clock: every delay then
 * contains all that the server does, and the time that the frame itself had to wait while the server was busy.
 */
class Broadcast {
  readonly #base: URL;
  /** The playlist's date and time of the first frame, in ms. */
  readonly #startMs: number;
  /** By media time, when each video frame was written. */
  readonly #written: { mediaMs: number; atMs: number }[];
  /** The newest step: where a viewer who joins begins. */
  latest: Step;

  constructor(playlistUrl: URL, text: string, written: { mediaMs: number; atMs: number }[]) {
    this.#base = playlistUrl;
    this.#written = written;
    const { segments, mediaSequence } = parseMediaPlaylist(text);
    this.#startMs = segments.find((segment) => !segment.gap)!.dateTimeUs! / 1000;
    const open = segments.at(-1)!.uri === null;
    this.latest = this.#step(
      mediaSequence + segments.length - (open ? 1 : 0),
      open ? segments.at(-1)!.parts.length : 0,
    );
  }

  /** The directives are those of hls.js: the next part, as a delta update. */
  #step(msn: number, number: number): Step {
    const path = `${this.#base.pathname}?_HLS_msn=${msn}&_HLS_part=${number}&_HLS_skip=YES`;
    return { msn, number, playlistRequest: getRequest(path, 'Accept-Encoding: gzip, deflate'), part: null };
  }

  /** Reads the first answer to the step's playlist request. */
  resolve(step: Step, body: Buffer): void {
    const text = (body[0] === 0x1f ? gunzipSync(body) : body).toString();
    const { msn, number } = step;
    const { segments, mediaSequence, skippedSegments } = parseMediaPlaylist(text);
    const segment = segments[msn - mediaSequence - skippedSegments];
    const part = segment?.parts[number];
    if (!segment || !part) throw new Error(`the answer for part ${msn}.${number} does not list it:\n${text}`);
    const endUs = segment.parts
      .slice(0, number + 1)
      .reduce((end, { durationUs }) => end + durationUs, segment.dateTimeUs!);
    const next =
      segment.uri !== null && number === segment.parts.length - 1
        ? this.#step(msn + 1, 0)
        : this.#step(msn, number + 1);
    step.part = {
      request: getRequest(new URL(part.uri, this.#base).pathname),
      completeMs: this.#writtenAt(endUs / 1000),
      next,
    };
    this.latest = next;
  }

  #writtenAt(dateTimeMs: number): number {
    const first = this.#written[0]!.mediaMs;
    const mediaMs = dateTimeMs - this.#startMs + first;
    // Frames are 33 ms apart, so half of that tells them apart whatever was rounded.
    const frame = this.#written.findLast((candidate) => candidate.mediaMs < mediaMs + 16);
    if (!frame || Math.abs(frame.mediaMs - mediaMs) > 16)
      throw new Error(`no frame was written for the media time ${mediaMs}`);
    return frame.atMs;
  }
}

/** All viewers together. */
class Audience {
  readonly port: number;
  readonly broadcast: Broadcast;
  readonly #viewers: Viewer[] = [];
  /** From part complete to its last byte here, in ms. */
  delays: number[] = [];
  /** Viewers whose connection broke, or who got an answer that they cannot use; and the first of the reasons. */
  lost = 0;
  reason = '';

  constructor(port: number, broadcast: Broadcast) {
    this.port = port;
    this.broadcast = broadcast;
  }

  /** Lets viewers come at an even pace until there are `count`. */
  async grow(count: number): Promise<void> {
    const before = this.#viewers.length;
    const opened: Promise<void>[] = [];
    for (const began = performance.now(); this.#viewers.length < count; await pause(10)) {
      const due = Math.min(count, before + ((performance.now() - began) / 1000) * JOINS_PER_SECOND);
      while (this.#viewers.length < due) {
        const viewer = new Viewer(this);
        this.#viewers.push(viewer);
        opened.push(viewer.start());
      }
    }
    await Promise.all(opened);
  }

  close(): void {
    for (const viewer of this.#viewers) viewer.close();
  }
}

/** Two connections, as a browser has: one waits for the playlist, one fetches parts. */
class Viewer implements Asker {
  readonly #audience: Audience;
  readonly #playlist: RawConnection;
  readonly #media: RawConnection;
  #step: Step;
  /** Parts to fetch; the first one has been asked for. */
  readonly #parts: Step[] = [];
  #lost = false;

  constructor(audience: Audience) {
    this.#audience = audience;
    this.#playlist = new RawConnection(audience.port, this);
    this.#media = new RawConnection(audience.port, this);
    this.#step = audience.broadcast.latest;
  }

  async start(): Promise<void> {
    try {
      await Promise.all([this.#playlist.opened, this.#media.opened]);
    } catch {
      return; // counted by failed()
    }
    this.#step = this.#audience.broadcast.latest;
    this.#playlist.send(this.#step.playlistRequest);
  }

  wantsBody(connection: RawConnection): boolean {
    return connection === this.#playlist && this.#step.part === null;
  }

  answered(connection: RawConnection, status: number, body: Buffer): void {
    if (this.#lost) return;
    if (status !== 200) this.failed(connection, new Error(`an answer with status ${status}`));
    else if (connection === this.#media) this.#onPart();
    else this.#onPlaylist(body);
  }

  /** As hls.js does: the part and the next playlist are asked for at once. */
  #onPlaylist(body: Buffer): void {
    const step = this.#step;
    try {
      if (step.part === null) this.#audience.broadcast.resolve(step, body);
    } catch (error) {
      this.failed(this.#playlist, error as Error);
      return;
    }
    this.#parts.push(step);
    if (this.#parts.length === 1) this.#media.send(step.part!.request);
    this.#step = step.part!.next;
    this.#playlist.send(this.#step.playlistRequest);
  }

  #onPart(): void {
    const step = this.#parts.shift()!;
    this.#audience.delays.push(performance.now() - step.part!.completeMs);
    if (this.#parts.length > 0) this.#media.send(this.#parts[0]!.part!.request);
  }

  failed(_connection: RawConnection, error: Error): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#audience.lost++;
    this.#audience.reason ||= error.message.split('\n')[0]!;
    this.close();
  }

  close(): void {
    this.#playlist.close();
    this.#media.close();
  }
}

async function firstPlaylist(url: URL, written: { mediaMs: number; atMs: number }[]): Promise<Broadcast> {
  for (let tries = 0; tries < 500; tries++) {
    const answer = await fetch(url);
    const text = await answer.text();
    if (answer.ok && text.includes('#EXT-X-PART:')) return new Broadcast(url, text, written);
    await pause(10);
  }
  throw new Error('no playlist');
}

/** How many low-latency viewers one core serves, and how late a part is at the slowest of them. */
export async function viewers({ seconds }: Effort): Promise<Row[]> {
  const clip = await loadClip('640x360', 472);
  const server = await startBenchServer();
  let load: Load | undefined;
  let audience: Audience | undefined;
  const rows: Row[] = [];
  try {
    const [stream] = await createStreams(server, 1);
    load = await startLoad([{ port: server.rtmpPort, key: stream!.ingest.key }], clip);
    const written: { mediaMs: number; atMs: number }[] = [];
    load.publishers[0]!.onVideo = (mediaMs, atMs) => written.push({ mediaMs, atMs });
    const broadcast = await firstPlaylist(
      new URL(stream!.playback.hls_url.replace('index.m3u8', 'main.m3u8')),
      written,
    );
    audience = new Audience(server.httpPort, broadcast);
    for (const count of STEPS) {
      await audience.grow(count);
      await pause(SETTLE_MS);
      audience.delays = [];
      const own = process.cpuUsage();
      const { cpuMs, wallMs } = await during(server.pid, () => pause(seconds * 1000));
      const used = process.cpuUsage(own);
      const loadPercent = (used.user + used.system) / 10 / wallMs;
      const { delays } = audience;
      const p99 = percentile(delays, 0.99);
      const what = `${count} low-latency viewers at ${Math.round(clip.bitRate / 1000)} kbit/s`;
      // Viewers that fall behind fetch fewer parts than are made: those that never came have no delay.
      const share = delays.length / ((count * wallMs) / PART_MS);
      const trouble = [
        ...(share < 0.97 ? [`only ${(share * 100).toFixed(0)} % of all parts fetched`] : []),
        ...(audience.lost > 0 ? [`${audience.lost} viewers lost: ${audience.reason}`] : []),
      ];
      const hopeless = trouble.length > 0 && !(p99 < HOPELESS_MS);
      rows.push({
        what,
        measured: `part delay p50 ${percentile(delays, 0.5).toFixed(0)} ms, p99 ${p99.toFixed(0)} ms; CPU ${((cpuMs / wallMs) * 100).toFixed(0)} %${trouble.map((text) => `; ${text}`).join('')}`,
        beside: `load ${loadPercent.toFixed(0)} % CPU, ${Math.round((2 * delays.length) / (wallMs / 1000))} requests a second`,
        ...(count === BAR_VIEWERS || (hopeless && count < BAR_VIEWERS)
          ? {
              bar: `${BAR_VIEWERS} with p99 ≤ ${BAR_P99_MS} ms`,
              met: count === BAR_VIEWERS && p99 <= BAR_P99_MS && trouble.length === 0,
            }
          : {}),
      });
      // More viewers say nothing more once these cannot be served.
      if (hopeless) break;
    }
    return rows;
  } finally {
    audience?.close();
    await load?.close();
    await server.close();
  }
}
