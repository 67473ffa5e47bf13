import type { Kysely } from 'kysely';
import { type Logger, monotonicMs, newId, randomHex, SecretBox, secretsEqual } from '../base/index.ts';
import type { Settings } from '../contract/index.ts';
import type {
  AuthorisationAnswer,
  PlaybackRulesSource,
  PublishAuthoriser,
  PublishRequest,
  PullSource,
} from '../live/index.ts';
import { BroadcastStore, type Broadcasts } from './broadcasts.ts';
import { checkSecretKey } from './check-secret-key.ts';
import { completeRows } from './complete-rows.ts';
import { prepareDataDir } from './data-dir.ts';
import type { Database, OnQuery } from './database.ts';
import { type Deliveries, DeliveryStore } from './deliveries.ts';
import { type DeliveryLog, DeliveryLogStore } from './delivery-log.ts';
import { EventStore, type Events } from './events.ts';
import { type Idempotency, IdempotencyStore } from './idempotency.ts';
import { InvitationStore, type Invitations } from './invitations.ts';
import {
  backupPasswordPurpose,
  passwordPurpose,
  previousPasswordPurpose,
  rewindOf,
  settingsPurpose,
} from './live-stream-row.ts';
import { LiveStreamStore, type LiveStreams } from './live-streams.ts';
import { migrate } from './migrate.ts';
import { Nodes } from './nodes.ts';
import { addMember, addOrganization, OrganizationStore, type Organizations } from './organizations.ts';
import { PasswordResetStore, type PasswordResets } from './password-resets.ts';
import { PlatformWatch } from './platform-watch.ts';
import { PlatformStore, type Platforms } from './platforms.ts';
import { openPostgres } from './postgres.ts';
import { PullStore } from './pulls.ts';
import { watchDeliveries } from './record-event.ts';
import type { Tables } from './schema.ts';
import { sealClearText } from './seal-clear-text.ts';
import { readSecretKeyFile } from './secret-key.ts';
import { SessionStore, type Sessions } from './sessions.ts';
import { firstOwner, type Setup, SetupStore } from './setup.ts';
import { PlaybackRulesStore, SigningKeyStore, type SigningKeys } from './signing-keys.ts';
import { openSqlite } from './sqlite.ts';
import { addToken, type NewToken, type Principal, type TokenOwner, TokenStore, type Tokens } from './tokens.ts';
import { UpdateStore, type Updates } from './updates.ts';
import { type Usage, UsageStore } from './usage.ts';
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
  /** In one environment; any number, when not given. */
  readonly maxLiveStreams?: number;
  /** Of new stream passwords; 32, when not given. */
  readonly streamPasswordBits?: 32 | 128;
  /** Told of every statement: its duration in ms, and whether it worked. */
  readonly onQuery?: OnQuery;
}

export interface StoreStatus {
  readonly kind: 'sqlite' | 'postgres';
  readonly ok: boolean;
  /** How long it took to answer; null when it did not. */
  readonly ms: number | null;
  readonly nodes: readonly { readonly id: string; readonly self: boolean }[];
}

