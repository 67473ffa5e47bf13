import { type Logger, monotonicMs } from '../base/index.ts';
import type { Broadcast, Reader, ReaderSeat, Run } from '../live/index.ts';
import type { AudioTrack, Packet, VideoTrack } from '../media/index.ts';
import { toMs } from '../media/index.ts';
import type { FeedForm, FeedOptions } from './feed.ts';
import { FeedBatch, type Tracks } from './feed-batch.ts';
import { Cursor, type CursorFeed } from './feed-cursor.ts';
import { FeedRing, type RingLimits, ringLimits } from './feed-ring.ts';
import { type FormWriter, formWriter } from './feed-writer.ts';
import { silentFrame } from './silence.ts';

export interface BroadcastFeedOptions {
  /** For how long messages are gathered into one batch; 0: what comes in one turn. */
  readonly mergeMs: number;
  /** What the feed begins with: the packets since the last key frame. */
  readonly recent: readonly Packet[];
  /** The last consumer has left. */
  readonly onEmpty: () => void;
  readonly log: Logger;
}

/** A run begins so long after the one before it at least. */
const FRAME_MS = 40;
/** A run that is younger has begun just now. */
const PRESENT_MS = 100;
/** The picture is taken to be gone when it has not come for so long, and sound to be alone. */
const PICTURE_MS = 5000;
/** A batch is closed when it has so many bytes: one write of them is as good as two. */
const MAX_BATCH_BYTES = 256 << 10;
const NO_TRACKS: Tracks = { video: null, audio: null };

/** A broadcast's packets in one form, made once for all consumers, on one time line that rises over runs. */
export class BroadcastFeed implements Reader, CursorFeed {
  readonly name: string;
  readonly ring = new FeedRing();
  readonly writer: FormWriter;
  over: boolean;
  readonly #broadcast: Broadcast;
  readonly #form: FeedForm;
  readonly #options: BroadcastFeedOptions;
  readonly #cursors = new Set<Cursor>();
  readonly #seat: ReaderSeat;
  #limits: RingLimits = ringLimits(0);
  #timer: NodeJS.Timeout | null = null;

  #tracks: Tracks = NO_TRACKS;
  /** Until then (`monotonicMs`) a picture is expected, without which nobody begins. */
  #pictureUntilMs: number;
  /** Nothing can be decoded before the next key frame. */
  #awaitingKey = true;

  /** When the feed's time was 0, by `monotonicMs`; NaN before its first packet. */
  #zeroMs = Number.NaN;
  /** Of the run: when it began by the same clock, and how long before it came here; `dts` of its first packet in ms. */
  #runStartMs = 0;
  #runAgeMs = 0;
  #runFirstMs = 0;
  /** From the publisher's clock to the feed's, in ms; NaN until the run's first packet. */
  #offsetMs = Number.NaN;
  /** Of a run's sound nothing is sent that lies before this time of the feed. */
  #soundFromMs = Number.NEGATIVE_INFINITY;
  #lastMs = Number.NaN;
  #lastVideoMs = -1;
  #lastAudioMs = -1;

  /** The batch that is being gathered. */
  #parts: Buffer[] = [];
  #bytes = 0;
  #startMs = 0;
  #endMs = 0;
  #key = false;
  #configs = false;
  #before: Tracks = NO_TRACKS;
  #video = 0;
  #audio = 0;
  #frames = 0;
  #microtask = false;

  constructor(broadcast: Broadcast, form: FeedForm, options: BroadcastFeedOptions) {
    this.#broadcast = broadcast;
    this.#form = form;
    this.#options = options;
    this.name = `feed ${form}`;
    this.writer = formWriter(form);
    this.over = broadcast.ended;
    this.#pictureUntilMs = broadcast.tracks[0]?.kind === 'video' ? monotonicMs() + PICTURE_MS : 0;
    this.#seat = broadcast.addReader(this);
    for (const packet of options.recent) this.onPacket(packet);
    // They came before; the latest of them just now.
    this.#zeroMs = monotonicMs() - this.#lastMs;
  }

