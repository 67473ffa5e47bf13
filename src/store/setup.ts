import type { Kysely } from 'kysely';
import { CodedError, randomHex, sha256Hex } from '../base/index.ts';
import { hashPassword } from './passwords.ts';
import type { Tables } from './schema.ts';

export interface Setup {
  /** Whether nobody can sign in yet. */
  needed(): Promise<boolean>;
  /** A new one-time token for the first owner; earlier ones are void. Null once the set-up is done. */
  issue(): Promise<string | null>;
  /** Gives the first owner an e-mail and a password, once. @throws CodedError not_found for any other token */
  complete(values: {
    readonly token: string;
    readonly email: string;
    readonly name: string;
    readonly password: string;
  }): Promise<{ readonly userId: string }>;
}

/** How the first person gets in: by a link that the server prints, never by a password that everybody knows. */
export class SetupStore implements Setup {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async needed(): Promise<boolean> {
    const person = await this.#db
      .selectFrom('users')
      .select('id')
      .where('email', 'is not', null)
      .limit(1)
      .executeTakeFirst();
    return !person;
  }

  async issue(): Promise<string | null> {
    if (!(await this.needed())) return null;
    const token = randomHex(32);
    await this.#db.transaction().execute(async (transaction) => {
      await transaction.deleteFrom('setup_tokens').execute();
      await transaction
        .insertInto('setup_tokens')
        .values({ token_hash: sha256Hex(token), created_ms: Date.now() })
        .execute();
    });
    return token;
  }

  async complete({ token, email, name, password }: Parameters<Setup['complete']>[0]) {
    const token_hash = sha256Hex(token);
    const known = await this.#db
      .selectFrom('setup_tokens')
      .select('token_hash')
      .where('token_hash', '=', token_hash)
      .executeTakeFirst();
    // Before the password is hashed: a made-up token costs next to nothing.
    if (!known || !(await this.needed())) throw unknown();
    const password_hash = await hashPassword(password);
    return this.#db.transaction().execute(async (transaction) => {
      const { numDeletedRows } = await transaction
        .deleteFrom('setup_tokens')
        .where('token_hash', '=', token_hash)
        .executeTakeFirstOrThrow();
      const owner = await firstOwner(transaction);
      if (numDeletedRows === 0n || !owner || owner.email !== null) throw unknown();
      await transaction
        .updateTable('users')
        .set({ email, name, password_hash })
        .where('id', '=', owner.userId)
        .execute();
      return { userId: owner.userId };
    });
  }
}

/** The oldest owner of the oldest organization. */
export async function firstOwner(db: Kysely<Tables>) {
  return db
    .selectFrom('memberships')
    .innerJoin('organizations', 'organizations.id', 'memberships.organization_id')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select(['organizations.id as organizationId', 'users.id as userId', 'users.email'])
    .where('memberships.role', '=', 'owner')
    .where('organizations.deleted_ms', 'is', null)
    .orderBy('organizations.created_ms')
    .orderBy('organizations.id')
    .orderBy('memberships.created_ms')
    .executeTakeFirst();
}

const unknown = () =>
  new CodedError(
    'not_found',
    'The set-up link is unknown or used: the server prints a new one at every start until then.',
  );
