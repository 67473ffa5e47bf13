import {
  type Compilable,
  type CompiledQuery,
  type ExpressionBuilder,
  type Insertable,
  type Kysely,
  type Selectable,
  sql,
} from 'kysely';
import { CodedError, newId, randomHex, type SecretBox } from '../base/index.ts';
import { type LiveStreamChange, mergeSettings } from '../contract/index.ts';
import { endOpen } from './broadcasts.ts';
import { liveStreamPayload } from './event-payloads.ts';
import {
  backupPasswordPurpose,
  fromColumns,
  type LiveStreamRow,
  passwordPurpose,
  previousPasswordPurpose,
  type Scope,
  type StreamKind,
  settingsColumns,
  toColumns,
} from './live-stream-row.ts';
import { fromPlatformColumns, type PlatformRow } from './platform-row.ts';
import { type NewEvent, recordEvent, recordEventNow } from './record-event.ts';
import type { LiveStreamsTable, PlatformsTable, Tables } from './schema.ts';
import { template } from './template.ts';
import { together } from './together.ts';

export interface Page {
  readonly rows: LiveStreamRow[];
  readonly total: number;
}

export interface PageOptions {
  /** From 1 up. */
  readonly page: number;
  readonly limit: number;
  /** Only those with this setting. */
  readonly lowLatencyPlayback?: boolean;
}

export interface CreateOptions {
  readonly kind?: StreamKind;
  /** The id of an attempt that may have been cut off: what it made is returned, and nothing made twice. */
  readonly id?: string;
}

/** Most have no platforms, and need no query for them. */
type Found = Selectable<LiveStreamsTable> & { readonly has_platforms: unknown };

const hasPlatforms = ({ exists, selectFrom }: ExpressionBuilder<Tables, 'live_streams'>) =>
  exists(
    selectFrom('platforms').select('platforms.id').whereRef('platforms.live_stream_id', '=', 'live_streams.id'),
  ).as('has_platforms');

const NONE = { rows: [] };
const MAX_COUNTED = 10_000;

/** Of a page's platforms: what takes tens of milliseconds to read, open and answer. */
const MAX_PAGE_BYTES = 4 << 20;

/** Everything but the creation is for one kind, live streams unless it is said: the other kind's are not found. */
export interface LiveStreams {
  /** @throws CodedError conflict when the environment has as many as it may have */
  create(
    owner: Scope & { readonly userId: string },
    values: LiveStreamChange,
    options?: CreateOptions,
  ): Promise<LiveStreamRow>;
  get(scope: Scope, id: string, kind?: StreamKind): Promise<LiveStreamRow | null>;
  exists(scope: Scope, id: string, kind?: StreamKind): Promise<boolean>;
  /**
   * Newest first. `total` is that of the scope.
   * @throws CodedError bad_request when the page's platforms are more than one answer may hold: a page of one always fits
   */
  list(scope: Scope, page: PageOptions, kind?: StreamKind): Promise<Page>;
  /** Settings are merged, the rest is replaced; null when there is no such live stream. */
  update(scope: Scope, id: string, change: LiveStreamChange, kind?: StreamKind): Promise<LiveStreamRow | null>;
  /**
   * Gives it a new password; the one before stays valid for `overlapMs`, and one from before that dies now. The backup encoder's has
   * no overlap. Null when there is no such live stream.
   */
  rotateKey(scope: Scope, id: string, rotation: Rotation): Promise<LiveStreamRow | null>;
  /** With its platforms. False when there is no such live stream. */
  delete(scope: Scope, id: string, kind?: StreamKind): Promise<boolean>;
}

export interface Rotation {
  readonly overlapMs: number;
  readonly which: 'primary' | 'backup';
  /**
   * That of an attempt that may have been cut off, and of the event that tells of the rotation: where it has rotated the key already,
   * that is not done again, or the password that was to live on would be one that nobody has seen.
   */
  readonly attempt?: string | undefined;
}

/** The live streams, each call one statement or one transaction, which also holds the event of what it changes. */
export class LiveStreamStore implements LiveStreams {
  readonly #db: Kysely<Tables>;
  readonly #secrets: SecretBox;
  readonly #maxPerEnvironment: number;
  readonly #passwordBits: 32 | 128;

