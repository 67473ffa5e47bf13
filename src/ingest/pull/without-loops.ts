import { CodedError } from '../../base/index.ts';
import type { Outbound } from '../../outbound/index.ts';
import { LOOP } from './source-end.ts';

/**
 * The way out for the sources of one live stream: refuses what plays that live stream, whatever host it is asked of. Names of ours that
 * we do not know and caches in front of us keep the path, and with it the playback id, which nobody else has.
 */
export function withoutLoops(outbound: Outbound, playbackId: string): Outbound {
  const guarded =
    <Options, Answer>(call: (url: string, options: Options) => Promise<Answer>) =>
    async (url: string, options: Options): Promise<Answer> => {
      if (url.includes(playbackId)) throw new CodedError('destination_refused', LOOP.message);
      return call(url, options);
    };
  return {
    ...outbound,
    check: guarded(outbound.check),
    request: guarded(outbound.request),
    stream: guarded(outbound.stream),
    connectTcp: guarded(outbound.connectTcp),
  };
}
