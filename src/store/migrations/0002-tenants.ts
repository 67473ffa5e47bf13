import type { Kysely } from 'kysely';

/**
 * People with passwords, their memberships, invitations, sessions; access tokens get roles and an end. `users.organization_id`
 * and `users.role` stay for the version before: from here on `memberships` says who belongs where.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('organizations').addColumn('deleted_ms', 'bigint').execute();
  await db.schema
    .alterTable('users')
    .addColumn('name', 'text', (column) => column.notNull().defaultTo(''))
    .execute();
  await db.schema.alterTable('users').addColumn('password_hash', 'text').execute();
  await db.schema
    .alterTable('access_tokens')
    .addColumn('role', 'text', (column) => column.notNull().defaultTo('member'))
    .execute();
  await db.schema.alterTable('access_tokens').addColumn('expires_ms', 'bigint').execute();
  await db.schema
    .createIndex('access_tokens_newest')
    .on('access_tokens')
    .columns(['organization_id', 'environment', 'created_ms', 'id'])
    .execute();
  await db.schema
    .createTable('memberships')
    .addColumn('organization_id', 'text', (column) => column.notNull().references('organizations.id'))
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id'))
    .addColumn('role', 'text', (column) => column.notNull())
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('memberships_pk', ['organization_id', 'user_id'])
    .execute();
  await db.schema.createIndex('memberships_user').on('memberships').columns(['user_id', 'created_ms']).execute();
  await db.schema
    .createTable('invitations')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('organization_id', 'text', (column) => column.notNull().references('organizations.id'))
    .addColumn('email', 'text', (column) => column.notNull())
    .addColumn('role', 'text', (column) => column.notNull())
    .addColumn('token_hash', 'text', (column) => column.notNull().unique())
    .addColumn('invited_by', 'text', (column) => column.notNull().references('users.id'))
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addColumn('expires_ms', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('invitations_email', ['organization_id', 'email'])
    .execute();
  await db.schema
    .createTable('sessions')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id'))
    .addColumn('secret_hash', 'text', (column) => column.notNull().unique())
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addColumn('last_used_ms', 'bigint', (column) => column.notNull())
    .addColumn('user_agent', 'text', (column) => column.notNull())
    .addColumn('address', 'text', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('sessions_user').on('sessions').columns(['user_id', 'created_ms']).execute();
  await db.schema
    .createTable('password_resets')
    .addColumn('token_hash', 'text', (column) => column.primaryKey())
    .addColumn('user_id', 'text', (column) => column.notNull().references('users.id'))
    .addColumn('expires_ms', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('password_resets_user').on('password_resets').column('user_id').execute();
  await db.schema
    .createTable('setup_tokens')
    .addColumn('token_hash', 'text', (column) => column.primaryKey())
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .execute();

  const known = db as Kysely<{
    users: { id: string; organization_id: string; role: string; created_ms: number };
    memberships: { user_id: string; organization_id: string; role: string; created_ms: number };
    access_tokens: { role: string };
  }>;
  await known
    .insertInto('memberships')
    .columns(['organization_id', 'user_id', 'role', 'created_ms'])
    .expression((from) => from.selectFrom('users').select(['organization_id', 'id', 'role', 'created_ms']))
    .execute();
  // They were made when a token could do everything there was.
  await known.updateTable('access_tokens').set({ role: 'admin' }).execute();
}
