import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';
import type { Event, PlatformStatus, PullingStatus } from '../../src/contract/index.ts';
import { api, Refused } from './api.ts';

/** How a live stream fares now, as `GET /updates` tells it. */
export interface LiveState {
  readonly _id: string;
  readonly broadcasting_status: 'online' | 'offline';
  readonly state: 'live' | 'reconnecting' | 'offline';
  readonly since: string | null;
  readonly viewers: number;
  readonly bitrate_kbps: number;
  readonly advice: readonly {
    readonly code: string;
    readonly severity: 'info' | 'warning' | 'error';
    readonly message: string;
    readonly since: string;
  }[];
  readonly platforms: readonly (PlatformStatus & { readonly _id: string })[];
  readonly pull: PullingStatus | null;
}

export interface Updates {
  /** live: told at once; polling: asked every five seconds; lost: the server does not answer. */
  readonly link: 'live' | 'polling' | 'lost';
  readonly states: ReadonlyMap<string, LiveState>;
}

const Context = createContext<Updates>({ link: 'lost', states: new Map() });
export const useUpdates = (): Updates => useContext(Context);
export const useLiveState = (id: string): LiveState | undefined => useUpdates().states.get(id);

const listeners = new Set<(entry: Event) => void>();
/** Calls `listener` with each event of the environment as it happens. Returns what ends it. */
export function onEntry(listener: (entry: Event) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

const POLL_MS = 5000;
const MOST_WAIT_MS = 15_000;

/** Keeps what is shown true: by the server's own telling, else by asking again. */
export function LiveUpdates({ children }: { readonly children: ReactNode }): ReactNode {
  const queries = useQueryClient();
  const [updates, setUpdates] = useState<Updates>({ link: 'polling', states: new Map() });
  useEffect(() => {
    const ending = new AbortController();
    void follow(queries, setUpdates, ending.signal);
    return () => ending.abort();
  }, [queries]);
  return <Context value={updates}>{children}</Context>;
}

type Set_ = (change: (before: Updates) => Updates) => void;

async function follow(queries: QueryClient, set: Set_, signal: AbortSignal): Promise<void> {
  const link = (link: Updates['link']) => set((before) => (before.link === link ? before : { ...before, link }));
  let after: number | undefined;
  let waitMs = 1000;
  while (!signal.aborted) {
    try {
      const answer = await api.stream('updates', { after }, signal);
      link('live');
      waitMs = 1000;
      // What happened while nobody listened.
      if (after === undefined) void queries.invalidateQueries();
      // The first message of a connection is complete, the others are what has changed since.
      let complete = true;
      for await (const { event, data } of messages(answer.body!)) {
        if (event === 'live') {
          const { live_streams } = JSON.parse(data) as { live_streams: LiveState[] };
          const known = complete ? new Map<string, LiveState>() : null;
          complete = false;
          set((before) => ({ ...before, states: merged(known ?? before.states, live_streams) }));
        } else if (event === 'entry') {
          const entry = JSON.parse(data) as Event;
          after = Math.max(after ?? 0, entry.number);
          for (const listener of listeners) listener(entry);
          // Everything that is shown, as an event may concern any of it; what nobody looks at is only marked.
          void queries.invalidateQueries();
        }
      }
      link('polling');
    } catch (error) {
      if (signal.aborted) return;
      const missing = error instanceof Refused && error.status !== 0;
      link(missing ? 'polling' : 'lost');
      waitMs = missing ? POLL_MS : Math.min(waitMs * 2, MOST_WAIT_MS);
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (!signal.aborted) void queries.invalidateQueries();
  }
}

function merged(before: Updates['states'], changed: readonly LiveState[]): Updates['states'] {
  const states = new Map(before);
  for (const state of changed) states.set(state._id, state);
  return states;
}

/** The messages of an event stream (WHATWG HTML, 9.2.6). */
async function* messages(body: ReadableStream<Uint8Array>): AsyncGenerator<{ event: string; data: string }> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).replaceAll('\r\n', '\n').split('\n\n');
      rest = blocks.pop()!;
      for (const block of blocks) {
        const fields = block.split('\n').map((line) => /^(\w+):? ?(.*)$/.exec(line) ?? []);
        const of = (name: string) => fields.filter(([, field]) => field === name).map(([, , value]) => value);
        const data = of('data');
        if (data.length > 0) yield { event: of('event')[0] ?? 'message', data: data.join('\n') };
      }
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}
