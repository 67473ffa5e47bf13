import { CodedError, type Logger, monotonicMs } from '../../base/index.ts';
import type { MediaPlaylist, SegmentKey } from '../../formats/m3u8/index.ts';
import type { Packet } from '../../media/index.ts';
import { type HlsFetch, resolveUri, SourceFailure } from './hls-fetch.ts';
import { checkKey, decrypt, type HlsMedia, sequenceIv } from './hls-media.ts';
import { isMultivariant, readPlaylist } from './hls-playlist.ts';
import { type HlsItem, HlsPosition, holdBackMs } from './hls-position.ts';
import type { Pacer } from './pacer.ts';
import { endOfError } from './source-end.ts';
import type { TimelineLane } from './source-timeline.ts';

export const MAX_PLAYLIST = 1 << 20;
const MAX_SEGMENT = 64 << 20;
const MAX_MAP = 1 << 20;
const MAX_KEY = 4096;
const MAX_KEYS = 16;
/** So many failures in a row, of playlists or of segments, end the source. */
const MAX_FAILURES = 3;
const SHORTEST_RELOAD_MS = 250;
/** Where the server says that it holds its answers back until there is something new: it may do so as often as parts come, and no oftener. */
const SHORTEST_BLOCKING_MS = 50;
const DRY_RELOAD_MS = 1000;

/** What a rendition shares with the others of its source. */
export interface RenditionContext {
  readonly fetch: HlsFetch;
  readonly media: HlsMedia;
  readonly lane: TimelineLane;
  readonly pacer: Pacer;
  readonly log: Logger;
  /** Whether a packet is wanted: sound may come from another rendition. */
  wants(packet: Packet): boolean;
}

/** Follows one media playlist to its end. */
export class HlsRendition {
  readonly #context: RenditionContext;
  readonly #pace: (packets: readonly Packet[]) => void;
  readonly #position = new HlsPosition();
  readonly #keys = new Map<string, Buffer>();
  #url: string;
  #map = '';
  #blocks = true;
  #discontinuity = 0;
  #skippedMs = 0;
  #failures = 0;

  constructor(url: string, context: RenditionContext) {
    this.#url = url;
    this.#context = context;
    this.#pace = context.pacer.lane();
  }

  /**
   * Fetches and hands on until the playlist's end. `loaded`: it, where it has been fetched already.
   * @throws SourceFailure, CodedError destination_…, and whatever a broken connection throws
   */
  async run(loaded: MediaPlaylist | null): Promise<void> {
    const { fetch, pacer } = this.#context;
    let loadedMs = monotonicMs();
    let playlist = loaded ?? (await this.#load(this.#url, undefined));
    for (;;) {
      const parts = this.#usesParts(playlist);
      const items = this.#position.take(playlist, parts);
      const { targetDurationS, endList } = playlist;
      const holdMs = holdBackMs(playlist, parts);
      pacer.targetMs = endList ? Number.POSITIVE_INFINITY : holdMs + (parts ? 500 : targetDurationS * 1000);
      for (const item of items) {
        await pacer.room(endList ? targetDurationS * 2000 : holdMs + targetDurationS * 2000);
        await this.#play(item, targetDurationS);
      }
      if (endList) {
        // Nobody waits for the first frame of what had none.
        this.#pace([]);
        return;
      }
      const blocking = this.#blockingUrl(playlist);
      let pauseMs = Math.min(SHORTEST_RELOAD_MS, Math.max(SHORTEST_BLOCKING_MS, (playlist.partTargetUs ?? 0) / 2000));
      if (!blocking || items.length === 0) {
        const dry = pacer.aheadMs === 0;
        // As the draft asks (6.3.4); but who has nothing left to play asks every second.
        const againMs = Math.min(targetDurationS * 500, dry ? DRY_RELOAD_MS : Number.POSITIVE_INFINITY);
        const askedMs = blocking ? SHORTEST_RELOAD_MS : items.length > 0 ? targetDurationS * 1000 : againMs;
        pauseMs = Math.max(SHORTEST_RELOAD_MS, askedMs);
      }
      await fetch.wait(loadedMs + pauseMs - monotonicMs());
      loadedMs = monotonicMs();
      playlist = await this.#reload(blocking, playlist);
    }
  }

  #usesParts({ serverControl, partTargetUs }: MediaPlaylist): boolean {
    return this.#blocks && serverControl?.canBlockReload === true && partTargetUs !== null;
  }

