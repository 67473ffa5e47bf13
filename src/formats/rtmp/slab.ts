const SLAB_BYTES = 262_144;
/** Larger ones would waste the rest of a slab. */
const MAX_SHARED_BYTES = SLAB_BYTES / 4;

let slab = Buffer.alloc(0);
let used = 0;

/**
 * `length` bytes, not filled. Small ones are cut from one large block, for all connections: an allocation of its own for
 * every frame costs more than the frame's copy. A block lives as long as any piece of it, so keep copies of what is to stay.
 */
export function takeBytes(length: number): Buffer {
  if (length > MAX_SHARED_BYTES) return Buffer.allocUnsafeSlow(length);
  if (used + length > slab.length) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    used = 0;
  }
  const start = used;
  used += length;
  return slab.subarray(start, used);
}
