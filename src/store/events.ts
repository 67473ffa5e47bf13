import type { Kysely, Selectable } from 'kysely';
import type { Event, EventName } from '../contract/index.ts';
import type { EventsTable } from './event-tables.ts';
import type { Scope } from './live-stream-row.ts';
import type { Tables } from './schema.ts';

export interface EventFilter {
  readonly liveStreamId?: string | undefined;
  readonly name?: EventName | undefined;
  /** Upwards from the event after this number; the newest first, when not given. */
  readonly after?: number | undefined;
  /** From 1 up. */
  readonly page: number;
  readonly limit: number;
}

/** The log of what happened. Events as the API shows them, which is how they are delivered. */
export interface Events {
  /** `total` is what the filter leaves; `lastNumber` the environment's newest, kept or not, 0 before the first. */
  list(scope: Scope, filter: EventFilter): Promise<{ events: Event[]; total: number; lastNumber: number }>;
  get(scope: Scope, id: string): Promise<Event | null>;
  /** Whether there is, or was, such a live stream. */
  knows(scope: Scope, liveStreamId: string): Promise<boolean>;
}

/** The events, each call one statement or a few that need no transaction. */
export class EventStore implements Events {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async list(scope: Scope, { liveStreamId, name, after, page, limit }: EventFilter) {
    const all = inScope(this.#db, scope);
    let some = all;
    if (liveStreamId !== undefined) some = some.where('live_stream_id', '=', liveStreamId);
    if (name !== undefined) some = some.where('name', '=', name);
    if (after !== undefined) some = some.where('number', '>', after);
    // First, so that no event between this and the next statement is taken for seen.
    const newest = await this.#db
      .selectFrom('event_counters')
      .select('last')
      .where('name', '=', `${scope.organizationId}/${scope.environment}`)
      .executeTakeFirst();
    const [count, rows] = await Promise.all([
      some.select((select) => select.fn.countAll<number>().as('total')).executeTakeFirstOrThrow(),
      some
        .selectAll()
        .orderBy('number', after === undefined ? 'desc' : 'asc')
        .limit(limit)
        .offset((page - 1) * limit)
        .execute(),
    ]);
    return { events: rows.map(toEvent), total: count.total, lastNumber: newest?.last ?? 0 };
  }

  async get(scope: Scope, id: string): Promise<Event | null> {
    const row = await inScope(this.#db, scope).selectAll().where('id', '=', id).executeTakeFirst();
    return row ? toEvent(row) : null;
  }

  async knows(scope: Scope, liveStreamId: string): Promise<boolean> {
    const [there, was] = await Promise.all([
      this.#db
        .selectFrom('live_streams')
        .select('id')
        .where('id', '=', liveStreamId)
        .where('organization_id', '=', scope.organizationId)
        .where('environment', '=', scope.environment)
        .executeTakeFirst(),
      inScope(this.#db, scope).select('id').where('live_stream_id', '=', liveStreamId).limit(1).executeTakeFirst(),
    ]);
    return (there ?? was) !== undefined;
  }
}

/** The event as it is shown and delivered. */
export function toEvent(row: Selectable<EventsTable>): Event {
  return {
    event: row.name,
    payload: JSON.parse(row.payload),
    id: row.id,
    sequence: row.sequence,
    number: row.number,
    created_at: new Date(row.created_ms).toISOString(),
    ...(row.test === 1 && { test: true }),
  };
}

/** A delivery's body: made of the row alone, so that it is the same to the byte whenever it is made (S82). */
export const toBody = (row: Selectable<EventsTable>): string => JSON.stringify(toEvent(row));

export function inScope(db: Kysely<Tables>, scope: Scope) {
  return db
    .selectFrom('events')
    .where('organization_id', '=', scope.organizationId)
    .where('environment', '=', scope.environment);
}