  /** Where the server holds the answer until there is something new; null when it does not. */
  #blockingUrl(playlist: MediaPlaylist): string | null {
    if (!this.#blocks || !playlist.serverControl?.canBlockReload) return null;
    const { segments, mediaSequence } = playlist;
    const last = segments.at(-1);
    const url = new URL(this.#url);
    const open = last?.uri === null;
    url.searchParams.set('_HLS_msn', String(mediaSequence + segments.length - (open ? 1 : 0)));
    if (playlist.partTargetUs !== null) url.searchParams.set('_HLS_part', String(open ? last.parts.length : 0));
    return url.href;
  }

  async #load(url: string, headMs: number | undefined): Promise<MediaPlaylist> {
    const { body, url: from } = await this.#context.fetch.get(url, {
      maxBytes: MAX_PLAYLIST,
      ...(headMs !== undefined && { headMs }),
    });
    // The blocking request's own address carries directives.
    if (url === this.#url) this.#url = from;
    const playlist = await this.#context.fetch.share(() => readPlaylist(body));
    if (!isMultivariant(playlist)) return playlist;
    throw new SourceFailure({
      code: 'bad_answer',
      message: 'The source lists a multivariant playlist where a media playlist belongs.',
      permanent: false,
    });
  }

  /** The playlist anew; the one before where it cannot be had for the moment. */
  async #reload(blocking: string | null, before: MediaPlaylist): Promise<MediaPlaylist> {
    const { fetch, log } = this.#context;
    for (let failures = 1; ; failures++) {
      try {
        return await this.#load(blocking ?? this.#url, 10_000 + before.targetDurationS * 3000);
      } catch (error) {
        if (isFinal(error) || failures === MAX_FAILURES) throw error;
        log.info({ reason: endOf(error, log).message }, 'playlist of the source could not be loaded');
        // Who does not block does not want to be asked to.
        if (blocking && error instanceof SourceFailure) this.#blocks = false;
        await fetch.wait(Math.max(SHORTEST_RELOAD_MS, Math.min(2000, before.targetDurationS * 500)));
        if (blocking && !this.#blocks) return before;
      }
    }
  }

  /** Fetches a segment, twice if need be, and hands its frames on; goes on without it when it cannot be had. */
  async #play(item: HlsItem, targetDurationS: number): Promise<void> {
    const { fetch, media, lane, log, wants } = this.#context;
    if (item.discontinuity !== this.#discontinuity) media.reset();
    this.#discontinuity = item.discontinuity;
    this.#skippedMs += item.skippedMs;
    for (let attempts = 1; ; attempts++) {
      try {
        const body = await this.#body(item);
        const packets = (await media.read(body, item.last)).filter(wants);
        await fetch.share(() => this.#pace(lane.place(packets, item.discontinuity, this.#skippedMs)));
        this.#skippedMs = 0;
        this.#failures = 0;
        return;
      } catch (error) {
        if (isFinal(error)) throw error;
        const unreadable = error instanceof CodedError && error.code === 'media_invalid';
        if (attempts < 2 && !unreadable) {
          await fetch.wait(Math.min(1000, targetDurationS * 500));
          continue;
        }
        if (++this.#failures === MAX_FAILURES) throw error;
        log.info({ sequence: item.sequence, reason: endOf(error, log).message }, 'segment of the source was left out');
        media.reset();
        this.#skippedMs += item.durationMs;
        return;
      }
    }
  }

  async #body(item: HlsItem): Promise<Buffer> {
    const { fetch, media } = this.#context;
    const { map, mapByteRange, mapKey } = item.map;
    const mapName = `${map} ${mapByteRange?.offset} ${item.discontinuity}`;
    if (map !== null && mapName !== this.#map) {
      const options = { maxBytes: MAX_MAP, range: mapByteRange };
      const { body } = await fetch.get(resolveUri(map, this.#url), options);
      media.map(mapKey ? decrypt(body, await this.#key(mapKey), mapKey.iv ?? sequenceIv(item.sequence)) : body);
      this.#map = mapName;
    }
    const key = item.key && (await this.#key(item.key));
    const options = { maxBytes: MAX_SEGMENT, range: item.byteRange };
    const { body } = await fetch.get(resolveUri(item.uri, this.#url), options);
    return key ? decrypt(body, key, item.key?.iv ?? sequenceIv(item.sequence)) : body;
  }

  async #key(key: SegmentKey): Promise<Buffer> {
    checkKey(key);
    const url = resolveUri(key.uri, this.#url);
    const known = this.#keys.get(url);
    if (known) return known;
    const { body } = await this.#context.fetch.get(url, { maxBytes: MAX_KEY });
    if (this.#keys.size >= MAX_KEYS) this.#keys.clear();
    this.#keys.set(url, body);
    return body;
  }
}

/** Whether trying again makes no sense. */
function isFinal(error: unknown): boolean {
  if (error instanceof SourceFailure) return error.end.code === 'media_unsupported';
  return (
    (error as Error).name === 'AbortError' || (error instanceof CodedError && error.code === 'destination_refused')
  );
}

const endOf = (error: unknown, log: Logger) => (error instanceof SourceFailure ? error.end : endOfError(error, log));
