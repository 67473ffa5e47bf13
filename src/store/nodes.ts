import type { ExpressionBuilder, Kysely } from 'kysely';
import { type Logger, newId } from '../base/index.ts';
import type { Database } from './database.ts';
import { isAlive, processIdentity } from './process-identity.ts';
import type { Tables } from './schema.ts';

const BEAT_MS = 5000;
/**
 * A node that cannot be seen from here is gone when it has not beaten for so many of our beats. Counted and not timed: clocks differ
 * between machines, and a database that was away kept everybody from beating.
 */
const MISSED_BEATS = 4;

/**
 * The processes that work on this database, each under an id of its own from its start to its end. What a node holds (leases of
 * deliveries, open broadcasts) carries its id; what carries no living node's id is free for others.
 */
export class Nodes {
  readonly id = newId();
  readonly #db: Kysely<Tables>;
  /** SQLite's file is on this machine: who cannot be seen is gone. */
  readonly #local: boolean;
  readonly #log: Logger;
  readonly #missed = new Map<string, { readonly beat: number; readonly times: number }>();
  #timer: NodeJS.Timeout | null = null;
  #beating: Promise<void> | null = null;
  #failing = false;

  constructor({ db, kind }: Pick<Database, 'db' | 'kind'>, log: Logger) {
    this.#db = db;
    this.#local = kind === 'sqlite';
    this.#log = log;
  }

  /** Says that this node lives, and forgets those that are gone. */
  async beat(): Promise<void> {
    await this.#db
      .insertInto('nodes')
      .values({ id: this.id, beat: 1, process: processIdentity() })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(({ eb }) => ({ beat: eb('nodes.beat', '+', 1) })))
      .execute();
    const others = await this.#db.selectFrom('nodes').selectAll().where('id', '!=', this.id).execute();
    const missed = new Map(this.#missed);
    this.#missed.clear();
    for (const { id, beat, process } of others) {
      const before = missed.get(id);
      const times = before?.beat === beat ? before.times + 1 : 0;
      this.#missed.set(id, { beat, times });
      const alive = (process && isAlive(process)) ?? (!this.#local && times < MISSED_BEATS);
      if (alive) continue;
      this.#missed.delete(id);
      const { numDeletedRows } = await this.#db
        .deleteFrom('nodes')
        .where('id', '=', id)
        .where('beat', '=', beat)
        .executeTakeFirstOrThrow();
      if (numDeletedRows > 0n) this.#log.info({ node: id }, 'store: another process is gone');
    }
  }

  /** All that there are, this one first. */
  async list(): Promise<{ readonly id: string; readonly self: boolean }[]> {
    const rows = await this.#db.selectFrom('nodes').select('id').orderBy('id').limit(1000).execute();
    const nodes = rows.map(({ id }) => ({ id, self: id === this.id }));
    return nodes.sort((a, b) => Number(b.self) - Number(a.self));
  }

  /** Goes on beating until `close`; `then` runs after each beat. */
  keepBeating(then: () => Promise<unknown>): void {
    this.#timer ??= setInterval(() => {
      this.#beating ??= this.#beatOnce(then).finally(() => (this.#beating = null));
    }, BEAT_MS).unref();
  }

  /** What this node still holds is free for others. Never rejects. */
  async close(): Promise<void> {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    await this.#beating;
    // When the database is away the others find out by themselves.
    await this.#db
      .deleteFrom('nodes')
      .where('id', '=', this.id)
      .execute()
      .catch(() => {});
  }

  async #beatOnce(then: () => Promise<unknown>): Promise<void> {
    try {
      await this.beat();
      await then();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#log.warn({ reason: (error as Error).message }, 'store: no heartbeat');
      this.#failing = true;
    }
  }
}

/** For rows of broadcasts and deliveries: the node that held it is gone. */
export const abandoned = (eb: ExpressionBuilder<Tables, 'broadcasts' | 'deliveries'>) =>
  eb.not(eb.exists(eb.selectFrom('nodes').select('nodes.id').whereRef('nodes.id', '=', eb.ref('node'))));