  /** Compiled once: they answer most of the API's calls, and compiling costs more than running them. */
  readonly #getQuery: CompiledQuery;
  readonly #platformsQuery: CompiledQuery;
  readonly #page: ReturnType<typeof pageQueries>;
  readonly #filteredPage: ReturnType<typeof pageQueries>;
  readonly #insert: (columns: Insertable<LiveStreamsTable>) => Compilable<unknown>;
  /** By environment: how many live streams there were when its newest event had that number. */
  readonly #counted = new Map<string, { readonly total: number; readonly number: number }>();

  /** `maxPerEnvironment` is of live streams and sub-second streams together. */
  constructor(db: Kysely<Tables>, secrets: SecretBox, maxPerEnvironment: number, passwordBits: 32 | 128) {
    this.#db = db;
    this.#secrets = secrets;
    this.#maxPerEnvironment = maxPerEnvironment;
    this.#passwordBits = passwordBits;
    const nowhere = { organizationId: '', environment: 'production' } as const;
    this.#getQuery = one(db, nowhere, '', 'live').select(hasPlatforms).compile();
    this.#platformsQuery = platformsOf(db, ['']).compile();
    this.#page = pageQueries(db, false);
    this.#filteredPage = pageQueries(db, true);
    this.#insert = template((columns) => db.insertInto('live_streams').values({ ...columns }));
  }

