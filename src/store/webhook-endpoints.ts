import { randomBytes } from 'node:crypto';
import type { Kysely, Selectable } from 'kysely';
import { CodedError, newId, type SecretBox } from '../base/index.ts';
import type { EventName } from '../contract/index.ts';
import type { WebhookEndpointsTable } from './event-tables.ts';
import type { Scope } from './live-stream-row.ts';
import { newestFirst } from './newest-first.ts';
import { lockEnvironment, recordEvent } from './record-event.ts';
import type { Tables } from './schema.ts';

export interface WebhookEndpointRow extends Scope {
  readonly id: string;
  readonly url: string;
  readonly name: string;
  /** Empty: all. */
  readonly events: EventName[];
  readonly enabled: boolean;
  /** When the first of the failures since the last success happened. */
  readonly failingSinceMs: number | null;
  readonly disabledReason: string | null;
  readonly lastAttempt: {
    readonly startedMs: number;
    readonly status: number | null;
    readonly error: string | null;
  } | null;
  readonly createdMs: number;
}

export interface WebhookEndpointChange {
  readonly url?: string | undefined;
  readonly name?: string | undefined;
  readonly events?: readonly EventName[] | undefined;
  readonly enabled?: boolean | undefined;
}

/** An endpoint with its newest secret: the only time that it is shown. */
export interface NewWebhookSecret {
  readonly row: WebhookEndpointRow;
  /** `whsec_` and the base64 of 32 random bytes. */
  readonly secret: string;
}

export interface WebhookEndpoints {
  /**
   * `id` is that of an attempt that may have been cut off: what it made is returned, with a new secret.
   * @throws CodedError conflict when the environment has as many as it may have
   */
  create(
    scope: Scope,
    values: WebhookEndpointChange & { readonly url: string },
    id?: string,
  ): Promise<NewWebhookSecret>;
  get(scope: Scope, id: string): Promise<WebhookEndpointRow | null>;
  /** Newest first; `page` counts from 1. */
  list(scope: Scope, page: { page: number; limit: number }): Promise<{ rows: WebhookEndpointRow[]; total: number }>;
  /**
   * Null when there is no such endpoint. Disabling gives up what waits for it; enabling forgets past failures and brings nothing
   * back by itself: deliveries are resent on request.
   */
  update(scope: Scope, id: string, change: WebhookEndpointChange): Promise<WebhookEndpointRow | null>;
  /** Its deliveries go with it. False when there is no such endpoint. */
  delete(scope: Scope, id: string): Promise<boolean>;
  /** A new secret; the one before signs beside it for `overlapMs`. Null when there is no such endpoint. */
  rotateSecret(scope: Scope, id: string, overlapMs: number): Promise<NewWebhookSecret | null>;
  /**
   * Writes a test event for this endpoint alone; null when there is no such endpoint.
   * @throws CodedError conflict when it is disabled.
   */
  test(scope: Scope, id: string, event: { name: EventName; payload: object }): Promise<WebhookEndpointRow | null>;
}

const MAX_ENDPOINTS = 20;
/** That sign side by side. Beyond it the oldest ends early. */
const MAX_SECRETS = 5;

/** The webhook endpoints, each call one statement or one transaction. */
export class WebhookEndpointStore implements WebhookEndpoints {
  readonly #db: Kysely<Tables>;
  readonly #secrets: SecretBox;

  constructor(db: Kysely<Tables>, secrets: SecretBox) {
    this.#db = db;
    this.#secrets = secrets;
  }

  create(
    scope: Scope,
    values: WebhookEndpointChange & { readonly url: string },
    id = newId(),
  ): Promise<NewWebhookSecret> {
    return this.#db.transaction().execute(async (transaction) => {
      const there = await lock(transaction, scope, id);
      if (there) {
        await transaction.deleteFrom('webhook_secrets').where('endpoint_id', '=', id).execute();
        return { row: this.#fromColumns(there), secret: await this.#addSecret(transaction, id) };
      }
      // Two that are made at once must not both be the last one.
      await lockEnvironment(transaction, scope);
      const { total } = await inScope(transaction, scope)
        .select((select) => select.fn.countAll<number>().as('total'))
        .executeTakeFirstOrThrow();
      if (total >= MAX_ENDPOINTS)
        throw new CodedError(
          'conflict',
          `An environment has at most ${MAX_ENDPOINTS} webhook endpoints: delete one first.`,
        );
      const row: Selectable<WebhookEndpointsTable> = {
        id,
        organization_id: scope.organizationId,
        environment: scope.environment,
        url: this.#secrets.seal(values.url, urlPurpose(id)),
        name: values.name ?? '',
        events: JSON.stringify(values.events ?? []),
        enabled: values.enabled === false ? 0 : 1,
        failures: 0,
        failing_since_ms: null,
        failing_noticed: 0,
        disabled_reason: null,
        last_attempt_ms: null,
        last_status: null,
        last_error: null,
        created_ms: Date.now(),
        deleted_ms: null,
      };
      await transaction.insertInto('webhook_endpoints').values(row).execute();
      return { row: this.#fromColumns(row), secret: await this.#addSecret(transaction, id) };
    });
  }

