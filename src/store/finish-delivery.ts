import { type Compilable, type ExpressionBuilder, type Kysely, type Selectable, sql } from 'kysely';
import type { WebhookEndpointsTable } from './event-tables.ts';
import { recordEvent } from './record-event.ts';
import type { Tables } from './schema.ts';
import { together } from './together.ts';

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

/** An attempt that is over. */
export interface Finished {
  readonly id: string;
  readonly attempt: DeliveryAttempt;
  readonly outcome: DeliveryOutcome;
}

/**
 * Writes down what attempts came to, in their order: `Deliveries.finish`. Resolves with the endpoint's id for each that disabled it:
 * what waits for it is to be given up then.
 */
export async function finishDeliveries(
  transaction: Kysely<Tables>,
  finished: readonly Finished[],
): Promise<(string | null)[]> {
  const answers = await together(transaction, ...finished.flatMap((one) => statementsOf(transaction, one)));
  const judged = new Set<string>();
  const disabled: (string | null)[] = [];
  for (const [i, { attempt, outcome }] of finished.entries()) {
    // None when it was deleted while this was in flight.
    const [endpoint] = answers[i * STATEMENTS] as Selectable<WebhookEndpointsTable>[];
    const disables = endpoint && outcome.kind !== 'delivered' && (await judge(transaction, endpoint, attempt, judged));
    disabled.push(disables ? endpoint.id : null);
  }
  return disabled;
}

const STATEMENTS = 3;

/** The endpoint first: whoever changes its deliveries holds its row. */
function statementsOf(transaction: Kysely<Tables>, { id, attempt, outcome }: Finished): Compilable<unknown>[] {
  const delivered = outcome.kind === 'delivered';
  return [
    transaction
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
      .returningAll(),
    transaction
      .updateTable('deliveries')
      .set(({ eb, fn, val }) => ({
        attempts: eb('attempts', '+', 1),
        first_attempt_ms: fn.coalesce('first_attempt_ms', val(attempt.startedMs)),
        lease_until_ms: null,
        ...after(outcome),
      }))
      .where('id', '=', id)
      .where(ofEndpoint),
    transaction
      .insertInto('delivery_attempts')
      .columns([
        'delivery_id',
        'number',
        'started_ms',
        'duration_ms',
        'status',
        'error',
        'response_body',
        'request_headers',
      ])
      .expression((eb) =>
        eb
          .selectFrom('deliveries')
          .select([
            'id as delivery_id',
            'attempts as number',
            sql<number>`cast(${attempt.startedMs} as bigint)`.as('started_ms'),
            sql<number>`cast(${Math.round(attempt.durationMs)} as integer)`.as('duration_ms'),
            sql<number | null>`cast(${attempt.status} as integer)`.as('status'),
            eb.val(attempt.error).as('error'),
            // Postgres keeps no NUL in a text.
            eb
              .val(attempt.responseBody?.replaceAll('\0', '').slice(0, RESPONSE_CHARACTERS) ?? null)
              .as('response_body'),
            eb.val(JSON.stringify(attempt.requestHeaders)).as('request_headers'),
          ])
          .where('id', '=', id)
          .where(ofEndpoint),
      ),
  ];
}

/** One that is not deleted: the first statement has locked its row. */
const ofEndpoint = ({ exists, selectFrom }: ExpressionBuilder<Tables, 'deliveries'>) =>
  exists(
    selectFrom('webhook_endpoints as w')
      .select('w.id')
      .whereRef('w.id', '=', 'deliveries.endpoint_id')
      .where('w.deleted_ms', 'is', null),
  );

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

/**
 * After a failed attempt: disables the endpoint when that is due (then true), or tells once that it fails. `judged` are those of which
 * that was said in this transaction: their rows here are from before.
 */
async function judge(
  transaction: Kysely<Tables>,
  endpoint: Selectable<WebhookEndpointsTable>,
  attempt: DeliveryAttempt,
  judged: Set<string>,
): Promise<boolean> {
  if (endpoint.enabled === 0 || judged.has(endpoint.id)) return false;
  const failingSinceMs = endpoint.failing_since_ms!;
  const failingMs = attempt.startedMs + attempt.durationMs - failingSinceMs;
  const gone = attempt.status === 410;
  const disable = gone || failingMs >= DISABLE_AFTER_MS;
  if (!disable && (failingMs < NOTICE_AFTER_MS || endpoint.failing_noticed === 1)) return false;
  judged.add(endpoint.id);
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
