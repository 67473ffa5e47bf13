import { randomBytes } from 'node:crypto';
import { type DynamicModule, type Kysely, sql } from 'kysely';
import { CodedError, type Logger, SecretBox } from '../base/index.ts';
import { assertUnused } from './backup.ts';
import { SECRET_KEY_PROBE } from './check-secret-key.ts';
import { migrate } from './migrate.ts';
import { openPostgres } from './postgres.ts';
import type { Tables } from './schema.ts';
import { sealClearText } from './seal-clear-text.ts';
import { SEALED_COLUMNS } from './sealed-columns.ts';
import { readSecretKeyFile, writeSecretKeyFile } from './secret-key.ts';
import { openSqlite } from './sqlite.ts';

const BATCH = 200;

export interface RotateOptions {
  readonly dataDir: string;
  readonly databaseUrl?: string;
  readonly secretKeys?: readonly Buffer[];
  readonly log: Logger;
}

/**
 * Seals every stored secret anew with the newest key (S13) and resolves with how many that were. With `secretKeys` (the new one
 * first, the old ones behind it) beside running servers that have the same; else with a new key in `secret.key`, which replaces the
 * old one when all is done: no server may run then. Cut off, it can be run again.
 * @throws CodedError data_dir_unusable when a server runs; secret_unreadable when a key is missing; store_unavailable
 */
export async function rotateSecretKey({ dataDir, databaseUrl, secretKeys, log }: RotateOptions): Promise<number> {
  if (!secretKeys && databaseUrl) {
    const message =
      'Servers may run on this database: set secret_key to a new key, a comma and the one in secret.key, restart them, and run this again.';
    throw new CodedError('config_invalid', message);
  }
  if (!secretKeys) assertUnused(dataDir);
  const keys = secretKeys ?? [randomBytes(32), ...readSecretKeyFile(dataDir)];
  // Both on the disk before anything is sealed with the new one.
  if (!secretKeys) writeSecretKeyFile(dataDir, keys);
  const database = databaseUrl ? openPostgres(databaseUrl, log, { patient: true }) : openSqlite(dataDir, log);
  try {
    await migrate(database);
    const secrets = new SecretBox(keys);
    await sealClearText(database.db, secrets);
    const sealed = await sealAnew(database.db, secrets);
    if (!secretKeys) writeSecretKeyFile(dataDir, keys.slice(0, 1));
    return sealed;
  } finally {
    await database.close();
  }
}

async function sealAnew(db: Kysely<Tables>, secrets: SecretBox): Promise<number> {
  let count = 0;
  for (const { table, key, column, purpose } of [SECRET_KEY_PROBE, ...SEALED_COLUMNS]) {
    const { ref } = db.dynamic as DynamicModule<Tables>;
    for (let after = ''; ; ) {
      const rows = await db
        .selectFrom(table as 'settings')
        .select([sql<string>`${sql.ref(key)}`.as('key'), sql<string>`${sql.ref(column)}`.as('sealed')])
        .where(ref(column), 'is not', null)
        .where(ref(key), '>', after)
        // The settings hold other things too.
        .$if(purpose === SECRET_KEY_PROBE.purpose, (rows) => rows.where(ref(key), '=', SECRET_KEY_PROBE.name))
        .orderBy(ref(key))
        .limit(BATCH)
        .execute();
      for (const row of rows) {
        const bound = purpose === SECRET_KEY_PROBE.purpose ? purpose : `${purpose}:${row.key}`;
        if (secrets.isCurrent(row.sealed)) continue;
        // Only where it is still what was read: a server beside us may have sealed another value.
        const { numUpdatedRows } = await db
          .updateTable(table as 'settings')
          .set({ [column]: secrets.seal(secrets.open(row.sealed, bound), bound) })
          .where(ref(key), '=', row.key)
          .where(ref(column), '=', row.sealed)
          .executeTakeFirstOrThrow();
        count += Number(numUpdatedRows);
      }
      if (rows.length < BATCH) break;
      after = rows.at(-1)!.key;
    }
  }
  return count;
}