  async get(scope: Scope, id: string): Promise<WebhookEndpointRow | null> {
    const row = await inScope(this.#db, scope).selectAll().where('id', '=', id).executeTakeFirst();
    return row ? this.#fromColumns(row) : null;
  }

  async list(scope: Scope, { page, limit }: { page: number; limit: number }) {
    const all = inScope(this.#db, scope);
    const { rows, total } = await newestFirst(all, { page, limit });
    return { rows: rows.map((row) => this.#fromColumns(row)), total };
  }

  async update(scope: Scope, id: string, change: WebhookEndpointChange): Promise<WebhookEndpointRow | null> {
    if (change.enabled === true && (await this.get(scope, id))?.enabled === false) await giveUpWaiting(this.#db, id);
    const changed = await this.#db.transaction().execute(async (transaction) => {
      const before = await lock(transaction, scope, id);
      if (!before) return null;
      const enabling = change.enabled === true && before.enabled === 0;
      if (enabling) await giveUpSome(transaction, before);
      const elsewhere = change.url !== undefined && change.url !== this.#fromColumns(before).url;
      const row = await transaction
        .updateTable('webhook_endpoints')
        .set({
          url: change.url === undefined ? before.url : this.#secrets.seal(change.url, urlPurpose(id)),
          name: change.name ?? before.name,
          events: change.events ? JSON.stringify(change.events) : before.events,
          enabled: (change.enabled ?? before.enabled === 1) ? 1 : 0,
          ...(enabling || elsewhere ? { failures: 0, failing_since_ms: null, failing_noticed: 0 as const } : {}),
          ...(enabling ? { disabled_reason: null } : {}),
        })
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirstOrThrow();
      return this.#fromColumns(row);
    });
    if (change.enabled === false && changed) await giveUpWaiting(this.#db, id);
    return changed;
  }

  async delete(scope: Scope, id: string): Promise<boolean> {
    const deleted = await this.#db.transaction().execute(async (transaction) => {
      if (!(await lock(transaction, scope, id))) return false;
      await markDeleted(transaction, { id });
      return true;
    });
    // A short log goes at once, what is left of a long one with `prune`.
    if (deleted) await deleteSome(this.#db, id);
    return deleted;
  }

  rotateSecret(scope: Scope, id: string, overlapMs: number): Promise<NewWebhookSecret | null> {
    return this.#db.transaction().execute(async (transaction) => {
      const row = await lock(transaction, scope, id);
      if (!row) return null;
      const now = Date.now();
      const secrets = await transaction
        .selectFrom('webhook_secrets')
        .select(['id', 'expires_ms'])
        .where('endpoint_id', '=', id)
        .orderBy('created_ms', 'desc')
        .orderBy('id', 'desc')
        .execute();
      for (const [i, secret] of secrets.entries()) {
        const expires_ms = Math.min(secret.expires_ms ?? now + overlapMs, now + overlapMs);
        if (expires_ms <= now || i >= MAX_SECRETS - 1)
          await transaction.deleteFrom('webhook_secrets').where('id', '=', secret.id).execute();
        else await transaction.updateTable('webhook_secrets').set({ expires_ms }).where('id', '=', secret.id).execute();
      }
      return { row: this.#fromColumns(row), secret: await this.#addSecret(transaction, id) };
    });
  }

  test(scope: Scope, id: string, event: { name: EventName; payload: object }): Promise<WebhookEndpointRow | null> {
    return this.#db.transaction().execute(async (transaction) => {
      const row = await lock(transaction, scope, id);
      if (!row) return null;
      if (row.enabled === 0) throw disabled();
      const { organizationId, environment } = scope;
      await recordEvent(transaction, { organizationId, environment, liveStreamId: null, ...event, testFor: id });
      return this.#fromColumns(row);
    });
  }

  async #addSecret(transaction: Kysely<Tables>, endpointId: string): Promise<string> {
    const id = newId();
    const secret = `whsec_${randomBytes(32).toString('base64')}`;
    const sealed = this.#secrets.seal(secret, secretPurpose(id));
    const values = { id, endpoint_id: endpointId, sealed, created_ms: Date.now(), expires_ms: null };
    await transaction.insertInto('webhook_secrets').values(values).execute();
    return secret;
  }

  #fromColumns(row: Selectable<WebhookEndpointsTable>): WebhookEndpointRow {
    const lastAttempt = { startedMs: row.last_attempt_ms ?? 0, status: row.last_status, error: row.last_error };
    return {
      id: row.id,
      organizationId: row.organization_id,
      environment: row.environment,
      url: this.#secrets.open(row.url, urlPurpose(row.id)),
      name: row.name,
      events: JSON.parse(row.events),
      enabled: row.enabled === 1,
      failingSinceMs: row.failing_since_ms,
      disabledReason: row.disabled_reason,
      lastAttempt: row.last_attempt_ms === null ? null : lastAttempt,
      createdMs: row.created_ms,
    };
  }
}

