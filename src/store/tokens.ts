import { timingSafeEqual } from 'node:crypto';
import type { Kysely, Selectable } from 'kysely';
import { CodedError, type Logger, monotonicMs, newId, randomHex, sha256, sha256Hex } from '../base/index.ts';
import type { Environment, Role, TokenRole } from '../contract/index.ts';
import type { Scope } from './live-stream-row.ts';
import { newestFirst } from './newest-first.ts';
import type { AccessTokensTable, Tables } from './schema.ts';

/** Who is asking, and what they act on: a verified access token, or a person who has signed in. */
export interface Principal extends Scope {
  readonly kind: 'token' | 'session';
  /** Of a token; else null. */
  readonly tokenId: string | null;
  /** Of a session; else null. */
  readonly sessionId: string | null;
  readonly userId: string;
  /** In the organization that the request is about. */
  readonly role: Role;
  /** When a token ends, by the wall clock; null: it does not, or it is a session. */
  readonly expiresMs: number | null;
}

export interface AccessTokenRow {
  readonly id: string;
  readonly userId: string;
  /** The token that made it; null: the user did. */
  readonly madeBy: string | null;
  readonly name: string;
  readonly environment: Environment;
  readonly role: TokenRole;
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
  readonly expiresMs: number | null;
}

/** A token as it leaves its creation: the only time that its secret is known. */
export interface NewToken {
  readonly id: string;
  readonly secret: string;
}

export interface TokenOwner extends Scope {
  readonly userId: string;
}

export interface TokenValues {
  readonly name?: string;
  /** `member` by default. */
  readonly role?: TokenRole;
  /** Wall clock; null, the default: no end. */
  readonly expiresMs?: number | null;
  /** The token that makes it; null, the default: the user does. */
  readonly madeBy?: string | null;
}

/** All but `create` see the scope's tokens that are not revoked, and no others. */
export interface Tokens {
  /**
   * `id` is that of an attempt that may have been cut off: what it made is answered, with a new secret, as nobody has got the first.
   * @throws CodedError conflict when that was revoked since
   */
  create(owner: TokenOwner, values: TokenValues, id?: string): Promise<AccessTokenRow & NewToken>;
  /** Newest first; `page` counts from 1. */
  list(
    scope: Scope,
    page: { readonly page: number; readonly limit: number },
  ): Promise<{ readonly rows: AccessTokenRow[]; readonly total: number }>;
  /** Refused from the next request on (after at most a second in another process). False when there is no such token. */
  revoke(scope: Scope, id: string): Promise<boolean>;
}

/** How long a verified secret may be taken for granted. */
const VERIFIED_MS = 1000;
const MAX_VERIFIED = 10_000;
const LAST_USED_EVERY_MS = 60_000;
/** Stands in for the digest of a token that does not exist, so that both cost the same. */
const NOBODY = sha256(randomHex(32));

interface Verified {
  readonly digest: Buffer;
  readonly principal: Principal;
  readonly untilMs: number;
}

/** The access tokens: checks them, and makes, lists and revokes them. */
export class TokenStore implements Tokens {
  readonly #db: Kysely<Tables>;
  readonly #log: Logger;
  readonly #verified = new Map<string, Verified>();
  readonly #usedMs = new Map<string, number>();
  readonly #background = new Set<Promise<void>>();
  /** Rises with every revocation: what was read before one is not remembered after it. */
  #revocations = 0;

