// What the media side needs from others: plain data in and out, and every call may fail or be slow, because one day it crosses
// a process border. `store` implements these; `app.ts` passes the implementations in.

import type { PublisherEnd } from './publisher.ts';

/** What an encoder presented when it asked to publish. */
export interface PublishRequest {
  /** The stream key without its query: `lv_<32 hex>`. */
  readonly playbackId: string;
  /** The secret half of the key: what followed `?password=`, or an empty string. */
  readonly password: string;
}

/** All that the media side needs to know of a live stream while it is on air. */
export interface Authorisation {
  readonly liveStreamId: string;
  readonly playbackId: string;
  /** The owner's id: a part of the playback path. */
  readonly userId: string;
  /** How many discontinuities its playlists have ever had: the numbering goes on from here, over restarts too. */
  readonly discontinuities: number;
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
  readonly protocol: 'rtmp' | 'rtmps';
  readonly address: string;
}

/** Why a broadcast is over: its publisher's reason, unless it was waiting for one (`window_over`). */
export type BroadcastEnd = PublisherEnd | 'window_over';

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
 * the end. Warnings may be missing where the receiver was away for long.
 */
export type BroadcastEvent =
  | (Moment & { readonly kind: 'connected'; readonly publisher: EventPublisher; readonly first: boolean })
  /** The publisher is gone; it may come back until `untilMs` (ms since 1970). */
  | (Moment & { readonly kind: 'reconnecting'; readonly reason: PublisherEnd; readonly untilMs: number })
  | (Moment & { readonly kind: 'disconnected'; readonly reason: BroadcastEnd })
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
