import { type Compilable, type Kysely, SqliteAdapter, sql } from 'kysely';
import { newId } from '../base/index.ts';
import type { Environment, EventName } from '../contract/index.ts';
import type { Tables } from './schema.ts';
import { template } from './template.ts';
import { lastly, together } from './together.ts';

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
  /** A new one, when not given. */
  readonly id?: string;
  /** For a test: nothing has happened, and only this endpoint is told. */
  readonly testFor?: string;
  /** The endpoint that it is about, which need not be told. */
  readonly notFor?: string;
}

/** A body of Standard Webhooks stays below 20 KiB (S82); the rest of the envelope needs less than one. */
const MAX_PAYLOAD_BYTES = 19 * 1024;

/** The transactions, still open or just committed, that wrote deliveries; of some it is known after the commit at the latest. */
const wroteDeliveries = new WeakMap<Kysely<Tables>, Promise<boolean>[]>();

/**
 * Writes down what happens in the transaction that makes it happen: the event, with the next numbers of its environment and of its
 * live stream, and one delivery for each enabled endpoint that wants it; before it `writes`. To be called last: the environment's
 * other events wait for the commit, so that numbers are in the order of the commits. What fails of it may fail the commit.
 */
export async function recordEvent(
  transaction: Kysely<Tables>,
  event: NewEvent,
  ...writes: readonly Compilable<unknown>[]
): Promise<void> {
  const { rows } = await lastly(transaction, ...writes, ...statementsOf(transaction, event));
  note(
    transaction,
    rows.then((answers) => answers.at(-1)!.length > 0),
  );
}

/** The same for who needs the event's number before the commit; the environment is locked then. */
export async function recordEventNow(
  transaction: Kysely<Tables>,
  event: NewEvent,
  ...writes: readonly Compilable<unknown>[]
): Promise<number> {
  const [count, ...rest] = statementsOf(transaction, event);
  const [counts, ...answers] = await together(transaction, count, ...writes, ...rest);
  if (answers.at(-1)!.length > 0) noteDeliveries(transaction);
  return counts.find(({ name }) => name !== event.liveStreamId)!.last;
}

/** The last one answers with a row for each delivery. */
function statementsOf(transaction: Kysely<Tables>, event: NewEvent) {
  const { organizationId, environment, liveStreamId, name, testFor, notFor } = event;
  const now = Date.now();
  const id = event.id ?? newId();
  const counter = `${organizationId}/${environment}`;
  const statements = compiledFor(transaction, liveStreamId !== null, testFor !== undefined);
  return [
    // First, always: the environment's row is the lock that puts its events in a row.
    statements.count({ counter, liveStreamId: liveStreamId ?? '' }),
    statements.event({
      id,
      organizationId,
      environment,
      counter,
      liveStreamId,
      name,
      payload: fit(event.payload),
      test: testFor === undefined ? 0 : 1,
      createdMs: event.atMs ?? now,
    }),
    statements.deliveries({
      // As newId() makes them, the process's part exchanged for chance: the database makes one for each row.
      timeAndCounter: id.slice(0, 8) + id.slice(18),
      eventId: id,
      name,
      // `events` is a JSON list of names, none of which holds a quote or a wildcard.
      listed: `%"${name}"%`,
      counter,
      lane: liveStreamId ?? id,
      now,
      organizationId,
      environment,
      testFor: testFor ?? '',
      notFor: notFor ?? '',
    }),
  ] as const;
}

type Statements = ReturnType<typeof makeStatements>;
const sqliteStatements = new Map<string, Statements>();
const postgresStatements = new Map<string, Statements>();

/** They hold no connection: one set of them serves all. */
function compiledFor(db: Kysely<Tables>, ofLiveStream: boolean, forTest: boolean): Statements {
  const sqlite = db.getExecutor().adapter instanceof SqliteAdapter;
  const made = sqlite ? sqliteStatements : postgresStatements;
  const key = `${ofLiveStream} ${forTest}`;
  let statements = made.get(key);
  if (!statements) made.set(key, (statements = makeStatements(db, sqlite, ofLiveStream, forTest)));
  return statements;
}

