import type { Generated } from 'kysely';
import type { Environment, EventName } from '../contract/index.ts';

// The tables of events and their deliveries, a part of schema.ts.

/** Named `<organization>/<environment>` or by a live stream's id: rows of their own, as they outlive the live stream. */
export interface EventCountersTable {
  name: string;
  last: number;
}

export interface EventsTable {
  id: string;
  organization_id: string;
  environment: Environment;
  /** Counts up in the environment, in the order of the commits. */
  number: number;
  live_stream_id: string | null;
  /** Counts up for the live stream. */
  sequence: number | null;
  name: EventName;
  /** JSON. */
  payload: string;
  test: 0 | 1;
  created_ms: number;
}

export interface WebhookEndpointsTable {
  id: string;
  organization_id: string;
  environment: Environment;
  /** Sealed, purpose `webhook_endpoint.url:<id>`: people put secrets into its query. */
  url: string;
  name: string;
  /** JSON list of names; an empty one stands for all. */
  events: string;
  enabled: 0 | 1;
  /** Failed attempts since the last success. */
  failures: number;
  /** The first of them. */
  failing_since_ms: number | null;
  /** webhook-endpoint-failing was told of these failures. */
  failing_noticed: 0 | 1;
  disabled_reason: string | null;
  last_attempt_ms: number | null;
  last_status: number | null;
  last_error: string | null;
  created_ms: number;
  /** Set: gone for everybody; the row stays until its deliveries are deleted. */
  deleted_ms: Generated<number | null>;
}

export interface WebhookSecretsTable {
  id: string;
  endpoint_id: string;
  /** By the store's SecretBox, purpose `webhook_secret.sealed:<id>`. */
  sealed: string;
  created_ms: number;
  /** Null for the newest; the end of its overlap for one that was rotated out. */
  expires_ms: number | null;
}

export type DeliveryState = 'pending' | 'retrying' | 'delivered' | 'dead';

export interface DeliveriesTable {
  id: string;
  endpoint_id: string;
  event_id: string;
  event_name: EventName;
  /** The event's. */
  number: number;
  /** First attempts are made one after the other within a lane: the live stream's; the event's own when there is none. */
  lane: string;
  resend_of: string | null;
  /** `pending` until the first attempt is over. */
  state: DeliveryState;
  reason: string | null;
  attempts: number;
  /** Null when it is over. */
  due_ms: number | null;
  /** In flight until then, unless it is finished before. */
  lease_until_ms: number | null;
  /** Who holds the lease. */
  node: Generated<string | null>;
  created_ms: number;
  first_attempt_ms: number | null;
  finished_ms: number | null;
}

export interface DeliveryAttemptsTable {
  delivery_id: string;
  number: number;
  started_ms: number;
  duration_ms: number;
  status: number | null;
  error: string | null;
  response_body: string | null;
  /** JSON. */
  request_headers: string;
}

export interface BroadcastsTable {
  id: string;
  live_stream_id: string;
  organization_id: string;
  environment: Environment;
  protocol: string;
  address: string;
  started_ms: number;
  ended_ms: number | null;
  reason: string | null;
  /** The newest of its moments that is written down. */
  last_number: number;
  /** On whose air it is. */
  node: Generated<string | null>;
}

/** The processes that work on this database. */
export interface NodesTable {
  id: string;
  /** Rises every few seconds while it lives. */
  beat: number;
  /** As process-identity.ts writes it. */
  process: string | null;
}
