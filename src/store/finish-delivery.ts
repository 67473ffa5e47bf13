import { type Kysely, type Selectable, sql } from 'kysely';
import type { DeliveryAttemptsTable, WebhookEndpointsTable } from './event-tables.ts';
import { recordEvent } from './record-event.ts';
import type { Tables } from './schema.ts';

export interface DeliveryAttempt {
  readonly startedMs: number;
  readonly durationMs: number;
  readonly status: number | null;
  readonly error: string | null;
  /** At most 4 KiB of text. */
  readonly responseBody: string | null;
  /** Signature masked. */
  readonly requestHeaders: Record<string, string>;
}

export type DeliveryOutcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly nextMs: number }
  | { readonly kind: 'dead'; readonly reason: string };

const RESPONSE_CHARACTERS = 4096;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Nothing but failures for this long disables an endpoint; after the first hour of it the owner is told. */
const DISABLE_AFTER_MS = 5 * DAY_MS;
const NOTICE_AFTER_MS = HOUR_MS;

/**
 * Writes down what an attempt came to: `Deliveries.finish`. The endpoint first: whoever changes its deliveries holds its row. Resolves
 * with the endpoint's id when that disabled it: what waits for it is to be given up then.
 */
export async function finishDelivery(
  transaction: Kysely<Tables>,
  id: string,
  attempt: DeliveryAttempt,
  outcome: DeliveryOutcome,
): Promise<string | null> {
  const delivered = outcome.kind === 'delivered';
  const endpoint = await transaction
    .updateTable('webhook_endpoints')
    .set(({ eb, fn, val }) => ({
      last_attempt_ms: attempt.startedMs,
      last_status: attempt.status,
      last_error: attempt.error,
      failures: delivered ? 0 : eb('failures', '+', 1),
      failing_since_ms: delivered ? null : fn.coalesce('failing_since_ms', val(attempt.startedMs)),
      ...(delivered ? { failing_noticed: 0 as const } : {}),
    }))
    .where('id', '=', (select) => select.selectFrom('deliveries').select('endpoint_id').where('id', '=', id))
    .where('deleted_ms', 'is', null)
    .returningAll()
    .executeTakeFirst();
  // It was deleted while this was in flight.
  if (!endpoint) return null;
  const { attempts } = await transaction
    .updateTable('deliveries')
    .set(({ eb, fn, val }) => ({
      attempts: eb('attempts', '+', 1),
      first_attempt_ms: fn.coalesce('first_attempt_ms', val(attempt.startedMs)),
      lease_until_ms: null,
      ...after(outcome),
    }))
    .where('id', '=', id)
    .returning('attempts')
    .executeTakeFirstOrThrow();
  await transaction
    .insertInto('delivery_attempts')
    .values(toAttempt(id, attempts, attempt))
    .execute();
  return !delivered && (await judge(transaction, endpoint, attempt)) ? endpoint.id : null;
}

/** One that was given up while it was in flight stays dead, unless it has arrived. */
function after(outcome: DeliveryOutcome) {
  if (outcome.kind === 'delivered')
    return { state: 'delivered' as const, reason: null, due_ms: null, finished_ms: Date.now() };
  const unlessOver = <T>(column: 'state' | 'reason' | 'due_ms' | 'finished_ms', value: T) =>
    sql<T>`case when due_ms is null then ${sql.ref(column)} else ${value} end`;
  if (outcome.kind === 'retry')
    return { state: unlessOver('state', 'retrying' as const), due_ms: unlessOver('due_ms', outcome.nextMs) };
  return {
    state: unlessOver('state', 'dead' as const),
    reason: unlessOver('reason', outcome.reason),
    due_ms: null,
    finished_ms: unlessOver('finished_ms', Date.now()),
  };
}

function toAttempt(id: string, number: number, attempt: DeliveryAttempt): Selectable<DeliveryAttemptsTable> {
  return {
    delivery_id: id,
    number,
    started_ms: attempt.startedMs,
    duration_ms: Math.round(attempt.durationMs),
    status: attempt.status,
    error: attempt.error,
    // Postgres keeps no NUL in a text.
    response_body: attempt.responseBody?.replaceAll('\0', '').slice(0, RESPONSE_CHARACTERS) ?? null,
    request_headers: JSON.stringify(attempt.requestHeaders),
  };
}

/** After a failed attempt: disables the endpoint when that is due (then true), or tells once that it fails. */
async function judge(
  transaction: Kysely<Tables>,
  endpoint: Selectable<WebhookEndpointsTable>,
  attempt: DeliveryAttempt,
): Promise<boolean> {
  if (endpoint.enabled === 0) return false;
  const failingSinceMs = endpoint.failing_since_ms!;
  const failingMs = attempt.startedMs + attempt.durationMs - failingSinceMs;
  const gone = attempt.status === 410;
  const disable = gone || failingMs >= DISABLE_AFTER_MS;
  if (!disable && (failingMs < NOTICE_AFTER_MS || endpoint.failing_noticed === 1)) return false;
  const reason = gone ? 'The endpoint answered 410 Gone.' : 'Every attempt of five days failed.';
  await transaction
    .updateTable('webhook_endpoints')
    .set(disable ? { enabled: 0, disabled_reason: reason } : { failing_noticed: 1 })
    .where('id', '=', endpoint.id)
    .execute();
  await recordEvent(transaction, {
    organizationId: endpoint.organization_id,
    environment: endpoint.environment,
    liveStreamId: null,
    notFor: endpoint.id,
    name: disable ? 'webhook-endpoint-disabled' : 'webhook-endpoint-failing',
    payload: {
      endpoint: { _id: endpoint.id, name: endpoint.name },
      failing_since: new Date(failingSinceMs).toISOString(),
      ...(disable && { reason }),
    },
  });
  return disable;
}
