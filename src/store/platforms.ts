import type { Kysely, Selectable } from 'kysely';
import { CodedError, newId, type SecretBox } from '../base/index.ts';
import { COMMON_CODECS, isMasked, maskSecret, maskServer, type PlatformChange, templateOf } from '../contract/index.ts';
import type { PlatformSource, PlatformTarget } from '../live/index.ts';
import type { Scope } from './live-stream-row.ts';
import { type LiveStreams, lockLiveStream } from './live-streams.ts';
import { endPlatforms, recordPlatformEvent } from './platform-events.ts';
import { fromPlatformColumns, type PlatformRow, toPlatformColumns } from './platform-row.ts';
import type { PlatformsTable, Tables } from './schema.ts';

/** What a live stream may have of them (product.md §4). */
const MAX_PLATFORMS = 100;

export type NewPlatform = Omit<PlatformRow, 'id' | 'liveStreamId' | 'createdMs' | keyof typeof DEFAULTS> &
  Partial<Pick<PlatformRow, keyof typeof DEFAULTS>>;

const DEFAULTS = { audio: 'keep', delayS: 0, codecs: null } as const;

/**
 * The platforms of the scope's live streams; null or false when there is no such live stream or no such platform in it. And, for who
 * pushes to them, those of any.
 */
export interface Platforms extends PlatformSource {
  /**
   * `id` is that of an attempt that may have been cut off: what it made is returned, and nothing made twice.
   * @throws CodedError conflict when the live stream has 100 of them
   */
  create(scope: Scope, liveStreamId: string, values: NewPlatform, id?: string): Promise<PlatformRow | null>;
  /**
   * A key or server that is masked as the API shows it stays what it is.
   * @throws CodedError bad_request for one that is masked otherwise
   */
  update(scope: Scope, liveStreamId: string, id: string, change: PlatformChange): Promise<PlatformRow | null>;
  delete(scope: Scope, liveStreamId: string, id: string): Promise<boolean>;
}

/** Each call is one transaction, which also holds the event of what it changes. */
export class PlatformStore implements Platforms {
  readonly #db: Kysely<Tables>;
  readonly #secrets: SecretBox;
  readonly #liveStreams: Pick<LiveStreams, 'get'>;

  constructor(db: Kysely<Tables>, secrets: SecretBox, liveStreams: Pick<LiveStreams, 'get'>) {
    this.#db = db;
    this.#secrets = secrets;
    this.#liveStreams = liveStreams;
  }

  async create(scope: Scope, liveStreamId: string, values: NewPlatform, id?: string): Promise<PlatformRow | null> {
    const stream = await this.#liveStreams.get(scope, liveStreamId);
    const there = stream?.platforms.find((platform) => platform.id === id);
    if (!stream || there) return there ?? null;
    const row: PlatformRow = { ...DEFAULTS, ...values, id: id ?? newId(), liveStreamId, createdMs: Date.now() };
    return this.#db.transaction().execute(async (transaction) => {
      if (!(await lockLiveStream(transaction, scope, liveStreamId))) return null;
      const { count } = await transaction
        .selectFrom('platforms')
        .select((select) => select.fn.countAll<number>().as('count'))
        .where('live_stream_id', '=', liveStreamId)
        .executeTakeFirstOrThrow();
      if (count >= MAX_PLATFORMS)
        throw new CodedError('conflict', `The live stream has ${MAX_PLATFORMS} platforms: delete one first.`);
      await transaction.insertInto('platforms').values(toPlatformColumns(row, this.#secrets)).execute();
      await recordPlatformEvent(transaction, 'stream-platform-added', stream, row);
      return row;
    });
  }

  update(scope: Scope, liveStreamId: string, id: string, change: PlatformChange): Promise<PlatformRow | null> {
    return this.#change(scope, liveStreamId, id, async (transaction, row) => {
      const { delay_s: delayS = row.delayS, ...rest } = change;
      const after: PlatformRow = {
        ...row,
        ...rest,
        ...unmasked(change, row),
        delayS,
        metadata: change.metadata ? { ...row.metadata, ...change.metadata } : row.metadata,
      };
      const { id: _, live_stream_id: __, created_ms: ___, ...columns } = toPlatformColumns(after, this.#secrets);
      await transaction.updateTable('platforms').set(columns).where('id', '=', id).execute();
      return after;
    });
  }

  async delete(scope: Scope, liveStreamId: string, id: string): Promise<boolean> {
    const stream = await this.#liveStreams.get(scope, liveStreamId);
    if (!stream) return false;
    const deleted = await this.#change(scope, liveStreamId, id, async (transaction, row) => {
      // While it is there to be named. What `live` tells of it afterwards is told already.
      await endPlatforms(transaction, { id }, 'removed', Date.now());
      await transaction.deleteFrom('platforms').where('id', '=', id).execute();
      await recordPlatformEvent(transaction, 'stream-platform-removed', stream, row);
      return row;
    });
    return deleted !== null;
  }

  async platforms(liveStreamId: string): Promise<PlatformTarget[]> {
    const rows = await this.#db
      .selectFrom('platforms')
      .selectAll()
      .where('live_stream_id', '=', liveStreamId)
      .orderBy('created_ms')
      .orderBy('id')
      .execute();
    return rows.map((row) => toTarget(fromPlatformColumns(row, this.#secrets)));
  }

  #change<T>(
    scope: Scope,
    liveStreamId: string,
    id: string,
    change: (transaction: Kysely<Tables>, row: PlatformRow) => Promise<T>,
  ): Promise<T | null> {
    return this.#db.transaction().execute(async (transaction) => {
      if (!(await lockLiveStream(transaction, scope, liveStreamId))) return null;
      const row: Selectable<PlatformsTable> | undefined = await transaction
        .selectFrom('platforms')
        .selectAll()
        .where('id', '=', id)
        .where('live_stream_id', '=', liveStreamId)
        .executeTakeFirst();
      return row ? change(transaction, fromPlatformColumns(row, this.#secrets)) : null;
    });
  }
}

/** What is told of a platform to who pushes to it. */
function toTarget({ id, enabled, name, server, key, audio, delayS, codecs, template }: PlatformRow): PlatformTarget {
  const taken = codecs ?? templateOf(template)?.codecs ?? COMMON_CODECS;
  const target = { id, enabled, name, server, key, audio, delayMs: delayS * 1000 };
  return { ...target, codecs: taken.map((codec) => (codec === 'h264' ? 'avc' : codec)) };
}

/** Key and server of a change, where it has them, without their masks. */
function unmasked({ key, server }: PlatformChange, row: PlatformRow): { key?: string; server?: string } {
  const whole = (field: string, given: string, shown: string, kept: string) => {
    if (!isMasked(given)) return given;
    // open compare: what it is compared with is what every answer shows.
    if (given === shown) return kept;
    throw new CodedError('bad_request', `${field} is masked, and not as it is shown: send it whole, or leave it out.`);
  };
  return {
    ...(key !== undefined && { key: whole('key', key, maskSecret(row.key), row.key) }),
    ...(server !== undefined && { server: whole('server', server, maskServer(row.server, row.key), row.server) }),
  };
}
