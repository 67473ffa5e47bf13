// The origin: playlists, parts and segments of what is on air, and the player pages, over raw node:http.
// The HTTP listener in app.ts asks `handles` and passes requests to `handle`; the origin reads the shelf and the built pages.
// It has no life of its own: waiting requests belong to the windows they wait for. `close` turns new requests away.
export { createOrigin, type Origin, type OriginOptions } from './origin.ts';
export { Stills } from './stills.ts';
export type { AudienceStats } from './viewers.ts';
