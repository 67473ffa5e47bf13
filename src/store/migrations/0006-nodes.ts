import { type Kysely, sql } from 'kysely';

/** Which process holds what, endpoints that are being deleted, and the way to what an endpoint with a large backlog is sent next. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('nodes')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('beat', 'bigint', (column) => column.notNull())
    .addColumn('process', 'text')
    .execute();
  await db.schema.alterTable('broadcasts').addColumn('node', 'text').execute();
  await db.schema.alterTable('deliveries').addColumn('node', 'text').execute();
  await db.schema.alterTable('webhook_endpoints').addColumn('deleted_ms', 'bigint').execute();
  // Only of what still waits, so they stay small. The conditions stand in the queries to the letter.
  await sql`create index deliveries_pending on deliveries (endpoint_id, number) where state = 'pending' and resend_of is null`.execute(
    db,
  );
  await sql`create index deliveries_resent on deliveries (endpoint_id, number) where state = 'pending' and resend_of is not null`.execute(
    db,
  );
  await sql`create index deliveries_retrying on deliveries (endpoint_id, due_ms) where state = 'retrying'`.execute(db);
}
