import type { Tables } from './schema.ts';

/** A text column whose values a SecretBox has sealed, with the purpose `<purpose>:<key>`. Null stands for no secret. */
export interface SealedColumn {
  readonly table: keyof Tables;
  /** The primary key, one text column. */
  readonly key: string;
  readonly column: string;
  readonly purpose: string;
}

/** Every sealed column there is: what `liveapi rotate-secret-key` seals anew. Whoever adds one adds its line here. */
export const SEALED_COLUMNS: readonly SealedColumn[] = [
  { table: 'live_streams', key: 'id', column: 'password', purpose: 'live_stream.password' },
  { table: 'live_streams', key: 'id', column: 'previous_password', purpose: 'live_stream.previous_password' },
  { table: 'live_streams', key: 'id', column: 'backup_password', purpose: 'live_stream.backup_password' },
  { table: 'live_streams', key: 'id', column: 'settings', purpose: 'live_stream.settings' },
  { table: 'platforms', key: 'id', column: 'key', purpose: 'platform.key' },
  { table: 'platforms', key: 'id', column: 'secret_server', purpose: 'platform.secret_server' },
  { table: 'webhook_endpoints', key: 'id', column: 'url', purpose: 'webhook_endpoint.url' },
  { table: 'webhook_secrets', key: 'id', column: 'sealed', purpose: 'webhook_secret.sealed' },
  { table: 'idempotency_keys', key: 'id', column: 'answer', purpose: 'idempotency_key.answer' },
];
