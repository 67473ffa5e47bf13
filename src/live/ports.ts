// What the media side needs from others: plain data in and out, and every call may fail or be slow, because one day it crosses
// a process border. `store` implements these; `app.ts` passes the implementations in.

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