  open(options: FeedOptions): Cursor {
    const cursor = new Cursor(this, options);
    this.#cursors.add(cursor);
    this.#measureDelay();
    return cursor;
  }

  leave(cursor: Cursor): void {
    this.#cursors.delete(cursor);
    this.#measureDelay();
    if (this.#cursors.size > 0) return;
    clearTimeout(this.#timer ?? undefined);
    this.#options.onEmpty();
    // Not in the middle of a packet's round: the next reader would miss it.
    queueMicrotask(() => this.#broadcast.removeReader(this.#seat));
  }

  failed(error: unknown): void {
    this.#options.log.error({ err: error, broadcast: this.#broadcast.id, feed: this.#form }, 'consumer failed');
  }

  onRun({ startedAtMs, firstDtsMs }: Run): void {
    const now = monotonicMs();
    const ageMs = Date.now() - startedAtMs;
    this.#runAgeMs = ageMs < PRESENT_MS ? 0 : ageMs;
    this.#runStartMs = now - this.#runAgeMs;
    this.#runFirstMs = firstDtsMs;
    this.#offsetMs = Number.NaN;
    // Its sound may come before its picture, and it may have no picture where the run before had one.
    if (this.#pictureUntilMs > 0) this.#pictureUntilMs = now + PICTURE_MS;
  }

  onPacket(packet: Packet): void {
    if (packet.track.kind === 'video') this.#onVideo(packet, packet.track);
    else if (this.#form !== 'rtmp_mute') this.#onAudio(packet, packet.track);
  }

  /** The next publisher's configurations are sent again even if they are the same. */
  onPause(): void {
    this.#flush();
    this.#awaitingKey = true;
    this.#tracks = NO_TRACKS;
  }

  onEnd(): void {
    this.#flush();
    this.over = true;
    for (const cursor of this.#cursors) cursor.wake();
  }

  #onVideo(packet: Packet, track: VideoTrack): void {
    this.#pictureUntilMs = monotonicMs() + PICTURE_MS;
    if (packet.key) {
      this.#flush();
      this.#awaitingKey = false;
    } else if (this.#awaitingKey) return;
    const ms = Math.max(this.#place(packet), this.#lastVideoMs + 1);
    this.#lastVideoMs = ms;
    const { video, audio } = this.#tracks;
    if (track !== video) this.#configure({ video: track, audio }, { video: null, audio }, track, ms);
    const compositionMs = clamp(Math.round(toMs(packet.pts - packet.dts, track.timescale)));
    if (this.#parts.length === 0) this.#begin(ms);
    if (packet.key) this.#key = true;
    this.#video++;
    this.#add(this.writer.video(ms, packet.key, compositionMs, packet.data), ms);
  }

  #onAudio(packet: Packet, track: AudioTrack): void {
    const data = this.#form === 'rtmp_silence' ? silentFrame(track) : packet.data;
    if (data === null) return;
    const { video, audio } = this.#tracks;
    // Who begins with the key frame that is being waited for is told of the audio then.
    if (this.ring.end === 0 && this.#parts.length === 0 && this.#awaitingKey && this.#expectsPicture) {
      this.#tracks = { video, audio: track };
      return;
    }
    const placed = this.#place(packet);
    if (placed < this.#soundFromMs) return;
    const ms = Math.max(placed, this.#lastAudioMs + 1);
    this.#lastAudioMs = ms;
    if (track !== audio) this.#configure({ video, audio: track }, { video, audio: null }, track, ms);
    if (this.#parts.length === 0) this.#begin(ms);
    this.#audio++;
    this.#add(this.writer.audio(track, ms, data), ms);
  }

  get #expectsPicture(): boolean {
    return monotonicMs() < this.#pictureUntilMs;
  }

  /** The packet's time on the feed's line. */
  #place({ dts, track }: Packet): number {
    const ms = toMs(dts, track.timescale);
    if (Number.isNaN(this.#offsetMs)) this.#startRun(ms);
    const placed = Math.round(ms + this.#offsetMs);
    if (!(placed <= this.#lastMs)) this.#lastMs = placed;
    return placed;
  }

  /**
   * A run goes on where the wall clock puts it, behind the one before. What an encoder that takes over has sent before its turn may lie
   * beside what was sent already: of that the picture passes in no time, as it is needed to decode the rest, and the sound is left out.
   */
  #startRun(firstMs: number): void {
    if (Number.isNaN(this.#lastMs)) {
      this.#zeroMs = monotonicMs();
      this.#offsetMs = -firstMs;
      return;
    }
    const next = this.#lastMs + FRAME_MS;
    this.#offsetMs = Math.max(this.#runStartMs - this.#zeroMs, next - this.#runAgeMs) - this.#runFirstMs;
    if (firstMs + this.#offsetMs > this.#lastMs) return;
    this.#soundFromMs = this.#lastMs + 1;
    this.#lastVideoMs = Math.max(this.#lastVideoMs, this.#lastMs);
  }

  /** A configuration begins a batch, so that who goes on gets it and who begins there too. */
  #configure(tracks: Tracks, before: Tracks, track: VideoTrack | AudioTrack, ms: number): void {
    this.#flush();
    this.#tracks = tracks;
    this.#begin(ms);
    this.#before = before;
    this.#configs = true;
    this.#parts.push(this.writer.config(track, ms));
  }

  #begin(ms: number): void {
    this.#before = this.#tracks;
    this.#startMs = ms;
    this.#key = !this.#expectsPicture;
    const { mergeMs } = this.#options;
    if (mergeMs > 0) this.#timer ??= setTimeout(this.#flushLater, mergeMs);
    else if (!this.#microtask) {
      this.#microtask = true;
      queueMicrotask(this.#flushLater);
    }
  }

  readonly #flushLater = (): void => {
    this.#timer = null;
    this.#microtask = false;
    this.#flush();
  };

  #add(bytes: Buffer, ms: number): void {
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    this.#endMs = ms;
    if (this.#bytes >= MAX_BATCH_BYTES) this.#flush();
  }

  /** Closes the batch that is being gathered, and tells all consumers. */
  #flush(): void {
    if (this.#parts.length === 0) return;
    if (this.#timer) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    const madeMs = monotonicMs();
    const batch = new FeedBatch({
      parts: this.#parts,
      startMs: this.#startMs,
      endMs: this.#endMs,
      key: this.#key,
      configs: this.#configs,
      video: this.#video,
      audio: this.#audio,
      tracks: this.#tracks,
      before: this.#before,
      madeMs,
      framesBefore: this.#frames,
    });
    this.#frames = batch.framesAfter;
    this.#parts = [];
    this.#bytes = 0;
    this.#configs = false;
    this.#video = 0;
    this.#audio = 0;
    this.ring.push(batch);
    this.ring.trim(batch.key ? this.#needed() : 0, this.#limits, madeMs);
    for (const cursor of this.#cursors) cursor.wake();
  }

  /** The oldest batch that somebody still needs: who comes now, or the slowest consumer. */
  #needed(): number {
    let needed = this.ring.lastKey;
    for (const { place } of this.#cursors) if (place < needed) needed = place;
    return needed;
  }

  #measureDelay(): void {
    let delayMs = 0;
    for (const cursor of this.#cursors) delayMs = Math.max(delayMs, cursor.delayMs);
    this.#limits = ringLimits(delayMs);
  }
}

/** What the 24 bits of an FLV tag can say. */
const clamp = (compositionMs: number): number => Math.max(-0x800000, Math.min(0x7fffff, compositionMs));
