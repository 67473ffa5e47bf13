import type { Kysely } from 'kysely';
import { CodedError, randomHex, sha256Hex } from '../base/index.ts';
import { memberNotFound } from './member-not-found.ts';
import { hashPassword } from './passwords.ts';
import type { Tables } from './schema.ts';
import { endSessions } from './users.ts';

const RESET_MS = 30 * 60_000;

export interface PasswordResetToken {
  readonly token: string;
  readonly expiresMs: number;
}

export interface PasswordResets {
  /** For the user with this e-mail; null when there is none. */
  forEmail(email: string): Promise<PasswordResetToken | null>;
  /**
   * For a member of this organization and of no other: whoever makes the link could use it.
   * @throws CodedError forbidden for who is in other organizations too; not_found for who is not in this one
   */
  forMember(organizationId: string, userId: string): Promise<PasswordResetToken>;
  /** Once, within 30 minutes; ends all sessions of the user. @throws CodedError not_found */
  accept(token: string, password: string): Promise<{ readonly userId: string }>;
}

/** Links with which people choose a new password. */
export class PasswordResetStore implements PasswordResets {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async forEmail(email: string): Promise<PasswordResetToken | null> {
    const user = await this.#db.selectFrom('users').select('id').where('email', '=', email).executeTakeFirst();
    return user ? this.#create(user.id) : null;
  }

  async forMember(organizationId: string, userId: string): Promise<PasswordResetToken> {
    const memberships = await this.#db
      .selectFrom('memberships')
      .innerJoin('users', 'users.id', 'memberships.user_id')
      .select(['memberships.organization_id', 'users.email'])
      .where('memberships.user_id', '=', userId)
      .execute();
    if (!memberships.some((membership) => membership.organization_id === organizationId)) throw memberNotFound();
    if (memberships.length > 1 || memberships[0]!.email === null)
      throw new CodedError('forbidden', 'This account cannot be reset from here: its owner asks for a link by e-mail.');
    return this.#create(userId);
  }

  async accept(token: string, password: string): Promise<{ readonly userId: string }> {
    const token_hash = sha256Hex(token);
    const valid = (db: Kysely<Tables>) =>
      db
        .selectFrom('password_resets')
        .select('user_id')
        .where('token_hash', '=', token_hash)
        .where('expires_ms', '>', Date.now())
        .executeTakeFirst();
    // Looked at before the password is hashed: a made-up token costs next to nothing.
    if (!(await valid(this.#db))) throw unknown();
    const password_hash = await hashPassword(password);
    return this.#db.transaction().execute(async (transaction) => {
      const row = await valid(transaction);
      const { numDeletedRows } = await transaction
        .deleteFrom('password_resets')
        .where('token_hash', '=', token_hash)
        .executeTakeFirstOrThrow();
      if (!row || numDeletedRows === 0n) throw unknown();
      await transaction.updateTable('users').set({ password_hash }).where('id', '=', row.user_id).execute();
      await endSessions(transaction, row.user_id);
      return { userId: row.user_id };
    });
  }

  async #create(userId: string): Promise<PasswordResetToken> {
    const token = randomHex(32);
    const now = Date.now();
    const expiresMs = now + RESET_MS;
    await this.#db.deleteFrom('password_resets').where('user_id', '=', userId).where('expires_ms', '<=', now).execute();
    await this.#db
      .insertInto('password_resets')
      .values({ token_hash: sha256Hex(token), user_id: userId, expires_ms: expiresMs })
      .execute();
    return { token, expiresMs };
  }
}

const unknown = () =>
  new CodedError('not_found', 'The link is unknown, used or older than half an hour: ask for a new one.');
