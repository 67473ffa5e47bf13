// A typed client of the API over fetch: for the CLI, the tests and whoever writes TypeScript against a server. Speaks the
// contract and keeps nothing open.
export { ApiError, type Client, type ClientOptions, createClient } from './client.ts';
