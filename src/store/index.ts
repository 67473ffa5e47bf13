// All SQL, in SQLite under the data folder or in Postgres. `cli` opens it at start and closes it last; `api` reads and writes
// through it; `ingest` asks it for permission to publish and `live` tells it what happens on air (ports that `live` declares);
// `webhooks` empties its outbox. SQLite runs in a worker thread, so that no fsync or checkpoint stalls the loop that moves media;
// Postgres has a bounded pool. No call hangs: after a few seconds it fails with store_unavailable.

export { backupDatabase, restoreDatabase } from './backup.ts';
export type { BroadcastRow, Broadcasts } from './broadcasts.ts';
export type { Deliveries, DueDelivery } from './deliveries.ts';
export type { DeliveryDetails, DeliveryFilter, DeliveryLog, DeliveryRow, ResendFilter } from './delivery-log.ts';
export type { EventFilter, Events } from './events.ts';
export type { DeliveryAttempt, DeliveryOutcome } from './finish-delivery.ts';
export type { Attempt, Begun, Idempotency, RepeatableRequest } from './idempotency.ts';
export type { InvitationRow, Invitations } from './invitations.ts';
export type { LiveStreamRow, Scope, StreamKind } from './live-stream-row.ts';
export type { CreateOptions, LiveStreams, Page, PageOptions } from './live-streams.ts';
export { lockDataDir } from './lock-data-dir.ts';
export { memberNotFound } from './member-not-found.ts';
export type { Actor, MemberRow, OrganizationRow, Organizations } from './organizations.ts';
export type { PasswordResets, PasswordResetToken } from './password-resets.ts';
export type { PlatformRow } from './platform-row.ts';
export type { NewPlatform, Platforms } from './platforms.ts';
export { type RotateOptions, rotateSecretKey } from './rotate-secret-key.ts';
export { secretKeyFile } from './secret-key.ts';
export { SESSION_MS, type SessionRow, type Sessions, type SignedIn } from './sessions.ts';
export type { Setup } from './setup.ts';
export type { SigningKeyRow, SigningKeys } from './signing-keys.ts';
export { openStore, type Store, type StoreOptions, type StoreStatus } from './store.ts';
export type { AccessTokenRow, NewToken, Principal, TokenOwner, Tokens } from './tokens.ts';
export { tryDatabase } from './try-database.ts';
export type { Usage, UsageOf, UsageSum } from './usage.ts';
export { readEmail, type UserRow, type Users } from './users.ts';
export type {
  NewWebhookSecret,
  WebhookEndpointChange,
  WebhookEndpointRow,
  WebhookEndpoints,
} from './webhook-endpoints.ts';
