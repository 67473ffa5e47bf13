import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { isoTime } from '../../base/index.ts';
import { PlaybackToken, PlaybackTokenCreate } from '../../contract/index.ts';
import type { Pass } from '../../live/index.ts';
import type { Store } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { IdParams, liveStreamNotFound } from '../resource.ts';
import { type PublicAddresses, playbackOf } from '../to-live-stream.ts';

export interface PlaybackTokenPort {
  /** Null when there is no such live stream. */
  playbackToken(playbackId: string, forS: number): Promise<Pass | null>;
}

export interface PlaybackTokenRoutesOptions {
  readonly store: Pick<Store, 'liveStreams'>;
  readonly live: PlaybackTokenPort;
  readonly addresses: PublicAddresses;
}

/** /live_streams/{id}/playback_tokens: for those whom the customer lets in one by one, without a key of their own. */
export const playbackTokenRoutes: FastifyPluginAsyncTypebox<PlaybackTokenRoutesOptions> = async (app, options) => {
  const { store, live, addresses } = options;
  app.post(
    '/live_streams/:id/playback_tokens',
    {
      schema: {
        operationId: 'createPlaybackToken',
        summary: 'Make a token with which somebody may watch, whatever the password and the domains; of any number',
        params: IdParams,
        body: PlaybackTokenCreate,
        response: { 200: PlaybackToken },
      },
    },
    async (request) => {
      const row = await store.liveStreams.get(request.principal, request.params.id);
      const pass = row && (await live.playbackToken(row.playbackId, request.body.expires_in_s ?? 3600));
      if (!pass) throw liveStreamNotFound();
      const { hls_url, embed_url, embed_audio_url } = playbackOf(row, addresses);
      const query = `?token=${pass.token}`;
      return {
        token: pass.token,
        expires_at: isoTime(pass.expiresS * 1000),
        hls_url: hls_url + query,
        embed_url: embed_url + query,
        embed_audio_url: `${embed_audio_url}${embed_audio_url.includes('?') ? '&' : '?'}${query.slice(1)}`,
      };
    },
  );
  allowOnly(app, '/live_streams/:id/playback_tokens', ['POST']);
};
