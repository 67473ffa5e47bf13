import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../base/index.ts';
import type { Past } from '../segments/index.ts';
import { Disk } from './disk.ts';
import { Rewind } from './rewind.ts';

export interface RecorderOptions {
  /** Its own: what no broadcast of this process owns is deleted. */
  readonly folder: string;
  /** The longest rewind of a broadcast; 0: none. */
  readonly maxRewindMs: number;
  readonly minFreeBytes: number;
  readonly log: Logger;
}

/** A block of two minutes is short beside an hour, and with an hour there are thirty files. */
const BLOCK_SEGMENTS = 64;
/** With a shorter rewind a block is about a sixteenth of it, if segments are a second long, but not less than: */
const MIN_BLOCK_SEGMENTS = 4;

/** Keeps what viewers may go back to, in files of `folder/<broadcast id>`, for as long as the broadcast's window lives. */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #disk: Disk;
  readonly #rewinds = new Map<string, Rewind>();
  /** Bytes written so far. */
  written = 0;
  /** Segments that were in no file when they left memory. */
  lost = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#disk = new Disk(options.folder);
  }

  /** Broadcasts of which something is kept. */
  get size(): number {
    return this.#rewinds.size;
  }

  /** In files now. */
  get bytes(): number {
    let bytes = 0;
    for (const rewind of this.#rewinds.values()) bytes += rewind.bytes;
    return bytes;
  }

  /** Deletes what an earlier process has left. Never rejects: what cannot be deleted is logged. */
  async start(): Promise<void> {
    const { folder, log } = this.#options;
    try {
      for (const name of await readdir(folder)) {
        if (!this.#rewinds.has(name)) await this.#disk.remove(join(folder, name));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      log.warn(
        { reason: (error as Error).message },
        'what an earlier process kept for viewers who go back cannot be deleted',
      );
    }
  }

  /** The past of a new broadcast, `rewindMs` long or as long as the server allows; null where none is to be kept. */
  open(broadcastId: string, rewindMs: number): Past | null {
    const { folder, maxRewindMs, minFreeBytes, log } = this.#options;
    const ms = Math.min(rewindMs, maxRewindMs);
    if (ms <= 0) return null;
    const rewind = new Rewind(join(folder, broadcastId), ms, {
      disk: this.#disk,
      minFreeBytes,
      blockSegments: Math.min(BLOCK_SEGMENTS, Math.max(MIN_BLOCK_SEGMENTS, Math.round(ms / 16_000))),
      onState: (state, reason) => {
        if (state === 'well') log.info({ broadcast: broadcastId }, 'the rewind is written again');
        else log.warn({ broadcast: broadcastId, reason }, 'the rewind cannot be written now; live goes on');
      },
      onLost: () => {
        this.lost++;
      },
      onWritten: (bytes) => {
        this.written += bytes;
      },
      onClose: () => this.#rewinds.delete(broadcastId),
    });
    this.#rewinds.set(broadcastId, rewind);
    return rewind;
  }

  /** Ends all, and deletes their files. A disk that hangs is waited for no longer than a second. */
  async close(): Promise<void> {
    for (const rewind of [...this.#rewinds.values()]) rewind.close();
    await this.#disk.settled(1000);
  }
}
