import type { Kysely } from 'kysely';
import { CodedError, newId } from '../base/index.ts';
import { type Role, roleCovers, type TokenRole } from '../contract/index.ts';
import { memberNotFound } from './member-not-found.ts';
import type { PageOf } from './newest-first.ts';
import type { Tables } from './schema.ts';
import { endSessions, type UserRow, userFromColumns } from './users.ts';
import { markDeleted } from './webhook-endpoints.ts';

export interface OrganizationRow {
  readonly id: string;
  readonly name: string;
  readonly createdMs: number;
  /** Of the user whom it was asked for. */
  readonly role: Role;
}

export interface MemberRow extends UserRow {
  readonly role: Role;
  readonly joinedMs: number;
}

/** Who changes something about a member. */
export interface Actor {
  readonly organizationId: string;
  readonly userId: string;
  readonly role: Role;
}

export interface Revoked {
  /** Access tokens that were revoked with it. */
  readonly revokedTokens: number;
}

export interface Organizations {
  /** Those that the user is a member of, in the order of joining. */
  of(userId: string): Promise<OrganizationRow[]>;
  get(id: string): Promise<Omit<OrganizationRow, 'role'> | null>;
  /** Whether it is the one that the server's first start made: its owners are who runs the server. */
  isFirst(id: string): Promise<boolean>;
  /**
   * With both environments, the user as its owner. `id` is that of an attempt that may have been cut off: what it made is answered.
   * @throws CodedError conflict for who owns as many as one may, and where that of `id` is the user's no longer
   */
  create(userId: string, name: string, id?: string): Promise<OrganizationRow>;
  /** False when there is no such organization. */
  rename(id: string, name: string): Promise<boolean>;
  /** Ends its tokens, invitations and memberships. @throws CodedError conflict while it has live streams */
  delete(id: string): Promise<boolean>;
  members(id: string, page: PageOf): Promise<{ readonly rows: MemberRow[]; readonly total: number }>;
  member(id: string, userId: string): Promise<MemberRow | null>;
  /**
   * A changed role ends the member's sessions, the invitations that the member has sent, and those of the access tokens made by the
   * member that may do more than the member now.
   * @throws CodedError not_found; forbidden where an owner is needed; conflict for the last owner
   */
  setRole(actor: Actor, userId: string, role: Role): Promise<MemberRow & Revoked>;
  /** Members may remove themselves; it ends what `setRole` ends, with all tokens. @throws as `setRole` */
  removeMember(actor: Actor, userId: string): Promise<Revoked>;
}

/** That one user may own: limits are counted by organization, and somebody who makes ever more would have none. */
const MAX_OWNED = 50;

const TOKEN_ROLES: readonly TokenRole[] = ['admin', 'member'];

/** Organizations and who belongs to them. */
export class OrganizationStore implements Organizations {
  readonly #db: Kysely<Tables>;
  readonly #onTokensRevoked: () => void;

  constructor(db: Kysely<Tables>, onTokensRevoked: () => void) {
    this.#db = db;
    this.#onTokensRevoked = onTokensRevoked;
  }

