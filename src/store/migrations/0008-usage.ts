import type { Kysely } from 'kysely';

/** What live streams were used for, by UTC day. */
export async function up(db: Kysely<unknown>): Promise<void> {
  let table = db.schema
    .createTable('usage')
    .addColumn('live_stream_id', 'text', (column) => column.notNull())
    .addColumn('day', 'text', (column) => column.notNull())
    .addColumn('organization_id', 'text', (column) => column.notNull())
    .addColumn('environment', 'text', (column) => column.notNull());
  const counts = ['streamed_ms', 'viewer_ms', 'bytes_in', 'bytes_out'];
  const plays = ['plays', 'unique_viewers', 'watch_ms', 'stalls', 'errors'];
  for (const name of [...counts, ...plays])
    table = table.addColumn(name, 'bigint', (column) => column.notNull().defaultTo(0));
  await table.addPrimaryKeyConstraint('usage_pkey', ['live_stream_id', 'day']).execute();
  await db.schema
    .createIndex('usage_of_environment')
    .on('usage')
    .columns(['organization_id', 'environment', 'day'])
    .execute();
  // How many plays took how long to begin: bucket 0 up to 50 ms, each next one 15 % longer.
  await db.schema
    .createTable('usage_startups')
    .addColumn('live_stream_id', 'text', (column) => column.notNull())
    .addColumn('day', 'text', (column) => column.notNull())
    .addColumn('bucket', 'integer', (column) => column.notNull())
    .addColumn('plays', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('usage_startups_pkey', ['live_stream_id', 'day', 'bucket'])
    .execute();
}
