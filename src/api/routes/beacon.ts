import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { CodedError } from '../../base/index.ts';
import { Beacon } from '../../contract/index.ts';
import type { PlayReport } from '../../live/index.ts';
import { networkOf } from '../address.ts';
import { allowOnly } from '../errors.ts';
import type { NetworkAllowance } from '../rate-limit.ts';

export interface BeaconPort {
  /** Counts it; what is unknown is ignored. `viewer` tells one viewer from others, and is not kept. */
  played(report: PlayReport, viewer: string): void;
}

export interface BeaconRoutesOptions {
  readonly live: BeaconPort;
  readonly allowance: NetworkAllowance;
  /** Without it nothing is counted. */
  readonly enabled: boolean;
}

const MAX_BYTES = 4096;

/** /embed/beacon: how playing goes, as players on any page report it. It says nothing of what there is. */
export const beaconRoutes: FastifyPluginAsyncTypebox<BeaconRoutesOptions> = async (app, options) => {
  const { live, allowance, enabled } = options;
  const open = { config: { open: true, anyOrigin: true, unlimited: true } } as const;
  // `navigator.sendBeacon` sends a text as a text, and asks no other site for leave first.
  app.addContentTypeParser('text/plain', { parseAs: 'string' }, async (_request: unknown, body: string) => {
    try {
      return JSON.parse(body);
    } catch {
      throw new CodedError('bad_request', 'The body is not valid JSON.');
    }
  });
  const schema = {
    operationId: 'reportPlay',
    summary: "How a play goes: what the player's pages report, without cookies",
    body: Beacon,
    response: { 204: Type.Null() },
  };
  // Before the body is looked at: what makes no sense is counted, too.
  const onRequest = async (request: FastifyRequest, reply: FastifyReply) => allowance.take(request, reply);
  app.post('/embed/beacon', { ...open, bodyLimit: MAX_BYTES, schema, onRequest }, async (request, reply) => {
    const { playback_id: playbackId, play_id: playId, event, watched_s, startup_ms: startupMs } = request.body;
    const watchedMs = watched_s === undefined ? undefined : watched_s * 1000;
    if (enabled)
      live.played(
        { playbackId, playId, event, watchedMs, startupMs },
        `${networkOf(request)} ${request.headers['user-agent']?.slice(0, 300)}`,
      );
    return reply.code(204).send(null);
  });

  allowOnly(app, '/embed/beacon', ['POST'], { ...open, bodyLimit: MAX_BYTES, onRequest });
};
