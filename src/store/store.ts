import type { Kysely } from 'kysely';
import { type Logger, newId, randomHex, SecretBox, secretsEqual } from '../base/index.ts';
import type { AuthorisationAnswer, PublishAuthoriser, PublishRequest } from '../live/index.ts';
import { BroadcastStore, type Broadcasts } from './broadcasts.ts';
import { checkSecretKey } from './check-secret-key.ts';
import { prepareDataDir } from './data-dir.ts';
import type { Database, OnQuery } from './database.ts';
import { type Deliveries, DeliveryStore } from './deliveries.ts';
import { type DeliveryLog, DeliveryLogStore } from './delivery-log.ts';
import { EventStore, type Events } from './events.ts';
import { type Idempotency, IdempotencyStore } from './idempotency.ts';
import { InvitationStore, type Invitations } from './invitations.ts';
import { passwordPurpose, previousPasswordPurpose } from './live-stream-row.ts';
import { LiveStreamStore, type LiveStreams } from './live-streams.ts';
import { migrate } from './migrate.ts';
import { addMember, addOrganization, OrganizationStore, type Organizations } from './organizations.ts';
import { PasswordResetStore, type PasswordResets } from './password-resets.ts';
import { PlatformStore, type Platforms } from './platforms.ts';
import { openPostgres } from './postgres.ts';
import { watchDeliveries } from './record-event.ts';
import type { Tables } from './schema.ts';
import { sealClearText } from './seal-clear-text.ts';
import { readSecretKeyFile } from './secret-key.ts';
import { SessionStore, type Sessions } from './sessions.ts';
import { firstOwner, type Setup, SetupStore } from './setup.ts';
import { openSqlite } from './sqlite.ts';
import { addToken, type NewToken, type Principal, type TokenOwner, TokenStore, type Tokens } from './tokens.ts';
import { UserStore, type Users } from './users.ts';
import { WebhookEndpointStore, type WebhookEndpoints } from './webhook-endpoints.ts';

export interface StoreOptions {
  /** Absolute; made when missing. */
  readonly dataDir: string;
  /** `postgres://…`; without it the database is SQLite in `dataDir`. */
  readonly databaseUrl?: string;
  /** What secrets at rest are sealed with, 32 bytes each, the newest first; without them the file `secret.key` in `dataDir`. */
  readonly secretKeys?: readonly Buffer[];
  readonly log: Logger;
  /** Told of every statement: its duration in ms, and whether it worked. */
  readonly onQuery?: OnQuery;
}

/** Everything that lasts. Calls reject with CodedError store_unavailable when the database cannot answer for now. */
export interface Store extends PublishAuthoriser {
  readonly liveStreams: LiveStreams;
  readonly platforms: Platforms;
  readonly idempotency: Idempotency;
  readonly tokens: Tokens;
  readonly users: Users;
  readonly organizations: Organizations;
  readonly invitations: Invitations;
  readonly sessions: Sessions;
  readonly passwordResets: PasswordResets;
  readonly setup: Setup;
  readonly events: Events;
  readonly broadcasts: Broadcasts;
  readonly webhookEndpoints: WebhookEndpoints;
  readonly deliveryLog: DeliveryLog;
  readonly deliveries: Deliveries;
  /** Calls `listener` after each commit that wrote deliveries, until the answer is called. */
  onEvent(listener: () => void): () => void;
  /**
   * For the server's start, before it takes work: what its predecessor left open is closed. Its broadcasts end, each with its event
   * (L03), and what it had claimed is due again. Not for commands beside a running server.
   */
  recover(): Promise<{ readonly broadcasts: number }>;
  /**
   * The first start makes the organization, its owner, both environments and a production access token. `token` is `id:secret`:
   * that production token exists afterwards, whatever was before; none is made up then. The answer's `token` is a made-up one.
   */
  bootstrap(options?: { readonly token?: string }): Promise<{ readonly created: boolean; readonly token?: NewToken }>;
  /** Null for an unknown id, a wrong secret and a revoked token alike, at the same cost. */
  verifyToken(id: string, secret: string): Promise<Principal | null>;
  /** Counts discontinuities of a live stream's playlists; `authorise` tells their sum. */
  addDiscontinuities(liveStreamId: string, count: number): Promise<void>;
  /** Whether the database answers, within two seconds. Never rejects. */
  ready(): Promise<boolean>;
  /** Resolves when everything accepted is written and the files are closed. */
  close(): Promise<void>;
}

const READY_WITHIN_MS = 2000;
/** Compared with when there is no such live stream, so that an unknown key costs what a wrong password does. */
const NO_PASSWORD = randomHex(16);

/**
 * Opens the database and brings its tables up to date.
 * @throws CodedError data_dir_unusable when the folder or the file is of no use, store_unavailable when Postgres does not answer,
 * config_invalid when it refuses us, secret_unreadable when the database was sealed with another key
 */
