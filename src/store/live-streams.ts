import type { CompiledQuery, Insertable, Kysely, Selectable } from 'kysely';
import { newId, randomHex } from '../base/index.ts';
import { type Environment, type LiveStreamChange, mergeSettings, type Settings } from '../contract/index.ts';
import type { LiveStreamsTable, Tables } from './schema.ts';

export interface LiveStreamRow {
  readonly id: string;
  readonly organizationId: string;
  readonly environment: Environment;
  readonly userId: string;
  readonly playbackId: string;
  readonly password: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly settings: Settings;
  readonly createdMs: number;
}

/** What a caller may see at all. A live stream outside it does not exist for the caller. */
export interface Scope {
  readonly organizationId: string;
  readonly environment: Environment;
}

export interface Page {
  readonly rows: LiveStreamRow[];
  readonly total: number;
}

export interface LiveStreams {
  create(owner: Scope & { readonly userId: string }, values: LiveStreamChange): Promise<LiveStreamRow>;
  get(scope: Scope, id: string): Promise<LiveStreamRow | null>;
  /** Newest first; `page` counts from 1. `total` is that of the scope. */
  list(scope: Scope, page: { readonly page: number; readonly limit: number }): Promise<Page>;
  /** Settings are merged, the rest is replaced; null when there is no such live stream. */
  update(scope: Scope, id: string, change: LiveStreamChange): Promise<LiveStreamRow | null>;
  /** False when there is no such live stream. */
  delete(scope: Scope, id: string): Promise<boolean>;
}

/** The live streams, each call one statement or one transaction. */
export class LiveStreamStore implements LiveStreams {
  readonly #db: Kysely<Tables>;

  /** Compiled once: it answers most of the API's calls, and compiling costs more than running it. */
  readonly #getQuery: CompiledQuery;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
    this.#getQuery = one(db, { organizationId: '', environment: 'production' }, '').compile();
  }

  async create(owner: Scope & { readonly userId: string }, values: LiveStreamChange): Promise<LiveStreamRow> {
    const row: LiveStreamRow = {
      id: newId(),
      organizationId: owner.organizationId,
      environment: owner.environment,
      userId: owner.userId,
      playbackId: `lv_${randomHex(16)}`,
      password: randomHex(4),
      name: values.name ?? '',
      enabled: values.enabled ?? true,
      settings: mergeSettings({}, values.settings ?? {}),
      createdMs: Date.now(),
    };
    await this.#db.insertInto('live_streams').values(toColumns(row)).execute();
    return row;
  }

  async get(scope: Scope, id: string): Promise<LiveStreamRow | null> {
    const parameters = [id, scope.organizationId, scope.environment];
    const { rows } = await this.#db.executeQuery<Selectable<LiveStreamsTable>>({ ...this.#getQuery, parameters });
    return rows[0] ? fromColumns(rows[0]) : null;
  }

  async list(scope: Scope, { page, limit }: { readonly page: number; readonly limit: number }): Promise<Page> {
    const all = this.#db
      .selectFrom('live_streams')
      .where('organization_id', '=', scope.organizationId)
      .where('environment', '=', scope.environment);
    const [count, rows] = await Promise.all([
      all.select((select) => select.fn.countAll<number>().as('total')).executeTakeFirstOrThrow(),
      all
        .selectAll()
        .orderBy('created_ms', 'desc')
        .orderBy('id', 'desc')
        .limit(limit)
        .offset((page - 1) * limit)
        .execute(),
    ]);
    return { rows: rows.map(fromColumns), total: count.total };
  }

  update(scope: Scope, id: string, change: LiveStreamChange): Promise<LiveStreamRow | null> {
    return this.#db.transaction().execute(async (transaction) => {
      const before = await one(transaction, scope, id).executeTakeFirst();
      if (!before) return null;
      const row = fromColumns(before);
      const after: LiveStreamRow = {
        ...row,
        name: change.name ?? row.name,
        enabled: change.enabled ?? row.enabled,
        settings: change.settings ? mergeSettings(row.settings, change.settings) : row.settings,
      };
      const { name, enabled, settings } = toColumns(after);
      await transaction.updateTable('live_streams').set({ name, enabled, settings }).where('id', '=', id).execute();
      return after;
    });
  }

  async delete(scope: Scope, id: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('live_streams')
      .where('id', '=', id)
      .where('organization_id', '=', scope.organizationId)
      .where('environment', '=', scope.environment)
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }
}

function one(db: Kysely<Tables>, scope: Scope, id: string) {
  return db
    .selectFrom('live_streams')
    .selectAll()
    .where('id', '=', id)
    .where('organization_id', '=', scope.organizationId)
    .where('environment', '=', scope.environment);
}

function toColumns(row: LiveStreamRow): Insertable<LiveStreamsTable> {
  return {
    id: row.id,
    organization_id: row.organizationId,
    environment: row.environment,
    user_id: row.userId,
    playback_id: row.playbackId,
    password: row.password,
    name: row.name,
    enabled: row.enabled ? 1 : 0,
    settings: JSON.stringify(row.settings),
    created_ms: row.createdMs,
  };
}

function fromColumns(row: Selectable<LiveStreamsTable>): LiveStreamRow {
  return {
    id: row.id,
    organizationId: row.organization_id,
    environment: row.environment,
    userId: row.user_id,
    playbackId: row.playback_id,
    password: row.password,
    name: row.name,
    enabled: row.enabled === 1,
    settings: JSON.parse(row.settings),
    createdMs: row.created_ms,
  };
}
