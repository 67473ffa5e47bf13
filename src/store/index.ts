// All SQL: organizations, users, access tokens and live streams, in SQLite under the data folder. `cli` opens it at start
// and closes it last; `api` reads and writes through it; `ingest` asks it for permission to publish (the port that `live`
// declares). Runs SQLite in a worker thread, so that no fsync or checkpoint stalls the loop that moves media.

export type { LiveStreamRow, LiveStreams, Page, Scope } from './live-streams.ts';
export { openStore, type Store, type StoreOptions } from './store.ts';
export type { AccessToken, NewToken, Principal, Tokens } from './tokens.ts';
