import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, type Logger, monotonicMs } from '../base/index.ts';
import type { Outbound } from '../outbound/index.ts';
import type { Deliveries, DeliveryAttempt, DueDelivery } from '../store/index.ts';
import { decide } from './outcome.ts';
import { signatureHeaders } from './sign.ts';

/** The system clock, which retries are planned by, and waiting on it. Tests bring their own. */
export interface SenderClock {
  nowMs(): number;
  /** Resolves after `ms`, or when `signal` is aborted. Never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface WebhookSenderOptions {
  readonly deliveries: Deliveries;
  readonly outbound: Pick<Outbound, 'request'>;
  /** Waits before the second, third, … attempt; a delivery is dead when none is left. */
  readonly retryMs: readonly number[];
  /** For one attempt, from looking the name up to the last byte of the answer. */
  readonly timeoutMs: number;
  /** Told of each attempt's outcome, to count it. */
  readonly onOutcome?: (kind: 'delivered' | 'retry' | 'dead') => void;
  readonly log: Logger;
  readonly clock?: SenderClock;
}

export interface WebhookSender {
  start(): void;
  /** Says that there may be deliveries that were not there before. */
  wake(): void;
  /** Claims no more, and gives those in flight three seconds; what is left is tried again when its lease has run out. */
  close(): Promise<void>;
}

/** In flight at a time. A dead receiver holds its places for a whole time-out each. */
const MAX_IN_FLIGHT = 1024;
/** Of those, to endpoints that have not shown that they answer: however many are dead, the others have the rest. */
const MAX_UNPROVEN = 512;
/** One endpoint gets at most this share of the places that are free. */
const SHARE_OF_FREE = 32;
const CLAIM_AT_ONCE = 64;
/** How much longer than an attempt a lease lasts: for the name, the pause after failures, and writing the outcome down. */
const LEASE_SLACK_MS = 20_000;
/** An endpoint that fails this often in a row gives its place back a second later, and more often still five seconds later. */
const PAUSE_AFTER_FAILURES = 5;
const MAX_PAUSE_MS = 5000;
const MAX_COUNTED_ENDPOINTS = 10_000;
const MAX_RESPONSE_BYTES = 64 * 1024;
const KEPT_RESPONSE_BYTES = 4096;
/** Between two looks when something is due that cannot be claimed (its neighbour is in flight elsewhere). */
const MIN_SLEEP_MS = 250;
const MAX_SLEEP_MS = 60_000;
const MAX_BACKOFF_MS = 5000;
const FINISH_TRIES = 4;
const CLOSE_WITHIN_MS = 3000;
const PRUNE_MS = 3_600_000;

const systemClock: SenderClock = {
  nowMs: Date.now,
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => {}),
};

export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  return new Sender(options);
}

