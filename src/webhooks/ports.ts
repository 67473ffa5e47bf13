// What the sender needs from others; `store` implements it, `app.ts` passes it in.

/** A delivery that was claimed: nobody else tries it while the lease lasts. */
export interface DueDelivery {
  readonly id: string;
  readonly eventId: string;
  readonly eventName: string;
  readonly endpointId: string;
  readonly url: string;
  /** `whsec_…`, newest first; older ones while their overlap lasts. */
  readonly secrets: readonly string[];
  readonly liveStreamId: string | null;
  readonly sequence: number | null;
  /** Attempts made before. */
  readonly attempts: number;
  readonly createdMs: number;
  readonly firstAttemptMs: number | null;
  /** The same bytes for each attempt. */
  readonly body: string;
}

/** One attempt, as the delivery log keeps it. */
export interface DeliveryAttempt {
  readonly startedMs: number;
  readonly durationMs: number;
  /** Null: no whole answer came. */
  readonly status: number | null;
  readonly error: string | null;
  /** At most 4 KiB of text. */
  readonly responseBody: string | null;
  /** The signature is masked. */
  readonly requestHeaders: Record<string, string>;
}

export type DeliveryOutcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly nextMs: number }
  | { readonly kind: 'dead'; readonly reason: string };

/** The outbox. Every call may fail for a while; what was claimed and not finished is free again when its lease has run out. */
export interface DeliveryQueue {
  /** Those that are due, in the order of their live stream; `perEndpoint` is what one endpoint may have in flight. */
  claim(options: {
    readonly limit: number;
    readonly perEndpoint: number;
    readonly leaseMs: number;
  }): Promise<readonly DueDelivery[]>;
  finish(
    id: string,
    attempt: DeliveryAttempt,
    outcome: DeliveryOutcome,
  ): Promise<{ readonly endpointDisabled: boolean }>;
  /** When something is due next, in milliseconds of the system clock; null: nothing waits. */
  nextDueMs(): Promise<number | null>;
  /** Forgets what is older than the log is kept. */
  prune(nowMs: number): Promise<unknown>;
}
