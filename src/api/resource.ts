import { Type } from 'typebox';
import { CodedError } from '../base/index.ts';
import type { Store } from '../store/index.ts';
import type { CheckDestination, Dialect } from './dialect.ts';
import type { PublicAddresses } from './to-live-stream.ts';

/** What the API asks of what is on air. */
export interface LivePort {
  isOnline(liveStreamId: string): boolean;
  /** Disconnects the publisher, if there is one, before it returns. */
  stop(liveStreamId: string, reason: 'disabled' | 'deleted' | 'key_rotated'): void;
}

/** What the routes of the contract's resources are registered with, once for each dialect. */
export interface ResourceOptions {
  readonly dialect: Dialect;
  readonly store: Pick<Store, 'liveStreams' | 'platforms'>;
  readonly live: LivePort;
  readonly addresses: PublicAddresses;
  readonly checkDestination: CheckDestination;
}

export const IdParams = Type.Object({ id: Type.String() });

/** The one answer for a live stream that is not there and for one of somebody else. */
export const liveStreamNotFound = (): CodedError =>
  new CodedError('not_found', 'Live stream not found. GET /live_streams lists those that this access token reaches.');
