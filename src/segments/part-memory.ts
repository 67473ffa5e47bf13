/** Two segments' parts, in both renditions. What is given back beyond that is the collector's. */
const MAX_FREE = 24;
/** And in bytes, whatever the publisher's parts are like: a segment's at 50 Mbit/s. */
const MAX_FREE_BYTES = 16 << 20;
/** A block serves a part that fills at least this share of it. */
const MIN_FILL = 0.8;
/** Blocks come in so many sizes between a power of two and the next: parts of a stream are about as large, never just as large. */
const SIZES = 8;

/**
 * The memory of one broadcast's parts. A live window takes and leaves hundreds of kilobytes a second of each stream: as fresh memory
 * that is pages for the kernel to clear, and a heap that V8 searches every other second for what has left. A part that nobody asked
 * for leaves a block for the next part instead.
 */
export class PartMemory {
  /** The oldest first. */
  readonly #free: Buffer[] = [];
  #freeBytes = 0;

  /** `bytes` to be written in full: what stood there before is not cleared. */
  take(bytes: number): Buffer {
    let best = -1;
    for (let i = 0; i < this.#free.length; i++) {
      const size = this.#free[i]!.length;
      if (size < bytes || size * MIN_FILL > bytes || (best >= 0 && size >= this.#free[best]!.length)) continue;
      best = i;
    }
    // Not from Node's pool: a part lives as long as the window, and would keep a shared slab alive with it.
    const block = best < 0 ? Buffer.allocUnsafeSlow(roundUp(bytes)) : this.#remove(best);
    return block.subarray(0, bytes);
  }

  /** What `take` returned. Nobody else may hold it. */
  giveBack(bytes: Buffer): void {
    const block = Buffer.from(bytes.buffer as ArrayBuffer);
    this.#freeBytes += block.length;
    this.#free.push(block);
    while (this.#free.length > MAX_FREE || this.#freeBytes > MAX_FREE_BYTES) this.#remove(0);
  }

  #remove(index: number): Buffer {
    const block = this.#free.splice(index, 1)[0]!;
    this.#freeBytes -= block.length;
    return block;
  }
}

function roundUp(bytes: number): number {
  const step = Math.max(64, 2 ** Math.floor(Math.log2(bytes)) / SIZES);
  return Math.ceil(bytes / step) * step;
}
