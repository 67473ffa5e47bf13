import type { Generated } from 'kysely';
import type { Environment, Role, TokenRole } from '../contract/index.ts';
import type { SigningAlgorithm } from '../live/index.ts';
import type {
  BroadcastsTable,
  DeliveriesTable,
  DeliveryAttemptsTable,
  EventCountersTable,
  EventsTable,
  NodesTable,
  WebhookEndpointsTable,
  WebhookSecretsTable,
} from './event-tables.ts';

// The tables as Kysely sees them. Portable columns only: text ids, integer milliseconds (`_ms`), 0 and 1 for booleans, JSON in
// text, digests in hex; so that the same queries serve SQLite and Postgres.

export interface OrganizationsTable {
  id: string;
  name: string;
  created_ms: number;
  /** Set: gone for everybody; the row stays for what refers to it. */
  deleted_ms: Generated<number | null>;
}

export interface UsersTable {
  id: string;
  /** Where the user was made. `memberships` says who belongs where; these two are for the version before it. */
  organization_id: string;
  role: Role;
  /** In small letters. Null until the set-up: the first start knows no address. */
  email: string | null;
  name: Generated<string>;
  /** argon2id, as `passwords.ts` writes it. */
  password_hash: Generated<string | null>;
  created_ms: number;
}

export interface MembershipsTable {
  organization_id: string;
  user_id: string;
  role: Role;
  created_ms: number;
}

/** Invitations that nobody has accepted: an accepted one is gone. */
export interface InvitationsTable {
  id: string;
  organization_id: string;
  email: string;
  role: Role;
  /** SHA-256 of the token in the link. */
  token_hash: string;
  invited_by: string;
  created_ms: number;
  expires_ms: number;
}

export interface SessionsTable {
  id: string;
  user_id: string;
  /** SHA-256 of the cookie's value. */
  secret_hash: string;
  created_ms: number;
  last_used_ms: number;
  user_agent: string;
  address: string;
}

export interface PasswordResetsTable {
  /** SHA-256 of the token in the link. */
  token_hash: string;
  user_id: string;
  expires_ms: number;
}

export interface SetupTokensTable {
  /** SHA-256 of the token in the link that `serve` prints. */
  token_hash: string;
  created_ms: number;
}

export interface EnvironmentsTable {
  organization_id: string;
  name: Environment;
}

export interface AccessTokensTable {
  id: string;
  organization_id: string;
  environment: Environment;
  /** Whom it acts for: who made it, or whose token did. */
  user_id: string;
  /** The token that made it; null: the user did. */
  made_by: Generated<string | null>;
  name: string;
  role: Generated<TokenRole>;
  expires_ms: Generated<number | null>;
  /** SHA-256 of the secret. */
  secret_hash: string;
  created_ms: number;
  last_used_ms: number | null;
  revoked_ms: number | null;
}

export interface LiveStreamsTable {
  id: string;
  organization_id: string;
  environment: Environment;
  user_id: string;
  /** `lv_<32 hex>`: public, the part of the key before `?`. */
  playback_id: string;
  /** What makes it: POST /live_streams or POST /sub_second_streams. */
  kind: Generated<'live' | 'sub_second'>;
  /** The secret part of the key. Sealed. */
  password: string;
  /** The one before the last rotation, valid until `previous_until_ms`. Sealed. */
  previous_password: Generated<string | null>;
  previous_until_ms: Generated<number | null>;
  /** The secret part of the backup encoder's key. Sealed. Null in rows of an older version, until the next start. */
  backup_password: Generated<string | null>;
  name: string;
  enabled: 0 | 1;
  /** JSON, sealed: an embed password and the address of a pull are secrets. */
  settings: string;
  /** Of the settings, for the list's filter. */
  low_latency_playback: Generated<0 | 1>;
  /** Of the settings: what is pulled is found without opening all of them. Null as `backup_password` is. */
  pull_enabled: Generated<0 | 1 | null>;
  /** The node that pulls it. */
  pull_node: Generated<string | null>;
  /** Of its playlists, ever. */
  discontinuities: Generated<number>;
  created_ms: number;
}

export interface PlatformsTable {
  id: string;
  live_stream_id: string;
  template: string;
  name: string;
  enabled: 0 | 1;
  /** As it may be shown: what is secret in it is masked. */
  server: string;
  /** The whole of a server that is masked. Sealed. */
  secret_server: Generated<string | null>;
  /** Sealed. */
  key: string;
  audio: Generated<'keep' | 'mute' | 'silence'>;
  delay_s: Generated<number>;
  /** JSON; null: what every service takes. */
  codecs: Generated<string | null>;
  /** JSON. */
  metadata: string | null;
  /** The broadcast that is pushed to it now. */
  connected_broadcast: Generated<string | null>;
  created_ms: number;
}

export interface IdempotencyKeysTable {
  /** SHA-256 of who sent it and the key. */
  id: string;
  /** SHA-256 of what was asked for. */
  fingerprint: string;
  /** What the object that is created is called: a second attempt after a crash meets the first one's. */
  object_id: string;
  /** Who is at it, until `lease_until_ms`; null: nobody. */
  lease: string | null;
  lease_until_ms: number;
  /** Null until it is answered. */
  status: number | null;
  /** Sealed: it may hold secrets. */
  answer: string | null;
  created_ms: number;
}

/** What the installation remembers of itself. */
export interface SettingsTable {
  name: string;
  value: string;
}

/** What a live stream was used for on one UTC day; rows stay when it is gone. */
export interface UsageTable {
  live_stream_id: string;
  /** YYYY-MM-DD. */
  day: string;
  organization_id: string;
  environment: Environment;
  streamed_ms: Generated<number>;
  viewer_ms: Generated<number>;
  bytes_in: Generated<number>;
  bytes_out: Generated<number>;
  plays: Generated<number>;
  unique_viewers: Generated<number>;
  watch_ms: Generated<number>;
  stalls: Generated<number>;
  errors: Generated<number>;
}

export interface UsageStartupsTable {
  live_stream_id: string;
  day: string;
  /** As `startupBucket` of `live` counts them. */
  bucket: number;
  plays: number;
}

export interface SigningKeysTable {
  id: string;
  organization_id: string;
  environment: Environment;
  name: string;
  algorithm: SigningAlgorithm;
  /** PEM. */
  public_key: string;
  created_ms: number;
}

export interface Tables {
  organizations: OrganizationsTable;
  users: UsersTable;
  environments: EnvironmentsTable;
  memberships: MembershipsTable;
  invitations: InvitationsTable;
  sessions: SessionsTable;
  password_resets: PasswordResetsTable;
  setup_tokens: SetupTokensTable;
  access_tokens: AccessTokensTable;
  live_streams: LiveStreamsTable;
  platforms: PlatformsTable;
  idempotency_keys: IdempotencyKeysTable;
  event_counters: EventCountersTable;
  events: EventsTable;
  webhook_endpoints: WebhookEndpointsTable;
  webhook_secrets: WebhookSecretsTable;
  deliveries: DeliveriesTable;
  delivery_attempts: DeliveryAttemptsTable;
  broadcasts: BroadcastsTable;
  nodes: NodesTable;
  settings: SettingsTable;
  usage: UsageTable;
  usage_startups: UsageStartupsTable;
  signing_keys: SigningKeysTable;
}
