import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError } from '../../base/index.ts';
import { Usage, UsageQuery, type UsageSum } from '../../contract/index.ts';
import type * as store from '../../store/index.ts';
import { allowOnly } from '../errors.ts';

export interface UsagePort {
  /** Sees to it that what the store has is a few seconds old at most. Never rejects. */
  writeUsage(): Promise<void>;
}

export interface UsageRoutesOptions {
  readonly store: Pick<store.Store, 'usage'>;
  readonly live: UsagePort;
}

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
const MAX_DAYS = 366;

/** /usage: what the environment was used for, by day or by live stream. */
export const usageRoutes: FastifyPluginAsyncTypebox<UsageRoutesOptions> = async (app, { store, live }) => {
  const schema = {
    operationId: 'getUsage',
    summary: 'What was streamed and watched, by day or by live stream',
    querystring: UsageQuery,
    response: { 200: Usage },
  };
  app.get('/usage', { schema }, async ({ principal, query }) => {
    const range = rangeOf(query);
    await live.writeUsage();
    const { rows, total } = await store.usage.list(principal, range, query.group);
    const docs = rows.map((row) => {
      const of = 'day' in row ? { day: row.day } : { live_stream: row.liveStreamId, name: row.name ?? undefined };
      return { ...of, ...toSum(row) };
    });
    return { docs, total: toSum(total) };
  });

  allowOnly(app, '/usage', ['GET']);
};

/** @throws CodedError bad_request */
function rangeOf({ from, to }: UsageQuery): { readonly from: string; readonly to: string } {
  const last = to === undefined ? Date.now() : dayIn(to, 'to');
  const first = from === undefined ? last - (DEFAULT_DAYS - 1) * DAY_MS : dayIn(from, 'from');
  if (first > last) throw new CodedError('bad_request', 'from must be a day before to, or the same.');
  if (last - first >= MAX_DAYS * DAY_MS)
    throw new CodedError('bad_request', `from and to are too far apart: ${MAX_DAYS} days are allowed.`);
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  return { from: day(first), to: day(last) };
}

function dayIn(text: string, field: string): number {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN;
  // 2026-02-30 is read as a day in March.
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text)
    throw new CodedError('bad_request', `${field} must be a day such as 2026-03-01.`);
  return ms;
}

function toSum(sum: store.UsageSum): UsageSum {
  return {
    streamed_s: Math.round(sum.streamedMs / 1000),
    viewer_s: Math.round(sum.viewerMs / 1000),
    bytes_in: sum.bytesIn,
    bytes_out: sum.bytesOut,
    plays: sum.plays,
    unique_viewers: sum.uniqueViewers,
    watch_s: Math.round(sum.watchMs / 1000),
    startup_ms: sum.startupMs,
    stalls: sum.stalls,
    errors: sum.errors,
  };
}
