import type { Event, EventList, EventName } from '../contract/index.ts';
import { ApiError, type Call, type CallOptions, sleep } from './transport.ts';

export interface FollowOptions extends CallOptions {
  /** The last number that the caller has; without it, only what happens from now on. */
  readonly after?: number;
  readonly event?: EventName;
  readonly live_stream?: string;
  /** How long to wait before asking again when there was nothing new. Default 1 s. */
  readonly pollMs?: number;
  /** Told once when the server cannot be reached, and once (with null) when it can again. */
  readonly onTrouble?: (error: Error | null) => void;
}

const MAX_WAIT_MS = 15_000;

/**
 * Every event of the environment in the order of its number, without a gap and for as long as the caller wants more. The network and
 * the server may go away meanwhile: it goes on where it was. Ends with the signal's reason, or with ApiError when the token is refused.
 */
export async function* followEvents(
  call: Call,
  { after, event, live_stream, pollMs = 1000, onTrouble, ...options }: FollowOptions = {},
): AsyncGenerator<Event, void, undefined> {
  let last = after;
  let failures = 0;
  for (;;) {
    try {
      if (last === undefined) {
        last = (await call<EventList>('GET', '/events', { query: { limit: 1 } }, options)).last_number;
        onTrouble?.(null);
      }
      const query = { after: last, limit: 100, event, live_stream };
      const { docs, total, limit, last_number } = await call<EventList>('GET', '/events', { query }, options);
      if (failures > 0) onTrouble?.(null);
      failures = 0;
      for (const one of docs) {
        last = one.number;
        yield one;
      }
      if (total > limit) continue;
      // What the filter left out is done with too: it was there before this was asked.
      last = Math.max(last, last_number);
    } catch (error) {
      if (options.signal?.aborted || isFinal(error)) throw error;
      if (failures++ === 0) onTrouble?.(error as Error);
    }
    await sleep(Math.min(MAX_WAIT_MS, pollMs * 2 ** Math.min(failures, 5)), options.signal);
  }
}

/** Refusals that stay what they are: everything from 400 up but the server's troubles and "too many". */
const isFinal = (error: unknown): boolean =>
  error instanceof ApiError && error.statusCode < 500 && error.statusCode !== 429 && error.statusCode !== 408;