/** What the SecretBox binds the secrets of endpoints to. */
export const urlPurpose = (id: string): string => `webhook_endpoint.url:${id}`;
export const secretPurpose = (id: string): string => `webhook_secret.sealed:${id}`;

export const disabled = (): CodedError =>
  new CodedError('conflict', 'The webhook endpoint is disabled: enable it first with PATCH {"enabled": true}.');

/** Rows that are changed together: neither the others' statements nor the limit on one statement's time may suffer. */
const AT_ONCE = 500;

type Disabled = Pick<Selectable<WebhookEndpointsTable>, 'id' | 'disabled_reason'>;

/** What waits for the endpoint is dead from now on, as long as it is disabled. In steps, each a transaction. */
export async function giveUpWaiting(db: Kysely<Tables>, endpointId: string): Promise<void> {
  for (let changed = AT_ONCE; changed >= AT_ONCE; )
    changed = await db.transaction().execute(async (transaction) => {
      const endpoint = await transaction
        .updateTable('webhook_endpoints')
        .set(({ ref }) => ({ name: ref('name') }))
        .where('id', '=', endpointId)
        .where('enabled', '=', 0)
        .returning(['id', 'disabled_reason'])
        .executeTakeFirst();
      return endpoint ? giveUpSome(transaction, endpoint) : 0;
    });
}

async function giveUpSome(transaction: Kysely<Tables>, { id, disabled_reason }: Disabled): Promise<number> {
  const reason = disabled_reason ?? 'The endpoint was disabled.';
  const { numUpdatedRows } = await transaction
    .updateTable('deliveries')
    .set({ state: 'dead', reason, due_ms: null, lease_until_ms: null, finished_ms: Date.now() })
    .where('id', 'in', (select) =>
      select
        .selectFrom('deliveries')
        .select('id')
        .where('endpoint_id', '=', id)
        .where('due_ms', 'is not', null)
        .limit(AT_ONCE),
    )
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows);
}

/** Nobody finds these endpoints any more and nothing is sent to them. Their rows go later: a log may be long. */
export async function markDeleted(
  transaction: Kysely<Tables>,
  of: { readonly id: string } | { readonly organization_id: string },
): Promise<void> {
  const rows = await transaction
    .updateTable('webhook_endpoints')
    .set({ enabled: 0, deleted_ms: Date.now() })
    .where((eb) => eb.and(of))
    .where('deleted_ms', 'is', null)
    .returning('id')
    .execute();
  for (const { id } of rows) await transaction.deleteFrom('webhook_secrets').where('endpoint_id', '=', id).execute();
}

/** Deletes a part of a deleted endpoint's deliveries; the endpoint with the last of them. True when there are more. */
async function deleteSome(db: Kysely<Tables>, endpointId: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('deliveries')
    .where('id', 'in', (select) =>
      select.selectFrom('deliveries').select('id').where('endpoint_id', '=', endpointId).limit(AT_ONCE),
    )
    .executeTakeFirstOrThrow();
  if (numDeletedRows >= AT_ONCE) return true;
  await db.deleteFrom('webhook_endpoints').where('id', '=', endpointId).where('deleted_ms', 'is not', null).execute();
  return false;
}

/** Finishes what was begun when endpoints were disabled or deleted. */
export async function pruneEndpoints(db: Kysely<Tables>): Promise<void> {
  const rows = await db
    .selectFrom('webhook_endpoints')
    .select(['id', 'deleted_ms'])
    .where('enabled', '=', 0)
    .where((eb) =>
      eb.or([
        eb('deleted_ms', 'is not', null),
        eb.exists(
          eb
            .selectFrom('deliveries')
            .select('deliveries.id')
            .whereRef('endpoint_id', '=', 'webhook_endpoints.id')
            .where('due_ms', 'is not', null),
        ),
      ]),
    )
    .execute();
  for (const { id, deleted_ms } of rows) {
    if (deleted_ms === null) await giveUpWaiting(db, id);
    else while (await deleteSome(db, id));
  }
}

/** The endpoint's row, held until the transaction ends: whatever changes an endpoint or its deliveries takes this first. */
export function lock(transaction: Kysely<Tables>, scope: Scope, id: string) {
  return transaction
    .updateTable('webhook_endpoints')
    .set(({ ref }) => ({ name: ref('name') }))
    .where('id', '=', id)
    .where('organization_id', '=', scope.organizationId)
    .where('environment', '=', scope.environment)
    .where('deleted_ms', 'is', null)
    .returningAll()
    .executeTakeFirst();
}

function inScope(db: Kysely<Tables>, scope: Scope) {
  return db
    .selectFrom('webhook_endpoints')
    .where('organization_id', '=', scope.organizationId)
    .where('environment', '=', scope.environment)
    .where('deleted_ms', 'is', null);
}
