import { LiveWindow, type LiveWindowOptions } from '../../src/segments/index.ts';

/** A live window that is not open yet, as large as its publisher makes it. */
export function newLiveWindow(options: Partial<LiveWindowOptions> = {}): LiveWindow {
  return new LiveWindow({
    broadcastId: 'a'.repeat(24),
    playbackId: `lv_${'b'.repeat(32)}`,
    userId: 'c'.repeat(24),
    firstMsn: 100,
    firstDiscontinuitySequence: 100,
    minWindowMs: 0,
    maxBytes: 1 << 30,
    ...options,
  });
}
