import { type Kysely, sql } from 'kysely';

/**
 * Platforms; a second password while a key is rotated; sub-second streams beside live streams; what was answered under an
 * Idempotency-Key. `live_streams.password` and `.settings` are sealed from here on: `sealClearText` does it at the start.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('live_streams')
    .addColumn('kind', 'text', (column) => column.notNull().defaultTo('live'))
    .execute();
  await db.schema.alterTable('live_streams').addColumn('previous_password', 'text').execute();
  await db.schema.alterTable('live_streams').addColumn('previous_until_ms', 'bigint').execute();
  await db.schema
    .alterTable('live_streams')
    .addColumn('low_latency_playback', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema
    .createIndex('live_streams_newest_of_kind')
    .on('live_streams')
    .columns(['organization_id', 'environment', 'kind', 'created_ms', 'id'])
    .execute();
  await db.schema.dropIndex('live_streams_newest').execute();
  await db.schema
    .createTable('platforms')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('live_stream_id', 'text', (column) => column.notNull().references('live_streams.id').onDelete('cascade'))
    .addColumn('template', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('enabled', 'integer', (column) => column.notNull())
    .addColumn('server', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('metadata', 'text')
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('platforms_live_stream').on('platforms').columns(['live_stream_id', 'id']).execute();
  await db.schema
    .createTable('idempotency_keys')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addColumn('object_id', 'text', (column) => column.notNull())
    .addColumn('lease', 'text')
    .addColumn('lease_until_ms', 'bigint', (column) => column.notNull())
    .addColumn('status', 'integer')
    .addColumn('answer', 'text')
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('idempotency_keys_created').on('idempotency_keys').column('created_ms').execute();
  // Those that the version before wrote with this setting.
  await sql`update live_streams set low_latency_playback = 1 where settings like '%"low_latency_playback":true%'`.execute(
    db,
  );
}
