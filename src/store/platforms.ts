import type { Kysely, Selectable } from 'kysely';
import { CodedError, newId, type SecretBox } from '../base/index.ts';
import type { Platform, PlatformChange } from '../contract/index.ts';
import { liveStreamPayload } from './event-payloads.ts';
import type { LiveStreamRow, Scope } from './live-stream-row.ts';
import { type LiveStreams, lockLiveStream } from './live-streams.ts';
import { fromPlatformColumns, type PlatformRow, toPlatformColumns } from './platform-row.ts';
import { recordEvent } from './record-event.ts';
import type { PlatformsTable, Tables } from './schema.ts';

/** What a live stream may have of them (product.md §4). */
const MAX_PLATFORMS = 100;

export interface NewPlatform {
  readonly template: string;
  readonly name: string;
  readonly server: string;
  readonly key: string;
  readonly enabled: boolean;
  readonly metadata: Platform['metadata'] | null;
}

/** The platforms of the scope's live streams; null or false when there is no such live stream or no such platform in it. */
export interface Platforms {
  /**
   * `id` is that of an attempt that may have been cut off: what it made is returned, and nothing made twice.
   * @throws CodedError conflict when the live stream has 100 of them
   */
  create(scope: Scope, liveStreamId: string, values: NewPlatform, id?: string): Promise<PlatformRow | null>;
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
    const row: PlatformRow = { ...values, id: id ?? newId(), liveStreamId, createdMs: Date.now() };
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
      await tell(transaction, 'stream-platform-added', stream, row);
      return row;
    });
  }

  update(scope: Scope, liveStreamId: string, id: string, change: PlatformChange): Promise<PlatformRow | null> {
    return this.#change(scope, liveStreamId, id, async (transaction, row) => {
      const after: PlatformRow = {
        ...row,
        ...change,
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
      await transaction.deleteFrom('platforms').where('id', '=', id).execute();
      await tell(transaction, 'stream-platform-removed', stream, row);
      return row;
    });
    return deleted !== null;
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

function tell(
  transaction: Kysely<Tables>,
  name: 'stream-platform-added' | 'stream-platform-removed',
  stream: LiveStreamRow,
  row: PlatformRow,
): Promise<void> {
  const { organizationId, environment, id: liveStreamId } = stream;
  const { id: _id, template, name: platformName, enabled, server } = row;
  const platform = { _id, template, name: platformName, enabled, server: maskServer(server) };
  const payload = { stream: liveStreamPayload(stream), platform };
  return recordEvent(transaction, { organizationId, environment, liveStreamId, name, payload });
}

/** Many services put their key into the end of the path or the query, and events leave the house. */
const maskServer = (server: string): string =>
  server.replace(/[?#].*$/s, '').replace(/(?<=:\/\/[^/]+\/(?:.*\/)?)[^/]+\/?$/, '***');
