import { timingSafeEqual } from 'node:crypto';
import type { Kysely } from 'kysely';
import { CodedError, type Logger, monotonicMs, newId, randomHex, sha256 } from '../base/index.ts';
import type { Environment } from '../contract/index.ts';
import type { Tables } from './schema.ts';

/** Who is asking: a verified access token and what it acts for. */
export interface Principal {
  readonly tokenId: string;
  readonly organizationId: string;
  readonly userId: string;
  readonly environment: Environment;
}

export interface AccessToken {
  readonly id: string;
  readonly name: string;
  readonly environment: Environment;
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
  readonly revokedMs: number | null;
}

/** A token as it leaves its creation: the only time that its secret is known. */
export interface NewToken {
  readonly id: string;
  readonly secret: string;
}

export interface Tokens {
  /** For the first organization, in its owner's name. */
  create(token: { name: string; environment: Environment }): Promise<NewToken>;
  /** All of them, newest first, revoked ones too. */
  list(): Promise<AccessToken[]>;
  /** Refused from the next request on (after at most a second in another process). False when there is no such token. */
  revoke(id: string): Promise<boolean>;
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

  constructor(db: Kysely<Tables>, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  /** Null for an unknown id, a wrong secret and a revoked token alike, at the same cost. */
  async verify(id: string, secret: string): Promise<Principal | null> {
    const digest = sha256(secret);
    const known = this.#verified.get(id);
    // Only the right secret is answered from memory: a wrong one goes the way of an unknown id.
    if (known && known.untilMs > monotonicMs() && timingSafeEqual(known.digest, digest)) return known.principal;
    const row = await this.#db
      .selectFrom('access_tokens')
      .select(['organization_id', 'user_id', 'environment', 'secret_hash'])
      .where('id', '=', id)
      .where('revoked_ms', 'is', null)
      .executeTakeFirst();
    const right = timingSafeEqual(row ? Buffer.from(row.secret_hash, 'hex') : NOBODY, digest);
    if (!row || !right) return null;
    const principal: Principal = {
      tokenId: id,
      organizationId: row.organization_id,
      userId: row.user_id,
      environment: row.environment,
    };
    if (this.#verified.size >= MAX_VERIFIED) this.#verified.clear();
    this.#verified.set(id, { digest, principal, untilMs: monotonicMs() + VERIFIED_MS });
    this.#touch(id);
    return principal;
  }

  async create({ name, environment }: { name: string; environment: Environment }): Promise<NewToken> {
    const owner = await this.#db
      .selectFrom('users')
      .select(['id', 'organization_id'])
      .orderBy('created_ms')
      .orderBy('id')
      .executeTakeFirst();
    if (!owner) throw new CodedError('not_found', 'There is no organization yet: start the server once.');
    return addToken(this.#db, { organizationId: owner.organization_id, userId: owner.id, environment, name });
  }

  async list(): Promise<AccessToken[]> {
    const rows = await this.#db
      .selectFrom('access_tokens')
      .selectAll()
      .orderBy('created_ms', 'desc')
      .orderBy('id', 'desc')
      .execute();
    return rows.map((row) => ({
      id: row.id,
      name: row.name,
      environment: row.environment,
      createdMs: row.created_ms,
      lastUsedMs: row.last_used_ms,
      revokedMs: row.revoked_ms,
    }));
  }

  async revoke(id: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable('access_tokens')
      .set({ revoked_ms: Date.now() })
      .where('id', '=', id)
      .where('revoked_ms', 'is', null)
      .executeTakeFirstOrThrow();
    this.#verified.delete(id);
    return numUpdatedRows > 0n;
  }

  /** Resolves when nothing is written behind the requests' backs any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#background);
  }

  /** Notes the use, at most once a minute and in nobody's way. */
  #touch(id: string): void {
    const now = monotonicMs();
    if (now - (this.#usedMs.get(id) ?? -LAST_USED_EVERY_MS) < LAST_USED_EVERY_MS) return;
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

interface TokenOwner {
  readonly organizationId: string;
  readonly userId: string;
  readonly environment: Environment;
  readonly name: string;
}

/** Writes a token; one that was known in advance (`known`) replaces what had its id before. */
export async function addToken(db: Kysely<Tables>, owner: TokenOwner, known?: NewToken): Promise<NewToken> {
  const token = known ?? { id: newId(), secret: randomHex(32) };
  const changing = {
    environment: owner.environment,
    secret_hash: sha256(token.secret).toString('hex'),
    revoked_ms: null,
  };
  await db
    .insertInto('access_tokens')
    .values({
      id: token.id,
      organization_id: owner.organizationId,
      user_id: owner.userId,
      name: owner.name,
      created_ms: Date.now(),
      last_used_ms: null,
      ...changing,
    })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(changing))
    .execute();
  return token;
}