  of(userId: string): Promise<OrganizationRow[]> {
    return organizationsOf(this.#db, userId);
  }

  async get(id: string): Promise<Omit<OrganizationRow, 'role'> | null> {
    const row = await this.#db
      .selectFrom('organizations')
      .selectAll()
      .where('id', '=', id)
      .where('deleted_ms', 'is', null)
      .executeTakeFirst();
    return row ? { id: row.id, name: row.name, createdMs: row.created_ms } : null;
  }

  async isFirst(id: string): Promise<boolean> {
    // A deleted one too: nobody else moves up to it.
    const row = await this.#db
      .selectFrom('organizations')
      .select('id')
      .orderBy('created_ms')
      .orderBy('id')
      .limit(1)
      .executeTakeFirst();
    return row?.id === id;
  }

  create(userId: string, name: string, id?: string): Promise<OrganizationRow> {
    return this.#db.transaction().execute(async (transaction) => {
      // Two that are made at once must not both be the last one.
      await transaction
        .updateTable('users')
        .set(({ ref }) => ({ name: ref('name') }))
        .where('id', '=', userId)
        .execute();
      const mine = await organizationsOf(transaction, userId);
      const there = mine.find((organization) => organization.id === id);
      if (there) return there;
      if (mine.filter(({ role }) => role === 'owner').length >= MAX_OWNED)
        throw new CodedError('conflict', `You own ${MAX_OWNED} organizations, as many as one may: delete one first.`);
      const row = await addOrganization(transaction, name, id);
      await addMember(transaction, row.id, userId, 'owner');
      // An admin of the organization that the user was in alone may have made one: it does not reach this one.
      await transaction.deleteFrom('password_resets').where('user_id', '=', userId).execute();
      return { ...row, role: 'owner' };
    });
  }

  async rename(id: string, name: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable('organizations')
      .set({ name })
      .where('id', '=', id)
      .where('deleted_ms', 'is', null)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  async delete(id: string): Promise<boolean> {
    const deleted = await this.#db.transaction().execute(async (transaction) => {
      if (!(await lockOrganization(transaction, id))) return false;
      const stream = await transaction
        .selectFrom('live_streams')
        .select('id')
        .where('organization_id', '=', id)
        .limit(1)
        .executeTakeFirst();
      if (stream)
        throw new CodedError(
          'conflict',
          'The organization still has live streams: delete them first, in both environments.',
        );
      const now = Date.now();
      await transaction.updateTable('organizations').set({ deleted_ms: now }).where('id', '=', id).execute();
      await transaction
        .updateTable('access_tokens')
        .set({ revoked_ms: now })
        .where('organization_id', '=', id)
        .where('revoked_ms', 'is', null)
        .execute();
      await transaction.deleteFrom('invitations').where('organization_id', '=', id).execute();
      await markDeleted(transaction, { organization_id: id });
      await transaction.deleteFrom('memberships').where('organization_id', '=', id).execute();
      return true;
    });
    this.#onTokensRevoked();
    return deleted;
  }

  async members(id: string, { page, limit }: PageOf) {
    const [count, rows] = await Promise.all([
      this.#db
        .selectFrom('memberships')
        .where('organization_id', '=', id)
        .select((select) => select.fn.countAll<number>().as('total'))
        .executeTakeFirstOrThrow(),
      membersOf(this.#db, id)
        .orderBy('memberships.created_ms')
        .orderBy('users.id')
        .limit(limit)
        .offset((page - 1) * limit)
        .execute(),
    ]);
    return { rows: rows.map(memberFromColumns), total: count.total };
  }

  async member(id: string, userId: string): Promise<MemberRow | null> {
    const row = await membersOf(this.#db, id).where('users.id', '=', userId).executeTakeFirst();
    return row ? memberFromColumns(row) : null;
  }

  setRole(actor: Actor, userId: string, role: Role): Promise<MemberRow & Revoked> {
    return this.#changeMember(actor, userId, role, async (transaction, before) => {
      if (!roleCovers(actor.role, 'admin'))
        throw new CodedError('forbidden', 'Only an admin or an owner changes roles.');
      if (before.role === role) return { ...before, revokedTokens: 0 };
      await transaction
        .updateTable('memberships')
        .set({ role })
        .where('organization_id', '=', actor.organizationId)
        .where('user_id', '=', userId)
        .execute();
      return { ...before, role, ...(await endWhatTheyHold(transaction, actor.organizationId, userId, role)) };
    });
  }

  removeMember(actor: Actor, userId: string): Promise<Revoked> {
    return this.#changeMember(actor, userId, null, async (transaction) => {
      if (!roleCovers(actor.role, 'admin') && userId !== actor.userId)
        throw new CodedError('forbidden', 'Only an admin or an owner removes others.');
      await transaction
        .deleteFrom('memberships')
        .where('organization_id', '=', actor.organizationId)
        .where('user_id', '=', userId)
        .execute();
      return endWhatTheyHold(transaction, actor.organizationId, userId, null);
    });
  }

  /** What holds for every change: only owners make, change and remove owners, and one of them stays. */
  async #changeMember<T extends Revoked>(
    actor: Actor,
    userId: string,
    after: Role | null,
    change: (transaction: Kysely<Tables>, before: MemberRow) => Promise<T>,
  ): Promise<T> {
    const changed = await this.#db.transaction().execute(async (transaction) => {
      // Locked, so that of two last owners who remove each other one stays.
      await lockOrganization(transaction, actor.organizationId);
      const row = await membersOf(transaction, actor.organizationId).where('users.id', '=', userId).executeTakeFirst();
      if (!row) throw memberNotFound();
      const before = memberFromColumns(row);
      if ((before.role === 'owner' || after === 'owner') && actor.role !== 'owner')
        throw new CodedError('forbidden', 'Only an owner makes, changes or removes an owner.');
      if (before.role === 'owner' && after !== 'owner') {
        const { owners } = await transaction
          .selectFrom('memberships')
          .select((select) => select.fn.countAll<number>().as('owners'))
          .where('organization_id', '=', actor.organizationId)
          .where('role', '=', 'owner')
          .executeTakeFirstOrThrow();
        if (owners < 2)
          throw new CodedError('conflict', 'The last owner cannot go: make another member an owner first.');
      }
      return change(transaction, before);
    });
    this.#onTokensRevoked();
    return changed;
  }
}

