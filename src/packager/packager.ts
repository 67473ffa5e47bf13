import { monotonicMs } from '../base/index.ts';
import type { Reader, Run } from '../live/index.ts';
import { type AudioTrack, type Packet, toMs, type VideoTrack } from '../media/index.ts';
import type { PartSink } from '../segments/index.ts';
import { Cutter } from './cutter.ts';
import { DEFAULT_OPTIONS, type PackagerOptions } from './options.ts';
import { Output } from './output.ts';

/** Media time of a broadcast's first packet: leaves room for sound before it, and for negative composition offsets. */
const FIRST_MS = 10_000;
/** Sound of a new configuration that waits for a key frame. */
const LATE_SOUND_MS = 2000;

/** What a packager has done so far. */
export interface PackagerStats {
  readonly packets: number;
  readonly parts: number;
  readonly segments: number;
  /** Of no use: before the first key frame, or of a track that was replaced. */
  readonly droppedBeforeKey: number;
  /** Empty, or with times that cannot be. */
  readonly droppedInvalid: number;
}

/** The first packets of a run, until it is known which tracks it has. */
interface Gathering {
  video: VideoTrack | null;
  audio: AudioTrack | null;
  readonly packets: Packet[];
  /** Sound of the configuration before, which goes on unless a new one appears. */
  readonly leftOver: Packet[];
  readonly sinceMs: number;
}

/** Turns a broadcast's packets into parts and segments, and puts all its runs on one rising media time line. */
export class Packager implements Reader {
  readonly name = 'packager';
  readonly #options: PackagerOptions;
  readonly #output: Output;
  #firstStartedAtMs = Number.NaN;
  #run: Run | null = null;
  #offsetMs = Number.NaN;
  #gathering: Gathering | null = null;
  #cutter: Cutter | null = null;
  /** Sound of a configuration that appeared between two key frames of the video: it begins at the next one. */
  #lateSound: Packet[] = [];
  #lateSinceMs = 0;
  #packets = 0;
  #droppedBeforeKey = 0;
  #droppedInvalid = 0;

  constructor(sink: PartSink, options: Partial<PackagerOptions> = {}) {
    this.#options = { ...DEFAULT_OPTIONS, ...options };
    this.#output = new Output(sink, this.#options);
  }

  get stats(): PackagerStats {
    return {
      packets: this.#packets,
      ...this.#output.counts,
      droppedBeforeKey: this.#droppedBeforeKey + (this.#cutter?.dropped.beforeKey ?? 0),
      droppedInvalid: this.#droppedInvalid + (this.#cutter?.dropped.invalid ?? 0),
    };
  }

