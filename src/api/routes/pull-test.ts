import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { checkPullingMode, PullTest, PullTestResult, unmaskPullingMode } from '../../contract/index.ts';
import type { PullProbe } from '../../live/index.ts';
import { allowOnly } from '../errors.ts';
import { IdParams, liveStreamNotFound, type ResourceOptions } from '../resource.ts';

/** /live_streams/{id}/pull/test: what a URL gives, before the live stream is fed from it. */
export const pullTestRoutes: FastifyPluginAsyncTypebox<ResourceOptions> = async (app, { live, store }) => {
  app.post(
    '/live_streams/:id/pull/test',
    {
      schema: {
        operationId: 'testPull',
        summary: 'Look at what a URL gives, for ten seconds at most, without pulling from it',
        params: IdParams,
        body: PullTest,
        response: { 200: PullTestResult },
      },
    },
    async ({ principal, params, body }) => {
      const stream = await store.liveStreams.get(principal, params.id);
      if (!stream) throw liveStreamNotFound();
      // What was shown masked is known with its password.
      const { url } = unmaskPullingMode({ url: body.url }, stream.settings.pulling_mode ?? {});
      checkPullingMode({ url: url! });
      return toResult(await live.testPull(url!, stream, principal.organizationId));
    },
  );

  allowOnly(app, '/live_streams/:id/pull/test', ['POST']);
};

function toResult({ error, protocol, video, audio, frameRate, unsupported }: PullProbe): PullTestResult {
  const leftOut = unsupported.length > 0 ? ` ${unsupported.join(', ')} is not carried and left out.` : '';
  return {
    ok: error === null,
    code: error?.code ?? null,
    message: error?.message ?? `The live stream can be fed from it.${leftOut}`,
    protocol,
    video: video && {
      codec: video.codec,
      width: video.config.width,
      height: video.config.height,
      frame_rate: frameRate,
    },
    audio: audio && {
      codec: audio.codec,
      sample_rate: audio.config.outputSampleRate,
      channels: audio.config.channels,
    },
  };
}
