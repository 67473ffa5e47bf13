import { CodedError } from '../../base/index.ts';
import { FFMPEG_MISSING, type Ffmpeg, type FfmpegJob, type FfmpegProcess } from './ffmpeg.ts';
import { FlvInput } from './flv-input.ts';
import type { PullProtocol, Source, SourceContext, SourceEnd, SourceEvents } from './source.ts';
import { endOfError, SOURCE_ENDED } from './source-end.ts';

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
    const flv = new FlvInput(events, context, end);
    const data = (bytes: Buffer) => {
      began = true;
      try {
        if (!signal.aborted) flv.push(bytes);
      } catch (error) {
        end(endOfError(error, context.log));
      }
    };
    const ended = (words: string) => end(input?.reason?.() ?? endOfWords(words, began));
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
function endOfWords(words: string, began: boolean): SourceEnd {
  if (/codec .* (not compatible|not supported)|Video codec|Audio codec/i.test(words))
    return {
      code: 'media_unsupported',
      message: 'The source sends a codec that is not carried: choose H.264 and AAC there.',
      permanent: true,
    };
  if (began || words.trim() === '') return SOURCE_ENDED;
  if (/invalid data|could not find codec|does not contain any stream|not contain/i.test(words))
    return { code: 'bad_answer', message: 'The source sends what cannot be read.', permanent: false };
  if (/timed out|refused|input\/output|unreachable|connection|reset/i.test(words))
    return {
      code: 'unreachable',
      message: 'The destination could not be reached, or gave no complete answer in time.',
      permanent: false,
    };
  return { code: 'ffmpeg_failed', message: 'ffmpeg could not read the source.', permanent: false };
}