/** Everything that lasts. Calls reject with CodedError store_unavailable when the database cannot answer for now. */
export interface Store extends PublishAuthoriser {
  readonly liveStreams: LiveStreams;
  readonly platforms: Platforms;
  readonly pulls: PullSource;
  readonly playback: PlaybackRulesSource;
  readonly signingKeys: SigningKeys;
  readonly idempotency: Idempotency;
  readonly tokens: Tokens;
  readonly users: Users;
  readonly organizations: Organizations;
  readonly invitations: Invitations;
  readonly sessions: Sessions;
  readonly passwordResets: PasswordResets;
  readonly setup: Setup;
  readonly events: Events;
  readonly updates: Updates;
  readonly usage: Usage;
  readonly broadcasts: Broadcasts;
  readonly webhookEndpoints: WebhookEndpoints;
  readonly deliveryLog: DeliveryLog;
  readonly deliveries: Deliveries;
  /** Calls `listener` after each commit that wrote deliveries, until the answer is called. */
  onEvent(listener: () => void): () => void;
  /**
   * Calls `listener` with a live stream on air here when its platforms may have been changed by another process, at most ten seconds
   * after that, until the answer is called. With SQLite there is no other process.
   */
  onPlatformsChanged(listener: (liveStreamId: string) => void): () => void;
  /**
   * For the server's start, before it takes work: what processes that are gone left open is closed, now and whenever another one
   * goes. Their broadcasts end, each with its event (L03), and what they had claimed is due again. What a living process holds is
   * left alone. On Postgres one on another machine counts as gone about 20 s after its last sign. Not for commands.
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
  /** How the database is, and which processes work on it. Never rejects. */
  status(): Promise<StoreStatus>;
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
export async function openStore(options: StoreOptions): Promise<Store> {
  const { dataDir, databaseUrl, secretKeys, log, onQuery } = options;
  prepareDataDir(dataDir);
  const secrets = new SecretBox(secretKeys ?? readSecretKeyFile(dataDir));
  if (databaseUrl) await migratePostgres(databaseUrl, log);
  const database = databaseUrl ? openPostgres(databaseUrl, log, { onQuery }) : openSqlite(dataDir, log, onQuery);
  try {
    if (database.kind === 'sqlite') await migrate(database);
    database.hurry();
    await checkSecretKey(database.db, secrets);
    await sealClearText(database.db, secrets);
    await completeRows(database.db, secrets);
    return new SqlStore(database, log, secrets, options);
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
  readonly pulls: PullSource;
  readonly playback: PlaybackRulesSource;
  readonly signingKeys: SigningKeys;
  readonly idempotency: Idempotency;
  readonly tokens: TokenStore;
  readonly users: Users;
  readonly organizations: Organizations;
  readonly invitations: Invitations;
  readonly sessions: SessionStore;
  readonly passwordResets: PasswordResets;
  readonly setup: Setup;
  readonly events: Events;
  readonly updates: Updates;
  readonly usage: Usage;
  readonly broadcasts: BroadcastStore;
  readonly webhookEndpoints: WebhookEndpoints;
  readonly deliveryLog: DeliveryLog;
  readonly deliveries: DeliveryStore;
  readonly #nodes: Nodes;
  readonly #kind: Database['kind'];
  readonly #eventListeners = new Set<() => void>();
  readonly #platformListeners = new Set<(liveStreamId: string) => void>();
  readonly #platformWatch: PlatformWatch | null;
  readonly #db: Kysely<Tables>;
  readonly #secrets: SecretBox;
  readonly #closeDatabase: () => Promise<void>;

  // Every part of the store is made here, from (db, log, secrets) as far as it needs them.
  constructor(
    database: Database,
    log: Logger,
    secrets: SecretBox,
    { maxLiveStreams = Number.POSITIVE_INFINITY, streamPasswordBits = 32 }: StoreOptions,
  ) {
    const { db } = database;
    this.#db = db;
    this.#closeDatabase = database.close;
    this.#kind = database.kind;
    this.#nodes = new Nodes(database, log);
    this.#secrets = secrets;
    this.liveStreams = new LiveStreamStore(db, secrets, maxLiveStreams, streamPasswordBits);
    this.platforms = new PlatformStore(db, secrets, this.liveStreams);
    this.pulls = new PullStore(db, secrets, this.#nodes.id);
    this.playback = new PlaybackRulesStore(db, secrets);
    this.signingKeys = new SigningKeyStore(db);
    this.idempotency = new IdempotencyStore(db, secrets);
    this.tokens = new TokenStore(db, log);
    this.users = new UserStore(db);
    this.organizations = new OrganizationStore(db, () => this.tokens.forget());
    this.invitations = new InvitationStore(db);
    this.sessions = new SessionStore(db, log);
    this.passwordResets = new PasswordResetStore(db);
    this.setup = new SetupStore(db);
    this.events = new EventStore(db);
    this.updates = new UpdateStore(db);
    this.usage = new UsageStore(db);
    this.broadcasts = new BroadcastStore(db, this.#nodes.id);
    this.webhookEndpoints = new WebhookEndpointStore(db, secrets);
    this.deliveryLog = new DeliveryLogStore(db);
    this.deliveries = new DeliveryStore(db, log, secrets, this.#nodes.id);
    this.#platformWatch = database.kind === 'sqlite' ? null : new PlatformWatch(db, this.#nodes.id);
    watchDeliveries(db, this.#tellListeners);
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
      .select(['id', 'user_id', 'password', 'previous_password', 'previous_until_ms', 'backup_password'])
      .select(['enabled', 'discontinuities', 'settings'])
      .where('playback_id', '=', playbackId)
      .executeTakeFirst();
    const current = row ? this.#secrets.open(row.password, passwordPurpose(row.id)) : NO_PASSWORD;
    const overlap = row?.previous_password && row.previous_until_ms! > Date.now();
    const previous = overlap
      ? this.#secrets.open(row.previous_password!, previousPasswordPurpose(row.id))
      : NO_PASSWORD;
    const backup = row?.backup_password
      ? this.#secrets.open(row.backup_password, backupPasswordPurpose(row.id))
      : NO_PASSWORD;
    // All are compared, always: the answer's time does not tell which one was nearly right.
    const right = [current, previous, backup].map((secret) => secretsEqual(password, secret));
    if (!row || !right.includes(true)) return { ok: false, reason: 'unknown' };
    if (!row.enabled) return { ok: false, reason: 'disabled' };
    const { id: liveStreamId, user_id: userId, discontinuities } = row;
    const settings: Settings = JSON.parse(this.#secrets.open(row.settings, settingsPurpose(row.id)));
    const priority = right[0] || right[1] ? 0 : 1;
    const giveBack = settings.backup_encoder?.give_back ?? true;
    const names = { liveStreamId, playbackId, userId, discontinuities };
    return { ok: true, authorisation: { ...names, priority, giveBack, ...rewindOf(settings) } };
  }

  onEvent(listener: () => void): () => void {
    this.#eventListeners.add(listener);
    return () => void this.#eventListeners.delete(listener);
  }

  onPlatformsChanged(listener: (liveStreamId: string) => void): () => void {
    this.#platformListeners.add(listener);
    return () => void this.#platformListeners.delete(listener);
  }

  async recover() {
    await this.#nodes.beat();
    const broadcasts = await this.#takeOver();
    this.#nodes.keepBeating(() => this.#takeOver());
    return { broadcasts };
  }

  /** Closes and frees what nodes that are gone held. Resolves with the number of broadcasts. */
  async #takeOver(): Promise<number> {
    if (await this.deliveries.release()) this.#tellListeners();
    const changed = (await this.#platformWatch?.look()) ?? [];
    for (const id of changed) for (const listener of this.#platformListeners) listener(id);
    return this.broadcasts.closeOpen();
  }

  readonly #tellListeners = (): void => {
    for (const listener of this.#eventListeners) listener();
  };

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

  async status(): Promise<StoreStatus> {
    const kind = this.#kind;
    const startedMs = monotonicMs();
    const ok = await this.ready();
    if (!ok) return { kind, ok, ms: null, nodes: [] };
    const ms = Math.round(monotonicMs() - startedMs);
    return { kind, ok, ms, nodes: await this.#nodes.list().catch(() => []) };
  }

  async close(): Promise<void> {
    await Promise.all([this.tokens.settled(), this.sessions.settled(), this.#nodes.close()]);
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
