import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { monotonicMs } from '../base/index.ts';
import type { Past, StoredMedia, WindowSegment } from '../segments/index.ts';
import { Block } from './block.ts';
import type { Disk } from './disk.ts';

/** What a disk did not take is offered again after this, as long as it is in memory. */
const RETRY_MS = 1000;
/** An encoder that sends what it held back is faster than a disk: memory holds it, unless nothing is written for so long. */
const PATIENCE_MS = 5000;
/** Segments that have left the playlist can be fetched for so long, by players that are still on their way there. */
const GRACE_MS = 120_000;

/** What all rewinds share. */
export interface RewindOptions {
  readonly disk: Disk;
  /** With less than this free the oldest segments go before their time, with less than half of it none are written. */
  readonly minFreeBytes: number;
  readonly blockSegments: number;
  /** Whether the disk takes what is written: each time that this changes. */
  readonly onState: (state: 'failing' | 'well', reason: string) => void;
  /** A segment was in no file when it left memory: the rewind begins anew. */
  readonly onLost: () => void;
  readonly onWritten: (bytes: number) => void;
  readonly onClose: () => void;
}

/**
 * One broadcast's past. Segments are written when they are complete and listed here when they leave memory: the queue of what is to be
 * written is the window itself, and holds nothing that is not held anyway.
 */
export class Rewind implements Past {
  readonly #folder: string;
  readonly #rewindMs: number;
  readonly #options: RewindOptions;
  /** In files, oldest first; the last one may not be listed yet. */
  readonly #blocks: Block[] = [];
  readonly #leaving: { readonly block: Block; readonly expiresMs: number }[] = [];
  #listed: readonly Block[] = [];
  readonly #pending: WindowSegment[] = [];
  #writing: WindowSegment | null = null;
  #file: { readonly handle: FileHandle; readonly block: Block } | null = null;
  #retry: NodeJS.Timeout | undefined;
  /** When something was written, or the first of what waits began to. */
  #lastWrittenMs = 0;
  #failing = false;
  /** The oldest block goes at the next chance, as there is too little room. */
  #tight = false;
  #closed = false;

  constructor(folder: string, rewindMs: number, options: RewindOptions) {
    this.#folder = folder;
    this.#rewindMs = rewindMs;
    this.#options = options;
  }

  get blocks(): readonly Block[] {
    return this.#listed;
  }

