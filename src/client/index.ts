// A typed client of the API over fetch: for the command line, the tests and whoever writes TypeScript against a server (`import …
// from 'liveapi/client'`). Speaks the contract, tries again what may be tried again, and keeps nothing open.
export { type Client, createClient } from './client.ts';
export type { FollowOptions } from './follow-events.ts';
export type { List } from './list.ts';
export { ApiError, type CallOptions, type ClientOptions } from './transport.ts';
