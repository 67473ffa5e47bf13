import type { Kysely, Selectable } from 'kysely';
import { CodedError, newId } from '../base/index.ts';
import type { EventName } from '../contract/index.ts';
import type { DeliveriesTable, DeliveryState } from './event-tables.ts';
import { toBody } from './events.ts';
import type { DeliveryAttempt } from './finish-delivery.ts';
import type { Scope } from './live-stream-row.ts';
import { newestFirst } from './newest-first.ts';
import { noteDeliveries } from './record-event.ts';
import type { Tables } from './schema.ts';
import { disabled, lock } from './webhook-endpoints.ts';

export interface DeliveryRow {
  readonly id: string;
  readonly eventId: string;
  readonly eventName: EventName;
  readonly number: number;
  readonly state: DeliveryState;
  /** Why it is dead. */
  readonly reason: string | null;
  readonly attempts: number;
  readonly nextAttemptMs: number | null;
  readonly createdMs: number;
  readonly firstAttemptMs: number | null;
  readonly finishedMs: number | null;
  /** The delivery that this one repeats. */
  readonly resendOf: string | null;
}

export interface DeliveryFilter {
  readonly state?: DeliveryState | undefined;
  readonly event?: EventName | undefined;
  /** Created at or after, and before. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

export interface DeliveryDetails extends DeliveryRow {
  readonly body: string;
  /** In the order in which they were made. */
  readonly log: readonly DeliveryAttempt[];
}

/** What was sent to an endpoint, kept for 30 days. Null stands for an endpoint or a delivery that is not there. */
export interface DeliveryLog {
  /** Newest first; `page` counts from 1. */
  list(
    scope: Scope,
    endpointId: string,
    filter: DeliveryFilter & { readonly page: number; readonly limit: number },
  ): Promise<{ rows: DeliveryRow[]; total: number } | null>;
  get(scope: Scope, endpointId: string, id: string): Promise<DeliveryDetails | null>;
  /** A new delivery of the same event. @throws CodedError conflict while the endpoint is disabled or this one is under way. */
  resend(scope: Scope, endpointId: string, id: string): Promise<DeliveryRow | null>;
  /**
   * A new delivery of each event whose delivery is as the filter says, in their order; none of an event that is on its way to the
   * endpoint, and of dead ones none that has arrived since. At most 10,000 with one call: `nextFromMs` says from when on to go on, null that nothing is left.
   * @throws CodedError conflict while the endpoint is disabled
   */
  resendAll(
    scope: Scope,
    endpointId: string,
    filter: ResendFilter,
  ): Promise<{ resent: number; nextFromMs: number | null } | null>;
}

export type ResendFilter = DeliveryFilter & { readonly state: 'dead' | 'delivered' };

const MAX_RESENT = 10_000;
/** Of those, some need not be sent: a call has an end all the same. */
const MAX_LOOKED = 100_000;
/** Within one transaction: the limits on a statement's parameters allow no more than a thousand. */
const RESEND_AT_ONCE = 500;

