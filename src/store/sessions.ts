import type { Kysely } from 'kysely';
import { type Logger, newId, randomHex, sha256Hex } from '../base/index.ts';
import { type OrganizationRow, organizationsOf } from './organizations.ts';
import type { Tables } from './schema.ts';
import { type UserRow, userFromColumns } from './users.ts';

/** A session that nobody uses ends after a day, and every one after thirty. */
export const SESSION_IDLE_MS = 24 * 3600_000;
export const SESSION_MS = 30 * SESSION_IDLE_MS;
const LAST_USED_EVERY_MS = 60_000;
/** Beyond this many of one user the oldest end. */
const MAX_SESSIONS = 50;

export interface SessionRow {
  readonly id: string;
  readonly createdMs: number;
  readonly lastUsedMs: number;
  readonly userAgent: string;
  readonly address: string;
}

/** Who a session's cookie stands for, as of now: roles are read anew each time. */
export interface SignedIn {
  readonly sessionId: string;
  readonly user: UserRow;
  /** In the order in which the user joined them. */
  readonly organizations: readonly OrganizationRow[];
}

export interface Sessions {
  /** `secret` is the cookie's value: 256 random bits in hex, known this once. */
  create(
    userId: string,
    from: { readonly userAgent: string; readonly address: string },
  ): Promise<{ readonly id: string; readonly secret: string }>;
  /** Null for an unknown and an ended session alike. */
  verify(secret: string): Promise<SignedIn | null>;
  /** Newest first. */
  list(userId: string): Promise<SessionRow[]>;
  /** False when the user has no such session. */
  end(userId: string, id: string): Promise<boolean>;
}

/** The sessions of people who have signed in. */
export class SessionStore implements Sessions {
  readonly #db: Kysely<Tables>;
  readonly #log: Logger;
  readonly #background = new Set<Promise<void>>();

  constructor(db: Kysely<Tables>, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  async create(userId: string, from: { readonly userAgent: string; readonly address: string }) {
    const session = { id: newId(), secret: randomHex(32) };
    const now = Date.now();
    await this.#db.transaction().execute(async (transaction) => {
      const open = await transaction
        .selectFrom('sessions')
        .select(['id', 'created_ms', 'last_used_ms'])
        .where('user_id', '=', userId)
        .orderBy('created_ms', 'desc')
        .execute();
      const over = open.filter((row, i) => i >= MAX_SESSIONS - 1 || hasEnded(row, now)).map((row) => row.id);
      if (over.length > 0) await transaction.deleteFrom('sessions').where('id', 'in', over).execute();
      await transaction
        .insertInto('sessions')
        .values({
          id: session.id,
          user_id: userId,
          secret_hash: sha256Hex(session.secret),
          created_ms: now,
          last_used_ms: now,
          user_agent: from.userAgent.slice(0, 255),
          address: from.address.slice(0, 64),
        })
        .execute();
    });
    return session;
  }

  async verify(secret: string): Promise<SignedIn | null> {
    const row = await this.#db
      .selectFrom('sessions')
      .innerJoin('users', 'users.id', 'sessions.user_id')
      .select(['users.id', 'users.email', 'users.name', 'users.created_ms', 'sessions.id as session_id'])
      .select(['sessions.created_ms as session_created_ms', 'last_used_ms'])
      .where('secret_hash', '=', sha256Hex(secret))
      .executeTakeFirst();
    const now = Date.now();
    if (!row || hasEnded({ created_ms: row.session_created_ms, last_used_ms: row.last_used_ms }, now)) return null;
    if (now - row.last_used_ms >= LAST_USED_EVERY_MS) this.#touch(row.session_id, now);
    const organizations = await organizationsOf(this.#db, row.id);
    return { sessionId: row.session_id, user: userFromColumns(row), organizations };
  }

  async list(userId: string): Promise<SessionRow[]> {
    const rows = await this.#db
      .selectFrom('sessions')
      .selectAll()
      .where('user_id', '=', userId)
      .orderBy('created_ms', 'desc')
      .orderBy('id', 'desc')
      .execute();
    const now = Date.now();
    return rows
      .filter((row) => !hasEnded(row, now))
      .map((row) => ({
        id: row.id,
        createdMs: row.created_ms,
        lastUsedMs: row.last_used_ms,
        userAgent: row.user_agent,
        address: row.address,
      }));
  }

  async end(userId: string, id: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('sessions')
      .where('id', '=', id)
      .where('user_id', '=', userId)
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  /** Resolves when nothing is written behind the requests' backs any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#background);
  }

  #touch(id: string, now: number): void {
    const write: Promise<void> = this.#db
      .updateTable('sessions')
      .set({ last_used_ms: now })
      .where('id', '=', id)
      .execute()
      .then(
        () => {},
        (error) => this.#log.warn({ err: error, session: id }, 'store: last use of a session not noted'),
      )
      .finally(() => this.#background.delete(write));
    this.#background.add(write);
  }
}

const hasEnded = (row: { created_ms: number; last_used_ms: number }, now: number): boolean =>
  now - row.last_used_ms >= SESSION_IDLE_MS || now - row.created_ms >= SESSION_MS;
