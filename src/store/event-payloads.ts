import type { Kysely } from 'kysely';
import type { EventLiveStream, Settings } from '../contract/index.ts';
import type { LiveStreamRow } from './live-stream-row.ts';
import type { Tables } from './schema.ts';

/** What events show of a live stream. */
export type EventSubject = Pick<
  LiveStreamRow,
  'id' | 'name' | 'enabled' | 'userId' | 'environment' | 'organizationId' | 'createdMs'
> &
  Partial<Pick<LiveStreamRow, 'settings'>>;

/** Longer settings (lists of a thousand domains) are left out: a delivery stays below 20 KiB. */
const MAX_SETTINGS_BYTES = 8 * 1024;

/**
 * A live stream as events show it: as the API does, without what is secret (key, passwords, the address it is pulled from) and
 * what the store does not know (URLs).
 */
export function liveStreamPayload(row: EventSubject, more: object = {}): EventLiveStream {
  const settings = row.settings && publicSettings(row.settings);
  const fits = !settings || Buffer.byteLength(JSON.stringify(settings)) <= MAX_SETTINGS_BYTES;
  return {
    _id: row.id,
    name: row.name,
    enabled: row.enabled,
    ...(fits ? { settings } : { truncated: true }),
    user: row.userId,
    environment: row.environment,
    organization: row.organizationId,
    creation_time: new Date(row.createdMs).toISOString(),
    ...more,
  };
}

/**
 * The live stream as it is in `transaction`, without its settings, which are sealed; null when it is gone. With `hold` it is not
 * deleted before the transaction ends: for who begins something of it. Whoever has changed its broadcasts already must not ask for
 * that, as a deletion takes them in the other order.
 */
export async function readSubject(
  transaction: Kysely<Tables>,
  id: string,
  { hold = false } = {},
): Promise<EventSubject | null> {
  const row = await transaction
    .selectFrom('live_streams')
    .select(['id', 'name', 'enabled', 'user_id', 'environment', 'organization_id', 'created_ms'])
    .where('id', '=', id)
    .$if(hold, (query) => query.forShare())
    .executeTakeFirst();
  if (!row) return null;
  return {
    id,
    name: row.name,
    enabled: row.enabled === 1,
    userId: row.user_id,
    environment: row.environment,
    organizationId: row.organization_id,
    createdMs: row.created_ms,
  };
}

function publicSettings({ embed_password: _, pulling_mode, ...settings }: Settings): object {
  return pulling_mode?.enabled === undefined
    ? settings
    : { ...settings, pulling_mode: { enabled: pulling_mode.enabled } };
}
