import { type Kysely, type Selectable, sql } from 'kysely';
import { type Logger, monotonicMs, type SecretBox } from '../base/index.ts';
import type { DeliveriesTable } from './event-tables.ts';
import { toBody } from './events.ts';
import { type DeliveryAttempt, type DeliveryOutcome, type Finished, finishDeliveries } from './finish-delivery.ts';
import { abandoned } from './nodes.ts';
import { pruneExpired } from './prune-expired.ts';
import type { Tables } from './schema.ts';
import { together } from './together.ts';
import { giveUpWaiting, pruneEndpoints, secretPurpose, urlPurpose } from './webhook-endpoints.ts';

export interface DueDelivery {
  readonly id: string;
  /** The webhook-id: the same for every attempt and resend. */
  readonly eventId: string;
  readonly eventName: string;
  readonly endpointId: string;
  /** The endpoint's last attempt succeeded. */
  readonly proven: boolean;
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
   * endpoint whose last attempt failed or that was never tried; of such endpoints at most `unprovenLimit` are claimed, `limit` where
   * it is not said, and after all others.
   */
  claim(options: {
    readonly limit: number;
    readonly unprovenLimit?: number;
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
  /** Forgets events, deliveries and broadcasts that are older than what is kept (30 days), and whatever else has expired. */
  prune(nowMs: number): Promise<void>;
}

const KEEP_MS = 30 * 86_400_000;
/** Endpoints that are looked at together, and rows that are deleted together: neither may hold up the others' statements. */
const ENDPOINTS_AT_ONCE = 16;
const PRUNE_AT_ONCE = 500;
/** Of what was never tried, in the order of the events: the heads of an endpoint's lanes are looked for among these. */
const LOOK_AT = 256;
/** What is due later than this was planned by a clock that ran ahead: no wait is as long (`webhook_retry_s`, with its jitter). */
const LONGEST_WAIT_MS = 1.5 * 604_800_000;
/** In one transaction, which everything else that writes waits for. */
const FINISH_AT_ONCE = 16;

interface Candidate {
  readonly id: string;
  readonly slots: number;
  readonly proven: boolean;
}

interface Finishing extends Finished {
  resolve(answer: { endpointDisabled: boolean }): void;
  reject(error: unknown): void;
}

type Due = Pick<Selectable<DeliveriesTable>, 'id' | 'created_ms'>;

/** The outbox: each call a few statements, `finish` one transaction. */
export class DeliveryStore implements Deliveries {
  readonly #db: Kysely<Tables>;
  readonly #secrets: SecretBox;
  readonly #log: Logger;
  readonly #node: string;
  readonly #finished: Finishing[] = [];
  /** What this process has in flight, and until when by the monotonic clock: the system's may be set forward. */
  readonly #held = new Map<string, number>();
  #finishing = false;
  #claimedMs = 0;

  /** `node` is who claims. */
  constructor(db: Kysely<Tables>, log: Logger, secrets: SecretBox, node: string) {
    this.#db = db;
    this.#node = node;
    this.#log = log;
    this.#secrets = secrets;
  }

  async claim({ limit, unprovenLimit = limit, perEndpoint, leaseMs }: Parameters<Deliveries['claim']>[0]) {
    const now = Date.now();
    this.#claimedMs = now;
    for (const [id, untilMs] of this.#held) if (untilMs <= monotonicMs()) this.#held.delete(id);
    // Those that nothing is claimed for cost nothing, however many they are.
    const candidates = (await this.#candidates(now, perEndpoint)).filter(({ proven }) => proven || unprovenLimit > 0);
    const found: Due[] = [];
    const proven = new Set<string>();
    let unproven = unprovenLimit;
    for (let i = 0; i < candidates.length && found.length < limit; i += ENDPOINTS_AT_ONCE) {
      const some = candidates.slice(i, i + ENDPOINTS_AT_ONCE);
      if (!some[0]!.proven && unproven <= 0) break;
      const due = await Promise.all(some.map((candidate) => this.#due(candidate, now)));
      for (const [j, rows] of due.entries()) {
        const room = some[j]!.proven ? limit : unproven;
        const taken = rows.slice(0, Math.max(0, Math.min(room, limit - found.length)));
        if (some[j]!.proven) proven.add(some[j]!.id);
        else unproven -= taken.length;
        found.push(...taken);
      }
    }
    if (found.length === 0) return [];
    const claimed = await this.#db
      .updateTable('deliveries')
      .set({ lease_until_ms: now + leaseMs, node: this.#node })
      .where(
        'id',
        'in',
        found.map(({ id }) => id),
      )
      // Looked at again: another claim may have been quicker.
      .where(due(now))
      .where(free(now))
      .returning('id')
      .execute();
    for (const { id } of claimed) this.#held.set(id, monotonicMs() + leaseMs);
    return claimed.length === 0
      ? []
      : this.#read(
          claimed.map(({ id }) => id),
          proven,
          now,
        );
  }

  /** What is finished while a transaction is under way shares the next: one commit for all of them. */
  finish(id: string, attempt: DeliveryAttempt, outcome: DeliveryOutcome): Promise<{ endpointDisabled: boolean }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ endpointDisabled: boolean }>();
    this.#finished.push({ id, attempt, outcome, resolve, reject });
    if (!this.#finishing) this.#finishAll();
    return promise;
  }

  /** Never rejects. */
  async #finishAll(): Promise<void> {
    this.#finishing = true;
    while (this.#finished.length > 0) {
      const some = this.#finished.splice(0, FINISH_AT_ONCE);
      try {
        const disabled = await this.#db.transaction().execute((transaction) => finishDeliveries(transaction, some));
        for (const [i, { id, resolve }] of some.entries()) {
          this.#held.delete(id);
          // Where it cannot be done now `prune` does it; nothing is claimed for a disabled endpoint.
          if (disabled[i]) await giveUpWaiting(this.#db, disabled[i]).catch(() => {});
          resolve({ endpointDisabled: disabled[i] !== null });
        }
      } catch (error) {
        for (const { reject } of some) reject(error);
      }
    }
    this.#finishing = false;
  }

  async nextDueMs(): Promise<number | null> {
    // What was due at the last claim and was not claimed waits for something in flight, not for a time.
    const soonest = (column: 'due_ms' | 'lease_until_ms') =>
      this.#db.selectFrom('deliveries').select(column).where(column, '>', this.#claimedMs).orderBy(column).limit(1);
    const [[due], [lease]] = await together(this.#db, soonest('due_ms'), soonest('lease_until_ms'));
    const times = [due?.due_ms, lease?.lease_until_ms].filter((time) => time != null);
    return times.length === 0 ? null : Math.min(...times);
  }

  async prune(nowMs: number): Promise<void> {
    const before = nowMs - KEEP_MS;
    await pruneExpired(this.#db, nowMs);
    await pruneEndpoints(this.#db);
    while ((await this.#pruneEvents(before)) >= PRUNE_AT_ONCE);
    const someOf = {
      broadcasts: this.#db.selectFrom('broadcasts').select('id').where('ended_ms', '<', before).limit(PRUNE_AT_ONCE),
      webhook_secrets: this.#db.selectFrom('webhook_secrets').select('id').where('expires_ms', '<', nowMs),
    };
    for (const table of ['broadcasts', 'webhook_secrets'] as const) {
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

  /** Deliveries and their attempts go with the event, and with its end the counter of a live stream that is gone. */
  async #pruneEvents(beforeMs: number): Promise<number> {
    const old = await this.#db
      .selectFrom('events')
      .select(['id', 'name', 'live_stream_id'])
      .where('created_ms', '<', beforeMs)
      .orderBy('created_ms')
      .limit(PRUNE_AT_ONCE)
      .execute();
    const removed = old.filter(({ name }) => name === 'stream-removed').map((event) => event.live_stream_id!);
    const ids = old.map(({ id }) => id);
    if (removed.length > 0) await this.#db.deleteFrom('event_counters').where('name', 'in', removed).execute();
    if (ids.length > 0) await this.#db.deleteFrom('events').where('id', 'in', ids).execute();
    return ids.length;
  }

  /** Puts back what nodes that are gone had claimed. True when there was some. */
  async release(): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable('deliveries')
      .set({ lease_until_ms: null })
      .where('lease_until_ms', '>', 0)
      .where(abandoned)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Endpoints with something due and room for it: those whose last attempt succeeded first, else in no order. */
  async #candidates(now: number, perEndpoint: number): Promise<Candidate[]> {
    const [inFlight, endpoints] = await together(
      this.#db,
      this.#db
        .selectFrom('deliveries')
        .select((select) => ['endpoint_id', select.fn.countAll<number>().as('count')])
        .where('lease_until_ms', '>', now)
        .groupBy('endpoint_id'),
      this.#db
        .selectFrom('webhook_endpoints')
        .select(['id', 'failures', 'last_attempt_ms'])
        .where('enabled', '=', 1)
        .where(({ or, exists, selectFrom }) => {
          const ofEndpoint = selectFrom('deliveries')
            .select('deliveries.id')
            .whereRef('endpoint_id', '=', 'webhook_endpoints.id')
            .where(free(now));
          const waiting = [FRESH, RESENT, RETRYING].map((kind) => ofEndpoint.where(kind).where(due(now)));
          return or(waiting.map((some) => exists(some)));
        }),
    );
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
    const ofEndpoint = this.#db.selectFrom('deliveries').where('endpoint_id', '=', id);
    // Two looks, so that new events need not wait behind old ones that are resent.
    const first = (kind: typeof FRESH) =>
      ofEndpoint.select(['id', 'lane', 'created_ms', 'lease_until_ms']).where(kind).orderBy('number').limit(LOOK_AT);
    const retrying = ofEndpoint
      .select(['id', 'created_ms'])
      .where(RETRYING)
      .where(due(now))
      .where(free(now))
      .orderBy('due_ms')
      .limit(slots);
    const [fresh, resent, again] = await together(this.#db, first(FRESH), first(RESENT), retrying);
    const heads = [fresh, resent].flatMap((rows) => {
      // A lane with one in flight, and one whose head stands before, waits.
      const taken = new Set(rows.filter((row) => (row.lease_until_ms ?? 0) > now).map(({ lane }) => lane));
      return rows.filter(({ lane }) => !taken.has(lane) && taken.add(lane));
    });
    return [...heads, ...again]
      .filter((row) => !this.#held.has(row.id))
      .sort((a, b) => a.created_ms - b.created_ms)
      .slice(0, slots);
  }

  async #read(ids: readonly string[], proven: ReadonlySet<string>, now: number): Promise<DueDelivery[]> {
    const [rows, secrets] = await together(
      this.#db,
      this.#db
        .selectFrom('deliveries as d')
        .innerJoin('events as e', 'e.id', 'd.event_id')
        .innerJoin('webhook_endpoints as w', 'w.id', 'd.endpoint_id')
        .selectAll('e')
        .select(['d.id as delivery_id', 'd.endpoint_id', 'd.attempts', 'd.first_attempt_ms', 'w.url'])
        .select('d.created_ms as delivery_created_ms')
        .where('d.id', 'in', ids)
        .where('w.deleted_ms', 'is', null)
        .orderBy('d.number'),
      this.#db
        .selectFrom('webhook_secrets')
        .select(['id', 'endpoint_id', 'sealed'])
        .where('endpoint_id', 'in', (select) =>
          select.selectFrom('deliveries').select('endpoint_id').where('id', 'in', ids),
        )
        .where((eb) => eb.or([eb('expires_ms', 'is', null), eb('expires_ms', '>', now)]))
        .orderBy('created_ms', 'desc')
        .orderBy('id', 'desc'),
    );
    const opened = Map.groupBy(secrets, ({ endpoint_id }) => endpoint_id);
    return rows.flatMap((row) => {
      const delivery = { endpoint: row.endpoint_id, delivery: row.delivery_id };
      try {
        return {
          id: row.delivery_id,
          eventId: row.id,
          eventName: row.name,
          endpointId: row.endpoint_id,
          proven: proven.has(row.endpoint_id),
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

/** To the letter as the indexes have it: a parameter would keep them out. */
const FRESH = sql<boolean>`state = 'pending' and resend_of is null`;
const RESENT = sql<boolean>`state = 'pending' and resend_of is not null`;
const RETRYING = sql<boolean>`state = 'retrying'`;

/** What was never tried is due whatever the clock says: it may have been set back since (L24). */
const due = (now: number) => sql<boolean>`(state = 'pending' or due_ms <= ${now} or due_ms > ${now + LONGEST_WAIT_MS})`;

/** Not in flight. */
const free = (now: number) => sql<boolean>`(lease_until_ms is null or lease_until_ms <= ${now})`;