/** Those that a user is a member of, in the order of joining. */
export function organizationsOf(db: Kysely<Tables>, userId: string): Promise<OrganizationRow[]> {
  return db
    .selectFrom('memberships')
    .innerJoin('organizations', 'organizations.id', 'memberships.organization_id')
    .select(['organizations.id', 'organizations.name', 'organizations.created_ms as createdMs', 'memberships.role'])
    .where('memberships.user_id', '=', userId)
    .where('organizations.deleted_ms', 'is', null)
    .orderBy('memberships.created_ms')
    .orderBy('organizations.id')
    .execute();
}

/** An organization with both environments and nobody in it. @throws CodedError conflict where `id` is taken */
export async function addOrganization(
  db: Kysely<Tables>,
  name: string,
  id = newId(),
): Promise<Omit<OrganizationRow, 'role'>> {
  const row = { id, name, created_ms: Date.now() };
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('organizations')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirstOrThrow();
  if (!numInsertedOrUpdatedRows)
    throw new CodedError('conflict', 'The organization of this Idempotency-Key is gone: use a new key for another.');
  await db
    .insertInto('environments')
    .values([
      { organization_id: row.id, name: 'production' },
      { organization_id: row.id, name: 'development' },
    ])
    .execute();
  return { id: row.id, name, createdMs: row.created_ms };
}

/** A member that is there already keeps the role. */
export async function addMember(db: Kysely<Tables>, organizationId: string, userId: string, role: Role): Promise<void> {
  await db
    .insertInto('memberships')
    .values({ organization_id: organizationId, user_id: userId, role, created_ms: Date.now() })
    .onConflict((conflict) => conflict.columns(['organization_id', 'user_id']).doNothing())
    .execute();
}

/** Makes other transactions on this organization wait, on SQLite and Postgres alike. False when it is not there. */
export async function lockOrganization(db: Kysely<Tables>, organizationId: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('organizations')
    .set(({ ref }) => ({ name: ref('name') }))
    .where('id', '=', organizationId)
    .where('deleted_ms', 'is', null)
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}

/** Rights that somebody has lost must not live on in a browser, in a link or in a secret (S04, S14). `role`: what is left; or null. */
async function endWhatTheyHold(
  db: Kysely<Tables>,
  organizationId: string,
  userId: string,
  role: Role | null,
): Promise<Revoked> {
  await endSessions(db, userId);
  await db
    .deleteFrom('invitations')
    .where('organization_id', '=', organizationId)
    .where('invited_by', '=', userId)
    .execute();
  const { numUpdatedRows } = await db
    .updateTable('access_tokens')
    .set({ revoked_ms: Date.now() })
    .where('organization_id', '=', organizationId)
    .where('user_id', '=', userId)
    .where('revoked_ms', 'is', null)
    .$if(role !== null, (query) =>
      query.where(
        'role',
        'not in',
        TOKEN_ROLES.filter((of) => roleCovers(role!, of)),
      ),
    )
    .executeTakeFirstOrThrow();
  return { revokedTokens: Number(numUpdatedRows) };
}

const membersOf = (db: Kysely<Tables>, organizationId: string) =>
  db
    .selectFrom('memberships')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select(['users.id', 'users.email', 'users.name', 'users.created_ms', 'memberships.role'])
    .select('memberships.created_ms as joined_ms')
    .where('memberships.organization_id', '=', organizationId);

function memberFromColumns(row: {
  id: string;
  email: string | null;
  name: string;
  created_ms: number;
  role: Role;
  joined_ms: number;
}): MemberRow {
  return { ...userFromColumns(row), role: row.role, joinedMs: row.joined_ms };
}
