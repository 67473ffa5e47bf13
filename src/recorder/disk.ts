import { type FileHandle, mkdir, open, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../base/index.ts';
import type { OpenMedia, StoredMedia } from '../segments/index.ts';
import { Turns } from './turns.ts';

/** What is free is asked for so often. */
const ASK_FREE_MS = 1000;
/** Viewers who may wait for a disk; what they wait for is answered 404 when it is more. */
const MAX_WAITING = 256;

/**
 * The folder's disk. Of the four threads that node has for files one writes and two read at a time, so that a disk that hangs leaves
 * one to all others.
 */
export class Disk {
  readonly #folder: string;
  readonly #writes = new Turns(1, Number.POSITIVE_INFINITY);
  readonly #reads = new Turns(2, MAX_WAITING);
  #freeBytes = Number.POSITIVE_INFINITY;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Bytes that are free, as of a second ago at most when something was just written. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Resolves when all that was begun is done, or after `atMostMs`. */
  async settled(atMostMs: number): Promise<void> {
    const waiting = new AbortController();
    const over = delay(atMostMs, undefined, { signal: waiting.signal }).catch(() => {});
    await Promise.race([this.#writes.run(async () => {}), over]);
    waiting.abort();
  }

  create(path: string): Promise<FileHandle> {
    return this.#writes.run(async () => {
      await mkdir(dirname(path), { recursive: true });
      return open(path, 'wx', 0o600);
    });
  }

  /** Writes the Buffers as they are, one after the other. @throws Error also when the disk has taken some of it only. */
  write(file: FileHandle, chunks: readonly Buffer[], position: number): Promise<void> {
    return this.#writes.run(async () => {
      let length = 0;
      for (const chunk of chunks) length += chunk.length;
      const { bytesWritten } = await file.writev(chunks, position);
      if (bytesWritten !== length) throw new Error(`only ${bytesWritten} of ${length} bytes were written`);
    });
  }

  /** Asks anew what is free, unless that was just done. @throws Error when it cannot be known. */
  async measure(): Promise<void> {
    if (monotonicMs() - this.#askedMs < ASK_FREE_MS) return;
    const { bavail, bsize } = await this.#writes.run(async () => {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      return statfs(this.#folder);
    });
    this.#askedMs = monotonicMs();
    this.#freeBytes = bavail * bsize;
  }

  /** A stretch of a file. */
  stored(path: string, { offset, length }: { readonly offset: number; readonly length: number }): StoredMedia {
    return {
      length,
      open: async (): Promise<OpenMedia> => {
        const file = await this.#reads.run(() => open(path, 'r'));
        return {
          read: (from, count) =>
            this.#reads.run(async () => {
              const buffer = Buffer.allocUnsafeSlow(count);
              const { bytesRead } = await file.read(buffer, 0, count, offset + from);
              if (bytesRead !== count) throw new Error(`${path} is shorter than it was`);
              return buffer;
            }),
          close: () => void file.close().catch(() => {}),
        };
      },
    };
  }

  /** Deletes a file or a folder with all that is in it; what is not there is no error. */
  async remove(path: string): Promise<void> {
    await this.#writes.run(() => rm(path, { recursive: true, force: true }));
  }
}
