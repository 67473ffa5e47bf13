import type { Kysely, Selectable } from 'kysely';
import { CodedError, newId, randomHex, sha256Hex } from '../base/index.ts';
import type { Role } from '../contract/index.ts';
import { newestFirst } from './newest-first.ts';
import { type Actor, addMember, lockOrganization } from './organizations.ts';
import { hashPassword } from './passwords.ts';
import type { InvitationsTable, Tables } from './schema.ts';
import { endSessions } from './users.ts';

const INVITATION_MS = 7 * 24 * 3600_000;
/** Of one organization, that wait for an answer. */
const MAX_INVITATIONS = 500;

export interface InvitationRow {
  readonly id: string;
  readonly email: string;
  readonly role: Role;
  readonly invitedBy: string;
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** How an invitation is accepted: by who is signed in, or by somebody new with a name and a password. */
export interface Acceptance {
  readonly token: string;
  readonly signedInAs: string | null;
  readonly name?: string;
  readonly password?: string;
}

export interface Invitations {
  /**
   * Replaces an earlier one for the same e-mail. `token` is known this once.
   * @throws CodedError forbidden where an owner is needed; conflict for a member
   */
  create(
    actor: Actor,
    values: { readonly email: string; readonly role: Role },
  ): Promise<{ readonly row: InvitationRow; readonly token: string }>;
  /** Those that nobody has accepted, newest first; `page` counts from 1. */
  list(
    organizationId: string,
    page: { readonly page: number; readonly limit: number },
  ): Promise<{ readonly rows: InvitationRow[]; readonly total: number }>;
  /** False when there is no such invitation. */
  revoke(organizationId: string, id: string): Promise<boolean>;
  /**
   * Once, and by the e-mail's owner only; makes the user where the e-mail has none.
   * @throws CodedError not_found for an unknown, used, revoked or expired token; unauthorized, forbidden or bad_request where
   *   the wrong person or nobody is signed in
   */
  accept(acceptance: Acceptance): Promise<{ readonly userId: string; readonly organizationId: string }>;
}

/** Invitations to join an organization. */
export class InvitationStore implements Invitations {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  create(actor: Actor, { email, role }: { readonly email: string; readonly role: Role }) {
    const token = randomHex(32);
    const now = Date.now();
    const row = {
      id: newId(),
      organization_id: actor.organizationId,
      email,
      role,
      token_hash: sha256Hex(token),
      invited_by: actor.userId,
      created_ms: now,
      expires_ms: now + INVITATION_MS,
    };
    return this.#db.transaction().execute(async (transaction) => {
      if (role === 'owner' && actor.role !== 'owner')
        throw new CodedError('forbidden', 'Only an owner invites an owner.');
      // Two that are made at once must not both be the last one.
      await lockOrganization(transaction, actor.organizationId);
      const member = await transaction
        .selectFrom('memberships')
        .innerJoin('users', 'users.id', 'memberships.user_id')
        .select('users.id')
        .where('memberships.organization_id', '=', actor.organizationId)
        .where('users.email', '=', email)
        .executeTakeFirst();
      if (member) throw new CodedError('conflict', `${email} is a member already.`);
      const ofOrganization = transaction.deleteFrom('invitations').where('organization_id', '=', actor.organizationId);
      await ofOrganization.where('email', '=', email).execute();
      await ofOrganization.where('expires_ms', '<=', now).execute();
      const { count } = await transaction
        .selectFrom('invitations')
        .select((select) => select.fn.countAll<number>().as('count'))
        .where('organization_id', '=', actor.organizationId)
        .executeTakeFirstOrThrow();
      if (count >= MAX_INVITATIONS)
        throw new CodedError('conflict', `${count} invitations wait for an answer: revoke some first.`);
      await transaction.insertInto('invitations').values(row).execute();
      return { row: fromColumns(row), token };
    });
  }

  async list(organizationId: string, { page, limit }: { readonly page: number; readonly limit: number }) {
    const all = this.#db
      .selectFrom('invitations')
      .where('organization_id', '=', organizationId)
      .where('expires_ms', '>', Date.now());
    const { rows, total } = await newestFirst(all, { page, limit });
    return { rows: rows.map(fromColumns), total };
  }

  async revoke(organizationId: string, id: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('invitations')
      .where('id', '=', id)
      .where('organization_id', '=', organizationId)
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  async accept({ token, signedInAs, name, password }: Acceptance) {
    const token_hash = sha256Hex(token);
    // Looked at before the password is hashed: a made-up token costs next to nothing.
    const { userId } = await lookAt(this.#db, token_hash, signedInAs);
    if (!userId && (name === undefined || password === undefined)) {
      const message = 'Send a name and a password of 10 to 256 characters: this e-mail address has no account yet.';
      throw new CodedError('bad_request', message);
    }
    const password_hash = userId ? null : await hashPassword(password!);
    return this.#db.transaction().execute(async (transaction) => {
      const { invitation, userId } = await lookAt(transaction, token_hash, signedInAs);
      const { numDeletedRows } = await transaction
        .deleteFrom('invitations')
        .where('id', '=', invitation.id)
        .executeTakeFirstOrThrow();
      if (numDeletedRows === 0n) throw unknown();
      const { organization_id, role, email } = invitation;
      const id = userId ?? newId();
      if (!userId) {
        const values = { id, organization_id, role, email, name: name!, password_hash, created_ms: Date.now() };
        await transaction.insertInto('users').values(values).execute();
      }
      await addMember(transaction, organization_id, id, role);
      // A session from before knew less: the browser gets a new one.
      if (userId) await endSessions(transaction, userId);
      return { userId: id, organizationId: organization_id };
    });
  }
}

const unknown = () =>
  new CodedError('not_found', 'The invitation is unknown, used, revoked or older than seven days: ask for a new one.');

/** The invitation, and the user that accepts it; null where one is to be made. */
async function lookAt(db: Kysely<Tables>, tokenHash: string, signedInAs: string | null) {
  const invitation = await db
    .selectFrom('invitations')
    .selectAll()
    .where('token_hash', '=', tokenHash)
    .where('expires_ms', '>', Date.now())
    .executeTakeFirst();
  if (!invitation) throw unknown();
  const user = await db.selectFrom('users').select('id').where('email', '=', invitation.email).executeTakeFirst();
  if (signedInAs && signedInAs !== user?.id)
    throw new CodedError('forbidden', 'The invitation is for another e-mail address than the one you use here.');
  if (user && !signedInAs)
    throw new CodedError('unauthorized', 'Sign in with the e-mail address that was invited, then accept.');
  return { invitation, userId: user?.id ?? null };
}

function fromColumns(row: Selectable<InvitationsTable>): InvitationRow {
  return {
    id: row.id,
    email: row.email,
    role: row.role,
    invitedBy: row.invited_by,
    createdMs: row.created_ms,
    expiresMs: row.expires_ms,
  };
}
