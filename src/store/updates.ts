import type { Kysely } from 'kysely';
import type { Event } from '../contract/index.ts';
import { inScope, toEvent } from './events.ts';
import type { Scope } from './live-stream-row.ts';
import type { Tables } from './schema.ts';

/** What those who follow an environment ask for again and again. */
export interface Updates {
  /** Where live streams are. Ids that are not there are missing in the answer. */
  scopesOf(liveStreamIds: readonly string[]): Promise<ReadonlyMap<string, Scope>>;
  /** The numbers of the environments' newest events, in the order of `scopes`; 0 before the first. */
  lastNumbers(scopes: readonly Scope[]): Promise<number[]>;
  /** The events after a number, `limit` at most, and the environment's newest number as it was before they were read. */
  eventsAfter(scope: Scope, after: number, limit: number): Promise<{ events: Event[]; lastNumber: number }>;
}

/** Of one statement. */
const AT_ONCE = 1000;

export class UpdateStore implements Updates {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async scopesOf(liveStreamIds: readonly string[]): Promise<Map<string, Scope>> {
    const scopes = new Map<string, Scope>();
    for (let i = 0; i < liveStreamIds.length; i += AT_ONCE) {
      const rows = await this.#db
        .selectFrom('live_streams')
        .select(['id', 'organization_id', 'environment'])
        .where('id', 'in', liveStreamIds.slice(i, i + AT_ONCE))
        .execute();
      for (const { id, organization_id: organizationId, environment } of rows)
        scopes.set(id, { organizationId, environment });
    }
    return scopes;
  }

  async eventsAfter(scope: Scope, after: number, limit: number): Promise<{ events: Event[]; lastNumber: number }> {
    const [lastNumber = 0] = await this.lastNumbers([scope]);
    const rows = await inScope(this.#db, scope)
      .selectAll()
      .where('number', '>', after)
      .orderBy('number')
      .limit(limit)
      .execute();
    return { events: rows.map(toEvent), lastNumber };
  }

  async lastNumbers(scopes: readonly Scope[]): Promise<number[]> {
    const names = scopes.map(({ organizationId, environment }) => `${organizationId}/${environment}`);
    if (names.length === 0) return [];
    const rows = await this.#db
      .selectFrom('event_counters')
      .select(['name', 'last'])
      .where('name', 'in', names)
      .execute();
    const last = new Map(rows.map((row) => [row.name, row.last]));
    return names.map((name) => last.get(name) ?? 0);
  }
}
