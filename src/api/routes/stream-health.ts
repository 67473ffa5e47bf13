import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { isoTime, isoTimeOrNull } from '../../base/index.ts';
import { StreamHealth } from '../../contract/index.ts';
import type { HealthReport, SampleField } from '../../live/index.ts';
import type { Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { IdParams, liveStreamNotFound } from '../resource.ts';

export interface StreamHealthPort {
  /** Of the running broadcast or the last one; null when there was none since the start. */
  health(liveStreamId: string): HealthReport | null;
}

export interface StreamHealthRoutesOptions {
  readonly store: Pick<Store, 'liveStreams'>;
  readonly live: StreamHealthPort;
}

/** /live_streams/{id}/health: how the running broadcast fares over its time, or how the last one did. */
export const streamHealthRoutes: FastifyPluginAsyncTypebox<StreamHealthRoutesOptions> = async (app, options) => {
  const { live, store } = options;
  const url = '/live_streams/:id/health';
  const schema = {
    operationId: 'getHealth',
    summary: 'How the running broadcast fares over its time, or how the last one did: for charts',
    params: IdParams,
    response: { 200: StreamHealth },
  };
  app.get(url, { schema }, async ({ principal, params }) => {
    if (!(await store.liveStreams.exists(principal, params.id))) throw liveStreamNotFound();
    return toHealth(live.health(params.id));
  });

  allowOnly(app, url, ['GET']);
};

function toHealth(report: HealthReport | null): StreamHealth {
  const column = (field: SampleField) => report?.samples.column(field) ?? [];
  return {
    session: report && {
      broadcast: report.broadcastId,
      started_at: isoTime(report.startedMs),
      ended_at: isoTimeOrNull(report.endedMs),
    },
    interval_s: report?.samples.intervalS ?? 0,
    samples: {
      at: column('at') as number[],
      bitrate_kbps: column('bitrateKbps'),
      frame_rate: column('frameRate'),
      key_frame_interval_s: column('keyFrameIntervalS'),
      drift_ms: column('driftMs'),
      dropped: column('dropped'),
      viewers: column('viewers'),
    },
    moments: (report?.moments ?? []).map(({ atMs, clearedMs, code, severity, message }) => {
      return { at: isoTime(atMs), code, severity, message, cleared_at: isoTimeOrNull(clearedMs) };
    }),
  };
}
