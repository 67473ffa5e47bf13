import { Fmp4Demuxer, type PartSamples, writeInit } from '../formats/fmp4/index.ts';
import { type AudioTrack, type Packet, toMs, type VideoTrack, x264KeyframeInterval } from '../media/index.ts';
import { Part } from '../segments/index.ts';
import { type PackagerOptions, ROUNDING_MS } from './options.ts';
import type { Output } from './output.ts';
import { writeRenditions } from './renditions.ts';
import { runStart } from './run-start.ts';
import { typicalFrameMs } from './targets.ts';

/** Audio that precedes the first key frame by more than this is of no use. */
const SOUND_BEFORE_KEY_MS = 1000;
/** When the audio is this far past a full part, the video has stopped: parts go on without it. */
const STALL_MS = 2000;
/** Timestamps in whole ms make frames seem this much longer than they are. */
const JITTER_MS = 1;
/** Share of PART-TARGET that every part but a segment's last must reach (RFC 8216bis, 4.4.4.9). */
const MIN_FULL = 0.85;

/** Each frame costs an object and its place in the part's table, however small it is. No encoder comes near. */
const MAX_PART_FRAMES = 1000;
/** Parts since the last key frame that are remembered: half a minute of them. Whoever needs more waits for the next key frame. */
const MAX_RECENT_PARTS = 90;

/** What a cutter needs to know of its place in the broadcast. */
export interface CutterPlace {
  readonly video: VideoTrack | null;
  readonly audio: AudioTrack | null;
  /** Added to the publisher's time (ms) it gives media time: the same for both tracks. */
  readonly offsetMs: number;
  /** Added to the publisher's time (ms) it gives wall-clock time. */
  readonly anchorMs: number;
  /** False: begin with any frame, because waiting for a key frame was in vain. */
  readonly beginAtKey: boolean;
}

/**
 * Cuts the packets of one configuration into parts and segments. The lead is the video, or the audio when it is alone: parts end
 * before the lead's frame that would cross the part target, segments before a key frame. Sound beside video goes into the
 * part in whose time it begins. A frame is written once its duration is known: when the next one is here.
 */
export class Cutter {
  readonly video: VideoTrack | null;
  readonly audio: AudioTrack | null;
  /** Packets that were of no use before the first key frame, and such whose time does not rise. */
  readonly dropped = { beforeKey: 0, invalid: 0 };
  readonly #place: CutterPlace;
  readonly #output: Output;
  readonly #options: PackagerOptions;
  readonly #timescale: number;
  #begun = false;
  /** The output knows of this run: with its first part, which tells the frame rate. */
  #started = false;
  /** The lead's frames in the part that is being gathered, and the sound that is in no part yet. */
  #frames: Packet[] = [];
  #sound: Packet[] = [];
  #frameBytes = 0;
  #segmentBytes = 0;
  /** On the lead's clock. */
  #partStart = 0;
  #segmentStart = 0;
  #segmentIndependent = true;
  #lastDts = Number.NEGATIVE_INFINITY;
  #lastSoundDts = Number.NEGATIVE_INFINITY;
  #lastKeyDts = Number.NaN;
  #firstSeenMs = Number.NaN;
  /** Moving mean of the lead's frame durations, in its timescale; and the last one. */
  #frame: number;
  #lastStep: number;
  /** Measured over the first part; 0 until then. */
  #frameMs = 0;
  #longestGop = 0;
  /** As x264 announces it, in frames. */
  #announcedGop = 0;
  /** The latest part that begins with a key frame, and those after it; null when there is none, or too many. */
  #sinceKey: Part[] | null = null;

  constructor(place: CutterPlace, output: Output, options: PackagerOptions) {
    this.video = place.video;
    this.audio = place.audio;
    this.#place = place;
    this.#output = output;
    this.#options = options;
    const lead = (place.video ?? place.audio)!;
    this.#timescale = lead.timescale;
    this.#frame = lead.kind === 'audio' ? lead.config.frameSamples : lead.timescale / (lead.config.frameRate ?? 30);
    this.#lastStep = Math.round(this.#frame);
  }

  /** Takes a packet of `video` or `audio`. */
  take(packet: Packet): void {
    if (packet.track.kind === 'audio' && this.video !== null) this.#takeSound(packet);
    else this.#takeFrame(packet);
  }

