import { CodedError } from '../../base/index.ts';
import { TsDemuxer } from '../../formats/ts/index.ts';
import { UNREACHABLE } from '../../outbound/index.ts';
import { FFMPEG_MISSING, type Ffmpeg, type FfmpegExit, type FfmpegJob, type FfmpegProcess } from './ffmpeg.ts';
import type { PullProtocol, Source, SourceContext, SourceEnd, SourceEvents } from './source.ts';
import { endOfError, SOURCE_ENDED, unsupportedVideo } from './source-end.ts';

/** What ffmpeg is to open. */
export interface FfmpegInput extends FfmpegJob {
  /** Why nothing came, where that is known better than from ffmpeg's words. */
  reason?(): SourceEnd | null;
  /** Lets go of what was made for it. */
  release?(): void;
}

/** A source that ffmpeg reads for us. `prepare` checks the address by the guard, and must not outlive `signal` with what it makes. */
export function ffmpegSource(
  protocol: PullProtocol,
  ffmpeg: Ffmpeg,
  prepare: (signal: AbortSignal) => Promise<FfmpegInput>,
  events: SourceEvents,
  context: SourceContext,
): Source {
  const abort = new AbortController();
  const { signal } = abort;
  let running: FfmpegProcess | null = null;
  let input: FfmpegInput | null = null;
  let began = false;
  const close = () => {
    abort.abort();
    running?.kill();
    input?.release?.();
  };
  const end = (reason: SourceEnd) => {
    if (signal.aborted) return;
    close();
    events.ended(reason);
  };

  async function run(): Promise<void> {
    // Nobody is called for nothing.
    if (!(await ffmpeg.installed())) throw new CodedError('not_found', FFMPEG_MISSING);
    if (signal.aborted) return;
    input = await prepare(signal);
    if (signal.aborted) return input.release?.();
    const demuxer = new TsDemuxer((packet) => signal.aborted || events.packet(packet), {
      unsupported: (kind, codec) => {
        if (signal.aborted) return;
        events.unsupported(kind, codec);
        if (kind === 'video') end(unsupportedVideo(codec));
      },
      dropped: (reason) => context.log.info({ reason }, 'frame of the source dropped'),
    });
    const read = (demux: () => void) => {
      try {
        if (!signal.aborted) demux();
      } catch (error) {
        end(endOfError(error, context.log));
      }
    };
    const data = (bytes: Buffer) => {
      began = true;
      events.progress(bytes.length);
      read(() => demuxer.write(bytes));
    };
    const ended = (exit: FfmpegExit) => {
      read(() => demuxer.flush());
      end(input?.reason?.() ?? endOfExit(exit, began));
    };
    running = await ffmpeg.start(input, { data, ended }, signal);
    if (signal.aborted) running.kill();
  }

  return {
    protocol,
    start: () => void run().catch((error) => signal.aborted || end(endOfStart(error, context))),
    close,
  };
}

function endOfStart(error: unknown, { log }: SourceContext): SourceEnd {
  if (error instanceof CodedError && error.code === 'not_found')
    return { code: 'ffmpeg_missing', message: error.message, permanent: true };
  if (error instanceof CodedError && error.code === 'too_many_requests')
    return { code: 'too_many', message: error.message, permanent: false };
  return endOfError(error, log);
}

/** ffmpeg's words may hold the address with its secrets: one of ours stands for them. */
function endOfExit({ how, words }: FfmpegExit, began: boolean): SourceEnd {
  if (how === 'too_busy')
    return {
      code: 'ffmpeg_failed',
      message: 'ffmpeg took too much processor time for this source, and was ended.',
      permanent: false,
    };
  if (how === 'finished' && (began || words.trim() === '')) return SOURCE_ENDED;
  if (!began && /codec .* (not compatible|not supported)|codec not currently supported/i.test(words))
    return {
      code: 'media_unsupported',
      message: 'The source sends a codec that is not carried: choose H.264 and AAC there.',
      permanent: true,
    };
  if (!began && /invalid data|could not find codec|does not contain any stream|not contain/i.test(words))
    return { code: 'bad_answer', message: 'The source sends what cannot be read.', permanent: false };
  if (/timed out|refused|input\/output|unreachable|connection|reset/i.test(words))
    return { code: 'unreachable', message: UNREACHABLE, permanent: false };
  return { code: 'ffmpeg_failed', message: 'ffmpeg could not read the source, or broke down.', permanent: false };
}