  /** In files now. */
  get bytes(): number {
    let bytes = 0;
    for (const block of this.#blocks) bytes += block.bytes;
    for (const { block } of this.#leaving) bytes += block.bytes;
    return bytes;
  }

  get oldestRun(): number | null {
    return (this.#leaving[0]?.block ?? this.#blocks[0])?.oldestRun ?? null;
  }

  keep(segment: WindowSegment): void {
    if (this.#closed) return;
    if (this.#pending.length === 0) this.#lastWrittenMs = monotonicMs();
    this.#pending.push(segment);
    this.#pump();
  }

  mayTake(segment: WindowSegment): boolean {
    const waiting = this.#pending.indexOf(segment);
    return waiting < 0 || this.#failing || monotonicMs() - this.#lastWrittenMs > PATIENCE_MS;
  }

  take(segment: WindowSegment): number {
    if (this.#closed) return segment.discontinuity ? 1 : 0;
    const left = this.#takeIn(segment) + this.#trim();
    this.#listed = this.#blocks.filter((block) => block.listed > 0);
    return left;
  }

  find(msn: number, rendition: 'main' | 'audio'): StoredMedia | undefined {
    const within = (block: Block) => msn >= block.firstMsn && msn < block.nextMsn;
    const block = this.#blocks.find(within) ?? this.#leaving.find((left) => within(left.block))?.block;
    const place = block?.place(msn, rendition);
    return place && this.#options.disk.stored(block!.path, place);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#pending.length = this.#blocks.length = this.#leaving.length = 0;
    this.#listed = [];
    if (!this.#writing) this.#dispose();
    this.#options.onClose();
  }

  #takeIn(segment: WindowSegment): number {
    const block = this.#blocks.find(({ firstMsn, nextMsn }) => segment.msn >= firstMsn && segment.msn < nextMsn);
    if (block) {
      block.list();
      return 0;
    }
    // It goes from memory and is in no file: what came before would stand before a hole.
    const waiting = this.#pending.indexOf(segment);
    if (waiting >= 0) this.#pending.splice(waiting, 1);
    this.#seal();
    let breaks = segment.discontinuity ? 1 : 0;
    while (this.#blocks[0] && this.#blocks[0].firstMsn < segment.msn) breaks += this.#drop(this.#blocks[0], 0);
    if (!this.#failing) this.#options.onState('failing', 'the disk is too slow');
    this.#failing = true;
    this.#options.onLost();
    return breaks;
  }

  /** Takes away what is older than it has to be, and deletes what nobody can want any more. */
  #trim(): number {
    let ms = 0;
    for (const { durationUs } of this.#blocks) ms += durationUs / 1000;
    let breaks = 0;
    for (let oldest = this.#blocks[0]; oldest?.full; oldest = this.#blocks[0]) {
      ms -= oldest.durationUs / 1000;
      if (!this.#tight && ms < this.#rewindMs) break;
      breaks += this.#drop(oldest, this.#tight ? 0 : GRACE_MS);
      this.#tight = false;
    }
    const now = monotonicMs();
    while (this.#leaving[0] && this.#leaving[0].expiresMs <= now) this.#delete(this.#leaving.shift()!.block);
    return breaks;
  }

  #drop(block: Block, graceMs: number): number {
    this.#blocks.splice(this.#blocks.indexOf(block), 1);
    if (graceMs > 0) this.#leaving.push({ block, expiresMs: monotonicMs() + graceMs });
    else this.#delete(block);
    return block.breaks;
  }

  #delete(block: Block): void {
    this.#options.disk.remove(block.path).catch(() => {});
  }

  #pump(): void {
    if (this.#writing || this.#retry || this.#closed) return;
    const segment = this.#pending[0];
    if (!segment) return;
    this.#writing = segment;
    this.#write(segment).then(
      () => this.#written(segment),
      (error: Error) => this.#failed(error),
    );
  }

  async #write(segment: WindowSegment): Promise<void> {
    const { disk, minFreeBytes, blockSegments } = this.#options;
    await disk.measure();
    if (disk.freeBytes < minFreeBytes) {
      this.#tight = true;
      if (disk.freeBytes < minFreeBytes / 2) throw new Error('the disk has too little room (dvr_min_free_bytes)');
    }
    const main: Buffer[] = [];
    const audio: Buffer[] = [];
    for (const part of segment.parts) {
      main.push(part.main);
      if (part.audio && part.audio !== part.main) audio.push(part.audio);
    }
    if (this.#file && (this.#file.block.sealed || this.#file.block.nextMsn !== segment.msn)) this.#seal();
    if (!this.#file) {
      const path = join(this.#folder, String(segment.msn));
      const handle = await disk.create(path);
      this.#file = { handle, block: new Block(path, segment.msn, blockSegments) };
    }
    const file = this.#file;
    await disk.write(file.handle, [...main, ...audio], file.block.bytes);
    // It has left memory meanwhile, and the past has begun anew.
    if (this.#pending[0] !== segment) return;
    if (file.block.count === 0) this.#blocks.push(file.block);
    file.block.add(segment, sum(main), sum(audio));
    this.#options.onWritten(sum(main) + sum(audio));
  }

  #written(segment: WindowSegment): void {
    this.#writing = null;
    if (this.#closed) {
      this.#dispose();
      return;
    }
    if (this.#pending[0] === segment) this.#pending.shift();
    if (this.#failing) this.#options.onState('well', 'segments are written again');
    this.#failing = false;
    this.#lastWrittenMs = monotonicMs();
    this.#pump();
  }

  #failed(error: Error): void {
    this.#writing = null;
    if (this.#closed) {
      this.#dispose();
      return;
    }
    this.#seal();
    this.#tight = true;
    if (!this.#failing) this.#options.onState('failing', error.message);
    this.#failing = true;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#pump();
    }, RETRY_MS).unref();
  }

  /** Nothing more is written into the present file. */
  #seal(): void {
    const file = this.#file;
    if (!file) return;
    this.#file = null;
    file.block.seal();
    file.handle.close().catch(() => {});
    if (file.block.count === 0) this.#delete(file.block);
  }

  #dispose(): void {
    this.#seal();
    this.#options.disk.remove(this.#folder).catch(() => {});
  }
}

function sum(chunks: readonly Buffer[]): number {
  let bytes = 0;
  for (const { length } of chunks) bytes += length;
  return bytes;
}
