import type { Kysely } from 'kysely';
import { newId, randomHex, type SecretBox, sha256Hex } from '../base/index.ts';
import type { Tables } from './schema.ts';

/** A request that its sender may repeat and that must be carried out once. */
export interface RepeatableRequest {
  /** Who sent it: the same key of somebody else is another one. */
  readonly sender: string;
  readonly key: string;
  /** All that makes two requests the same one. */
  readonly content: string;
}

/** The right to carry it out. */
export interface Attempt {
  readonly id: string;
  /** What the object that it creates is to be called. The same for each attempt: one that was cut off may have made it. */
  readonly objectId: string;
  readonly lease: string;
}

export type Begun =
  | { readonly kind: 'begun'; readonly attempt: Attempt }
  | { readonly kind: 'answered'; readonly status: number; readonly answer: string }
  | { readonly kind: 'in_progress' }
  /** The key came before, with other content. */
  | { readonly kind: 'other_content' };

/** What was asked and answered under an Idempotency-Key, for 24 hours (L18). */
export interface Idempotency {
  begin(request: RepeatableRequest): Promise<Begun>;
  /** The answer that everybody who repeats the request gets from now on. */
  keep(attempt: Attempt, status: number, answer: string): Promise<void>;
  /** Nothing was made: the key is as if it had never come. */
  forget(attempt: Attempt): Promise<void>;
  /** It is not known what was made: whoever repeats the request carries it out under the same object id. */
  giveUp(attempt: Attempt): Promise<void>;
}

/** How long an answer is kept. */
export const IDEMPOTENCY_MS = 24 * 3600_000;
/** Longer than any request lasts: then its process is gone, and somebody else may try. */
const LEASE_MS = 60_000;
/** Characters. Of a longer answer only the object's id is kept: who repeats the request is answered anew, by the object that it made. */
const MAX_ANSWER = 65_536;

const answerPurpose = (id: string): string => `idempotency_key.answer:${id}`;

export class IdempotencyStore implements Idempotency {
  readonly #db: Kysely<Tables>;
  readonly #secrets: SecretBox;

  constructor(db: Kysely<Tables>, secrets: SecretBox) {
    this.#db = db;
    this.#secrets = secrets;
  }

  async begin({ sender, key, content }: RepeatableRequest): Promise<Begun> {
    const now = Date.now();
    const id = sha256Hex(JSON.stringify([sender, key]));
    const fingerprint = sha256Hex(content);
    const mine = { lease: randomHex(8), lease_until_ms: now + LEASE_MS };
    const fresh = { fingerprint, object_id: newId(), ...mine, status: null, answer: null, created_ms: now };
    const attempt = { id, objectId: fresh.object_id, lease: mine.lease };
    const inserted = await this.#db
      .insertInto('idempotency_keys')
      .values({ id, ...fresh })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .executeTakeFirst();
    if (inserted.numInsertedOrUpdatedRows) return { kind: 'begun', attempt };

    const row = await this.#db.selectFrom('idempotency_keys').selectAll().where('id', '=', id).executeTakeFirst();
    if (!row) return { kind: 'in_progress' };
    const take = async (columns: typeof fresh | typeof mine): Promise<boolean> => {
      const { numUpdatedRows } = await this.#db
        .updateTable('idempotency_keys')
        .set(columns)
        .where('id', '=', id)
        .where('created_ms', '=', row.created_ms)
        .where('lease_until_ms', '=', row.lease_until_ms)
        .executeTakeFirstOrThrow();
      return numUpdatedRows > 0n;
    };
    if (row.created_ms <= now - IDEMPOTENCY_MS)
      return (await take(fresh)) ? { kind: 'begun', attempt } : { kind: 'in_progress' };
    if (row.fingerprint !== fingerprint) return { kind: 'other_content' };
    if (row.status !== null)
      return { kind: 'answered', status: row.status, answer: this.#secrets.open(row.answer!, answerPurpose(id)) };
    if (row.lease_until_ms > now || !(await take(mine))) return { kind: 'in_progress' };
    return { kind: 'begun', attempt: { ...attempt, objectId: row.object_id } };
  }

  async keep(attempt: Attempt, status: number, answer: string): Promise<void> {
    if (answer.length > MAX_ANSWER) return this.giveUp(attempt);
    const { id, lease } = attempt;
    await this.#db
      .updateTable('idempotency_keys')
      .set({ status, answer: this.#secrets.seal(answer, answerPurpose(id)), lease: null })
      .where('id', '=', id)
      .where('lease', '=', lease)
      .execute();
  }

  async forget({ id, lease }: Attempt): Promise<void> {
    await this.#db.deleteFrom('idempotency_keys').where('id', '=', id).where('lease', '=', lease).execute();
  }

  async giveUp({ id, lease }: Attempt): Promise<void> {
    await this.#db
      .updateTable('idempotency_keys')
      .set({ lease: null, lease_until_ms: 0 })
      .where('id', '=', id)
      .where('lease', '=', lease)
      .execute();
  }
}
