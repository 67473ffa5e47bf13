import type { Compilable, Kysely } from 'kysely';
import { newId } from '../base/index.ts';
import type { Environment, EventName } from '../contract/index.ts';
import type { Tables } from './schema.ts';
import { type Answers, together } from './together.ts';

export interface NewEvent {
  readonly organizationId: string;
  readonly environment: Environment;
  /** Null for events that have nothing to do with a live stream. */
  readonly liveStreamId: string | null;
  readonly name: EventName;
  /** As src/contract/events.ts says for the name. No secrets: it leaves the house. */
  readonly payload: object;
  /** When it happened; now, when not given. */
  readonly atMs?: number;
  /** For a test: nothing has happened, and only this endpoint is told. */
  readonly testFor?: string;
  /** The endpoint that it is about, which need not be told. */
  readonly notFor?: string;
}

/** A body of Standard Webhooks stays below 20 KiB (S82); the rest of the envelope needs less than one. */
const MAX_PAYLOAD_BYTES = 19 * 1024;

/** The transactions, still open or just committed, in which deliveries were written. */
const wroteDeliveries = new WeakSet<Kysely<Tables>>();

/**
 * Writes down what happens in the transaction that makes it happen: the event, with the next numbers of its environment and of its
 * live stream, and one delivery for each enabled endpoint that wants it. Keep what follows it in the transaction short: the
 * environment's other events wait for its end, so that numbers are in the order of the commits.
 */
export async function recordEvent(transaction: Kysely<Tables>, event: NewEvent): Promise<void> {
  await recordEventWith(transaction, event);
}

/** The same, with statements that run in the same trip to the database, behind the environment's lock; returns the rows of each. */
export async function recordEventWith<Queries extends readonly Compilable<unknown>[]>(
  transaction: Kysely<Tables>,
  event: NewEvent,
  ...queries: Queries
): Promise<Answers<Queries>> {
  const { organizationId, environment, liveStreamId, name, testFor } = event;
  const now = Date.now();
  const id = newId();
  const counters = liveStreamId === null ? [environmentName(event)] : [environmentName(event), liveStreamId];
  const [counts, endpoints, ...answers] = await together(
    transaction,
    // The environment's counter first, always: its row is the lock that puts the environment's events in a row.
    transaction
      .insertInto('event_counters')
      .values(counters.map((name) => ({ name, last: 1 })))
      .onConflict((conflict) =>
        conflict.column('name').doUpdateSet(({ eb }) => ({ last: eb('event_counters.last', '+', 1) })),
      )
      .returning(['name', 'last']),
    transaction
      .selectFrom('webhook_endpoints')
      .select(['id', 'events'])
      .where('organization_id', '=', organizationId)
      .where('environment', '=', environment)
      .where('enabled', '=', 1)
      // None of them may be deleted before its delivery is written.
      .forKeyShare(),
    ...queries,
  );
  const last = new Map(counts.map((row) => [row.name, row.last]));
  const number = last.get(counters[0]!)!;
  const insert = transaction.insertInto('events').values({
    id,
    organization_id: organizationId,
    environment,
    number,
    live_stream_id: liveStreamId,
    sequence: liveStreamId === null ? null : last.get(liveStreamId)!,
    name,
    payload: fit(event.payload),
    test: testFor ? 1 : 0,
    created_ms: event.atMs ?? now,
  });
  const deliveries = endpoints
    .filter(({ id, events }) => (testFor ? id === testFor : id !== event.notFor && wants(events, name)))
    .map((endpoint) => {
      const delivery = newId();
      return {
        id: delivery,
        endpoint_id: endpoint.id,
        event_id: id,
        event_name: name,
        number,
        lane: liveStreamId ?? delivery,
        resend_of: null,
        state: 'pending' as const,
        reason: null,
        attempts: 0,
        due_ms: now,
        lease_until_ms: null,
        created_ms: now,
        first_attempt_ms: null,
        finished_ms: null,
      };
    });
  if (deliveries.length === 0) await insert.execute();
  else {
    await together(transaction, insert, transaction.insertInto('deliveries').values(deliveries));
    noteDeliveries(transaction);
  }
  return answers as Answers<Queries>;
}

/** Says that `transaction` wrote deliveries: who waits for them is told after its commit. */
export const noteDeliveries = (transaction: Kysely<Tables>): void => void wroteDeliveries.add(transaction);

/** From now on `told` is called after each commit of a transaction of `db` that wrote deliveries. */
export function watchDeliveries(db: Kysely<Tables>, told: () => void): void {
  const begin = db.transaction.bind(db);
  db.transaction = () => {
    const builder = begin();
    const execute = builder.execute.bind(builder);
    builder.execute = async (callback) => {
      let wrote = false;
      const result = await execute(async (transaction) => {
        const answer = await callback(transaction);
        wrote = wroteDeliveries.has(transaction);
        return answer;
      });
      if (wrote) told();
      return result;
    };
    return builder;
  };
}

const environmentName = ({ organizationId, environment }: Pick<NewEvent, 'organizationId' | 'environment'>) =>
  `${organizationId}/${environment}`;

/** Puts the transaction in the row of those that write events in the environment: for what is counted before it is added to. */
export async function lockEnvironment(
  transaction: Kysely<Tables>,
  scope: Pick<NewEvent, 'organizationId' | 'environment'>,
): Promise<void> {
  await transaction
    .insertInto('event_counters')
    .values({ name: environmentName(scope), last: 0 })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(({ ref }) => ({ last: ref('event_counters.last') })))
    .execute();
}

function wants(events: string, name: EventName): boolean {
  const wanted: EventName[] = JSON.parse(events);
  return wanted.length === 0 || wanted.includes(name);
}

/** As JSON, without its largest fields when it is too long: `truncated` says so, and the API has the whole object. */
function fit(payload: object): string {
  let json = JSON.stringify(payload);
  for (let parts = payload; Buffer.byteLength(json) > MAX_PAYLOAD_BYTES; ) {
    const sizes = Object.entries(parts).map(([key, value]) => ({ key, size: JSON.stringify(value)?.length ?? 0 }));
    const { key } = sizes.reduce((a, b) => (b.size > a.size ? b : a));
    const { [key as keyof typeof parts]: _, ...rest } = parts;
    parts = rest;
    json = JSON.stringify({ ...parts, truncated: true });
  }
  return json;
}