  /**
   * The packets from the last key frame on, by time: out of the parts that hold them already, so that nobody needs to keep them for
   * those who may come. Empty where there is no key frame to begin with.
   */
  recent(): Packet[] {
    // Before the first part is closed its frames are all there is.
    if (!this.#sinceKey && !this.#frames[0]?.key) return [];
    // A window that is too full forgets sooner.
    if (this.#sinceKey?.some((part) => part.released)) return [];
    const { video, audio } = this;
    const demuxer = new Fmp4Demuxer({ unsupported: () => {}, dropped: () => {} });
    demuxer.init(writeInit(video ? (audio ? { video, audio } : { video }) : { audio: audio! }));
    const packets = (this.#sinceKey ?? [])
      .flatMap((part) => demuxer.media(part.main))
      .map((packet) => this.#original(packet));
    packets.push(...this.#frames, ...this.#sound);
    return packets.sort((a, b) => toMs(a.dts, a.track.timescale) - toMs(b.dts, b.track.timescale));
  }

  /** A packet that was read from a part, as the publisher sent it. */
  #original({ track: { kind }, dts, pts, key, data }: Packet): Packet {
    const track = (kind === 'video' ? this.video : this.audio)!;
    const offset = this.#offset(track.timescale);
    return { track, dts: dts - offset, pts: pts - offset, key, data };
  }

  /**
   * Ends the segment right before `next`, a video frame which goes elsewhere. Returns sound that belongs there too, unless
   * `allSound` says that it ends here.
   */
  finish(next: Packet, allSound: boolean): Packet[] {
    if (this.#begun) this.#cutBefore(next, true, allSound);
    else if (allSound) this.dropped.beforeKey += this.#sound.length;
    return this.#sound;
  }

  /** Writes all that is left: nothing is known to follow. The last frame is taken to be as long as the one before it. */
  flush(): void {
    if (!this.#begun) {
      this.dropped.beforeKey += this.#sound.length;
      return;
    }
    const target = this.#target();
    const lastDts = this.#frames.at(-1)?.dts ?? this.#partStart;
    const room = Math.max(1, this.#partStart + target - lastDts);
    const framesEnd = lastDts + Math.min(this.#lastStep, room);
    const { audio } = this;
    const soundEndMs = audio && this.video ? toMs(this.#lastSoundDts + audio.config.frameSamples, audio.timescale) : 0;
    const soundEnd = Math.round((soundEndMs * this.#timescale) / 1000);
    // Sound that ends a little after the picture goes with it; more of it gets parts of its own.
    const tolerance = () => (this.#frames.length > 0 ? this.#timescale / 10 : 0);
    while (soundEnd - this.#partStart > target + tolerance()) {
      this.#closePart(this.#partStart + target, framesEnd, null, false);
    }
    const end = this.#frames.length > 0 ? framesEnd : soundEnd;
    if (this.#frames.length + this.#sound.length > 0) {
      this.#closePart(Math.max(end, this.#partStart + 1), framesEnd, null, true);
    }
    this.#closeSegment();
  }

  #takeFrame(packet: Packet): void {
    if (packet.dts <= this.#lastDts) {
      this.dropped.invalid++;
      return;
    }
    if (!this.#begun && !this.#begin(packet)) return;
    this.#lastDts = packet.dts;
    try {
      this.#cutBefore(packet, false, false);
    } finally {
      // A sink that throws costs its part, not this frame.
      this.#frames.push(packet);
      this.#frameBytes += packet.data.length;
    }
  }

  /** The first segment begins with a key frame; when none comes for long, with what there is. */
  #begin(packet: Packet): boolean {
    const ms = toMs(packet.dts, this.#timescale);
    if (this.video && !packet.key && this.#place.beginAtKey) {
      if (Number.isNaN(this.#firstSeenMs)) this.#firstSeenMs = ms;
      if (ms - this.#firstSeenMs < this.#options.maxTargetDurationS * 1000) {
        this.dropped.beforeKey++;
        return false;
      }
      this.#options.log?.warn('no key frame has come: viewers may see nothing for a while');
    }
    this.#begun = true;
    this.#partStart = packet.dts;
    this.#segmentStart = packet.dts;
    if (this.video && packet.key) {
      this.#lastKeyDts = packet.dts;
      this.#announcedGop = x264KeyframeInterval(packet.data) ?? 0;
    }
    this.#dropSoundBefore(ms - SOUND_BEFORE_KEY_MS);
    return true;
  }

  #takeSound(packet: Packet): void {
    if (packet.dts <= this.#lastSoundDts) {
      this.dropped.invalid++;
      return;
    }
    this.#lastSoundDts = packet.dts;
    this.#sound.push(packet);
    const ms = toMs(packet.dts, packet.track.timescale);
    if (!this.#begun) {
      // How far the key frame will be behind is not known yet; this bounds what waits for it.
      this.#dropSoundBefore(ms - SOUND_BEFORE_KEY_MS - STALL_MS);
      return;
    }
    while (ms - toMs(this.#partStart, this.#timescale) > this.#output.partTargetMs + STALL_MS) {
      const last = this.#frames.pop()!;
      this.#closePart(this.#partStart + this.#target(), last.dts, last, false);
    }
  }

  #dropSoundBefore(ms: number): void {
    while (this.#sound.length > 0 && toMs(this.#sound[0]!.dts, this.audio!.timescale) < ms) {
      this.#sound.shift();
      this.dropped.beforeKey++;
    }
  }

  /** Part target in the lead's timescale. */
  #target(): number {
    return Math.round((this.#output.partTargetMs * this.#timescale) / 1000);
  }

  #soundReaches(leadDts: number): boolean {
    return this.#sound.length > 0 && toMs(this.#lastSoundDts, this.audio!.timescale) >= toMs(leadDts, this.#timescale);
  }

  /** Ends the part, and the segment, that `next` does not belong to. `force`: it belongs to neither. */
  #cutBefore(next: Packet, force: boolean, allSound: boolean): void {
    const previous = this.#frames[this.#frames.length - 1];
    if (!previous) return;
    this.#lastStep = next.dts - previous.dts;
    this.#frame += (Math.min(this.#lastStep, 2 * this.#frame) - this.#frame) / 8;
    const jitter = (JITTER_MS * this.#timescale) / 1000;
    if (this.#frameMs === 0 && next.dts - this.#partStart + this.#frame > this.#target() + jitter)
      this.#measure(next.dts);
    const target = this.#target();
    const full = MIN_FULL * target;
    // The last frame turned out longer than expected: it goes into the next part.
    if (next.dts - this.#partStart > target && this.#frames.length > 1 && previous.dts - this.#partStart >= full) {
      this.#frames.pop();
      this.#closePart(previous.dts, previous.dts, previous, false);
    }
    // Frames come too unevenly, or are missing. No part may be longer than its target, so it ends in the middle of a frame.
    while (next.dts - this.#partStart > target && this.#canFill(next.dts - this.#partStart, target)) {
      this.#closePart(this.#partStart + target, next.dts, null, false);
    }
    const duration = next.dts - this.#partStart;
    const cut = force || (duration > 0 && this.#segmentEndsBefore(next));
    const isFull = duration >= full && duration + this.#frame > target + jitter;
    const isLarge =
      duration > 0 &&
      (this.#frameBytes + next.data.length > this.#options.maxPartBytes || this.#frames.length >= MAX_PART_FRAMES);
    if (cut || isFull || isLarge) this.#closePart(Math.max(next.dts, this.#partStart + 1), next.dts, null, allSound);
    if (cut) this.#closeSegment();
  }

  /** Whether there is something for a part that ends at the target, and for the next: frames, or sound all the way. */
  #canFill(duration: number, target: number): boolean {
    return this.#soundReaches(this.#partStart + target) || (this.#frames.length > 0 && duration <= 2 * target);
  }

  #segmentEndsBefore(next: Packet): boolean {
    if (this.video === null || !next.key) return false;
    if (this.#lastKeyDts <= next.dts) this.#longestGop = Math.max(this.#longestGop, next.dts - this.#lastKeyDts);
    this.#lastKeyDts = next.dts;
    // After a cut that no key frame made, viewers who join wait for the first one: it gets a segment of its own.
    const independent = this.#partStart === this.#segmentStart ? this.#frames[0]?.key : this.#segmentIndependent;
    if (!independent) return true;
    const { segmentMs } = this.#options;
    const length = next.dts - this.#segmentStart;
    if (length + this.#frame / 2 >= (segmentMs * this.#timescale) / 1000) return true;
    const gop = this.#longestGop || this.#announcedGop * this.#frame;
    return toMs(length + gop, this.#timescale) > this.#output.longestSegmentMs;
  }

  /** What the first part tells of the frame rate, for the part target and the playlist. */
  #measure(nextDts: number): void {
    const lead = this.video ?? this.audio!;
    const said = lead.kind === 'audio' ? lead.timescale / lead.config.frameSamples : lead.config.frameRate;
    const enough = lead.kind === 'video' && this.#frames.length >= (said ? 3 : 1);
    this.#frameMs = enough ? typicalFrameMs(this.#frames, nextDts) : 1000 / (said ?? 30);
    this.#output.fixPartTarget(this.#frameMs);
  }

  /** Tells the output what decides TARGETDURATION, as far as it is known. */
  #tellGop(): void {
    const gop = Math.max(this.#longestGop, this.#announcedGop * this.#frame);
    this.#output.frameMs = this.#frameMs;
    this.#output.gopMs = this.video
      ? toMs(gop, this.#timescale)
      : Math.max(1, Math.floor(this.#output.partTargetMs / this.#frameMs)) * this.#frameMs;
  }

  /**
   * Writes the part that ends at `end`: all frames gathered, of which the last ends at `framesEnd`, and the sound up to `end`
   * whose own end is known, or all of it. `kept` is the first frame of the next part.
   */
  #closePart(end: number, framesEnd: number, kept: Packet | null, allSound: boolean): void {
    const { offsetMs, anchorMs } = this.#place;
    if (this.#frameMs === 0) this.#measure(framesEnd);
    const frames = this.#frames;
    const start = this.#partStart;
    const endMs = toMs(end, this.#timescale);
    const sound = this.#takeSoundBefore(endMs, allSound);
    const soundEnd = this.#sound[0]?.dts ?? this.#lastSoundDts + (this.audio?.config.frameSamples ?? 0);
    const lead = this.#samples(frames, framesEnd, framesEnd, this.#timescale);
    // Sound that has never come yet is expected where the part begins.
    const soundNext = Number.isFinite(soundEnd)
      ? soundEnd
      : Math.round((start * (this.audio?.timescale ?? 0)) / this.#timescale);
    const alone = this.audio && this.#samples(sound, soundNext, soundEnd, this.audio.timescale);
    const sequence = this.#output.nextSequence();
    const { memory } = this.#output;
    const allocate = (bytes: number) => memory.take(bytes);
    const [video, audio] = this.video ? [lead, alone] : [null, lead];
    const written = writeRenditions(sequence, video, audio, allocate);
    const toUs = (dts: number) => Math.round((dts * 1_000_000) / this.#timescale);
    const independent = this.video === null || frames[0]?.key === true;
    if (start === this.#segmentStart) this.#segmentIndependent = independent;
    if (independent) this.#sinceKey = [];
    else if (this.#sinceKey?.length === MAX_RECENT_PARTS) this.#sinceKey = null;
    const part = new Part({ durationUs: toUs(end) - toUs(start), independent, ...written }, memory);
    this.#sinceKey?.push(part);

    this.#frames = kept ? [kept] : [];
    this.#frameBytes = kept ? kept.data.length : 0;
    this.#partStart = end;
    this.#segmentBytes += written.main.length;
    const soundEndMs = sound.length > 0 ? toMs(soundEnd, this.audio!.timescale) : 0;
    this.#output.endMs = Math.max(
      this.#output.endMs,
      offsetMs + Math.max(endMs, toMs(framesEnd, this.#timescale), soundEndMs),
    );
    this.#tellGop();
    if (!this.#started) {
      this.#started = true;
      const startedAtMs = Math.round(anchorMs + toMs(start, this.#timescale));
      this.#output.startRun(runStart(startedAtMs, this.video, this.audio, this.#frameMs));
    }
    this.#output.addPart(part);
    this.#endSegmentIfLong(toMs(end - this.#segmentStart, this.#timescale));
  }

  /** Frames on the media time line; `nextDts` is where the track goes on when there are none. */
  #samples(packets: Packet[], nextDts: number, endDts: number, timescale: number): PartSamples {
    return { decodeTime: (packets[0]?.dts ?? nextDts) + this.#offset(timescale), packets, endDts };
  }

  /** From the publisher's clock to media time, in a timescale. */
  #offset(timescale: number): number {
    return Math.round((this.#place.offsetMs * timescale) / 1000);
  }

  /** Takes the sound that begins before a time; the last is only taken when its own end is known, or if `all`. */
  #takeSoundBefore(endMs: number, all: boolean): Packet[] {
    const sound = this.#sound;
    if (sound.length === 0) return sound;
    const scale = this.audio!.timescale;
    let count = all ? sound.length : 0;
    while (!all && count < sound.length - 1 && toMs(sound[count]!.dts, scale) < endMs) count++;
    this.#sound = sound.slice(count);
    sound.length = count;
    return sound;
  }

  /**
   * Sound alone can be cut anywhere. Video whose key frame does not come is cut where it must be; and the broadcast's first
   * segment as soon as a player can begin, because many want a whole segment before they do.
   */
  #endSegmentIfLong(durationMs: number): void {
    const { segmentMs, maxTargetDurationS, maxSegmentBytes } = this.#options;
    this.#output.allowSegment(durationMs);
    const tooLong = durationMs + this.#output.partTargetMs > maxTargetDurationS * 1000 + ROUNDING_MS;
    const full = this.video === null && durationMs >= segmentMs;
    if (full || tooLong || this.#output.firstSegmentDue || this.#segmentBytes > maxSegmentBytes) this.#closeSegment();
  }

  #closeSegment(): void {
    this.#segmentStart = this.#partStart;
    this.#segmentBytes = 0;
    this.#output.closeSegment();
  }
}
