import { createPublicKey } from 'node:crypto';
import type { Kysely, Selectable } from 'kysely';
import { CodedError, newId, type SecretBox } from '../base/index.ts';
import type { Environment, Settings } from '../contract/index.ts';
import type { PlaybackRules, PlaybackRulesSource, SigningAlgorithm, VerifyingKey } from '../live/index.ts';
import { type Scope, settingsPurpose } from './live-stream-row.ts';
import { newestFirst, type PageOf } from './newest-first.ts';
import type { SigningKeysTable, Tables } from './schema.ts';

export interface SigningKeyRow {
  readonly id: string;
  readonly name: string;
  readonly algorithm: SigningAlgorithm;
  /** PEM (SPKI). */
  readonly publicKey: string;
  readonly createdMs: number;
}

/** The public keys of an environment, with which viewing tokens are verified. */
export interface SigningKeys {
  /**
   * `id`: that of an attempt that may have been cut off; the key that it made is replaced, as nobody has its private half.
   * @throws CodedError conflict when the environment has as many as it may have
   */
  create(
    scope: Scope,
    values: Pick<SigningKeyRow, 'name' | 'algorithm' | 'publicKey'>,
    id?: string,
  ): Promise<SigningKeyRow>;
  /** Newest first. */
  list(scope: Scope, page: PageOf): Promise<{ readonly rows: SigningKeyRow[]; readonly total: number }>;
  get(scope: Scope, id: string): Promise<SigningKeyRow | null>;
  /** False when there is no such key. */
  delete(scope: Scope, id: string): Promise<boolean>;
}

/** Each is looked at when a live stream's rules are read. */
const MAX_KEYS = 50;

export class SigningKeyStore implements SigningKeys {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async create(
    scope: Scope,
    values: Pick<SigningKeyRow, 'name' | 'algorithm' | 'publicKey'>,
    id: string = newId(),
  ): Promise<SigningKeyRow> {
    const row = { id, ...values, createdMs: Date.now() };
    await this.#db.transaction().execute(async (transaction) => {
      await of(transaction.deleteFrom('signing_keys'), scope).where('id', '=', id).execute();
      const { organizationId: organization_id, environment } = scope;
      const { name, algorithm, publicKey: public_key, createdMs: created_ms } = row;
      await transaction
        .insertInto('signing_keys')
        .values({ id, organization_id, environment, name, algorithm, public_key, created_ms })
        .execute();
      const { total } = await of(transaction.selectFrom('signing_keys'), scope)
        .select((select) => select.fn.countAll<number>().as('total'))
        .executeTakeFirstOrThrow();
      if (total > MAX_KEYS)
        throw new CodedError('conflict', `An environment has ${MAX_KEYS} signing keys at most: delete one first.`);
    });
    return row;
  }

  async list(scope: Scope, page: PageOf): Promise<{ rows: SigningKeyRow[]; total: number }> {
    const { rows, total } = await newestFirst(of(this.#db.selectFrom('signing_keys'), scope), page);
    return { rows: rows.map(toRow), total };
  }

  async get(scope: Scope, id: string): Promise<SigningKeyRow | null> {
    const row = await of(this.#db.selectFrom('signing_keys'), scope)
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row ? toRow(row) : null;
  }

  async delete(scope: Scope, id: string): Promise<boolean> {
    const { numDeletedRows } = await of(this.#db.deleteFrom('signing_keys'), scope)
      .where('id', '=', id)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }
}

interface Filtered<Query> {
  where(column: 'organization_id' | 'environment', operator: '=', value: string): Query;
}

/** Of one environment only. */
function of<Query extends Filtered<Query>>(query: Query, { organizationId, environment }: Scope): Query {
  return query.where('organization_id', '=', organizationId).where('environment', '=', environment);
}

const toRow = (row: Selectable<SigningKeysTable>): SigningKeyRow => ({
  id: row.id,
  name: row.name,
  algorithm: row.algorithm,
  publicKey: row.public_key,
  createdMs: row.created_ms,
});

/** Who may watch, as the settings of live streams say. */
export class PlaybackRulesStore implements PlaybackRulesSource {
  readonly playbackTokenKeys: readonly Buffer[];
  readonly #db: Kysely<Tables>;
  readonly #secrets: SecretBox;

  constructor(db: Kysely<Tables>, secrets: SecretBox) {
    this.#db = db;
    this.#secrets = secrets;
    this.playbackTokenKeys = secrets.derive('playback token');
  }

  async playbackRules(playbackId: string): Promise<PlaybackRules | null> {
    const row = await this.#db
      .selectFrom('live_streams')
      .select(['id', 'organization_id', 'environment', 'settings'])
      .where('playback_id', '=', playbackId)
      .executeTakeFirst();
    if (!row) return null;
    const settings: Settings = JSON.parse(this.#secrets.open(row.settings, settingsPurpose(row.id)));
    return {
      signed: settings.playback_policy === 'signed',
      // A key that somebody has made is good for password-protected ones too; most environments have none.
      keys: isRestricted(settings) ? await this.#keys(row.organization_id, row.environment) : new Map(),
      password: settings.embed_password || null,
      domains: (settings.domain_whitelist ?? []).flatMap(domainOf),
      byDomain: (settings.domain_whitelist ?? []).length > 0,
      countries: codes(settings.country_whitelist),
      blockedCountries: codes(settings.country_block),
    };
  }

  async #keys(organizationId: string, environment: Environment): Promise<Map<string, VerifyingKey>> {
    const rows = await of(this.#db.selectFrom('signing_keys'), { organizationId, environment }).selectAll().execute();
    return new Map(rows.map(({ id, algorithm, public_key }) => [id, { algorithm, key: createPublicKey(public_key) }]));
  }
}

const isRestricted = ({ playback_policy, embed_password }: Settings): boolean =>
  playback_policy === 'signed' || Boolean(embed_password);

/** People write `https://www.example.com/page`, `*.example.com` and `example.com:8080`, and mean the name in it. */
function domainOf(text: string): string[] {
  const host = text
    .trim()
    .replace(/^[a-z]+:\/\//i, '')
    .replace(/^\*\./, '')
    .replace(/[/:?#].*$/s, '')
    .toLowerCase();
  return /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(host) ? [host] : [];
}

const codes = (texts: readonly string[] = []): string[] => texts.map((text) => text.trim().toUpperCase());