class Sender implements WebhookSender {
  readonly #options: WebhookSenderOptions;
  readonly #log: Logger;
  readonly #clock: SenderClock;
  readonly #inFlight = new Set<Promise<void>>();
  #unproven = 0;
  /** Failures in a row, of the endpoints whose last attempt failed. */
  readonly #failures = new Map<string, number>();
  readonly #closing = new AbortController();
  #woken = false;
  #nap: AbortController | null = null;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
  }

  start(): void {
    this.#running = Promise.all([this.#send(), this.#pruneHourly()]);
  }

  wake(): void {
    this.#woken = true;
    this.#nap?.abort();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.wake();
    await this.#running;
    const ended = new AbortController();
    const all = Promise.all(this.#inFlight).then(() => ended.abort());
    await Promise.race([all, delay(CLOSE_WITHIN_MS, undefined, { signal: ended.signal }).catch(() => {})]);
    if (this.#inFlight.size > 0) this.#log.info({ deliveries: this.#inFlight.size }, 'webhooks: cut while sending');
  }

  /** Claims what is due as long as there is something, then sleeps until there is more. */
  async #send(): Promise<void> {
    let failures = 0;
    while (!this.#closing.signal.aborted) {
      this.#woken = false;
      try {
        const full = await this.#claim();
        if (failures > 0) this.#log.info('webhooks: the store answers again');
        failures = 0;
        if (!full) await this.#sleep(await this.#untilNextDue());
      } catch (error) {
        if (failures++ === 0)
          this.#log.warn({ reason: (error as Error).message }, 'webhooks: the store does not answer');
        // Not cut short by events: each of them would ask again a store that cannot answer.
        const backoffMs = Math.min(MAX_BACKOFF_MS, 250 * 2 ** failures) * (0.5 + Math.random() / 2);
        await this.#clock.sleep(backoffMs, this.#closing.signal);
      }
    }
  }

  /** Starts what is due. True when there may be more, and room for it. */
  async #claim(): Promise<boolean> {
    const free = MAX_IN_FLIGHT - this.#inFlight.size;
    const limit = Math.min(free, CLAIM_AT_ONCE);
    if (limit === 0) return false;
    const unprovenLimit = Math.min(limit, MAX_UNPROVEN - this.#unproven);
    const perEndpoint = Math.ceil(free / SHARE_OF_FREE);
    const leaseMs = this.#options.timeoutMs + LEASE_SLACK_MS;
    const claimed = await this.#options.deliveries.claim({ limit, unprovenLimit, perEndpoint, leaseMs });
    for (const delivery of claimed) {
      const unproven = delivery.proven ? 0 : 1;
      this.#unproven += unproven;
      const attempt = this.#attempt(delivery).finally(() => {
        this.#inFlight.delete(attempt);
        this.#unproven -= unproven;
        // The next of its live stream may go now, or the place is free for another.
        this.wake();
      });
      this.#inFlight.add(attempt);
    }
    // Another process may have been quicker with some of them.
    return claimed.length >= limit / 2;
  }

  async #untilNextDue(): Promise<number> {
    if (this.#woken) return 0;
    const nextMs = await this.#options.deliveries.nextDueMs();
    const waitMs = nextMs === null ? MAX_SLEEP_MS : nextMs - this.#clock.nowMs();
    return Math.max(MIN_SLEEP_MS, Math.min(waitMs, MAX_SLEEP_MS));
  }

  /** Ends early when somebody wakes, also when that was before. */
  async #sleep(ms: number): Promise<void> {
    if (this.#woken) return;
    this.#nap = new AbortController();
    await this.#clock.sleep(ms, this.#nap.signal);
    this.#nap = null;
  }

  /** Sends one delivery and writes down what became of it. Never rejects. */
  async #attempt(delivery: DueDelivery): Promise<void> {
    const startedMs = this.#clock.nowMs();
    const beganMs = monotonicMs();
    const { eventId: id, body, secrets } = delivery;
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'LiveAPI-Webhooks/1',
      ...signatureHeaders({ id, body, secrets }, startedMs),
    };
    const answer = await this.#post(delivery.url, headers, body);
    const { status, error, responseBody } = answer;
    // Cut by us and not by the receiver: its lease runs out, and it is tried again.
    if (status === null && this.#closing.signal.aborted) return;
    const attempt: DeliveryAttempt = {
      startedMs,
      durationMs: Math.round(monotonicMs() - beganMs),
      status,
      error,
      responseBody,
      requestHeaders: { ...headers, 'webhook-signature': secrets.map(() => 'v1,***').join(' ') },
    };
    const outcome = decide(answer, delivery.attempts, this.#options.retryMs, this.#clock.nowMs());
    this.#options.onOutcome?.(outcome.kind);
    const facts = { delivery: delivery.id, event: id, endpoint: delivery.endpointId, attempt: delivery.attempts + 1 };
    await this.#pause(delivery.endpointId, outcome.kind !== 'delivered');
    try {
      const { endpointDisabled } = await this.#finish(delivery.id, attempt, outcome);
      const level = outcome.kind === 'delivered' ? 'debug' : 'info';
      this.#log[level]({ ...facts, status, reason: answer.cause }, `webhooks: ${outcome.kind}`);
      if (endpointDisabled) this.#log.warn({ endpoint: delivery.endpointId }, 'webhooks: endpoint disabled');
    } catch (failure) {
      const reason = (failure as Error).message;
      this.#log.warn({ ...facts, status, reason }, 'webhooks: outcome not written, it will be sent again');
    }
  }

  /**
   * Lets an endpoint that keeps failing hold its place for a while: one with a backlog that refuses at once would else keep the store
   * busy with nothing but failures, to the cost of all others.
   */
  async #pause(endpointId: string, failed: boolean): Promise<void> {
    const failures = failed ? (this.#failures.get(endpointId) ?? 0) + 1 : 0;
    this.#failures.delete(endpointId);
    if (failures === 0) return;
    if (this.#failures.size >= MAX_COUNTED_ENDPOINTS) this.#failures.delete(this.#failures.keys().next().value!);
    this.#failures.set(endpointId, failures);
    const pauseMs = Math.min(MAX_PAUSE_MS, 1000 * Math.floor(failures / PAUSE_AFTER_FAILURES));
    if (pauseMs > 0) await this.#clock.sleep(pauseMs, this.#closing.signal);
  }

  async #post(url: string, headers: Record<string, string>, body: string) {
    const { outbound, timeoutMs } = this.#options;
    try {
      const answer = await outbound.request(url, {
        kind: 'webhook',
        method: 'POST',
        headers,
        body,
        timeoutMs,
        maxResponseBytes: MAX_RESPONSE_BYTES,
      });
      const retryAfter = answer.headers['retry-after'];
      return {
        status: answer.status,
        retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
        error: null,
        responseBody: answer.body.subarray(0, KEPT_RESPONSE_BYTES).toString('utf8'),
      };
    } catch (failure) {
      // What is told to the tenant is the guard's one wording; the cause is the operator's, and only its code.
      const error = failure instanceof CodedError ? failure.message : 'The webhook could not be sent.';
      const cause =
        ((failure as Error).cause as NodeJS.ErrnoException | undefined)?.code ?? (failure as CodedError).code;
      return { status: null, retryAfter: undefined, error, responseBody: null, cause };
    }
  }

  async #finish(...call: Parameters<Deliveries['finish']>): Promise<{ readonly endpointDisabled: boolean }> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#options.deliveries.finish(...call);
      } catch (error) {
        if (tries === FINISH_TRIES || this.#closing.signal.aborted) throw error;
        await this.#clock.sleep(250 * 4 ** (tries - 1), this.#closing.signal);
      }
    }
  }

  async #pruneHourly(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#options.deliveries.prune(this.#clock.nowMs());
      } catch (error) {
        this.#log.warn({ reason: (error as Error).message }, 'webhooks: the delivery log could not be pruned');
      }
      await this.#clock.sleep(PRUNE_MS, this.#closing.signal);
    }
  }
}