  async create(
    owner: Scope & { readonly userId: string },
    values: LiveStreamChange,
    { kind = 'live', id }: CreateOptions = {},
  ): Promise<LiveStreamRow> {
    const there = id === undefined ? null : await this.get(owner, id, kind);
    if (there) return there;
    const row: LiveStreamRow = {
      id: id ?? newId(),
      organizationId: owner.organizationId,
      environment: owner.environment,
      kind,
      userId: owner.userId,
      playbackId: `lv_${randomHex(16)}`,
      password: this.#newPassword(),
      backupPassword: this.#newPassword(),
      name: values.name ?? '',
      enabled: values.enabled ?? true,
      settings: mergeSettings({}, values.settings ?? {}),
      platforms: [],
      createdMs: Date.now(),
    };
    await this.#db.transaction().execute(async (transaction) => {
      const number = await recordEventNow(
        transaction,
        toEvent('stream-created', row),
        this.#insert(toColumns(row, this.#secrets)),
      );
      // All of it is taken back when there was no room for it.
      await this.#assertRoom(transaction, owner, number);
    });
    return row;
  }

  /**
   * Behind the environment's lock, with the one that is made. Each of them has its event, so there are at most as many more as there
   * were events since they were counted: they are counted anew only where that could be too many.
   */
  async #assertRoom(
    transaction: Kysely<Tables>,
    { organizationId, environment }: Scope,
    number: number,
  ): Promise<void> {
    const name = `${organizationId}/${environment}`;
    const counted = this.#counted.get(name);
    if (counted && counted.total + number - counted.number <= this.#maxPerEnvironment) return;
    const { total } = await transaction
      .selectFrom('live_streams')
      .select((select) => select.fn.countAll<number>().as('total'))
      .where('organization_id', '=', organizationId)
      .where('environment', '=', environment)
      .executeTakeFirstOrThrow();
    if (total > this.#maxPerEnvironment) {
      const message = `The environment has ${total - 1} live streams, as many as max_live_streams allows: delete some first.`;
      throw new CodedError('conflict', message);
    }
    if (this.#counted.size >= MAX_COUNTED) this.#counted.clear();
    this.#counted.set(name, { total, number });
  }

  async exists(scope: Scope, id: string, kind: StreamKind = 'live'): Promise<boolean> {
    const row = await one(this.#db, scope, id, kind).clearSelect().select('id').executeTakeFirst();
    return row !== undefined;
  }

  async get(scope: Scope, id: string, kind: StreamKind = 'live'): Promise<LiveStreamRow | null> {
    const parameters = [id, scope.organizationId, scope.environment, kind];
    const { rows } = await this.#db.executeQuery<Found>({ ...this.#getQuery, parameters });
    const row = rows[0];
    if (!row) return null;
    const platforms = row.has_platforms
      ? await this.#db.executeQuery<Selectable<PlatformsTable>>({ ...this.#platformsQuery, parameters: [id] })
      : NONE;
    return this.#fromColumns(row, platforms.rows);
  }

  async list(scope: Scope, { page, limit, lowLatencyPlayback }: PageOptions, kind: StreamKind = 'live'): Promise<Page> {
    const { organizationId, environment } = scope;
    const filtered = lowLatencyPlayback !== undefined;
    const queries = filtered ? this.#filteredPage : this.#page;
    const values = { organizationId, environment, kind, lowLatency: lowLatencyPlayback ? 1 : 0 } as const;
    const [[count], rows] = await together(
      this.#db,
      queries.count(values),
      queries.rows({ ...values, limit, offset: (page - 1) * limit }),
    );
    const ids = rows.filter((row) => row.has_platforms).map((row) => row.id);
    const platforms = ids.length > 0 ? await this.#platformsOfPage(ids) : [];
    const of = Map.groupBy(platforms, (platform) => platform.live_stream_id);
    return { rows: rows.map((row) => this.#fromColumns(row, of.get(row.id) ?? [])), total: count!.total };
  }

  /** Looks at their size before it reads them: whoever reads a page must not hold up everybody else (S58). */
  async #platformsOfPage(ids: readonly string[]): Promise<Selectable<PlatformsTable>[]> {
    const { bytes } = await this.#db
      .selectFrom('platforms')
      .select(
        sql<number>`coalesce(sum(${bytesOf('server')} + ${bytesOf('key')} + ${bytesOf('metadata')}), 0)`.as('bytes'),
      )
      .where('live_stream_id', 'in', ids)
      .executeTakeFirstOrThrow();
    if (bytes > MAX_PAGE_BYTES)
      throw new CodedError('bad_request', 'These live streams have too many platforms for one page: lower limit.');
    return platformsOf(this.#db, ids).execute();
  }

  update(scope: Scope, id: string, change: LiveStreamChange, kind: StreamKind = 'live'): Promise<LiveStreamRow | null> {
    return this.#change(scope, id, kind, async (transaction, row) => {
      const after: LiveStreamRow = {
        ...row,
        name: change.name ?? row.name,
        enabled: change.enabled ?? row.enabled,
        settings: change.settings ? mergeSettings(row.settings, change.settings) : row.settings,
      };
      const write = transaction
        .updateTable('live_streams')
        .set({
          name: after.name,
          enabled: after.enabled ? 1 : 0,
          ...(change.settings && settingsColumns(after, this.#secrets)),
        })
        .where('id', '=', id);
      if (after.enabled === row.enabled) await write.execute();
      else await recordEvent(transaction, toEvent('stream-status-toggle', after), write);
      return after;
    });
  }

  rotateKey(scope: Scope, id: string, { overlapMs, which, attempt }: Rotation): Promise<LiveStreamRow | null> {
    return this.#change(scope, id, 'live', async (transaction, row) => {
      if (attempt !== undefined && (await isTold(transaction, id, attempt))) return row;
      if (which === 'backup') {
        const backupPassword = this.#newPassword();
        await transaction
          .updateTable('live_streams')
          .set({ backup_password: this.#secrets.seal(backupPassword, backupPasswordPurpose(id)) })
          .where('id', '=', id)
          .execute();
        const after: LiveStreamRow = { ...row, backupPassword };
        await tell(transaction, 'stream-key-rotated', after, attempt);
        return after;
      }
      const after: LiveStreamRow = { ...row, password: this.#newPassword() };
      const previous =
        overlapMs > 0
          ? {
              previous_password: this.#secrets.seal(row.password, previousPasswordPurpose(id)),
              previous_until_ms: Date.now() + overlapMs,
            }
          : { previous_password: null, previous_until_ms: null };
      await transaction
        .updateTable('live_streams')
        .set({ password: this.#secrets.seal(after.password, passwordPurpose(id)), ...previous })
        .where('id', '=', id)
        .execute();
      await tell(transaction, 'stream-key-rotated', after, attempt);
      return after;
    });
  }

  async delete(scope: Scope, id: string, kind: StreamKind = 'live'): Promise<boolean> {
    const deleted = await this.#change(scope, id, kind, async (transaction, row) => {
      // While it is there to be named. What `live` tells of it afterwards is told already.
      await endOpen(transaction, { live_stream_id: id }, 'deleted', Date.now());
      await transaction.deleteFrom('live_streams').where('id', '=', id).execute();
      await tell(transaction, 'stream-removed', row);
      return row;
    });
    return deleted !== null;
  }

  /** Runs `change` in a transaction that holds the row for itself; null when there is none. */
  #change<T>(
    scope: Scope,
    id: string,
    kind: StreamKind,
    change: (transaction: Kysely<Tables>, row: LiveStreamRow) => Promise<T>,
  ): Promise<T | null> {
    return this.#db.transaction().execute(async (transaction) => {
      const [[row], platforms] = await together(
        transaction,
        lock(transaction, scope, id, kind).returningAll(),
        platformsOfOne(transaction, scope, id, kind),
      );
      return row ? change(transaction, this.#fromColumns(row, platforms)) : null;
    });
  }

  #newPassword(): string {
    return randomHex(this.#passwordBits / 8);
  }

  #fromColumns(row: Selectable<LiveStreamsTable>, platforms: readonly Selectable<PlatformsTable>[]): LiveStreamRow {
    const rows: PlatformRow[] = platforms.map((platform) => fromPlatformColumns(platform, this.#secrets));
    return fromColumns(row, this.#secrets, rows);
  }
}

/**
 * Makes other transactions that change the live stream wait for this one's end: on SQLite they do so anyway, on Postgres a write
 * that changes nothing is the one way to say so that both understand. False when there is no such live stream.
 */
export async function lockLiveStream(
  transaction: Kysely<Tables>,
  scope: Scope,
  id: string,
  kind: StreamKind = 'live',
): Promise<boolean> {
  const { numUpdatedRows } = await lock(transaction, scope, id, kind).executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}

const lock = (transaction: Kysely<Tables>, scope: Scope, id: string, kind: StreamKind) =>
  transaction
    .updateTable('live_streams')
    .set(({ ref }) => ({ kind: ref('kind') }))
    .where('id', '=', id)
    .where('organization_id', '=', scope.organizationId)
    .where('environment', '=', scope.environment)
    .where('kind', '=', kind);

function one(db: Kysely<Tables>, scope: Scope, id: string, kind: StreamKind) {
  return db
    .selectFrom('live_streams')
    .selectAll()
    .where('id', '=', id)
    .where('organization_id', '=', scope.organizationId)
    .where('environment', '=', scope.environment)
    .where('kind', '=', kind);
}

interface PageValues extends Scope {
  readonly kind: StreamKind;
  readonly lowLatency: 0 | 1;
}

/** A page of live streams, newest first, and how many there are on all pages. */
function pageQueries(db: Kysely<Tables>, filtered: boolean) {
  const all = ({ organizationId, environment, kind, lowLatency }: PageValues) =>
    db
      .selectFrom('live_streams')
      .where('organization_id', '=', organizationId)
      .where('environment', '=', environment)
      .where('kind', '=', kind)
      .$if(filtered, (query) => query.where('low_latency_playback', '=', lowLatency));
  return {
    count: template((values: PageValues) => all(values).select((select) => select.fn.countAll<number>().as('total'))),
    rows: template((values: PageValues & { readonly limit: number; readonly offset: number }) =>
      all(values)
        .selectAll()
        .select(hasPlatforms)
        .orderBy('created_ms', 'desc')
        .orderBy('id', 'desc')
        .limit(sql<number>`${values.limit}`)
        .offset(sql<number>`${values.offset}`),
    ),
  };
}

const bytesOf = (column: string) => sql<number>`coalesce(octet_length(${sql.ref(column)}), 0)`;

/** Asked beside the live stream, so in its scope: what is somebody else's must take no longer than what is not there (S01). */
const platformsOfOne = (db: Kysely<Tables>, scope: Scope, id: string, kind: StreamKind) =>
  platformsOf(db, [id]).where(({ exists }) => exists(one(db, scope, id, kind)));

const platformsOf = (db: Kysely<Tables>, liveStreamIds: readonly string[]) =>
  db
    .selectFrom('platforms')
    .selectAll()
    .where('live_stream_id', 'in', liveStreamIds)
    .orderBy('created_ms')
    .orderBy('id');

type Name = 'stream-created' | 'stream-removed' | 'stream-status-toggle' | 'stream-key-rotated';

const tell = (transaction: Kysely<Tables>, name: Name, row: LiveStreamRow, id?: string): Promise<void> =>
  recordEvent(transaction, { ...toEvent(name, row), ...(id && { id }) });

async function isTold(transaction: Kysely<Tables>, liveStreamId: string, eventId: string): Promise<boolean> {
  const event = await transaction
    .selectFrom('events')
    .select('id')
    .where('id', '=', eventId)
    .where('live_stream_id', '=', liveStreamId)
    .executeTakeFirst();
  return event !== undefined;
}

function toEvent(name: Name, row: LiveStreamRow): NewEvent {
  const { organizationId, environment, id: liveStreamId } = row;
  return { organizationId, environment, liveStreamId, name, payload: liveStreamPayload(row) };
}
