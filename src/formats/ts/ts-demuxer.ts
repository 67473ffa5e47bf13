import { CodedError } from '../../base/index.ts';
import type { Packet } from '../../media/index.ts';
import type { Notices } from '../flv/index.ts';
import { AdtsStream } from './adts-stream.ts';
import { AvcStream } from './avc-stream.ts';
import { PacketSync, TS_PACKET } from './packet-sync.ts';
import { Pes } from './pes.ts';
import { type ProgramStream, readPat, readPmt, Sections } from './sections.ts';
import { isCarried, type StreamKind, streamKind } from './stream-types.ts';
import { signedDistance, Unwrapper } from './unwrap.ts';

const PAT_PID = 0;
/** Packets without a program, after which it is clear that there is none: five megabytes. */
const MAX_WITHOUT_PROGRAM = 28_000;
/** No frame is larger; and of sound a PES packet holds a few frames at most. */
const MAX_VIDEO_PES = 8 << 20;
const MAX_AUDIO_PES = 256 << 10;
/** Messages may name sizes, and so be different each time. */
const MAX_TOLD = 20;

/** What one PID carries. */
interface PidReader {
  push(payload: Buffer, start: boolean): void;
  /** Packets were lost. */
  lose(): void;
  /** Nothing more comes of what is in progress. */
  flush(): void;
}

interface Pid {
  readonly reader: PidReader;
  /** Continuity counter of its last packet; -1 before the first. */
  counter: number;
  /** 0 for tables. */
  readonly type: number;
}

/**
 * Demuxes the first program of a transport stream: its first H.264 and its first AAC stream. Times are 90 kHz for video and samples
 * for audio, on one clock that does not wrap. Damaged frames are dropped and counted; memory is bounded.
 */
export class TsDemuxer {
  readonly #notices: Notices;
  readonly #emit: (packet: Packet) => void;
  readonly #sync = new PacketSync((bytes, at) => this.#packet(bytes, at));
  readonly #pids = new Map<number, Pid>();
  readonly #told = new Set<string>();
  #mapPid = -1;
  #map: Buffer = Buffer.alloc(0);
  #withoutProgram = 0;
  #encrypted = 0;
  /** All streams share one clock. */
  readonly #clock = new Unwrapper();
  #dropped = 0;

  /** `emit` gets each track's packets in the order in which they came. */
  constructor(emit: (packet: Packet) => void, notices: Notices) {
    this.#emit = emit;
    this.#notices = notices;
    this.#addTable(PAT_PID, (section) => this.#onPat(section));
  }

  /** Frames that could not be used: lost packets, broken headers. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes the next bytes, split anywhere. @throws CodedError media_invalid when it is clear that this is no transport stream with a program */
  write(bytes: Buffer): void {
    this.#sync.push(bytes);
  }

  /** The end of a segment, or of all: completes what is in progress. What follows need not go on with the same counters. */
  flush(): void {
    this.#sync.flush();
    for (const pid of this.#pids.values()) {
      pid.reader.flush();
      pid.counter = -1;
    }
  }

  #packet(bytes: Buffer, at: number): void {
    const flags = bytes[at + 3]!;
    const damaged = (bytes[at + 1]! & 0x80) !== 0;
    const pid = this.#pids.get(bytes.readUInt16BE(at + 1) & 0x1fff);
    if (this.#map.length === 0 && ++this.#withoutProgram > MAX_WITHOUT_PROGRAM)
      throw new CodedError('media_invalid', 'The transport stream has no program with a map.');
    if (!pid || damaged) return;
    let start = at + 4;
    let jump = false;
    if (flags & 0x20) {
      const length = bytes[start]!;
      jump = length > 0 && (bytes[start + 1]! & 0x80) !== 0;
      start += 1 + length;
    }
    // Packets without payload do not count.
    if (!(flags & 0x10) || start >= at + TS_PACKET) return;
    const counter = flags & 15;
    if (counter === pid.counter && !jump) return; // sent twice
    if (pid.counter >= 0 && counter !== ((pid.counter + 1) & 15) && !jump) pid.reader.lose();
    pid.counter = counter;
    if (flags & 0xc0) {
      if (this.#encrypted++ === 0) this.#drop('the transport stream is encrypted (scrambled)');
      return;
    }
    pid.reader.push(bytes.subarray(start, at + TS_PACKET), (bytes[at + 1]! & 0x40) !== 0);
  }

  #addTable(pid: number, visit: (section: Buffer) => void): void {
    const sections = new Sections();
    const reader: PidReader = {
      push: (payload, start) => sections.push(payload, start, visit),
      lose: () => sections.reset(),
      flush: () => sections.reset(),
    };
    this.#pids.set(pid, { reader, counter: -1, type: 0 });
  }

