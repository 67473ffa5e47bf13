import type { Kysely } from 'kysely';

/** The log of events, the webhook endpoints that want them, their deliveries, and the history of broadcasts. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('event_counters')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('last', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('events')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('organization_id', 'text', (column) => column.notNull())
    .addColumn('environment', 'text', (column) => column.notNull())
    .addColumn('number', 'bigint', (column) => column.notNull())
    .addColumn('live_stream_id', 'text')
    .addColumn('sequence', 'bigint')
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('payload', 'text', (column) => column.notNull())
    .addColumn('test', 'integer', (column) => column.notNull())
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('events_number', ['organization_id', 'environment', 'number'])
    .execute();
  await db.schema.createIndex('events_live_stream').on('events').columns(['live_stream_id', 'number']).execute();
  await db.schema.createIndex('events_created').on('events').column('created_ms').execute();
  await db.schema
    .createTable('webhook_endpoints')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('organization_id', 'text', (column) => column.notNull())
    .addColumn('environment', 'text', (column) => column.notNull())
    .addColumn('url', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('events', 'text', (column) => column.notNull())
    .addColumn('enabled', 'integer', (column) => column.notNull())
    .addColumn('failures', 'integer', (column) => column.notNull())
    .addColumn('failing_since_ms', 'bigint')
    .addColumn('failing_noticed', 'integer', (column) => column.notNull())
    .addColumn('disabled_reason', 'text')
    .addColumn('last_attempt_ms', 'bigint')
    .addColumn('last_status', 'integer')
    .addColumn('last_error', 'text')
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('webhook_endpoints_newest')
    .on('webhook_endpoints')
    .columns(['organization_id', 'environment', 'created_ms', 'id'])
    .execute();
  await db.schema
    .createTable('webhook_secrets')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('endpoint_id', 'text', (column) =>
      column.notNull().references('webhook_endpoints.id').onDelete('cascade'),
    )
    .addColumn('sealed', 'text', (column) => column.notNull())
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addColumn('expires_ms', 'bigint')
    .execute();
  await db.schema.createIndex('webhook_secrets_endpoint').on('webhook_secrets').column('endpoint_id').execute();
  await db.schema
    .createTable('deliveries')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('endpoint_id', 'text', (column) =>
      column.notNull().references('webhook_endpoints.id').onDelete('cascade'),
    )
    .addColumn('event_id', 'text', (column) => column.notNull().references('events.id').onDelete('cascade'))
    .addColumn('event_name', 'text', (column) => column.notNull())
    .addColumn('number', 'bigint', (column) => column.notNull())
    .addColumn('lane', 'text', (column) => column.notNull())
    .addColumn('resend_of', 'text')
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('due_ms', 'bigint')
    .addColumn('lease_until_ms', 'bigint')
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addColumn('first_attempt_ms', 'bigint')
    .addColumn('finished_ms', 'bigint')
    .execute();
  const indexes: Record<string, string[]> = {
    // For the heads of an endpoint's lanes, for what is due, for what is in flight, for the log, and for what an event's end takes along.
    deliveries_lane: ['endpoint_id', 'state', 'lane', 'number'],
    deliveries_due: ['endpoint_id', 'due_ms'],
    deliveries_next: ['due_ms'],
    deliveries_lease: ['lease_until_ms'],
    deliveries_newest: ['endpoint_id', 'created_ms', 'id'],
    deliveries_event: ['event_id'],
  };
  for (const [name, columns] of Object.entries(indexes))
    await db.schema.createIndex(name).on('deliveries').columns(columns).execute();
  await db.schema
    .createTable('delivery_attempts')
    .addColumn('delivery_id', 'text', (column) => column.notNull().references('deliveries.id').onDelete('cascade'))
    .addColumn('number', 'integer', (column) => column.notNull())
    .addColumn('started_ms', 'bigint', (column) => column.notNull())
    .addColumn('duration_ms', 'integer', (column) => column.notNull())
    .addColumn('status', 'integer')
    .addColumn('error', 'text')
    .addColumn('response_body', 'text')
    .addColumn('request_headers', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('delivery_attempts_pk', ['delivery_id', 'number'])
    .execute();
  await db.schema
    .createTable('broadcasts')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('live_stream_id', 'text', (column) => column.notNull())
    .addColumn('organization_id', 'text', (column) => column.notNull())
    .addColumn('environment', 'text', (column) => column.notNull())
    .addColumn('protocol', 'text', (column) => column.notNull())
    .addColumn('address', 'text', (column) => column.notNull())
    .addColumn('started_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_ms', 'bigint')
    .addColumn('reason', 'text')
    .addColumn('last_number', 'integer', (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('broadcasts_live_stream')
    .on('broadcasts')
    .columns(['live_stream_id', 'started_ms'])
    .execute();
  await db.schema.createIndex('broadcasts_ended').on('broadcasts').column('ended_ms').execute();
}
