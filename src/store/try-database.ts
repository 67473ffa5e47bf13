import { sql } from 'kysely';
import type { Logger } from '../base/index.ts';
import { openPostgres } from './postgres.ts';

/** Asks a Postgres for its version, for `doctor`. @throws CodedError store_unavailable, saying why it does not answer */
export async function tryDatabase(url: string, log: Logger): Promise<{ where: string; version: number }> {
  const { db, where, close } = openPostgres(url, log, { patient: true });
  try {
    const { rows } = await sql<{ server_version_num: string }>`show server_version_num`.execute(db);
    return { where, version: Math.floor(Number(rows[0]!.server_version_num) / 10_000) };
  } finally {
    await close();
  }
}
