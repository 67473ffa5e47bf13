import { type Kysely, type Selectable, sql } from 'kysely';
import type { Logger, SecretBox } from '../base/index.ts';
import type { DeliveriesTable } from './event-tables.ts';
import { toBody } from './events.ts';
import { type DeliveryAttempt, type DeliveryOutcome, finishDelivery } from './finish-delivery.ts';
import type { Tables } from './schema.ts';
import { secretPurpose, urlPurpose } from './webhook-endpoints.ts';

export interface DueDelivery {
  readonly id: string;
  /** The webhook-id: the same for every attempt and resend. */
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
  /** Exact bytes, the same for each attempt. */
  readonly body: string;
}

/** The queue of deliveries, for who sends them. */
export interface Deliveries {
  /**
   * Claims due deliveries by lease. Order (L13): of one endpoint and live stream only the earliest that was never tried, and
   * never beside one in flight; those being retried hold up nobody. At most `perEndpoint` in flight for an endpoint, one for an
   * endpoint that failed five times in a row; endpoints that fail get at most half of `limit`. So a dead endpoint delays nobody.
   */
  claim(options: {
    readonly limit: number;
    readonly perEndpoint: number;
    readonly leaseMs: number;
  }): Promise<DueDelivery[]>;
  /**
   * Writes an attempt down and decides what comes next. The endpoint is disabled by an answer of 410, and after five days of
   * nothing but failures (L15): what waits for it is dead then.
   */
  finish(id: string, attempt: DeliveryAttempt, outcome: DeliveryOutcome): Promise<{ endpointDisabled: boolean }>;
  /**
   * When something is due next, a lease's end included; null when nothing waits. What is due already but held up by deliveries in
   * flight does not count: ask `claim` again after each `finish`.
   */
  nextDueMs(): Promise<number | null>;
  /** Forgets events, deliveries and broadcasts that are older than what is kept (30 days). */
  prune(nowMs: number): Promise<void>;
}

const KEEP_MS = 30 * 86_400_000;
/** Endpoints that are looked at together, and rows that are deleted together: neither may hold up the others' statements. */
const ENDPOINTS_AT_ONCE = 16;
const PRUNE_AT_ONCE = 500;
/** In one transaction, which everything else that writes waits for. */
const FINISH_AT_ONCE = 16;

interface Candidate {
  readonly id: string;
  readonly slots: number;
  readonly proven: boolean;
}

interface Finished {
  readonly id: string;
  readonly attempt: DeliveryAttempt;
  readonly outcome: DeliveryOutcome;
  resolve(answer: { endpointDisabled: boolean }): void;
  reject(error: unknown): void;
}

type Due = Pick<Selectable<DeliveriesTable>, 'id' | 'due_ms'>;

/** The outbox: each call a few statements, `finish` one transaction. */
export class DeliveryStore implements Deliveries {
  readonly #db: Kysely<Tables>;
  readonly #secrets: SecretBox;
  readonly #log: Logger;
  readonly #finished: Finished[] = [];
  #finishing: Promise<void> | null = null;
  #claimedMs = 0;

  constructor(db: Kysely<Tables>, log: Logger, secrets: SecretBox) {
    this.#db = db;
    this.#log = log;
    this.#secrets = secrets;
  }

  async claim({ limit, perEndpoint, leaseMs }: { limit: number; perEndpoint: number; leaseMs: number }) {
    const now = Date.now();
    this.#claimedMs = now;
    const candidates = await this.#candidates(now, perEndpoint);
    const found: Due[] = [];
    // Of what there is room for, endpoints that do not answer get half: the others always find a slot.
    let unproven = Math.floor(limit / 2);
    for (let i = 0; i < candidates.length && found.length < limit; i += ENDPOINTS_AT_ONCE) {
      const some = candidates.slice(i, i + ENDPOINTS_AT_ONCE);
      const due = await Promise.all(some.map((candidate) => this.#due(candidate, now)));
      for (const [j, rows] of due.entries()) {
        const room = some[j]!.proven ? limit : unproven;
        const taken = rows.slice(0, Math.min(room, limit - found.length));
        if (!some[j]!.proven) unproven -= taken.length;
        found.push(...taken);
      }
    }
    if (found.length === 0) return [];
    const claimed = await this.#db
      .updateTable('deliveries')
      .set({ lease_until_ms: now + leaseMs })
      // Looked at again: another claim may have been quicker.
      .where((eb) =>
        eb.and([
          eb(
            'id',
            'in',
            found.map(({ id }) => id),
          ),
          eb('due_ms', '<=', now),
          free(now),
        ]),
      )
      .returning('id')
      .execute();
    return claimed.length === 0
      ? []
      : this.#read(
          claimed.map(({ id }) => id),
          now,
        );
  }

  /** What is finished while a transaction is under way shares the next: one commit for all of them. */
  finish(id: string, attempt: DeliveryAttempt, outcome: DeliveryOutcome): Promise<{ endpointDisabled: boolean }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ endpointDisabled: boolean }>();
    this.#finished.push({ id, attempt, outcome, resolve, reject });
    if (!this.#finishing) this.#finishing = this.#finishAll().finally(() => (this.#finishing = null));
    return promise;
  }

