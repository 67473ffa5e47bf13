import { type Compilable, type DatabaseConnection, type Kysely, type QueryResult, SqliteAdapter } from 'kysely';
import type { Tables } from './schema.ts';

/** The rows of each. */
export type Answers<Queries extends readonly Compilable<unknown>[]> = {
  [Index in keyof Queries]: Queries[Index] extends Compilable<infer Row> ? Row[] : never;
};

/**
 * Runs statements that need not see each other's answers, in their order, and returns the rows of each: one message to SQLite's
 * thread, one trip to Postgres. When one fails, those behind it may have run: a transaction must not go on.
 */
export async function together<Queries extends readonly Compilable<unknown>[]>(
  db: Kysely<Tables>,
  ...queries: Queries
): Promise<Answers<Queries>> {
  const results = await db.getExecutor().provideConnection((connection) => send(connection, queries));
  return results.map(({ rows }) => rows) as Answers<Queries>;
}

const send = (
  connection: DatabaseConnection,
  queries: readonly Compilable<unknown>[],
): Promise<QueryResult<unknown>[]> => Promise.all(queries.map((query) => connection.executeQuery(query.compile())));

/**
 * The same for the end of a transaction, where nobody needs the answers before the commit: on Postgres the commit travels right
 * behind them, and fails when one of them does, so that what they lock is free again after the server's own time. The rows come
 * with `rows`, after the commit at the latest.
 */
export async function lastly<Queries extends readonly Compilable<unknown>[]>(
  transaction: Kysely<Tables>,
  ...queries: Queries
): Promise<{ readonly rows: Promise<Answers<Queries>> }> {
  if (transaction.getExecutor().adapter instanceof SqliteAdapter) {
    const answers = await together(transaction, ...queries);
    return { rows: Promise.resolve(answers) };
  }
  const sent = await transaction
    .getExecutor()
    .provideConnection(async (connection) => ({ results: send(connection, queries) }));
  const rows = sent.results.then((results) => results.map((result) => result.rows) as Answers<Queries>);
  rows.catch(() => {});
  return { rows };
}
