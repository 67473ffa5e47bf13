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
import { CodedError } from '../base/index.ts';
import type { SqliteClient } from './sqlite-client.ts';

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

interface Transaction {
  readonly owner: DatabaseConnection;
  readonly generation: number;
  readonly over: PromiseWithResolvers<void>;
}

class SqliteDriver implements Driver {
  readonly #client: SqliteClient;
  #transaction: Transaction | null = null;

  constructor(client: SqliteClient) {
    this.#client = client;
  }

  async init(): Promise<void> {}
  async releaseConnection(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return new Connection(this);
  }

  async run(connection: DatabaseConnection, sql: string, parameters: readonly unknown[], control = false) {
    while (this.#transaction && this.#transaction.owner !== connection) await this.#transaction.over.promise;
    if (this.#transaction && this.#transaction.generation !== this.#client.generation) {
      throw new CodedError(
        'store_unavailable',
        'The database thread ended within a transaction; nothing of it was kept.',
      );
    }
    return this.#client.execute(sql, parameters, control);
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    while (this.#transaction) await this.#transaction.over.promise;
    this.#transaction = { owner: connection, generation: this.#client.generation, over: Promise.withResolvers() };
    try {
      // IMMEDIATE takes the write lock now: a read that is upgraded later fails at once when another process wrote between.
      await this.run(connection, 'begin immediate', [], true);
    } catch (error) {
      // Given up here, it may still begin over there.
      this.#client.execute('rollback', [], true).catch(() => {});
      this.#end(connection);
      throw error;
    }
  }

  /** A commit that fails leaves the transaction to the rollback that Kysely sends after it. */
  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await this.run(connection, 'commit', [], true);
    this.#end(connection);
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      // A thread that died took its transaction along.
      if (this.#transaction?.generation === this.#client.generation) await this.run(connection, 'rollback', [], true);
    } finally {
      this.#end(connection);
    }
  }

  destroy(): Promise<void> {
    return this.#client.close();
  }

  #end(connection: DatabaseConnection): void {
    if (this.#transaction?.owner !== connection) return;
    this.#transaction.over.resolve();
    this.#transaction = null;
  }
}

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
