import { type Kysely, sql } from 'kysely';
import { noUsage, startupMs, type UsageCounts, type UsageRow, type UsageSink } from '../live/index.ts';
import type { Scope } from './live-stream-row.ts';
import type { Tables, UsageTable } from './schema.ts';
import { UpdateStore } from './updates.ts';

/** What was used of a day, of a live stream or of all. */
export interface UsageSum extends UsageCounts {
  /** How long plays took to begin; null where none was counted. */
  readonly startupMs: { readonly p50: number; readonly p95: number } | null;
}

export type UsageOf = UsageSum &
  (
    | { readonly day: string }
    | { readonly liveStreamId: string /** Null of one that is gone. */; readonly name: string | null }
  );

export interface Usage extends UsageSink {
  /** From one day to another, both included; the most watched live streams, a thousand at most, or days in their order. */
  list(
    scope: Scope,
    range: { readonly from: string; readonly to: string },
    group: 'day' | 'live_stream',
  ): Promise<{ readonly rows: UsageOf[]; readonly total: UsageSum }>;
}

/** Rows of one statement. */
const AT_ONCE = 200;
const MAX_LIVE_STREAMS = 1000;

const COLUMNS = {
  streamedMs: 'streamed_ms',
  viewerMs: 'viewer_ms',
  bytesIn: 'bytes_in',
  bytesOut: 'bytes_out',
  plays: 'plays',
  uniqueViewers: 'unique_viewers',
  watchMs: 'watch_ms',
  stalls: 'stalls',
  errors: 'errors',
} as const satisfies Record<keyof UsageCounts, keyof UsageTable>;
const COUNTS = Object.keys(COLUMNS) as (keyof UsageCounts)[];

