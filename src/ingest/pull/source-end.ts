import { CodedError, type Logger } from '../../base/index.ts';
import type { SourceEnd } from './source.ts';

/** Why an answer with this status is no stream. */
export function endOfStatus(status: number): SourceEnd {
  if (status === 404 || status === 410)
    return {
      code: 'not_found',
      message: `The source answers ${status}: it has no such stream now. Look at the path of the URL.`,
      permanent: false,
    };
  if (status === 401 || status === 403)
    return {
      code: 'unauthorized',
      message: `The source answers ${status}: look at the user name, password or token in the URL.`,
      permanent: true,
    };
  return { code: 'bad_answer', message: `The source answers ${status} instead of a stream.`, permanent: false };
}

/** What was thrown on the way to a source or while its media was read. Our own mistakes are logged: no source ends the process. */
export function endOfError(error: unknown, log: Logger): SourceEnd {
  if (error instanceof CodedError) {
    const { code, message } = error;
    if (code === 'destination_refused') return { code, message, permanent: true };
    if (code === 'destination_unreachable') return { code: 'unreachable', message, permanent: false };
    if (code === 'media_invalid' || code === 'rtmp_protocol')
      return { code: 'bad_answer', message: `The source sends what cannot be read: ${message}.`, permanent: false };
  }
  // A body that breaks off: undici and node tell of the network with errors that have codes.
  if (typeof (error as NodeJS.ErrnoException).code !== 'string') log.error({ err: error }, 'source failed');
  return { code: 'unreachable', message: 'The connection to the source broke off.', permanent: false };
}

export const SOURCE_ENDED: SourceEnd = {
  code: 'source_ended',
  message: 'The source has ended its stream.',
  permanent: false,
};

/** A source without a picture that we carry. `codec` may be a stranger's word, cut down by `forLog`. */
export const unsupportedVideo = (codec: string): SourceEnd => ({
  code: 'media_unsupported',
  message: `The source sends ${codec} video: choose H.264 there, with AAC sound.`,
  permanent: true,
});

export const LOOP: SourceEnd = {
  code: 'loop',
  message:
    'This source comes from this live stream itself, over its platforms or its playback URL: pull from somewhere else.',
  permanent: true,
};

export const TIMEOUT: SourceEnd = {
  code: 'timeout',
  message: 'The source has given no frame in time: look at whether it is on air, and whether its path is right.',
  permanent: false,
};
