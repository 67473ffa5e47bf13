import { Type } from 'typebox';
import { CodedError } from '../base/index.ts';
import type { PullingMode } from '../contract/index.ts';
import type { PlatformStatus, PullProbe, PullStatus } from '../live/index.ts';
import type { Store } from '../store/index.ts';
import type { CheckDestination, Dialect } from './dialect.ts';
import type { PublicAddresses } from './to-live-stream.ts';

/** What the API asks of what is on air. */
export interface LivePort {
  isOnline(liveStreamId: string): boolean;
  /** Disconnects its publishers, or the one that `which` names, before it returns. */
  stop(liveStreamId: string, reason: 'disabled' | 'deleted' | 'key_rotated', which?: 'primary' | 'backup'): void;
  /** Its platforms were changed in the store: what is on air follows within two seconds. */
  platformsChanged(liveStreamId: string): void;
  /** Of the platforms that are pushed to, or were in this broadcast; empty while nothing is on air. */
  platformStatuses(liveStreamId: string): readonly PlatformStatus[];
  /** Connects to the platform anew, at once. False when nothing is pushed to it. */
  restartPlatform(liveStreamId: string, platformId: string): boolean;
  /** Its pulling mode, or whether it is enabled, was changed in the store. */
  pullChanged(liveStreamId: string): void;
  /** Who may watch it was changed in the store: viewers are judged by that from now on. */
  playbackChanged(playbackId: string): void;
  /** Null when its pulling mode is off. */
  pullStatus(liveStreamId: string): PullStatus | null;
  /**
   * Looks at a pulling mode that is to be kept: its addresses by the outbound guard, and whether what it needs is installed.
   * @throws CodedError bad_request, destination_refused
   */
  checkPull(mode: PullingMode): Promise<void>;
  /**
   * Reads a URL for ten seconds at most, without feeding the live stream from it. `owner` bounds how many one may read at a time.
   * @throws CodedError too_many_requests
   */
  testPull(
    url: string,
    stream: { readonly id: string; readonly playbackId: string },
    owner: string,
  ): Promise<PullProbe>;
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
