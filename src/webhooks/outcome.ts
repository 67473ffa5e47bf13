import type { DeliveryOutcome } from '../store/index.ts';

/** What an attempt came to: the answer's status, or null when no whole answer came. */
export interface Answer {
  readonly status: number | null;
  readonly retryAfter: string | undefined;
}

/** A receiver may ask for this much patience; its deliveries are dead after the usual number of attempts all the same. */
const MAX_RETRY_AFTER_MS = 3_600_000;
/** The answers of a receiver that has too much to do. */
const BUSY = [429, 502, 503, 504];

/**
 * What becomes of a delivery (docs/guide/webhooks.md): 2xx is delivered, 410 ends it at once, everything else is tried again after
 * the waits of `retryMs`, each between half and one and a half of its length: the jitter is as wide as the wait, and the sum of all
 * stays near what it says.
 */
export function decide(
  answer: Answer,
  attemptsBefore: number,
  retryMs: readonly number[],
  nowMs: number,
  random: () => number = Math.random,
): DeliveryOutcome {
  const { status } = answer;
  if (status !== null && status >= 200 && status < 300) return { kind: 'delivered' };
  if (status === 410) return { kind: 'dead', reason: 'The receiver answered 410: it wants no more webhooks.' };
  const waitMs = retryMs[attemptsBefore];
  if (waitMs === undefined) return { kind: 'dead', reason: `None of ${attemptsBefore + 1} attempts succeeded.` };
  const askedMs = BUSY.includes(status ?? 0) ? retryAfterMs(answer.retryAfter, nowMs) : 0;
  return { kind: 'retry', nextMs: Math.round(nowMs + Math.max(askedMs, waitMs * (0.5 + random()))) };
}

/** `Retry-After` in its two forms, seconds or a date; 0 for none that makes sense. */
function retryAfterMs(value: string | undefined, nowMs: number): number {
  if (value === undefined) return 0;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return ms > 0 ? Math.min(ms, MAX_RETRY_AFTER_MS) : 0;
}