  async #finishAll(): Promise<void> {
    while (this.#finished.length > 0) {
      const some = this.#finished.splice(0, FINISH_AT_ONCE);
      try {
        const answers = await this.#db.transaction().execute(async (transaction) => {
          const answers: { endpointDisabled: boolean }[] = [];
          for (const { id, attempt, outcome } of some)
            answers.push(await finishDelivery(transaction, id, attempt, outcome));
          return answers;
        });
        for (const [i, { resolve }] of some.entries()) resolve(answers[i]!);
      } catch (error) {
        for (const { reject } of some) reject(error);
      }
    }
  }

  async nextDueMs(): Promise<number | null> {
    // What was due at the last claim and was not claimed waits for something in flight, not for a time.
    const soonest = (column: 'due_ms' | 'lease_until_ms') =>
      this.#db
        .selectFrom('deliveries')
        .select(column)
        .where(column, '>', this.#claimedMs)
        .orderBy(column)
        .limit(1)
        .executeTakeFirst();
    const [due, lease] = await Promise.all([soonest('due_ms'), soonest('lease_until_ms')]);
    const times = [due?.due_ms, lease?.lease_until_ms].filter((time) => time != null);
    return times.length === 0 ? null : Math.min(...times);
  }

  async prune(nowMs: number): Promise<void> {
    const before = nowMs - KEEP_MS;
    const someOf = {
      // Deliveries and their attempts go with the event.
      events: this.#db.selectFrom('events').select('id').where('created_ms', '<', before).limit(PRUNE_AT_ONCE),
      broadcasts: this.#db.selectFrom('broadcasts').select('id').where('ended_ms', '<', before).limit(PRUNE_AT_ONCE),
      webhook_secrets: this.#db.selectFrom('webhook_secrets').select('id').where('expires_ms', '<', nowMs),
    };
    for (const table of ['events', 'broadcasts', 'webhook_secrets'] as const) {
      let deleted: bigint;
      do {
        const { numDeletedRows } = await this.#db
          .deleteFrom(table)
          .where('id', 'in', someOf[table])
          .executeTakeFirstOrThrow();
        deleted = numDeletedRows;
      } while (deleted >= PRUNE_AT_ONCE);
    }
  }

  /** Puts back what a process that is gone had claimed. */
  async release(): Promise<void> {
    await this.#db
      .updateTable('deliveries')
      .set({ lease_until_ms: null })
      .where('lease_until_ms', 'is not', null)
      .execute();
  }

  /** Endpoints with something due and room for it: those whose last attempt succeeded first, else in no order. */
  async #candidates(now: number, perEndpoint: number): Promise<Candidate[]> {
    const [inFlight, endpoints] = await Promise.all([
      this.#db
        .selectFrom('deliveries')
        .select((select) => ['endpoint_id', select.fn.countAll<number>().as('count')])
        .where('lease_until_ms', '>', now)
        .groupBy('endpoint_id')
        .execute(),
      this.#db
        .selectFrom('webhook_endpoints')
        .select(['id', 'failures', 'last_attempt_ms'])
        .where('enabled', '=', 1)
        .where(({ exists, selectFrom }) =>
          exists(
            selectFrom('deliveries')
              .select('deliveries.id')
              .whereRef('endpoint_id', '=', 'webhook_endpoints.id')
              .where('due_ms', '<=', now)
              .where(free(now)),
          ),
        )
        .execute(),
    ]);
    const busy = new Map(inFlight.map(({ endpoint_id, count }) => [endpoint_id, count]));
    return endpoints
      .map(({ id, failures, last_attempt_ms }) => {
        const proven = failures === 0 && last_attempt_ms !== null;
        return { id, proven, slots: (proven ? perEndpoint : 1) - (busy.get(id) ?? 0), luck: Math.random() };
      })
      .filter(({ slots }) => slots > 0)
      .sort((a, b) => Number(b.proven) - Number(a.proven) || a.luck - b.luck);
  }

  /** What the endpoint is to be sent next: the heads of its lanes, and what is to be tried again. */
  async #due({ id, slots }: Candidate, now: number): Promise<Due[]> {
    const ofEndpoint = this.#db
      .selectFrom('deliveries as d')
      .select(['d.id', 'd.due_ms'])
      .where('d.endpoint_id', '=', id)
      .where('d.due_ms', '<=', now)
      .where(free(now))
      .limit(slots);
    const [heads, again] = await Promise.all([
      ofEndpoint
        .innerJoin(
          (select) =>
            select
              .selectFrom('deliveries')
              .select(({ fn }) => ['lane', fn.min('number').as('number')])
              .where('endpoint_id', '=', id)
              .where('state', '=', 'pending')
              .groupBy('lane')
              .as('head'),
          (join) => join.onRef('head.lane', '=', 'd.lane').onRef('head.number', '=', 'd.number'),
        )
        .where('d.state', '=', 'pending')
        .orderBy('d.number')
        .execute(),
      ofEndpoint.where('d.state', '=', 'retrying').orderBy('d.due_ms').execute(),
    ]);
    return [...heads, ...again].sort((a, b) => a.due_ms! - b.due_ms!).slice(0, slots);
  }

  async #read(ids: readonly string[], now: number): Promise<DueDelivery[]> {
    const [rows, secrets] = await Promise.all([
      this.#db
        .selectFrom('deliveries as d')
        .innerJoin('events as e', 'e.id', 'd.event_id')
        .innerJoin('webhook_endpoints as w', 'w.id', 'd.endpoint_id')
        .selectAll('e')
        .select(['d.id as delivery_id', 'd.endpoint_id', 'd.attempts', 'd.first_attempt_ms', 'w.url'])
        .select('d.created_ms as delivery_created_ms')
        .where('d.id', 'in', ids)
        .orderBy('d.number')
        .execute(),
      this.#db
        .selectFrom('webhook_secrets')
        .select(['id', 'endpoint_id', 'sealed'])
        .where('endpoint_id', 'in', (select) =>
          select.selectFrom('deliveries').select('endpoint_id').where('id', 'in', ids),
        )
        .where((eb) => eb.or([eb('expires_ms', 'is', null), eb('expires_ms', '>', now)]))
        .orderBy('created_ms', 'desc')
        .orderBy('id', 'desc')
        .execute(),
    ]);
    const opened = Map.groupBy(secrets, ({ endpoint_id }) => endpoint_id);
    return rows.flatMap((row) => {
      const delivery = { endpoint: row.endpoint_id, delivery: row.delivery_id };
      try {
        return {
          id: row.delivery_id,
          eventId: row.id,
          eventName: row.name,
          endpointId: row.endpoint_id,
          url: this.#secrets.open(row.url, urlPurpose(row.endpoint_id)),
          secrets: opened.get(row.endpoint_id)!.map(({ id, sealed }) => this.#secrets.open(sealed, secretPurpose(id))),
          liveStreamId: row.live_stream_id,
          sequence: row.sequence,
          attempts: row.attempts,
          createdMs: row.delivery_created_ms,
          firstAttemptMs: row.first_attempt_ms,
          body: toBody(row),
        };
      } catch (error) {
        // It stays claimed until its lease ends, and is tried again then: the key may be back.
        this.#log.error({ ...delivery, reason: (error as Error).message }, 'store: a webhook cannot be signed');
        return [];
      }
    });
  }
}

/** Not in flight. */
const free = (now: number) => sql<boolean>`(lease_until_ms is null or lease_until_ms <= ${now})`;
