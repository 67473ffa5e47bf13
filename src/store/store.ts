import { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { CodedError, type Logger, newId, randomHex, secretsEqual } from '../base/index.ts';
import type { AuthorisationAnswer, PublishAuthoriser, PublishRequest } from '../live/index.ts';
import { prepareDataDir } from './data-dir.ts';
import { LiveStreamStore, type LiveStreams } from './live-streams.ts';
import { MIGRATIONS } from './migrations.ts';
import type { Tables } from './schema.ts';
import { SqliteClient, spawnSqliteWorker } from './sqlite-client.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import { addToken, type NewToken, type Principal, TokenStore, type Tokens } from './tokens.ts';

export interface StoreOptions {
  /** Absolute; made when missing. */
  readonly dataDir: string;
  readonly log: Logger;
}

/** Everything that lasts. Calls reject with CodedError store_unavailable when the database cannot answer for now. */
export interface Store extends PublishAuthoriser {
  readonly liveStreams: LiveStreams;
  readonly tokens: Tokens;
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
 * Opens the database in `dataDir` and brings its tables up to date.
 * @throws CodedError data_dir_unusable when the folder or the file is of no use
 */
export async function openStore({ dataDir, log }: StoreOptions): Promise<Store> {
  const file = prepareDataDir(dataDir);
  const client = new SqliteClient(() => spawnSqliteWorker(file), log);
  const db = new Kysely<Tables>({ dialect: sqliteDialect(client) });
  const { error } = await new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } }).migrateToLatest();
  if (error) {
    await client.close();
    const reason = error instanceof Error ? error.message : String(error);
    const message = `The database ${file} cannot be used: ${reason} Is it another program's, or a newer version's?`;
    throw new CodedError('data_dir_unusable', message, { cause: error });
  }
  return new SqlStore(db, log, () => client.close());
}

class SqlStore implements Store {
  readonly liveStreams: LiveStreams;
  readonly tokens: TokenStore;
  readonly #db: Kysely<Tables>;
  readonly #closeDatabase: () => Promise<void>;

  constructor(db: Kysely<Tables>, log: Logger, closeDatabase: () => Promise<void>) {
    this.#db = db;
    this.#closeDatabase = closeDatabase;
    this.liveStreams = new LiveStreamStore(db);
    this.tokens = new TokenStore(db, log);
  }

  bootstrap({ token }: { readonly token?: string } = {}) {
    return this.#db.transaction().execute(async (transaction) => {
      const there = await transaction
        .selectFrom('users')
        .select(['id', 'organization_id'])
        .orderBy('created_ms')
        .executeTakeFirst();
      const owner = there ?? (await addOrganization(transaction));
      const holder = { organizationId: owner.organization_id, userId: owner.id, environment: 'production' } as const;
      if (token !== undefined) {
        const colon = token.indexOf(':');
        const known = { id: token.slice(0, colon), secret: token.slice(colon + 1) };
        await addToken(transaction, { ...holder, name: 'From the configuration' }, known);
        return { created: !there };
      }
      if (there) return { created: false };
      return { created: true, token: await addToken(transaction, { ...holder, name: 'First token' }) };
    });
  }

  verifyToken(id: string, secret: string): Promise<Principal | null> {
    return this.tokens.verify(id, secret);
  }

  async authorise({ playbackId, password }: PublishRequest): Promise<AuthorisationAnswer> {
    const row = await this.#db
      .selectFrom('live_streams')
      .select(['id', 'user_id', 'password', 'enabled', 'discontinuities'])
      .where('playback_id', '=', playbackId)
      .executeTakeFirst();
    const right = secretsEqual(password, row?.password ?? NO_PASSWORD);
    if (!row || !right) return { ok: false, reason: 'unknown' };
    if (!row.enabled) return { ok: false, reason: 'disabled' };
    const { id: liveStreamId, user_id: userId, discontinuities } = row;
    return { ok: true, authorisation: { liveStreamId, playbackId, userId, discontinuities } };
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
    await this.tokens.settled();
    // Not through Kysely, whose error for calls after that has no code.
    await this.#closeDatabase();
  }
}

async function addOrganization(db: Kysely<Tables>): Promise<{ id: string; organization_id: string }> {
  const created_ms = Date.now();
  const organization = { id: newId(), name: 'My organization', created_ms };
  const owner = { id: newId(), organization_id: organization.id, email: null, role: 'owner', created_ms } as const;
  await db.insertInto('organizations').values(organization).execute();
  await db
    .insertInto('environments')
    .values([
      { organization_id: organization.id, name: 'production' },
      { organization_id: organization.id, name: 'development' },
    ])
    .execute();
  await db.insertInto('users').values(owner).execute();
  return owner;
}