export class UsageStore implements Usage {
  readonly #db: Kysely<Tables>;
  readonly #updates: UpdateStore;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
    this.#updates = new UpdateStore(db);
  }

  /** What is of a live stream that is gone is left out. */
  async add(rows: readonly UsageRow[]): Promise<void> {
    const scopes = await this.#updates.scopesOf([...new Set(rows.map(({ liveStreamId }) => liveStreamId))]);
    // In one order, as other processes write the same rows.
    const known = rows
      .filter(({ liveStreamId }) => scopes.has(liveStreamId))
      .sort((a, b) => (`${a.liveStreamId} ${a.day}` < `${b.liveStreamId} ${b.day}` ? -1 : 1));
    if (known.length === 0) return;
    const values = known.map((row) => {
      const { organizationId, environment } = scopes.get(row.liveStreamId)!;
      const counts = Object.fromEntries(COUNTS.map((name) => [COLUMNS[name], Math.round(row[name])]));
      const of = { live_stream_id: row.liveStreamId, day: row.day, organization_id: organizationId, environment };
      return { ...of, ...(counts as Record<(typeof COLUMNS)[keyof UsageCounts], number>) };
    });
    const startups = known.flatMap((row) =>
      [...row.startups].map(([bucket, plays]) => {
        return { live_stream_id: row.liveStreamId, day: row.day, bucket, plays };
      }),
    );
    await this.#db.transaction().execute(async (transaction) => {
      for (let i = 0; i < values.length; i += AT_ONCE)
        await transaction
          .insertInto('usage')
          .values(values.slice(i, i + AT_ONCE))
          .onConflict((conflict) =>
            conflict
              .columns(['live_stream_id', 'day'])
              .doUpdateSet(({ ref }) =>
                Object.fromEntries(
                  Object.values(COLUMNS).map((column) => [
                    column,
                    sql`${ref(`usage.${column}`)} + ${ref(`excluded.${column}`)}`,
                  ]),
                ),
              ),
          )
          .execute();
      for (let i = 0; i < startups.length; i += AT_ONCE)
        await transaction
          .insertInto('usage_startups')
          .values(startups.slice(i, i + AT_ONCE))
          .onConflict((conflict) =>
            conflict
              .columns(['live_stream_id', 'day', 'bucket'])
              .doUpdateSet(({ ref }) => ({ plays: sql`${ref('usage_startups.plays')} + ${ref('excluded.plays')}` })),
          )
          .execute();
    });
  }

  async list(scope: Scope, range: { readonly from: string; readonly to: string }, group: 'day' | 'live_stream') {
    const used = this.#db
      .selectFrom('usage')
      .where('usage.organization_id', '=', scope.organizationId)
      .where('usage.environment', '=', scope.environment)
      .where('usage.day', '>=', range.from)
      .where('usage.day', '<=', range.to);
    const startups = used
      .innerJoin('usage_startups as begun', (join) =>
        join.onRef('begun.live_stream_id', '=', 'usage.live_stream_id').onRef('begun.day', '=', 'usage.day'),
      )
      .select(['bucket', sql<number>`cast(sum(begun.plays) as bigint)`.as('plays')])
      .groupBy('bucket');
    const [all, ofAll] = await Promise.all([used.select(SUMS).executeTakeFirstOrThrow(), startups.execute()]);
    const total = { ...all, startupMs: percentiles(ofAll) };
    if (group === 'day') {
      const [days, ofDays] = await Promise.all([
        used
          .select(['usage.day', ...SUMS])
          .groupBy('usage.day')
          .execute(),
        startups.select('usage.day').groupBy('usage.day').execute(),
      ]);
      const counts = new Map(days.map(({ day, ...sums }) => [day, sums]));
      const begun = Map.groupBy(ofDays, (row) => row.day);
      const rows = daysOf(range).map((day) => {
        return { day, ...(counts.get(day) ?? noUsage()), startupMs: percentiles(begun.get(day) ?? []) };
      });
      return { rows, total };
    }
    const streams = await used
      .leftJoin('live_streams', 'live_streams.id', 'usage.live_stream_id')
      .select(['usage.live_stream_id', 'live_streams.name', ...SUMS])
      .groupBy(['usage.live_stream_id', 'live_streams.name'])
      .orderBy('viewerMs', 'desc')
      .orderBy('usage.live_stream_id')
      .limit(MAX_LIVE_STREAMS)
      .execute();
    const ids = streams.map(({ live_stream_id }) => live_stream_id);
    const ofStreams =
      ids.length === 0
        ? []
        : await startups
            .where('usage.live_stream_id', 'in', ids)
            .select('usage.live_stream_id')
            .groupBy('usage.live_stream_id')
            .execute();
    const begun = Map.groupBy(ofStreams, (row) => row.live_stream_id);
    const rows = streams.map(({ live_stream_id: liveStreamId, name, ...sums }) => {
      return { liveStreamId, name, ...sums, startupMs: percentiles(begun.get(liveStreamId) ?? []) };
    });
    return { rows, total };
  }
}

/** Postgres makes a sum of bigints a number of another kind. */
const SUMS = COUNTS.map((name) =>
  sql<number>`cast(coalesce(sum(${sql.ref(`usage.${COLUMNS[name]}`)}), 0) as bigint)`.as(name),
);

const DAY_MS = 86_400_000;

function daysOf({ from, to }: { readonly from: string; readonly to: string }): string[] {
  const days: string[] = [];
  for (let ms = Date.parse(from); ms <= Date.parse(to); ms += DAY_MS)
    days.push(new Date(ms).toISOString().slice(0, 10));
  return days;
}

function percentiles(buckets: readonly { readonly bucket: number; readonly plays: number }[]): UsageSum['startupMs'] {
  const sorted = buckets.toSorted((a, b) => a.bucket - b.bucket);
  const total = sorted.reduce((sum, { plays }) => sum + plays, 0);
  if (total === 0) return null;
  const at = (share: number) => {
    let left = share * total;
    for (const { bucket, plays } of sorted) if ((left -= plays) <= 0) return startupMs(bucket);
    return startupMs(sorted.at(-1)!.bucket);
  };
  return { p50: at(0.5), p95: at(0.95) };
}
