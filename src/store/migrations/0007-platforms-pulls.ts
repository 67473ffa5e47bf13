import { type Kysely, sql } from 'kysely';

/**
 * What a platform is sent and whether it is connected; which live streams are pulled, and by whom; the backup encoder's password.
 * `live_streams.backup_password`, `.pull_enabled` and `platforms.secret_server` are filled in by `completeRows` at the start, as
 * only who has the key can do it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('live_streams').addColumn('backup_password', 'text').execute();
  await db.schema.alterTable('live_streams').addColumn('pull_enabled', 'integer').execute();
  await db.schema.alterTable('live_streams').addColumn('pull_node', 'text').execute();
  await db.schema
    .alterTable('platforms')
    .addColumn('audio', 'text', (column) => column.notNull().defaultTo('keep'))
    .execute();
  await db.schema
    .alterTable('platforms')
    .addColumn('delay_s', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('platforms').addColumn('codecs', 'text').execute();
  await db.schema.alterTable('platforms').addColumn('secret_server', 'text').execute();
  await db.schema.alterTable('platforms').addColumn('connected_broadcast', 'text').execute();
  // Few of many: the conditions stand in the queries to the letter.
  await sql`create index live_streams_pulled on live_streams (id) where pull_enabled = 1`.execute(db);
  await sql`create index live_streams_incomplete on live_streams (id) where backup_password is null or pull_enabled is null`.execute(
    db,
  );
  await sql`create index platforms_connected on platforms (connected_broadcast) where connected_broadcast is not null`.execute(
    db,
  );
}
