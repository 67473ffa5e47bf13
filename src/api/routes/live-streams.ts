import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError } from '../../base/index.ts';
import {
  KeyRotation,
  LiveStream,
  LiveStreamChange,
  LiveStreamList,
  LiveStreamQuery,
  mergeSettings,
  pullUrls,
  type Settings,
  type SettingsChange,
  Success,
} from '../../contract/index.ts';
import type { LiveStreamRow } from '../../store/index.ts';
import type { Dialect } from '../dialect.ts';
import { allowOnly } from '../errors.ts';
import { objectIdOf } from '../idempotency.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { IdParams, liveStreamNotFound, type ResourceOptions } from '../resource.ts';
import { toLiveStream } from '../to-live-stream.ts';

/** /live_streams: create, list, read, change, rotate the key, delete. */
export const liveStreamRoutes: FastifyPluginAsyncTypebox<ResourceOptions> = async (app, options) => {
  const { live, addresses, dialect } = options;
  const { liveStreams } = options.store;
  const show = (row: LiveStreamRow) => toLiveStream(row, addresses, dialect, live);

  /** @throws CodedError bad_request, destination_refused when the pulling mode that comes of the change cannot work */
  async function checkPull(change: SettingsChange | undefined, before: Settings): Promise<void> {
    if (!change?.pulling_mode) return;
    const { pulling_mode: mode = {} } = mergeSettings(before, change);
    if (mode.enabled || pullUrls(mode).length > 0) await live.checkPull(mode);
  }

  app.post(
    '/live_streams',
    {
      schema: {
        operationId: 'createLiveStream',
        summary: 'Create a live stream',
        body: LiveStreamChange,
        response: { 200: LiveStream },
      },
    },
    async (request) => {
      const values = created(request.body, dialect);
      await checkPull(values.settings, {});
      const row = await liveStreams.create(request.principal, values, { id: objectIdOf(request) });
      if (row.settings.pulling_mode?.enabled) live.pullChanged(row.id);
      return toLiveStream(row, addresses, dialect);
    },
  );

  app.get(
    '/live_streams',
    {
      schema: {
        operationId: 'listLiveStreams',
        summary: 'List live streams, newest first',
        querystring: LiveStreamQuery,
        response: { 200: LiveStreamList },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const lowLatencyPlayback = dialect === 'castr' ? request.query.low_latency_playback : undefined;
      const { rows, total } = await liveStreams.list(request.principal, { ...page, lowLatencyPlayback });
      return listAnswer(rows.map(show), total, page);
    },
  );

  app.get(
    '/live_streams/:id',
    {
      schema: {
        operationId: 'getLiveStream',
        summary: 'Read a live stream',
        params: IdParams,
        response: { 200: LiveStream },
      },
    },
    async (request) => {
      const row = await liveStreams.get(request.principal, request.params.id);
      if (!row) throw liveStreamNotFound();
      return show(row);
    },
  );

  app.patch(
    '/live_streams/:id',
    {
      schema: {
        operationId: 'updateLiveStream',
        summary: 'Change a live stream; enabled: false cuts its encoder at once',
        params: IdParams,
        body: LiveStreamChange,
        response: { 200: LiveStream },
      },
    },
    async (request) => {
      const change = changed(request.body, dialect);
      if (change.settings?.pulling_mode) {
        const before = await liveStreams.get(request.principal, request.params.id);
        if (!before) throw liveStreamNotFound();
        await checkPull(change.settings, before.settings);
      }
      const row = await liveStreams.update(request.principal, request.params.id, change);
      if (!row) throw liveStreamNotFound();
      // Written first: an encoder that comes back at once is refused.
      if (change.enabled === false) live.stop(row.id, 'disabled');
      if (change.settings) live.playbackChanged(row.playbackId);
      if (change.enabled !== undefined || change.settings?.pulling_mode !== undefined) live.pullChanged(row.id);
      return show(row);
    },
  );

  app.post(
    '/live_streams/:id/rotate_key',
    {
      schema: {
        operationId: 'rotateLiveStreamKey',
        summary: "Give a live stream's key, or its backup encoder's, a new password; its URLs stay",
        params: IdParams,
        body: KeyRotation,
        response: { 200: LiveStream },
      },
    },
    async (request) => {
      const { overlap_s, which } = request.body;
      if (which === 'backup' && overlap_s > 0)
        throw new CodedError('bad_request', 'overlap_s must be 0: the backup key has no overlap.');
      const rotation = { overlapMs: overlap_s * 1000, which, attempt: objectIdOf(request) };
      const row = await liveStreams.rotateKey(request.principal, request.params.id, rotation);
      if (!row) throw liveStreamNotFound();
      // Without an overlap somebody is to be locked out, on air or not.
      if (overlap_s === 0) live.stop(row.id, 'key_rotated', which);
      return show(row);
    },
  );

  app.delete(
    '/live_streams/:id',
    {
      schema: {
        operationId: 'deleteLiveStream',
        summary: 'Delete a live stream; its encoder is cut at once',
        params: IdParams,
        response: { 200: Success },
      },
    },
    async (request) => {
      if (!(await liveStreams.delete(request.principal, request.params.id))) throw liveStreamNotFound();
      live.stop(request.params.id, 'deleted');
      live.pullChanged(request.params.id);
      return { success: true };
    },
  );

  allowOnly(app, '/live_streams', ['GET', 'POST']);
  allowOnly(app, '/live_streams/:id', ['GET', 'PATCH', 'DELETE']);
  allowOnly(app, '/live_streams/:id/rotate_key', ['POST']);
};

/** Castr records where it is told to, LiveAPI always (liveapi-contract.md §3): the one writes its default down, the other none. */
function created(values: LiveStreamChange, dialect: Dialect): LiveStreamChange {
  if (dialect === 'liveapi') return values;
  return { ...values, settings: { ...values.settings, cloud_recording: values.settings?.cloud_recording ?? false } };
}

/** `cloud_recording: null` goes back to the dialect's own default. */
function changed(change: LiveStreamChange, dialect: Dialect): LiveStreamChange {
  return change.settings?.cloud_recording === null ? created(change, dialect) : change;
}
