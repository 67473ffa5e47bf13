// The live window: parts and segments of what is on air, in memory, and waiting until the next part exists.
// The packager writes (PartSink), the origin reads and waits, the recorder reads. Calls nothing but base.
// A LiveWindow lives as long as its broadcast; the Shelf keeps it after the end until no viewer can want it, and is closed once.
export { LiveWindow, type LiveWindowOptions } from './live-window.ts';
export { Part, type PartBytes } from './part.ts';
export { PartMemory } from './part-memory.ts';
export type { OpenMedia, Past, PastBlock, PastSegment, StoredMedia } from './past.ts';
export { Shelf, type ShelfOptions } from './shelf.ts';
export type { PartSink, RenditionStart, RunStart } from './types.ts';
export type { Waiter } from './waiters.ts';
export type { WindowSegment } from './window-segment.ts';
