import type { Kysely } from 'kysely';
import { type EventName, hideEnd } from '../contract/index.ts';
import type { PlatformNews } from '../live/index.ts';
import { type EventSubject, liveStreamPayload, readSubject } from './event-payloads.ts';
import { recordEvent } from './record-event.ts';
import type { Tables } from './schema.ts';

type Name = Extract<EventName, `stream-platform-${string}`>;

/** What events show of a platform. */
export interface PlatformSubject {
  readonly id: string;
  readonly template: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly server: string;
}

const COLUMNS = ['id', 'live_stream_id', 'template', 'name', 'enabled', 'server'] as const;

/** Writes an event of a platform: what the API shows of it, without its key. */
export function recordPlatformEvent(
  transaction: Kysely<Tables>,
  name: Name,
  stream: EventSubject,
  { id: _id, template, name: platformName, enabled, server }: PlatformSubject,
  {
    atMs,
    online,
    ...details
  }: { readonly atMs?: number; readonly online?: boolean; readonly [key: string]: unknown } = {},
): Promise<void> {
  const { organizationId, environment, id: liveStreamId } = stream;
  // Many services put their key into the end of the path or the query, and events leave the house.
  const platform = { _id, template, name: platformName, enabled, server: hideEnd(server) };
  const shown = liveStreamPayload(stream, online ? { broadcasting_status: 'online' } : {});
  const payload = { stream: shown, platform, ...details };
  return recordEvent(transaction, { organizationId, environment, liveStreamId, name, payload, atMs });
}

/**
 * Writes what happened to a platform on air. That it is connected is kept with it, so its end is told once: not again when it was
 * removed, and by others when its process is gone.
 */
export async function tellPlatform(
  transaction: Kysely<Tables>,
  news: PlatformNews & { readonly broadcastId: string; readonly atMs: number },
): Promise<void> {
  const { platformId: id, broadcastId, atMs } = news;
  if (news.kind === 'platform_disconnected') {
    await endPlatforms(transaction, { id }, news.reason, atMs);
    return;
  }
  const row = await transaction.selectFrom('platforms').select(COLUMNS).where('id', '=', id).executeTakeFirst();
  const stream = row && (await readSubject(transaction, row.live_stream_id));
  // It was removed before this was written.
  if (!row || !stream) return;
  const platform = { ...row, enabled: row.enabled === 1 };
  if (news.kind === 'platform_error') {
    const { code, message, severity } = news;
    const details = { atMs, online: true, error: { code, message, severity } };
    return recordPlatformEvent(transaction, 'stream-platform-error', stream, platform, details);
  }
  await transaction.updateTable('platforms').set({ connected_broadcast: broadcastId }).where('id', '=', id).execute();
  return recordPlatformEvent(transaction, 'stream-platform-connected', stream, platform, { atMs, online: true });
}

/** Writes that those platforms that are connected no longer are. */
export async function endPlatforms(
  transaction: Kysely<Tables>,
  of: { readonly id: string } | { readonly connected_broadcast: string },
  reason: string,
  atMs: number,
): Promise<void> {
  const rows = await transaction
    .updateTable('platforms')
    .set({ connected_broadcast: null })
    .where((eb) => eb.and(of))
    .where('connected_broadcast', 'is not', null)
    .returning(COLUMNS)
    .execute();
  for (const row of rows) {
    const stream = await readSubject(transaction, row.live_stream_id);
    if (!stream) continue;
    const platform = { ...row, enabled: row.enabled === 1 };
    await recordPlatformEvent(transaction, 'stream-platform-disconnected', stream, platform, { atMs, reason });
  }
}
