// Packets in, parts and segments out: a reader of a broadcast (src/live) that writes to a live window (src/segments).
// It gathers frames until a part is full, cuts segments at key frames, and puts every run of the broadcast on one rising
// media time line. One Packager a broadcast, made with it; it works in the publisher's own tick, has no timers and nothing to close.
export type { PackagerOptions } from './options.ts';
export { Packager, type PackagerStats } from './packager.ts';
