import type { PastBlock, PastSegment, WindowSegment } from '../segments/index.ts';

/** Numbers kept of each segment: duration, date, place in the file, bytes of main, bytes of audio, run and flags. */
const FIELDS = 6;
const DISCONTINUITY = 1;
const INDEPENDENT = 2;
const AUDIO = 4;
const FLAGS = 8;

/** One file, of segments that follow one another, and 48 bytes of memory for each of them. */
export class Block implements PastBlock {
  readonly path: string;
  readonly firstMsn: number;
  readonly #numbers: Float64Array;
  /** Segments in the file, and its length. */
  count = 0;
  bytes = 0;
  listed = 0;
  durationUs = 0;
  independent = true;
  audio = false;
  /** Breaks among those that are listed. */
  breaks = 0;
  #sealed = false;

  constructor(path: string, firstMsn: number, capacity: number) {
    this.path = path;
    this.firstMsn = firstMsn;
    this.#numbers = new Float64Array(capacity * FIELDS);
  }

  get nextMsn(): number {
    return this.firstMsn + this.count;
  }

  /** No segment will follow in this file. */
  get sealed(): boolean {
    return this.#sealed || (this.count + 1) * FIELDS > this.#numbers.length;
  }

  get full(): boolean {
    return this.sealed && this.listed === this.count;
  }

  get oldestRun(): number {
    return this.#run(0);
  }

  seal(): void {
    this.#sealed = true;
  }

  /** Notes the segment whose bytes were written at the file's end: first the main rendition's, then those of the audio alone. */
  add(segment: WindowSegment, mainBytes: number, audioBytes: number): void {
    let flags = segment.discontinuity ? DISCONTINUITY : 0;
    if (segment.parts[0]?.independent) flags |= INDEPENDENT;
    if (segment.start.audio) flags |= AUDIO;
    const { durationUs, dateTimeUs, run } = segment;
    const numbers = [durationUs, dateTimeUs, this.bytes, mainBytes, audioBytes, run * FLAGS + flags];
    this.#numbers.set(numbers, this.count * FIELDS);
    this.count++;
    this.bytes += mainBytes + audioBytes;
  }

  /** The next one is in the playlist from now on. */
  list(): void {
    const segment = this.segment(this.listed++);
    this.durationUs += segment.durationUs;
    this.independent &&= segment.independent;
    this.audio ||= segment.audio;
    if (segment.discontinuity) this.breaks++;
  }

  segment(index: number): PastSegment {
    const at = index * FIELDS;
    const flags = this.#numbers[at + 5]! % FLAGS;
    return {
      msn: this.firstMsn + index,
      run: this.#run(index),
      discontinuity: (flags & DISCONTINUITY) !== 0,
      dateTimeUs: this.#numbers[at + 1]!,
      durationUs: this.#numbers[at]!,
      independent: (flags & INDEPENDENT) !== 0,
      audio: (flags & AUDIO) !== 0,
    };
  }

  /** Where in the file a rendition's bytes are; undefined where it has none. An audio-only publisher's are the main rendition's. */
  place(msn: number, rendition: 'main' | 'audio'): { readonly offset: number; readonly length: number } | undefined {
    const index = msn - this.firstMsn;
    if (index < 0 || index >= this.count) return undefined;
    const at = index * FIELDS;
    const offset = this.#numbers[at + 2]!;
    const mainBytes = this.#numbers[at + 3]!;
    const audioBytes = this.#numbers[at + 4]!;
    if (rendition === 'main') return { offset, length: mainBytes };
    if ((this.#numbers[at + 5]! & AUDIO) === 0) return undefined;
    return audioBytes > 0 ? { offset: offset + mainBytes, length: audioBytes } : { offset, length: mainBytes };
  }

  #run(index: number): number {
    return Math.floor(this.#numbers[index * FIELDS + 5]! / FLAGS);
  }
}
