import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  type SelectModifierNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { monotonicMs } from '../base/index.ts';
import { unavailable } from './database.ts';
import { ANSWER_WITHIN_MS, MAX_WAITING, type SqliteClient } from './sqlite-client.ts';
import type { Answer } from './sqlite-messages.ts';

/** Kysely on a SqliteClient. All its connections are the client's one; a transaction has it for itself while it lasts. */
export const sqliteDialect = (client: SqliteClient): Dialect => ({
  createAdapter: () => new Adapter(),
  createDriver: () => new SqliteDriver(client),
  createIntrospector: (db) => new SqliteIntrospector(db),
  createQueryCompiler: () => new QueryCompiler(),
});

/**
 * Row locks (`forUpdate`, `skipLocked`), which Postgres needs, are left out: SQLite has one writer, and a transaction is it from its
 * begin on. So one query serves both.
 */
class QueryCompiler extends SqliteQueryCompiler {
  protected override visitSelectModifier(node: SelectModifierNode): void {
    if (!LOCKS.has(node.modifier)) super.visitSelectModifier(node);
  }
}

const LOCKS = new Set<SelectModifierNode['modifier']>([
  'ForUpdate',
  'ForNoKeyUpdate',
  'ForShare',
  'ForKeyShare',
  'SkipLocked',
]);

class Adapter extends SqliteAdapter {
  /** Else Kysely would let one statement at a time travel to the thread; the driver below keeps transactions apart itself. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }

  /** SQLite can; so a migration that is cut off leaves nothing behind. */
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** What is committed together, by one fsync: transactions and statements that came while others were written. */
interface Group {
  readonly number: number;
  readonly generation: number;
  readonly sinceMs: number;
  /** Settles with the commit, and tells all that is in it. */
  readonly committed: PromiseWithResolvers<void>;
}

/** Whose turn it is to write. */
interface Member {
  readonly connection: DatabaseConnection;
  readonly number: number;
  /** Null until its first statement. */
  group: Group | null;
}

interface Waiting {
  readonly sinceMs: number;
  readonly turn: PromiseWithResolvers<void>;
}

/** Where there is always somebody who waits, a commit comes so often: what is finished waits no longer than that for it. */
const GROUP_MS = 10;

/**
 * Everything that writes waits for its turn, first come, first served; what asks outside of a transaction waits for nobody and sees
 * what is committed. Nobody is told that something is written before the disk has it.
 */
class SqliteDriver implements Driver {
  readonly #client: SqliteClient;
  readonly #queue: Waiting[] = [];
  /** Somebody has the turn. */
  #busy = false;
  /** The transaction that has it. */
  #member: Member | null = null;
  #group: Group | null = null;
  #lastGroup = 0;
  #lastMember = 0;

  constructor(client: SqliteClient) {
    this.#client = client;
    client.onFlush = () => {
      if (!this.#busy) this.#commit();
    };
  }

  async init(): Promise<void> {}
  async releaseConnection(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return new Connection(this);
  }

  async run(connection: DatabaseConnection, sql: string, parameters: readonly unknown[]): Promise<Answer> {
    const member = this.#member;
    if (member?.connection === connection) {
      const group = (member.group ??= this.#open());
      if (group.generation !== this.#client.generation) throw lost();
      return this.#client.execute(sql, parameters, group.number, member.number);
    }
    if (sql.startsWith('select ')) return this.#client.execute(sql, parameters);
    await this.#turn();
    const group = this.#open();
    const answer = this.#client.execute(sql, parameters, group.number);
    this.#pass();
    return (await Promise.all([answer, group.committed.promise]))[0];
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await this.#turn();
    this.#member = { connection, number: ++this.#lastMember, group: null };
  }

  async commitTransaction(): Promise<void> {
    const { group } = this.#member!;
    this.#pass();
    return group?.committed.promise;
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    const member = this.#member;
    // Its commit failed, with the group's.
    if (member?.connection !== connection) return;
    const { group, number } = member;
    // Not waited for: what comes after it comes after it over there too. A thread that died took its transaction along.
    if (group?.generation === this.#client.generation)
      this.#client.execute('rollback', [], group.number, number).catch(() => {});
    this.#pass();
  }

  destroy(): Promise<void> {
    return this.#client.close();
  }

  /** The group that is open; a new one when there is none, or when its thread died. */
  #open(): Group {
    if (this.#group && this.#group.generation !== this.#client.generation) this.#commit();
    if (!this.#group) {
      const committed = Promise.withResolvers<void>();
      // Heard by all that is in it, unless nothing is left of that.
      committed.promise.catch(() => {});
      const { generation } = this.#client;
      this.#group = { number: ++this.#lastGroup, generation, sinceMs: monotonicMs(), committed };
    }
    return this.#group;
  }

  #commit(): void {
    const group = this.#group;
    if (!group) return;
    this.#group = null;
    if (group.generation !== this.#client.generation) group.committed.reject(lost());
    else this.#client.execute('commit', [], group.number).then(() => group.committed.resolve(), group.committed.reject);
  }

  async #turn(): Promise<void> {
    if (!this.#busy) {
      this.#busy = true;
      return;
    }
    if (this.#queue.length >= MAX_WAITING) throw unavailable('Too many statements wait for the database.');
    const turn = Promise.withResolvers<void>();
    this.#queue.push({ sinceMs: monotonicMs(), turn });
    return turn.promise;
  }

  /** Gives the turn to the next one. */
  #pass(): void {
    this.#member = null;
    const now = monotonicMs();
    if (this.#group && now - this.#group.sinceMs > GROUP_MS) this.#commit();
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      if (now - next.sinceMs <= ANSWER_WITHIN_MS) {
        next.turn.resolve();
        return;
      }
      next.turn.reject(unavailable('SQLite does not answer: the disk is too slow, or another program holds the file.'));
    }
    this.#busy = false;
    this.#client.flushSoon();
  }
}

const lost = () => unavailable('The database thread ended within a transaction; nothing of it was kept.');

class Connection implements DatabaseConnection {
  readonly #driver: SqliteDriver;

  constructor(driver: SqliteDriver) {
    this.#driver = driver;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, changes } = await this.#driver.run(this, sql, parameters);
    return { rows: rows as R[], numAffectedRows: changes === undefined ? undefined : BigInt(changes) };
  }

  // biome-ignore lint/correctness/useYield: a part of Kysely's interface that this product has no use for
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('the SQLite driver does not stream rows: page through them');
  }
}
