/**
 * How a platform's push stands. `connecting`: up to the accepted publish. `online`: accepted, and media goes out. `retrying`: waits for
 * the next attempt. `refused`: the service said no for good (bad key, unknown app), or cannot take the codec: slow retries.
 * `stalled`: connected, nothing drains, about to be restarted. `offline`: not pushed, as nothing is on air or it is disabled.
 */
export type PlatformState = 'connecting' | 'online' | 'retrying' | 'refused' | 'stalled' | 'offline';

/** Why a platform is not online. `code` is stable; `message` says what to do, and holds neither key nor path. */
export interface PlatformError {
  readonly code: string;
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** A platform as of now: plain data. Times are milliseconds since 1970. */
export interface PlatformStatus {
  readonly platformId: string;
  readonly state: PlatformState;
  /** Since when it is in this state. */
  readonly sinceMs: number;
  /** `retrying`: it comes back by itself as soon as the service does. `gave_up`: somebody has to change something; it is tried rarely. */
  readonly severity: null | 'retrying' | 'gave_up';
  /** Attempts since it was last online for a minute; 0 before the first, 1 during it. */
  readonly attempt: number;
  readonly nextRetryMs: number | null;
  readonly lastError: PlatformError | null;
  /** What goes out, in kbit/s, over the last ten seconds. */
  readonly bitrate: number;
  /** Over all its connections of this broadcast. */
  readonly bytesSent: number;
  /** Messages that the service was too slow for, of this broadcast. */
  readonly dropped: number;
  readonly connectedSinceMs: number | null;
}