/** The log of deliveries, each call one transaction or a few statements; `resendAll` a row of transactions. */
export class DeliveryLogStore implements DeliveryLog {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async list(
    scope: Scope,
    endpointId: string,
    { page, limit, ...filter }: DeliveryFilter & { readonly page: number; readonly limit: number },
  ) {
    if (!(await this.#hasEndpoint(scope, endpointId))) return null;
    const some = matching(this.#db, endpointId, filter);
    const { rows, total } = await newestFirst(some, { page, limit });
    return { rows: rows.map(fromColumns), total };
  }

  async get(scope: Scope, endpointId: string, id: string): Promise<DeliveryDetails | null> {
    if (!(await this.#hasEndpoint(scope, endpointId))) return null;
    const row = await one(this.#db, endpointId, id);
    if (!row) return null;
    const [event, attempts] = await Promise.all([
      this.#db.selectFrom('events').selectAll().where('id', '=', row.event_id).executeTakeFirst(),
      this.#db.selectFrom('delivery_attempts').selectAll().where('delivery_id', '=', id).orderBy('number').execute(),
    ]);
    // Forgotten between the two statements.
    if (!event) return null;
    const log = attempts.map((attempt) => ({
      startedMs: attempt.started_ms,
      durationMs: attempt.duration_ms,
      status: attempt.status,
      error: attempt.error,
      responseBody: attempt.response_body,
      requestHeaders: JSON.parse(attempt.request_headers),
    }));
    return { ...fromColumns(row), body: toBody(event), log };
  }

  resend(scope: Scope, endpointId: string, id: string): Promise<DeliveryRow | null> {
    return this.#db.transaction().execute(async (transaction) => {
      if (!(await lockEnabled(transaction, scope, endpointId))) return null;
      const row = await one(transaction, endpointId, id);
      if (!row) return null;
      const underWay = await transaction
        .selectFrom('deliveries')
        .select('id')
        .where('endpoint_id', '=', endpointId)
        .where('event_id', '=', row.event_id)
        .where('due_ms', 'is not', null)
        .executeTakeFirst();
      if (underWay)
        throw new CodedError('conflict', `This event is on its way to the endpoint already: delivery ${underWay.id}.`);
      const [again] = await repeat(transaction, [row]);
      return fromColumns(again!);
    });
  }

  async resendAll(scope: Scope, endpointId: string, filter: ResendFilter) {
    let [resent, looked, after] = [0, 0, 0];
    while (resent < MAX_RESENT && looked < MAX_LOOKED) {
      const found = await this.#db.transaction().execute(async (transaction) => {
        if (!(await lockEnabled(transaction, scope, endpointId))) return null;
        const rows = await matching(transaction, endpointId, filter)
          .selectAll()
          .where('resend_of', 'is', null)
          .where('number', '>', after)
          .orderBy('number')
          .limit(RESEND_AT_ONCE)
          .execute();
        if (rows.length === 0) return { rows, some: rows };
        // Asked for by name, not by a join: a planner whose figures are from before a burst would compare all with all.
        const done = await transaction
          .selectFrom('deliveries')
          .select('event_id')
          .where(
            'event_id',
            'in',
            rows.map(({ event_id }) => event_id),
          )
          .where('endpoint_id', '=', endpointId)
          .where((eb) =>
            filter.state === 'dead'
              ? eb.or([eb('due_ms', 'is not', null), eb('state', '=', 'delivered')])
              : eb('due_ms', 'is not', null),
          )
          .execute();
        const without = new Set(done.map(({ event_id }) => event_id));
        const some = rows.filter(({ event_id }) => !without.has(event_id));
        if (some.length > 0) await repeat(transaction, some);
        return { rows, some };
      });
      if (!found) return null;
      const { rows, some } = found;
      resent += some.length;
      looked += rows.length;
      if (rows.length < RESEND_AT_ONCE) return { resent, nextFromMs: null };
      after = rows.at(-1)!.number;
    }
    // Not the last one's time: they were made in the order of their numbers, which need not be that of the clock.
    const { next } = await matching(this.#db, endpointId, filter)
      .select((select) => select.fn.min('created_ms').as('next'))
      .where('resend_of', 'is', null)
      .where('number', '>', after)
      .executeTakeFirstOrThrow();
    return { resent, nextFromMs: next };
  }

  async #hasEndpoint(scope: Scope, id: string): Promise<boolean> {
    const row = await this.#db
      .selectFrom('webhook_endpoints')
      .select('id')
      .where('id', '=', id)
      .where('organization_id', '=', scope.organizationId)
      .where('environment', '=', scope.environment)
      .where('deleted_ms', 'is', null)
      .executeTakeFirst();
    return row !== undefined;
  }
}

type Row = Selectable<DeliveriesTable>;

/** False when there is no such endpoint. */
async function lockEnabled(transaction: Kysely<Tables>, scope: Scope, endpointId: string): Promise<boolean> {
  const endpoint = await lock(transaction, scope, endpointId);
  if (endpoint?.enabled === 0) throw disabled();
  return endpoint !== undefined;
}

/** Resends are in order among themselves, in lanes of their own: new events need not wait for old ones. */
async function repeat(transaction: Kysely<Tables>, rows: readonly Row[]): Promise<Row[]> {
  const now = Date.now();
  const again = rows.map((row): Row => {
    return {
      ...row,
      id: newId(),
      lane: `resend/${row.lane.replace('resend/', '')}`,
      resend_of: row.id,
      state: 'pending',
      reason: null,
      attempts: 0,
      due_ms: now,
      lease_until_ms: null,
      node: null,
      created_ms: now,
      first_attempt_ms: null,
      finished_ms: null,
    };
  });
  await transaction.insertInto('deliveries').values(again).execute();
  noteDeliveries(transaction);
  return again;
}

function matching(db: Kysely<Tables>, endpointId: string, { state, event, fromMs, toMs }: DeliveryFilter) {
  let query = db.selectFrom('deliveries').where('endpoint_id', '=', endpointId);
  if (state !== undefined) query = query.where('state', '=', state);
  if (event !== undefined) query = query.where('event_name', '=', event);
  if (fromMs !== undefined) query = query.where('created_ms', '>=', fromMs);
  if (toMs !== undefined) query = query.where('created_ms', '<', toMs);
  return query;
}

const one = (db: Kysely<Tables>, endpointId: string, id: string) =>
  db.selectFrom('deliveries').selectAll().where('id', '=', id).where('endpoint_id', '=', endpointId).executeTakeFirst();

const fromColumns = (row: Row): DeliveryRow => ({
  id: row.id,
  eventId: row.event_id,
  eventName: row.event_name,
  number: row.number,
  state: row.state,
  reason: row.reason,
  attempts: row.attempts,
  nextAttemptMs: row.due_ms,
  createdMs: row.created_ms,
  firstAttemptMs: row.first_attempt_ms,
  finishedMs: row.finished_ms,
  resendOf: row.resend_of,
});
