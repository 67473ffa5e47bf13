import type { Generated } from 'kysely';
import type { Environment } from '../contract/index.ts';

// The tables as Kysely sees them. Portable columns only: text ids, integer milliseconds (`_ms`), 0 and 1 for booleans, JSON in
// text, digests in hex; so that the same queries serve SQLite and Postgres.

export interface OrganizationsTable {
  id: string;
  name: string;
  created_ms: number;
}

export interface UsersTable {
  id: string;
  organization_id: string;
  /** Null until the owner has signed in somewhere: the first start knows no address. */
  email: string | null;
  role: 'owner';
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
  /** Whom the token acts for. */
  user_id: string;
  name: string;
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
  /** The secret part of the key. In clear, because the API has to show the key. */
  password: string;
  name: string;
  enabled: 0 | 1;
  settings: string;
  /** Of its playlists, ever. */
  discontinuities: Generated<number>;
  created_ms: number;
}

export interface Tables {
  organizations: OrganizationsTable;
  users: UsersTable;
  environments: EnvironmentsTable;
  access_tokens: AccessTokensTable;
  live_streams: LiveStreamsTable;
}
