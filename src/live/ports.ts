// What the media side needs from others: plain data in and out, and every call may fail or be slow, because one day it crosses
// a process border. `store` implements these; `app.ts` passes the implementations in.

import type { PullingMode } from '../contract/index.ts';
import type { PublisherEnd, PublisherProtocol } from './publisher.ts';

/** What an encoder presented when it asked to publish. */
export interface PublishRequest {
  /** The stream key without its query: `lv_<32 hex>`. */
  readonly playbackId: string;
  /** The secret half of the key: what followed `?password=`, or an empty string. */
  readonly password: string;
  /** The encoder's, as far as it is known: who guesses from one is held up. */
  readonly address?: string;
}

/** All that the media side needs to know of a live stream while it is on air. */
export interface Authorisation {
  readonly liveStreamId: string;
  readonly playbackId: string;
  /** The owner's id: a part of the playback path. */
  readonly userId: string;
  /** How many discontinuities its playlists have ever had: the numbering goes on from here, over restarts too. */
  readonly discontinuities: number;
  /** 0 (or absent): the primary encoder, 1: the backup, which has a key of its own. */
  readonly priority?: 0 | 1;
  /** Whether a backup encoder gives the live stream back when the primary returns (`settings.backup_encoder`). Absent: it does. */
  readonly giveBack?: boolean;
  /** Seconds that viewers may go back (`settings.varying_rewind`). Absent: none. */
  readonly rewindS?: number;
}

/** `unknown` covers an unknown key and a wrong password alike; `disabled` is only said to who knows the password. */
export type AuthorisationAnswer =
  | { readonly ok: true; readonly authorisation: Authorisation }
  | { readonly ok: false; readonly reason: 'unknown' | 'disabled' };

/** Checks a publisher's key. A rejected promise means that it could not be checked: the publisher is turned away for now. */
export interface PublishAuthoriser {
  authorise(request: PublishRequest): Promise<AuthorisationAnswer>;
}

/** The connection that feeds a broadcast, as events and the history of broadcasts name it. */
export interface EventPublisher {
  /** Joins it with the lines of the log. */
  readonly id: string;
  readonly protocol: PublisherProtocol;
  readonly address: string;
}

/** Why a broadcast is over: its publisher's reason, unless it was waiting for one (`window_over`). */
export type BroadcastEnd = PublisherEnd | 'window_over';

/** Why a platform's connection is over. */
export type PlatformEnd =
  | 'stream_ended' // the broadcast is over
  | 'disabled' // `enabled: false`
  | 'removed'
  | 'changed' // its address, key or way of delivery: a new connection follows
  | 'restarted' // on request
  | 'lost' // the connection broke, or the platform ended it
  | 'refused' // the platform said no in the middle of it
  | 'stalled' // nothing drained
  | 'shutdown';

/** What happens to one platform of a broadcast. `connected` and `disconnected` alternate. */
export type PlatformNews =
  | { readonly kind: 'platform_connected'; readonly platformId: string }
  | { readonly kind: 'platform_disconnected'; readonly platformId: string; readonly reason: PlatformEnd }
  /** `code` is stable; `message` says in plain words what was wrong and what to do, without secrets. */
  | {
      readonly kind: 'platform_error';
      readonly platformId: string;
      readonly code: string;
      readonly message: string;
      readonly severity: 'retrying' | 'gave_up';
    };

/** Why another publisher feeds a broadcast from now on: the reason for which the one before left, or */
export type SwitchReason = PublisherEnd | 'gave_back'; // the primary encoder has returned

export type AdviceSeverity = 'info' | 'warning' | 'error';

interface Moment {
  readonly broadcastId: string;
  readonly liveStreamId: string;
  /** Counts a broadcast's events from 1 up: one that is told twice after a failure is the same by its broadcast and number. */
  readonly number: number;
  /** Milliseconds since 1970 at which it happened, not at which it is told. */
  readonly atMs: number;
}

/**
 * What happens to a broadcast. `connected` comes first and `disconnected` last, once each, however often the encoder comes and
 * goes within the reconnect window: between them every `reconnecting` is followed by a `connected` with `first: false`, or by
 * the end. Warnings, switches and errors of platforms may be missing where the receiver was away for long. All that happens to
 * platforms comes before `disconnected`.
 */
export type BroadcastEvent =
  | (Moment & { readonly kind: 'connected'; readonly publisher: EventPublisher; readonly first: boolean })
  /** The publisher is gone; it may come back until `untilMs` (ms since 1970). */
  | (Moment & { readonly kind: 'reconnecting'; readonly reason: PublisherEnd; readonly untilMs: number })
  | (Moment & { readonly kind: 'disconnected'; readonly reason: BroadcastEnd })
  /** A backup encoder has taken over, or the primary has taken its place back; no reconnect window was opened. */
  | (Moment & {
      readonly kind: 'publisher_switched';
      readonly from: EventPublisher;
      readonly to: EventPublisher;
      /** Which of the two feeds the broadcast now. */
      readonly active: 'primary' | 'backup';
      readonly reason: SwitchReason;
    })
  | (Moment & PlatformNews)
  /** Advice to the encoder's user: `raised`, or cleared. `code` is stable, `message` says in plain words what to set. */
  | (Moment & {
      readonly kind: 'warning';
      readonly code: string;
      readonly severity: AdviceSeverity;
      readonly message: string;
      readonly raised: boolean;
    });

/**
 * Writes down what happens on air. Called for one live stream's events in their order, one at a time; a rejected call is made
 * again with the same event, so the same broadcast and number must be written once only.
 */
export interface BroadcastEvents {
  tell(event: BroadcastEvent): Promise<void>;
}

/** A platform of a live stream: where to push, and how. */
export interface PlatformTarget {
  readonly id: string;
  readonly enabled: boolean;
  readonly name: string;
  /** rtmp:// or rtmps://; may hold the key, in its path or query. */
  readonly server: string;
  /** The stream key; empty where the server holds it. A secret. */
  readonly key: string;
  readonly audio: 'keep' | 'mute' | 'silence';
  /** 0 to 60,000: what is on air goes out so much later. */
  readonly delayMs: number;
  /** What the service takes, as tracks name their codecs: `avc`, `aac`. */
  readonly codecs: readonly string[];
}

/** Knows the platforms of live streams. A rejected promise means that they cannot be read now: it is asked again. */
export interface PlatformSource {
  platforms(liveStreamId: string): Promise<readonly PlatformTarget[]>;
}

/** A live stream that is to be fed from a URL. Its addresses may hold passwords. */
export interface PullTarget {
  readonly authorisation: Authorisation;
  readonly pullingMode: PullingMode;
}

/**
 * Knows what is to be pulled: live streams that are enabled and whose pulling mode is. Targets carry an authorisation as of now: ask
 * again before each claim. A rejected promise means that it cannot be known now.
 */
export interface PullSource {
  /** All of them, for the start. */
  pulls(): Promise<readonly PullTarget[]>;
  /** Null when it is off, disabled or gone. */
  pull(liveStreamId: string): Promise<PullTarget | null>;
  /** Takes the live stream's lease, one for all processes on one database: false while a living one has it. Again is true again. */
  acquirePull(liveStreamId: string): Promise<boolean>;
  /** Gives the lease back, if it is ours. A process that is gone has none. */
  releasePull(liveStreamId: string): Promise<void>;
}
