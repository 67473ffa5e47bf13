import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { LiveStream } from '../../../src/contract/index.ts';
import { api } from '../api.ts';
import { useToast } from '../parts/toast.tsx';

/** What every tab is given. */
export interface TabProps {
  readonly stream: LiveStream;
}

/** Changes a live stream by `work`, reads it anew, and says `done`. */
export function useChange<V = void>(
  id: string,
  work: (values: V) => Promise<unknown>,
  done?: string | ((values: V) => string),
) {
  const queries = useQueryClient();
  const say = useToast();
  return useMutation({
    mutationFn: work,
    onSuccess: async (_, values) => {
      if (done) say(typeof done === 'string' ? done : done(values));
      await Promise.all([
        queries.invalidateQueries({ queryKey: ['live_stream', id] }),
        queries.invalidateQueries({ queryKey: ['live_streams'] }),
      ]);
    },
  });
}

export const patchStream = (id: string, change: object): Promise<LiveStream> =>
  api.patch<LiveStream>(`live_streams/${id}`, change);
