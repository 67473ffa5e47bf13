import { CodedError } from '../base/index.ts';
import { statusCode } from '../formats/rtmp/index.ts';
import type { PlatformEnd } from '../live/index.ts';

/** Why a push is not online, as status and events name it. */
export type PushErrorCode =
  | 'not_allowed' // the outbound guard does not connect there
  | 'unreachable'
  | 'timeout' // connected, but the service did not get as far as accepting the stream
  | 'refused' // for good: bad key, unknown application, no permission
  | 'busy' // somebody publishes with that key already
  | 'rejected' // for now: no reason that would last was given
  | 'redirected'
  | 'closed' // by the service, in order
  | 'connection_lost'
  | 'protocol_error'
  | 'codec_unsupported'
  | 'stalled'
  | 'too_slow'
  | 'delay_full' // what delays may hold in memory is used up
  | 'internal';

export interface PushFailure {
  readonly code: PushErrorCode;
  readonly message: string;
  /** Trying again soon would not help: somebody has to change something. */
  readonly permanent: boolean;
  /** Why the connection is over, where there was one. */
  readonly end: PlatformEnd;
}

const MESSAGES: Record<PushErrorCode, string> = {
  not_allowed: 'This server does not connect to that address.',
  unreachable: 'The platform could not be reached: check the server address, or wait until it is back.',
  timeout: 'The platform accepted the connection, but did not accept the stream in time.',
  refused: 'The platform refused the stream: check server and stream key, and whether the broadcast is set up there.',
  busy: 'Somebody already streams with this key: the platform accepts one connection for it.',
  rejected: 'The platform does not take the stream for now.',
  redirected:
    'The platform sends the stream to another address, which is not followed: set that address as the server.',
  closed: 'The platform closed the connection. Most do so when the key is wrong or the broadcast is not set up there.',
  connection_lost: 'The connection to the platform broke.',
  protocol_error: 'The platform sent what is not RTMP.',
  codec_unsupported: 'The platform does not take the codec of this stream.',
  stalled: 'The platform took nothing any more: the connection was restarted.',
  too_slow: 'The platform takes less than the stream has: lower the bit rate. The connection was restarted.',
  delay_full:
    'What this server may hold back in memory for delays is used up: choose a shorter delay_s, a lower bit rate, or the same audio for all delayed platforms.',
  internal: 'The push failed for a reason of our own: see the log.',
};
const PERMANENT: ReadonlySet<PushErrorCode> = new Set(['refused', 'redirected', 'codec_unsupported']);

/** The failure of that code; `detail` is put in brackets behind its sentence and must hold no secret. */
export function pushFailure(code: PushErrorCode, detail = ''): PushFailure {
  const end = code === 'stalled' || code === 'too_slow' ? 'stalled' : PERMANENT.has(code) ? 'refused' : 'lost';
  const message = MESSAGES[code] + (detail && ` (${detail})`);
  return { code, message, permanent: PERMANENT.has(code), end };
}

/** What kept a connection from being made. The outbound guard's own words may be shown. */
export function connectFailure(error: unknown): PushFailure {
  if (!(error instanceof CodedError)) return pushFailure('internal');
  if (error.code === 'destination_unreachable') return pushFailure('unreachable');
  if (error.code === 'destination_refused') return { ...pushFailure('not_allowed'), message: error.message };
  return pushFailure('internal');
}

const FINAL =
  /^(NetStream\.Publish\.(BadName|Denied|Rejected|Unauthorized)|NetConnection\.Connect\.(InvalidApp|Rejected))$/;
const FORBIDDEN =
  /\b40[13]\b|auth|forbidden|denied|not allowed|permission|(bad|invalid|wrong|unknown|expired) .*(key|name|token)/i;
/** nginx-rtmp and others say so for as long as they hold our own last connection: it is over soon. */
const BUSY = /already|in use|\bbusy\b/i;

/** What a service's refusal means (L41). Its description is read, and never repeated; neither is where it redirects to. */
export function refusalOf(code: string, description: string, redirect: string | null): PushFailure {
  const detail = statusCode(code);
  if (redirect !== null) return pushFailure('redirected');
  if (code === 'close') return pushFailure('closed');
  if (BUSY.test(description)) return pushFailure('busy', detail);
  return pushFailure(FINAL.test(code) || FORBIDDEN.test(description) ? 'refused' : 'rejected', detail);
}