  /** The publisher's packets from its last key frame on; empty while there is none to begin with. Views on the parts: never written to. */
  recent(): Packet[] {
    if (this.#gathering?.video) return [...this.#gathering.packets];
    return this.#cutter?.recent() ?? [];
  }

  onRun(run: Run): void {
    this.#endRun();
    if (Number.isNaN(this.#firstStartedAtMs)) this.#firstStartedAtMs = run.startedAtMs;
    this.#run = run;
    this.#offsetMs = Number.NaN;
    this.#gather(null, []);
  }

  onPacket(packet: Packet): void {
    this.#packets++;
    if (packet.data.length === 0 || !Number.isFinite(packet.dts) || !(Math.abs(packet.pts - packet.dts) < 2 ** 31)) {
      this.#droppedInvalid++;
      return;
    }
    this.#take(packet);
  }

  onPause(): void {
    try {
      this.#endRun();
    } finally {
      this.#output.pause();
    }
  }

  onEnd(): void {
    try {
      this.#endRun();
    } finally {
      this.#output.end();
    }
  }

  #take(packet: Packet): void {
    const cutter = this.#cutter;
    if (this.#gathering) this.#takeGathering(this.#gathering, packet);
    else if (!cutter) this.#droppedBeforeKey++;
    else if (packet.track === cutter.video) {
      if (this.#lateSound.length > 0) this.#beginLateSound(cutter, packet);
      this.#cutter!.take(packet);
    } else if (packet.track === cutter.audio) cutter.take(packet);
    else if (packet.track.kind === 'video') this.#newVideo(cutter, packet.track, packet);
    else this.#newAudio(cutter, packet.track, packet);
  }

  #gather(first: Packet | null, leftOver: Packet[]): void {
    this.#gathering = { video: null, audio: null, packets: [], leftOver, sinceMs: monotonicMs() };
    if (first) this.#takeGathering(this.#gathering, first);
  }

  #takeGathering(gathering: Gathering, packet: Packet): void {
    if (packet.track.kind === 'video') gathering.video ??= packet.track;
    else gathering.audio ??= packet.track;
    gathering.packets.push(packet);
    const first = gathering.packets[0]!;
    const waitedMs = Math.max(
      monotonicMs() - gathering.sinceMs,
      toMs(packet.dts, packet.track.timescale) - toMs(first.dts, first.track.timescale),
    );
    if ((gathering.video && gathering.audio) || waitedMs >= this.#options.trackWaitMs) this.#endGathering();
  }

  #endGathering(): void {
    const { video, audio: seen, packets, leftOver } = this.#gathering!;
    this.#gathering = null;
    if (packets.length === 0) return;
    const audio = seen ?? (leftOver[0]?.track as AudioTrack | undefined) ?? null;
    if (Number.isNaN(this.#offsetMs)) this.#offsetMs = this.#chooseOffset(packets);
    this.#cut(video, audio, true);
    // When the sound has a new configuration too, the old one's last frames have no place any more.
    const usable = leftOver.filter((packet) => packet.track === audio);
    this.#droppedBeforeKey += leftOver.length - usable.length;
    for (const packet of usable) this.#take(packet);
    for (const packet of packets) this.#take(packet);
  }

  /** A later run begins behind all that was written, and not before the wall clock says. */
  #chooseOffset(packets: readonly Packet[]): number {
    const { number, startedAtMs, firstDtsMs } = this.#run!;
    if (number === 0) return Math.round(FIRST_MS - firstDtsMs);
    const startMs = Math.max(this.#output.endMs, FIRST_MS + startedAtMs - this.#firstStartedAtMs);
    return Math.ceil(
      packets.reduce(
        (offset, { dts, track }) => Math.max(offset, startMs - toMs(dts, track.timescale)),
        startMs - firstDtsMs,
      ),
    );
  }

  #cut(video: VideoTrack | null, audio: AudioTrack | null, beginAtKey: boolean): void {
    const { startedAtMs, firstDtsMs } = this.#run!;
    this.#uncut();
    const place = { video, audio, offsetMs: this.#offsetMs, anchorMs: startedAtMs - firstDtsMs, beginAtKey };
    this.#cutter = new Cutter(place, this.#output, this.#options);
  }

  #uncut(): void {
    this.#droppedBeforeKey += this.#cutter?.dropped.beforeKey ?? 0;
    this.#droppedInvalid += this.#cutter?.dropped.invalid ?? 0;
    this.#cutter = null;
  }

  /** Video with a new configuration, or for the first time: it takes over at its first key frame. */
  #newVideo(cutter: Cutter, track: VideoTrack, packet: Packet): void {
    if (!packet.key) {
      this.#droppedBeforeKey++;
      return;
    }
    const late = this.#lateSound;
    this.#lateSound = [];
    if (cutter.video) {
      const leftOver = cutter.finish(packet, late.length > 0);
      if (cutter.audio || late.length > 0) {
        this.#gather(packet, late.length > 0 ? late : leftOver);
        return;
      }
    } else cutter.flush();
    this.#cut(track, cutter.audio, true);
    this.#take(packet);
  }

  /** Sound with a new configuration, or for the first time. Beside video it waits for a key frame, so that no frame is lost. */
  #newAudio(cutter: Cutter, track: AudioTrack, packet: Packet): void {
    if (!cutter.video) {
      cutter.flush();
      this.#cut(null, track, true);
      this.#take(packet);
      return;
    }
    const late = this.#lateSound;
    const ms = toMs(packet.dts, track.timescale);
    if (late[0]?.track !== track) {
      this.#droppedBeforeKey += late.length;
      late.length = 0;
      this.#lateSinceMs = ms;
    }
    late.push(packet);
    while (toMs(late[0]!.dts, track.timescale) < ms - LATE_SOUND_MS) {
      late.shift();
      this.#droppedBeforeKey++;
    }
  }

  #beginLateSound(cutter: Cutter, next: Packet): void {
    const waitedMs = toMs(next.dts, next.track.timescale) - this.#lateSinceMs;
    if (!next.key && waitedMs < this.#options.maxTargetDurationS * 1000) return;
    const late = this.#lateSound;
    this.#lateSound = [];
    cutter.finish(next, true);
    this.#cut(cutter.video, late[0]!.track as AudioTrack, next.key);
    for (const packet of late) this.#cutter!.take(packet);
  }

  #endRun(): void {
    try {
      // What was gathered may hold yet another configuration, and begin gathering anew.
      while (this.#gathering) this.#endGathering();
      this.#droppedBeforeKey += this.#lateSound.length;
      this.#lateSound = [];
      this.#cutter?.flush();
    } finally {
      this.#uncut();
      this.#gathering = null;
      this.#run = null;
    }
  }
}
