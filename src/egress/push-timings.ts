/** How long a push waits for what. Tests make the waits shorter. */
export interface PushTimings {
  /** A delayed push connects so long before its first batch is due: services cut who is connected and sends nothing. */
  readonly leadMs: number;
  /** From the connection to the accepted publish. */
  readonly setupMs: number;
  /** The first wait's ceiling; it doubles up to `maxRetryMs` (L40). */
  readonly retryMs: number;
  readonly maxRetryMs: number;
  /** After a permanent refusal (L41). */
  readonly refusedMs: number;
  /** Online for so long, and the next failure is a first one again. */
  readonly steadyMs: number;
  /** Nothing drains for so long: shown as `stalled`; then restarted (L42). */
  readonly stallNoticeMs: number;
  readonly stallMs: number;
  /** Frames are lost again and again for so long: restarted. */
  readonly slowMs: number;
  /** For the goodbye to leave. */
  readonly goodbyeMs: number;
  readonly tickMs: number;
  /** The first wait before the platforms are read again while the store is away; it doubles up to ten times that. */
  readonly reloadMs: number;
}

export const PUSH_TIMINGS: PushTimings = {
  leadMs: 2000,
  setupMs: 10_000,
  retryMs: 1000,
  maxRetryMs: 60_000,
  refusedMs: 300_000,
  steadyMs: 60_000,
  stallNoticeMs: 3000,
  stallMs: 10_000,
  slowMs: 60_000,
  goodbyeMs: 800,
  tickMs: 1000,
  reloadMs: 500,
};

/**
 * The wait before attempt number `attempt` + 1. Full jitter: anything up to a ceiling that doubles, so that those whom one outage
 * has cut off do not come back together. Refusals wait about five minutes.
 */
export function retryDelayMs(attempt: number, permanent: boolean, timings: PushTimings, random = Math.random): number {
  if (permanent) return timings.refusedMs * (0.9 + 0.2 * random());
  return Math.min(timings.retryMs * 2 ** Math.min(attempt - 1, 30), timings.maxRetryMs) * random();
}