export async function openStore({ dataDir, databaseUrl, secretKeys, log, onQuery }: StoreOptions): Promise<Store> {
  prepareDataDir(dataDir);
  const secrets = new SecretBox(secretKeys ?? readSecretKeyFile(dataDir));
  if (databaseUrl) await migratePostgres(databaseUrl, log);
  const database = databaseUrl ? openPostgres(databaseUrl, log, { onQuery }) : openSqlite(dataDir, log, onQuery);
  try {
    if (database.kind === 'sqlite') await migrate(database);
    database.hurry();
    await checkSecretKey(database.db, secrets);
    await sealClearText(database.db, secrets);
    return new SqlStore(database, log, secrets);
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Over a connection that may take its time: another process may be at it, and a large table takes longer than a request may. */
async function migratePostgres(url: string, log: Logger): Promise<void> {
  const database = openPostgres(url, log, { patient: true });
  try {
    await migrate(database);
  } finally {
    await database.close();
  }
}

class SqlStore implements Store {
  readonly liveStreams: LiveStreams;
  readonly platforms: Platforms;
  readonly idempotency: Idempotency;
  readonly tokens: TokenStore;
  readonly users: Users;
  readonly organizations: Organizations;
  readonly invitations: Invitations;
  readonly sessions: SessionStore;
  readonly passwordResets: PasswordResets;
  readonly setup: Setup;
  readonly events: Events;
  readonly broadcasts: BroadcastStore;
  readonly webhookEndpoints: WebhookEndpoints;
  readonly deliveryLog: DeliveryLog;
  readonly deliveries: DeliveryStore;
  readonly #eventListeners = new Set<() => void>();
  readonly #db: Kysely<Tables>;
  readonly #secrets: SecretBox;
  readonly #closeDatabase: () => Promise<void>;

  // Every part of the store is made here, from (db, log, secrets) as far as it needs them.
  constructor({ db, close }: Database, log: Logger, secrets: SecretBox) {
    this.#db = db;
    this.#closeDatabase = close;
    this.#secrets = secrets;
    this.liveStreams = new LiveStreamStore(db, secrets);
    this.platforms = new PlatformStore(db, secrets, this.liveStreams);
    this.idempotency = new IdempotencyStore(db, secrets);
    this.tokens = new TokenStore(db, log);
    this.users = new UserStore(db);
    this.organizations = new OrganizationStore(db, () => this.tokens.forget());
    this.invitations = new InvitationStore(db);
    this.sessions = new SessionStore(db, log);
    this.passwordResets = new PasswordResetStore(db);
    this.setup = new SetupStore(db);
    this.events = new EventStore(db);
    this.broadcasts = new BroadcastStore(db);
    this.webhookEndpoints = new WebhookEndpointStore(db, secrets);
    this.deliveryLog = new DeliveryLogStore(db);
    this.deliveries = new DeliveryStore(db, log, secrets);
    watchDeliveries(db, () => {
      for (const listener of this.#eventListeners) listener();
    });
  }

  bootstrap({ token }: { readonly token?: string } = {}) {
    return this.#db.transaction().execute(async (transaction) => {
      // Processes that start together come one after the other: on SQLite they do anyway, on Postgres by this write.
      await transaction
        .updateTable('settings')
        .set(({ ref }) => ({ value: ref('value') }))
        .execute();
      const there = await firstOwner(transaction);
      const owner = there ?? (await addFirstOwner(transaction));
      const holder = { ...owner, environment: 'production' } as const;
      if (token !== undefined) {
        const colon = token.indexOf(':');
        const known = { id: token.slice(0, colon), secret: token.slice(colon + 1) };
        await addToken(transaction, holder, { name: 'From the configuration', role: 'admin' }, known);
        return { created: !there };
      }
      if (there) return { created: false };
      const { id, secret } = await addToken(transaction, holder, { name: 'First token', role: 'admin' });
      return { created: true, token: { id, secret } };
    });
  }

  verifyToken(id: string, secret: string): Promise<Principal | null> {
    return this.tokens.verify(id, secret);
  }

  async authorise({ playbackId, password }: PublishRequest): Promise<AuthorisationAnswer> {
    const row = await this.#db
      .selectFrom('live_streams')
      .select(['id', 'user_id', 'password', 'previous_password', 'previous_until_ms', 'enabled', 'discontinuities'])
      .where('playback_id', '=', playbackId)
      .executeTakeFirst();
    const current = row ? this.#secrets.open(row.password, passwordPurpose(row.id)) : NO_PASSWORD;
    const overlap = row?.previous_password && row.previous_until_ms! > Date.now();
    const previous = overlap
      ? this.#secrets.open(row.previous_password!, previousPasswordPurpose(row.id))
      : NO_PASSWORD;
    // Both are compared, always: the answer's time does not tell which one was nearly right.
    const right = [current, previous].map((secret) => secretsEqual(password, secret)).includes(true);
    if (!row || !right) return { ok: false, reason: 'unknown' };
    if (!row.enabled) return { ok: false, reason: 'disabled' };
    const { id: liveStreamId, user_id: userId, discontinuities } = row;
    return { ok: true, authorisation: { liveStreamId, playbackId, userId, discontinuities } };
  }

  onEvent(listener: () => void): () => void {
    this.#eventListeners.add(listener);
    return () => void this.#eventListeners.delete(listener);
  }

  async recover() {
    await this.deliveries.release();
    return { broadcasts: await this.broadcasts.closeOpen() };
  }

  async addDiscontinuities(liveStreamId: string, count: number): Promise<void> {
    await this.#db
      .updateTable('live_streams')
      .set(({ eb }) => ({ discontinuities: eb('discontinuities', '+', count) }))
      .where('id', '=', liveStreamId)
      .execute();
  }

  async ready(): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(late.resolve, READY_WITHIN_MS, false);
    const answer = this.#db.selectFrom('organizations').select('id').limit(1).execute();
    try {
      return await Promise.race([answer.then(() => true), late.promise]);
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.tokens.settled(), this.sessions.settled()]);
    // Not through Kysely, whose error for calls after that has no code.
    await this.#closeDatabase();
  }
}

/** Nobody knows an address or a password for it before the set-up. */
async function addFirstOwner(db: Kysely<Tables>): Promise<TokenOwner> {
  const { id: organizationId, createdMs: created_ms } = await addOrganization(db, 'My organization');
  const owner = { id: newId(), organization_id: organizationId, email: null, role: 'owner', created_ms } as const;
  await db.insertInto('users').values(owner).execute();
  await addMember(db, organizationId, owner.id, 'owner');
  return { organizationId, userId: owner.id, environment: 'production' };
}
