import { Kysely } from 'kysely';
import type { Logger } from '../base/index.ts';
import { databaseFile, prepareDatabaseFile } from './data-dir.ts';
import { type Database, type OnQuery, tellQueries } from './database.ts';
import { SqliteClient, spawnSqliteWorker } from './sqlite-client.ts';
import { sqliteDialect } from './sqlite-dialect.ts';

/**
 * Opens `liveapi.db` in `dataDir`, in a thread of its own.
 * @throws CodedError data_dir_unusable when the file cannot be made
 */
export function openSqlite(dataDir: string, log: Logger, onQuery?: OnQuery): Database {
  prepareDatabaseFile(dataDir);
  const file = databaseFile(dataDir);
  const client = new SqliteClient(() => spawnSqliteWorker(file), log);
  // Closed beside Kysely, whose error for calls after that has no code.
  return {
    kind: 'sqlite',
    db: new Kysely({ dialect: sqliteDialect(client), log: tellQueries(onQuery) }),
    where: file,
    hurry: () => client.hurry(),
    close: () => client.close(),
  };
}