function makeStatements(db: Kysely<Tables>, sqlite: boolean, ofLiveStream: boolean, forTest: boolean) {
  const last = (counter: string) => db.selectFrom('event_counters').select('last').where('name', '=', counter);
  const random = sqlite
    ? sql<string>`lower(hex(randomblob(5)))`
    : sql<string>`left(replace(cast(gen_random_uuid() as text), '-', ''), 10)`;
  return {
    count: template(({ counter, liveStreamId }: { counter: string; liveStreamId: string }) =>
      db
        .insertInto('event_counters')
        .values([counter, ...(ofLiveStream ? [liveStreamId] : [])].map((name) => ({ name, last: 1 })))
        .onConflict((conflict) =>
          conflict.column('name').doUpdateSet(({ eb }) => ({ last: eb('event_counters.last', '+', 1) })),
        )
        .returning(['name', 'last']),
    ),
    event: template(
      (event: {
        id: string;
        organizationId: string;
        environment: Environment;
        counter: string;
        liveStreamId: string | null;
        name: EventName;
        payload: string;
        test: 0 | 1;
        createdMs: number;
      }) =>
        db.insertInto('events').values({
          id: event.id,
          organization_id: event.organizationId,
          environment: event.environment,
          number: last(event.counter),
          live_stream_id: event.liveStreamId,
          sequence: ofLiveStream ? last(event.liveStreamId!) : null,
          name: event.name,
          payload: event.payload,
          test: event.test,
          created_ms: event.createdMs,
        }),
    ),
    deliveries: template(
      (values: {
        timeAndCounter: string;
        eventId: string;
        name: EventName;
        listed: string;
        counter: string;
        lane: string;
        now: number;
        organizationId: string;
        environment: Environment;
        testFor: string;
        notFor: string;
      }) =>
        db
          .insertInto('deliveries')
          .columns([
            'id',
            'endpoint_id',
            'event_id',
            'event_name',
            'number',
            'lane',
            'state',
            'attempts',
            'due_ms',
            'created_ms',
          ])
          .expression(({ selectFrom, val }) =>
            selectFrom('webhook_endpoints')
              .select([
                sql<string>`cast(${values.timeAndCounter} as text) || ${random}`.as('id'),
                'id as endpoint_id',
                val(values.eventId).as('event_id'),
                val(values.name).as('event_name'),
                last(values.counter).as('number'),
                val(values.lane).as('lane'),
                sql<'pending'>`'pending'`.as('state'),
                sql<number>`0`.as('attempts'),
                sql<number>`cast(${values.now} as bigint)`.as('due_ms'),
                sql<number>`cast(${values.now} as bigint)`.as('created_ms'),
              ])
              .where('organization_id', '=', values.organizationId)
              .where('environment', '=', values.environment)
              .where('enabled', '=', 1)
              // An empty list stands for all names.
              .where((eb) =>
                forTest
                  ? eb('id', '=', values.testFor)
                  : eb.and([
                      eb('id', '!=', values.notFor),
                      eb.or([eb('events', '=', '[]'), eb('events', 'like', values.listed)]),
                    ]),
              )
              // None of them may be deleted before its delivery is written.
              .forKeyShare(),
          )
          .returning('id'),
    ),
  };
}

/** Says that `transaction` wrote deliveries: who waits for them is told after its commit. */
export const noteDeliveries = (transaction: Kysely<Tables>): void => note(transaction, Promise.resolve(true));

function note(transaction: Kysely<Tables>, wrote: Promise<boolean>): void {
  wrote.catch(() => {});
  const noted = wroteDeliveries.get(transaction);
  if (noted) noted.push(wrote);
  else wroteDeliveries.set(transaction, [wrote]);
}

/** From now on `told` is called after each commit of a transaction of `db` that wrote deliveries. */
export function watchDeliveries(db: Kysely<Tables>, told: () => void): void {
  const begin = db.transaction.bind(db);
  db.transaction = () => {
    const builder = begin();
    const execute = builder.execute.bind(builder);
    builder.execute = async (callback) => {
      let noted: Promise<boolean>[] = [];
      const result = await execute(async (transaction) => {
        const answer = await callback(transaction);
        noted = wroteDeliveries.get(transaction) ?? [];
        return answer;
      });
      if ((await Promise.all(noted)).includes(true)) told();
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