  constructor(db: Kysely<Tables>, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  /** Null for an unknown id, a wrong secret, a revoked and an expired token alike, at the same cost. */
  async verify(id: string, secret: string): Promise<Principal | null> {
    const digest = sha256(secret);
    const known = this.#verified.get(id);
    // Only the right secret is answered from memory: a wrong one goes the way of an unknown id.
    if (known && known.untilMs > monotonicMs() && timingSafeEqual(known.digest, digest)) return known.principal;
    const revocations = this.#revocations;
    const row = await this.#db
      .selectFrom('access_tokens')
      .select(['organization_id', 'user_id', 'environment', 'secret_hash', 'role', 'expires_ms'])
      .where('id', '=', id)
      .where('revoked_ms', 'is', null)
      .executeTakeFirst();
    const right = timingSafeEqual(row ? Buffer.from(row.secret_hash, 'hex') : NOBODY, digest);
    const leftMs = (row?.expires_ms ?? Number.POSITIVE_INFINITY) - Date.now();
    if (!row || !right || leftMs <= 0) return null;
    const principal: Principal = {
      kind: 'token',
      tokenId: id,
      sessionId: null,
      organizationId: row.organization_id,
      environment: row.environment,
      userId: row.user_id,
      role: row.role,
      expiresMs: row.expires_ms,
    };
    if (revocations === this.#revocations) {
      if (this.#verified.size >= MAX_VERIFIED) this.#verified.clear();
      this.#verified.set(id, { digest, principal, untilMs: monotonicMs() + Math.min(VERIFIED_MS, leftMs) });
    }
    this.#touch(id);
    return principal;
  }

  async create(owner: TokenOwner, values: TokenValues, id?: string): Promise<AccessTokenRow & NewToken> {
    if (id === undefined) return addToken(this.#db, owner, values);
    const secret = randomHex(32);
    const there = await this.#db
      .updateTable('access_tokens')
      .set(({ eb }) => ({
        secret_hash: eb.case().when('revoked_ms', 'is', null).then(sha256Hex(secret)).else(eb.ref('secret_hash')).end(),
      }))
      .where('id', '=', id)
      .where('organization_id', '=', owner.organizationId)
      .returningAll()
      .executeTakeFirst();
    if (!there) return addToken(this.#db, owner, values, { id, secret });
    if (there.revoked_ms !== null)
      throw new CodedError('conflict', 'The access token of this Idempotency-Key was revoked since: use a new key.');
    this.forget();
    return { ...fromColumns(there), secret };
  }

  async list(scope: Scope, { page, limit }: { readonly page: number; readonly limit: number }) {
    const all = this.#db
      .selectFrom('access_tokens')
      .where('organization_id', '=', scope.organizationId)
      .where('environment', '=', scope.environment)
      .where('revoked_ms', 'is', null);
    const { rows, total } = await newestFirst(all, { page, limit });
    return { rows: rows.map(fromColumns), total };
  }

  async revoke(scope: Scope, id: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable('access_tokens')
      .set({ revoked_ms: Date.now() })
      .where('id', '=', id)
      .where('organization_id', '=', scope.organizationId)
      .where('environment', '=', scope.environment)
      .where('revoked_ms', 'is', null)
      .executeTakeFirstOrThrow();
    this.forget();
    return numUpdatedRows > 0n;
  }

  /** Asks the database about every token anew: for when some were revoked behind this object's back. */
  forget(): void {
    this.#revocations++;
    this.#verified.clear();
  }

  /** Resolves when nothing is written behind the requests' backs any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#background);
  }

  /** Notes the use, at most once a minute and in nobody's way. */
  #touch(id: string): void {
    const now = monotonicMs();
    if (now - (this.#usedMs.get(id) ?? -LAST_USED_EVERY_MS) < LAST_USED_EVERY_MS) return;
    for (const [old, usedMs] of this.#usedMs) {
      if (now - usedMs < LAST_USED_EVERY_MS) break;
      this.#usedMs.delete(old);
    }
    this.#usedMs.set(id, now);
    const write: Promise<void> = this.#db
      .updateTable('access_tokens')
      .set({ last_used_ms: Date.now() })
      .where('id', '=', id)
      .execute()
      .then(
        () => {},
        (error) => this.#log.warn({ err: error, token: id }, 'store: last use of a token not noted'),
      )
      .finally(() => this.#background.delete(write));
    this.#background.add(write);
  }
}

/** Writes a token; one that was known in advance (`known`) replaces what had its id before. */
export async function addToken(
  db: Kysely<Tables>,
  owner: TokenOwner,
  values: TokenValues,
  known?: NewToken,
): Promise<AccessTokenRow & NewToken> {
  const token = known ?? { id: newId(), secret: randomHex(32) };
  const changing = {
    environment: owner.environment,
    secret_hash: sha256Hex(token.secret),
    role: values.role ?? 'member',
    expires_ms: values.expiresMs ?? null,
    revoked_ms: null,
  };
  const row = {
    id: token.id,
    organization_id: owner.organizationId,
    user_id: owner.userId,
    made_by: values.madeBy ?? null,
    name: values.name ?? '',
    created_ms: Date.now(),
    last_used_ms: null,
    ...changing,
  };
  const insert = db.insertInto('access_tokens').values(row);
  await (known ? insert.onConflict((conflict) => conflict.column('id').doUpdateSet(changing)) : insert).execute();
  return { ...fromColumns(row), secret: token.secret };
}

function fromColumns(row: Selectable<AccessTokensTable>): AccessTokenRow {
  return {
    id: row.id,
    userId: row.user_id,
    madeBy: row.made_by,
    name: row.name,
    environment: row.environment,
    role: row.role,
    createdMs: row.created_ms,
    lastUsedMs: row.last_used_ms,
    expiresMs: row.expires_ms,
  };
}
