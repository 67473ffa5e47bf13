import { type Compilable, type Kysely, SqliteAdapter } from 'kysely';
import type { Tables } from './schema.ts';

/** The rows of each. */
export type Answers<Queries extends readonly Compilable<unknown>[]> = {
  [Index in keyof Queries]: Queries[Index] extends Compilable<infer Row> ? Row[] : never;
};

/**
 * Runs statements of a transaction that need not see each other's answers, in their order, and returns the rows of each. On SQLite
 * they travel to its thread as one message. When one fails, those behind it may have run: the transaction must not go on.
 */
export function together<Queries extends readonly Compilable<unknown>[]>(
  transaction: Kysely<Tables>,
  ...queries: Queries
): Promise<Answers<Queries>> {
  const executor = transaction.getExecutor();
  const compiled = queries.map((query) => query.compile());
  return executor.provideConnection(async (connection) => {
    if (executor.adapter instanceof SqliteAdapter) {
      const results = await Promise.all(compiled.map((query) => connection.executeQuery(query)));
      return results.map(({ rows }) => rows) as Answers<Queries>;
    }
    const rows: unknown[][] = [];
    for (const query of compiled) rows.push((await connection.executeQuery<unknown>(query)).rows);
    return rows as Answers<Queries>;
  });
}
