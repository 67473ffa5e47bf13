import { performance } from 'node:perf_hooks';

/** Milliseconds on the monotonic clock. Timers and media time use this one: a step of the system clock must not move them. */
export const monotonicMs: () => number = performance.now.bind(performance);
