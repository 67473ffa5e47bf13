import type { Migration } from 'kysely/migration';
import * as start from './migrations/0001-start.ts';
import * as tenants from './migrations/0002-tenants.ts';
import * as events from './migrations/0003-events.ts';
import * as platforms from './migrations/0004-platforms.ts';
import * as settings from './migrations/0005-settings.ts';
import * as nodes from './migrations/0006-nodes.ts';
import * as platformsPulls from './migrations/0007-platforms-pulls.ts';
import * as usage from './migrations/0008-usage.ts';
import * as tokenMakers from './migrations/0009-token-makers.ts';
import * as signingKeys from './migrations/0010-signing-keys.ts';

/**
 * Every step from an empty database to today's, in the order of their names: one file each under `migrations/`, its `up` alone.
 * A released step is never edited. Steps only add (tables, columns with a default or null), so that the version before goes on
 * working beside them; one that takes something away has `_contract_` in its name, and older versions refuse a database with it.
 */
export const MIGRATIONS: Record<string, Migration> = {
  '0001_organizations_tokens_live_streams': start,
  '0002_tenants': tenants,
  '0003_events': events,
  '0004_platforms': platforms,
  '0005_settings': settings,
  '0006_nodes': nodes,
  '0007_platforms_pulls': platformsPulls,
  '0008_usage': usage,
  '0009_token_makers': tokenMakers,
  '0010_signing_keys': signingKeys,
};

/** Whether this version works on a database in which a newer one has taken this step. */
export const worksWithout = (name: string): boolean =>
  name > Object.keys(MIGRATIONS).sort().at(-1)! && !name.includes('_contract_');
