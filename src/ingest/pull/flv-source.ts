import { setTimeout as delay } from 'node:timers/promises';
import { FlvInput } from './flv-input.ts';
import { HEAD_MS, IDLE_MS } from './http-limits.ts';
import type { MakeSource, SourceEnd } from './source.ts';
import { endOfError, endOfStatus, SOURCE_ENDED } from './source-end.ts';

/** Live servers begin with a few seconds in a burst; what is further ahead of the clock is a file, and is read as fast as it plays. */
const MAX_AHEAD_MS = 5000;
/** Read between two looks at the clock: little enough that a file of low bit rate does not pause for long. */
const SLICE_BYTES = 8192;

/** FLV over HTTP. */
export const flvSource: MakeSource = (url, events, context) => {
  const abort = new AbortController();
  const { signal } = abort;
  const end = (reason: SourceEnd) => {
    if (signal.aborted) return;
    abort.abort();
    events.ended(reason);
  };

  async function read(): Promise<SourceEnd> {
    const options = { kind: 'pull', timeoutMs: HEAD_MS, idleMs: IDLE_MS, signal } as const;
    const answer = await context.outbound.stream(url, options);
    try {
      if (answer.status !== 200) return endOfStatus(answer.status);
      const input = new FlvInput(events, context, end);
      for await (const bytes of answer.body) {
        if (signal.aborted) break;
        for (let at = 0; at < bytes.length && !signal.aborted; at += SLICE_BYTES) {
          input.push(bytes.subarray(at, at + SLICE_BYTES));
          const tooFarMs = input.aheadMs - MAX_AHEAD_MS;
          if (tooFarMs > 0) await delay(tooFarMs, null, { signal });
        }
      }
      return SOURCE_ENDED;
    } finally {
      answer.close();
    }
  }

  return {
    protocol: 'pull-flv',
    start: () => void read().then(end, (error) => signal.aborted || end(endOfError(error, context.log))),
    close: () => abort.abort(),
  };
};
