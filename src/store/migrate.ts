import { sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { CodedError } from '../base/index.ts';
import type { Database } from './database.ts';
import { MIGRATIONS, worksWithout } from './migrations.ts';

/**
 * Brings the tables up to date; processes that start together do it one after the other. A database that a newer version has
 * widened is taken as it is (two versions work side by side during an upgrade, and the older one may come back); one from which
 * a newer version has taken something away (`_contract_`) is refused.
 * @throws CodedError data_dir_unusable for a database that is not ours or too new; store_unavailable when it does not answer
 */
export async function migrate(database: Database): Promise<void> {
  try {
    const migrations = { ...MIGRATIONS, ...(await newer(database)) };
    const provider = { getMigrations: async () => migrations };
    const { error } = await new Migrator({ db: database.db, provider }).migrateToLatest();
    if (error) throw error;
  } catch (error) {
    if (error instanceof CodedError && database.kind === 'postgres') throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const message = `The database ${database.where} cannot be used: ${reason} Is it another program's, or a newer version's?`;
    throw new CodedError('data_dir_unusable', message, { cause: error });
  }
}

/** Steps that a newer version has taken and that leave us working, as steps that do nothing. */
async function newer({ kind, db }: Database): Promise<Record<string, Migration>> {
  const there =
    kind === 'sqlite'
      ? sql`select 1 from sqlite_master where name = 'kysely_migration'`
      : sql`select 1 where to_regclass('kysely_migration') is not null`;
  if ((await there.execute(db)).rows.length === 0) return {};
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  const taken = rows.filter(({ name }) => worksWithout(name));
  return Object.fromEntries(taken.map(({ name }) => [name, { up: async () => {} }]));
}
