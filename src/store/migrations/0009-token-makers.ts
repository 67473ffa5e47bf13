import type { Kysely } from 'kysely';

/** Which access token made an access token; null: a person did, or a version that did not write it down. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('access_tokens').addColumn('made_by', 'text').execute();
}