  #onPat(section: Buffer): void {
    const mapPid = readPat(section);
    if (mapPid === null || mapPid === this.#mapPid || mapPid === PAT_PID) return;
    this.#pids.delete(this.#mapPid);
    this.#mapPid = mapPid;
    this.#addTable(mapPid, (map) => this.#onPmt(map));
  }

  #onPmt(section: Buffer): void {
    if (section.equals(this.#map)) return;
    const streams = readPmt(section);
    if (!streams) return;
    this.#map = Buffer.from(section);
    const chosen: ProgramStream[] = [];
    for (const kind of ['video', 'audio']) {
      const ofKind = streams.filter((stream) => streamKind(stream)?.kind === kind);
      const carried = ofKind.find((stream) => isCarried(streamKind(stream)));
      if (carried) chosen.push(carried);
      else if (ofKind[0]) this.#unsupported(streamKind(ofKind[0])!);
    }
    if (streams.length > 0 && streams.every((stream) => !streamKind(stream)))
      this.#unsupported({ kind: 'video', codec: 'unknown' });
    for (const [pid, { type, reader }] of this.#pids) {
      if (type === 0 || chosen.some((stream) => stream.pid === pid && stream.type === type)) continue;
      reader.flush();
      this.#pids.delete(pid);
    }
    for (const { pid, type } of chosen) {
      if (this.#pids.has(pid)) continue;
      const reader = streamKind({ pid, type, registration: '' })!.kind === 'video' ? this.#video() : this.#audio();
      this.#pids.set(pid, { reader, counter: -1, type });
    }
  }

  #video(): PidReader {
    const frames = new AvcStream(this.#emit);
    const pes = new Pes(
      { joins: true, maxBytes: MAX_VIDEO_PES },
      ({ data, pts, dts }) => {
        if (pts === null) {
          this.#drop('H.264: a frame without a time');
          return;
        }
        const time = this.#clock.unwrap(dts!);
        this.#attempt(() => frames.take(data, time + signedDistance(pts - dts!), time));
      },
      (reason) => this.#drop(reason),
    );
    return pes;
  }

  #audio(): PidReader {
    const frames = new AdtsStream(this.#emit, (reason) => this.#drop(reason));
    const pes = new Pes(
      { joins: false, maxBytes: MAX_AUDIO_PES },
      ({ data, pts }) => this.#attempt(() => frames.take(data, pts === null ? null : this.#clock.unwrap(pts))),
      (reason) => this.#drop(reason),
    );
    return {
      push: (payload, start) => pes.push(payload, start),
      lose: () => {
        pes.lose();
        frames.lose();
      },
      flush: () => pes.flush(),
    };
  }

  #attempt(take: () => void): void {
    try {
      take();
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.#drop(error.message);
    }
  }

  #drop(reason: string): void {
    this.#dropped++;
    if (this.#told.has(reason) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(reason);
    this.#notices.dropped(reason);
  }

  #unsupported({ kind, codec }: StreamKind): void {
    if (this.#told.has(`${kind} ${codec}`)) return;
    this.#told.add(`${kind} ${codec}`);
    this.#notices.unsupported(kind, codec);
  }
}
