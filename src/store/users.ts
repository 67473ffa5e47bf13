import type { Kysely } from 'kysely';
import { CodedError } from '../base/index.ts';
import { hashPassword, isPassword } from './passwords.ts';
import type { Tables } from './schema.ts';

export interface UserRow {
  readonly id: string;
  /** In small letters; null for a first owner before the set-up. */
  readonly email: string | null;
  readonly name: string;
  readonly createdMs: number;
}

export interface UserValues {
  readonly name?: string;
  /** As `readEmail` gives it. */
  readonly email?: string;
  readonly password?: string;
}

export interface Users {
  get(id: string): Promise<UserRow | null>;
  /** Null for an unknown e-mail and a wrong password alike, at the same cost. @throws CodedError too_many_requests */
  signIn(email: string, password: string): Promise<UserRow | null>;
  hasPassword(id: string, password: string): Promise<boolean>;
  /**
   * A new e-mail or password ends all sessions of the user and voids links for a new password.
   * @throws CodedError not_found, conflict for an e-mail that is taken
   */
  update(id: string, values: UserValues): Promise<UserRow>;
}

/** The people who can sign in. */
export class UserStore implements Users {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async get(id: string): Promise<UserRow | null> {
    const row = await this.#db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
    return row ? userFromColumns(row) : null;
  }

  async signIn(email: string, password: string): Promise<UserRow | null> {
    const row = await this.#db.selectFrom('users').selectAll().where('email', '=', email).executeTakeFirst();
    const right = await isPassword(password, row?.password_hash ?? null);
    return row && right ? userFromColumns(row) : null;
  }

  async hasPassword(id: string, password: string): Promise<boolean> {
    const row = await this.#db.selectFrom('users').select('password_hash').where('id', '=', id).executeTakeFirst();
    return isPassword(password, row?.password_hash ?? null);
  }

  async update(id: string, { name, email, password }: UserValues): Promise<UserRow> {
    const password_hash = password === undefined ? undefined : await hashPassword(password);
    return this.#db.transaction().execute(async (transaction) => {
      const before = await transaction.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
      if (!before) throw new CodedError('not_found', 'There is no such user any more.');
      if (email !== undefined && email !== before.email) await refuseTakenEmail(transaction, email);
      const after = {
        name: name ?? before.name,
        email: email ?? before.email,
        password_hash: password_hash ?? before.password_hash,
      };
      await transaction.updateTable('users').set(after).where('id', '=', id).execute();
      if (after.email !== before.email || password_hash !== undefined) await endSessions(transaction, id);
      return userFromColumns({ ...before, ...after });
    });
  }
}

/** An e-mail address as it is kept and compared: trimmed, in small letters. @throws CodedError bad_request */
export function readEmail(text: string): string {
  const email = text.trim().toLowerCase();
  if (email.length > 254 || !/^[^\s@<>()[\]\\,;:"\p{Cc}]+@[^\s@<>()[\]\\,;:"\p{Cc}]+$/u.test(email))
    throw new CodedError('bad_request', 'email must be an address such as ada@example.com.');
  return email;
}

/** Ends all sessions of a user, and voids the links for a new password. */
export async function endSessions(db: Kysely<Tables>, userId: string): Promise<void> {
  await db.deleteFrom('sessions').where('user_id', '=', userId).execute();
  await db.deleteFrom('password_resets').where('user_id', '=', userId).execute();
}

export async function refuseTakenEmail(db: Kysely<Tables>, email: string): Promise<void> {
  const taken = await db.selectFrom('users').select('id').where('email', '=', email).executeTakeFirst();
  if (taken) throw new CodedError('conflict', 'This e-mail address cannot be used: choose another.');
}

export function userFromColumns(row: { id: string; email: string | null; name: string; created_ms: number }): UserRow {
  return { id: row.id, email: row.email, name: row.name, createdMs: row.created_ms };
}
