// All SQL: organizations, users, access tokens and live streams, in SQLite under the data folder. `cli` opens it at start
// and closes it last; `api` reads and writes through it; `ingest` asks it for permission to publish (the port that `live`
// declares). Runs SQLite in a worker thread, so that no fsync or checkpoint stalls the loop that moves media.

export type { BroadcastRow, Broadcasts } from './broadcasts.ts';
export type { Deliveries, DueDelivery } from './deliveries.ts';
export type { DeliveryDetails, DeliveryFilter, DeliveryLog, DeliveryRow, ResendFilter } from './delivery-log.ts';
export type { EventFilter, Events } from './events.ts';
export type { DeliveryAttempt, DeliveryOutcome } from './finish-delivery.ts';
export type { Attempt, Begun, Idempotency, RepeatableRequest } from './idempotency.ts';
export type { LiveStreamRow, Scope, StreamKind } from './live-stream-row.ts';
export type { CreateOptions, LiveStreams, Page, PageOptions } from './live-streams.ts';
export type { PlatformRow } from './platform-row.ts';
export type { NewPlatform, Platforms } from './platforms.ts';
export type { InvitationRow, Invitations } from './invitations.ts';
export type { Actor, MemberRow, OrganizationRow, Organizations } from './organizations.ts';
export type { PasswordResets, PasswordResetToken } from './password-resets.ts';
export { SESSION_MS, type SessionRow, type Sessions, type SignedIn } from './sessions.ts';
export type { Setup } from './setup.ts';
export { openStore, type Store, type StoreOptions } from './store.ts';
export type { AccessTokenRow, NewToken, Principal, TokenOwner, Tokens } from './tokens.ts';
export type {
  NewWebhookSecret,
  WebhookEndpointChange,
  WebhookEndpointRow,
  WebhookEndpoints,
} from './webhook-endpoints.ts';
export { readEmail, type UserRow, type Users } from './users.ts';
