import { TsDemuxer } from '../../formats/ts/index.ts';
import type { Packet } from '../../media/index.ts';
import { HEAD_MS, IDLE_MS } from './http-limits.ts';
import { Pacer } from './pacer.ts';
import type { MakeSource, SourceEnd } from './source.ts';
import { endOfError, endOfStatus, SOURCE_ENDED, unsupportedVideo } from './source-end.ts';
import { SourceTimeline } from './source-timeline.ts';

/** So much is read ahead of its time; further on the sender is held back, as files must be. */
const MAX_AHEAD_MS = 5000;
/** A live sender's first burst above this, and what its faster clock adds, is worked off. */
const LIVE_TARGET_MS = 1500;
/** Read between two looks at the pacer: a file of low bit rate must not lie far ahead at once. */
const SLICE_BYTES = 16 * 188;

/** MPEG-TS over HTTP, live or a file. */
export const tsSource: MakeSource = (url, events, context) => {
  const abort = new AbortController();
  const { signal } = abort;
  const pacer = new Pacer((packet) => events.packet(packet));
  const pace = pacer.lane();
  const close = (): void => {
    abort.abort();
    pacer.close();
  };
  const end = (reason: SourceEnd): void => {
    if (signal.aborted) return;
    close();
    events.ended(reason);
  };

  async function read(): Promise<SourceEnd> {
    const options = { kind: 'pull', timeoutMs: HEAD_MS, idleMs: IDLE_MS, signal } as const;
    const answer = await context.outbound.stream(url, options);
    try {
      if (answer.status !== 200) return endOfStatus(answer.status);
      // Only what has an end can say how long it is.
      if (answer.headers['content-length'] === undefined) pacer.targetMs = LIVE_TARGET_MS;
      const lane = new SourceTimeline().lane();
      let read: Packet[] = [];
      const demuxer = new TsDemuxer((packet) => read.push(packet), {
        unsupported: (kind, codec) => {
          events.unsupported(kind, codec);
          if (kind === 'video') end(unsupportedVideo(codec));
        },
        dropped: (reason) => context.log.info({ reason }, 'frame of the source dropped'),
      });
      const release = (): void => {
        // Each by itself: the clock may jump between two of them.
        if (read.length > 0) pace(read.flatMap((packet) => lane.place([packet], 0, 0)));
        read = [];
      };
      for await (const bytes of answer.body) {
        if (signal.aborted) break;
        events.progress(bytes.length);
        for (let at = 0; at < bytes.length && !signal.aborted; at += SLICE_BYTES) {
          demuxer.write(bytes.subarray(at, at + SLICE_BYTES));
          release();
          await pacer.room(MAX_AHEAD_MS);
        }
      }
      demuxer.flush();
      release();
      await pacer.room(0);
      return SOURCE_ENDED;
    } finally {
      answer.close();
    }
  }

  return {
    protocol: 'pull-ts',
    start: () => void read().then(end, (error) => signal.aborted || end(endOfError(error, context.log))),
    close,
  };
};
