import { createHash, randomBytes } from 'node:crypto';
import type { Deliveries, DeliveryAttempt, DeliveryOutcome, DueDelivery } from '../../src/store/index.ts';

/** A delivery as the test sees it. */
export interface Kept extends DueDelivery {
  dueMs: number | null;
  leased: boolean;
  attempts: number;
  readonly log: { readonly attempt: DeliveryAttempt; readonly outcome: DeliveryOutcome }[];
}

export const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

/** The sender's port in memory, where time is the test's. The real one is `src/store`; test/webhooks/store.test.ts uses that. */
export class MemoryQueue implements Deliveries {
  readonly kept: Kept[] = [];
  readonly #nowMs: () => number;
  /** Calls fail while it is set. */
  broken = false;
  claims = 0;

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  add(url: string, values: Partial<DueDelivery> = {}): Kept {
    const id = randomBytes(12).toString('hex');
    const delivery: Kept = {
      id,
      eventId: randomBytes(12).toString('hex'),
      eventName: 'stream-created',
      endpointId: createHash('sha256').update(url).digest('hex').slice(0, 24),
      proven: true,
      url,
      secrets: [newSecret()],
      liveStreamId: null,
      sequence: null,
      createdMs: this.#nowMs(),
      firstAttemptMs: null,
      body: JSON.stringify({ event: 'stream-created', payload: { name: 'Grüße' }, id }),
      attempts: 0,
      dueMs: this.#nowMs(),
      leased: false,
      log: [],
      ...values,
    };
    this.kept.push(delivery);
    return delivery;
  }

  async claim({ limit, perEndpoint }: { readonly limit: number; readonly perEndpoint: number }) {
    this.#fail();
    this.claims++;
    const claimed: Kept[] = [];
    for (const delivery of this.kept) {
      const { endpointId, dueMs } = delivery;
      if (claimed.length === limit || delivery.leased || dueMs === null || dueMs > this.#nowMs()) continue;
      if (this.kept.filter((other) => other.leased && other.endpointId === endpointId).length >= perEndpoint) continue;
      delivery.leased = true;
      claimed.push(delivery);
    }
    return claimed.map((delivery) => ({ ...delivery }));
  }

  async finish(id: string, attempt: DeliveryAttempt, outcome: DeliveryOutcome) {
    this.#fail();
    const delivery = this.kept.find((one) => one.id === id)!;
    delivery.log.push({ attempt, outcome });
    delivery.attempts++;
    delivery.leased = false;
    delivery.dueMs = outcome.kind === 'retry' ? outcome.nextMs : null;
    return { endpointDisabled: attempt.status === 410 };
  }

  async nextDueMs() {
    this.#fail();
    const due = this.kept.flatMap(({ dueMs, leased }) => (dueMs === null || leased ? [] : [dueMs]));
    return due.length > 0 ? Math.min(...due) : null;
  }

  async prune() {}

  #fail(): void {
    if (this.broken) throw new Error('the database is away');
  }
}
