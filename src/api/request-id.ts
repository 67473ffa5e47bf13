import type { IncomingMessage } from 'node:http';
import { newId } from '../base/index.ts';

/** The id that answers and log lines carry: the sender's `x-request-id` where it can stand in a log, else one of ours. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{8,64}$/.test(given) ? given : `req-${newId()}`;
}
