/**
 * Who the API's shapes are for: LiveAPI's clients (no prefix) or Castr v2's (`/v2`). Both speak to one store; the routes differ
 * only where liveapi-contract.md §3 says so.
 */
export type Dialect = 'liveapi' | 'castr';

/** Where each dialect is mounted. A resource's routes are registered once for each. */
export const DIALECTS: readonly { readonly prefix: string; readonly dialect: Dialect }[] = [
  { prefix: '', dialect: 'liveapi' },
  { prefix: '/v2', dialect: 'castr' },
];

/** Looks at an address that somebody gave us to connect to. @throws CodedError destination_refused. */
export type CheckDestination = (url: string, kind: 'webhook' | 'platform' | 'pull') => Promise<unknown>;
