import type { Kysely, Selectable } from 'kysely';
import type { EventName } from '../contract/index.ts';
import type { BroadcastEnd, BroadcastEvent, BroadcastEvents, PlatformNews } from '../live/index.ts';
import { liveStreamPayload, readSubject } from './event-payloads.ts';
import type { BroadcastsTable } from './event-tables.ts';
import type { Scope } from './live-stream-row.ts';
import { newestFirst } from './newest-first.ts';
import { abandoned } from './nodes.ts';
import { endPlatforms, tellPlatform } from './platform-events.ts';
import { recordEvent } from './record-event.ts';
import type { Tables } from './schema.ts';

/** One session on air, over or not. */
export interface BroadcastRow {
  readonly id: string;
  readonly protocol: string;
  readonly address: string;
  readonly startedMs: number;
  /** Null while it lasts. */
  readonly endedMs: number | null;
  readonly reason: string | null;
}

/** The history of what was on air, and the port by which `live` tells it. */
export interface Broadcasts extends BroadcastEvents {
  /** Newest first; `page` counts from 1. */
  list(
    scope: Scope,
    liveStreamId: string,
    page: { readonly page: number; readonly limit: number },
  ): Promise<{ rows: BroadcastRow[]; total: number }>;
}

/** The broadcasts: what is told is written once, with its event, in one transaction. */
export class BroadcastStore implements Broadcasts {
  readonly #db: Kysely<Tables>;
  readonly #node: string;

  /** `node` is whose broadcasts it is told of. */
  constructor(db: Kysely<Tables>, node: string) {
    this.#db = db;
    this.#node = node;
  }

  tell(event: BroadcastEvent): Promise<void> {
    return this.#db.transaction().execute(async (transaction) => {
      const broadcast = await (event.kind === 'connected' && event.first
        ? begin(transaction, event, this.#node)
        : advance(transaction, event, this.#node));
      // Told before, or its live stream was deleted before it was written.
      if (!broadcast) return;
      if (isPlatformNews(event)) return tellPlatform(transaction, event);
      if (event.kind === 'disconnected')
        await endPlatforms(transaction, { connected_broadcast: broadcast.id }, 'stream_ended', event.atMs);
      await record(transaction, broadcast, nameOf(event), event.atMs, detailsOf(event, broadcast));
    });
  }

  async list(scope: Scope, liveStreamId: string, { page, limit }: { readonly page: number; readonly limit: number }) {
    const all = this.#db
      .selectFrom('broadcasts')
      .where('live_stream_id', '=', liveStreamId)
      .where('organization_id', '=', scope.organizationId)
      .where('environment', '=', scope.environment);
    const { rows, total } = await newestFirst(all, { page, limit }, 'started_ms');
    return { rows: rows.map(fromColumns), total };
  }

  /** Ends what nodes that are gone left open, and tells so once (L03). Resolves with how many that were. */
  async closeOpen(): Promise<number> {
    const open = await this.#db
      .selectFrom('broadcasts')
      .select('id')
      .where('ended_ms', 'is', null)
      .where(abandoned)
      .execute();
    let closed = 0;
    for (const { id } of open)
      closed += await this.#db
        .transaction()
        .execute((transaction) => endOpen(transaction, { id }, 'server_restarted', Date.now()));
    return closed;
  }
}

/** Ends what is open of one broadcast or of one live stream, with its event. Resolves with how many that were. */
export async function endOpen(
  transaction: Kysely<Tables>,
  of: { readonly id: string } | { readonly live_stream_id: string },
  reason: BroadcastEnd | 'server_restarted',
  atMs: number,
): Promise<number> {
  const rows = await transaction
    .updateTable('broadcasts')
    .set({ ended_ms: atMs, reason })
    .where((eb) => eb.and(of))
    .where('ended_ms', 'is', null)
    .returningAll()
    .execute();
  for (const row of rows) {
    await endPlatforms(transaction, { connected_broadcast: row.id }, reason, atMs);
    await record(transaction, row, 'stream-disconnected', atMs, ended(row, reason));
  }
  return rows.length;
}

type Broadcast = Selectable<BroadcastsTable>;

/** Null when it is there already, or its live stream is not. */
async function begin(transaction: Kysely<Tables>, event: BroadcastEvent, node: string): Promise<Broadcast | undefined> {
  const stream = await readSubject(transaction, event.liveStreamId, { hold: true });
  if (!stream) return undefined;
  const there = await transaction
    .selectFrom('broadcasts')
    .select('id')
    .where('id', '=', event.broadcastId)
    .executeTakeFirst();
  if (there) return undefined;
  // Of a live stream that comes back after a crash before anybody noticed that.
  await endOpen(transaction, { live_stream_id: stream.id }, 'server_restarted', event.atMs);
  return transaction
    .insertInto('broadcasts')
    .values({
      id: event.broadcastId,
      live_stream_id: stream.id,
      organization_id: stream.organizationId,
      environment: stream.environment,
      protocol: event.kind === 'connected' ? event.publisher.protocol : 'unknown',
      address: event.kind === 'connected' ? event.publisher.address : '',
      started_ms: event.atMs,
      ended_ms: event.kind === 'disconnected' ? event.atMs : null,
      reason: event.kind === 'disconnected' ? event.reason : null,
      last_number: event.number,
      node,
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returningAll()
    .executeTakeFirst();
}

/** Null when this or a later moment is written down, or the broadcast is over. One whose beginning was lost begins here. */
async function advance(
  transaction: Kysely<Tables>,
  event: BroadcastEvent,
  node: string,
): Promise<Broadcast | undefined> {
  const advanced = await transaction
    .updateTable('broadcasts')
    .set({
      last_number: event.number,
      ...(event.kind === 'connected' && { protocol: event.publisher.protocol, address: event.publisher.address }),
      ...(event.kind === 'publisher_switched' && { protocol: event.to.protocol, address: event.to.address }),
      ...(event.kind === 'disconnected' && { ended_ms: event.atMs, reason: event.reason }),
    })
    .where('id', '=', event.broadcastId)
    .where('last_number', '<', event.number)
    .where('ended_ms', 'is', null)
    .returningAll()
    .executeTakeFirst();
  return advanced ?? begin(transaction, event, node);
}

async function record(transaction: Kysely<Tables>, row: Broadcast, name: EventName, atMs: number, details: object) {
  const stream = await readSubject(transaction, row.live_stream_id);
  await recordEvent(transaction, {
    organizationId: row.organization_id,
    environment: row.environment,
    liveStreamId: row.live_stream_id,
    name,
    payload: stream ? liveStreamPayload(stream, details) : { _id: row.live_stream_id, ...details },
    atMs,
  });
}

type PlatformEvent = Extract<BroadcastEvent, PlatformNews>;

const isPlatformNews = (event: BroadcastEvent): event is PlatformEvent => event.kind.startsWith('platform_');

function nameOf(event: Exclude<BroadcastEvent, PlatformEvent>): EventName {
  switch (event.kind) {
    case 'connected':
      return event.first ? 'stream-connected' : 'stream-reconnected';
    case 'reconnecting':
      return 'stream-reconnecting';
    case 'disconnected':
      return 'stream-disconnected';
    case 'publisher_switched':
      return 'stream-publisher-switched';
    case 'warning':
      return event.raised ? 'stream-warning' : 'stream-warning-cleared';
  }
}

/** Viewers of a live stream that reconnects go on watching: it is online. */
function detailsOf(event: Exclude<BroadcastEvent, PlatformEvent>, broadcast: Broadcast): object {
  if (event.kind === 'disconnected') return ended(broadcast, event.reason);
  const online = { broadcasting_status: 'online', broadcast: shown(broadcast) };
  if (event.kind === 'connected') return online;
  if (event.kind === 'reconnecting')
    return { ...online, reason: event.reason, until: new Date(event.untilMs).toISOString() };
  if (event.kind === 'publisher_switched') {
    const [from, to] = [event.from, event.to].map(({ protocol, address }) => ({ protocol, address }));
    return { ...online, active: event.active, from, to, reason: event.reason };
  }
  const { code, severity, message } = event;
  return { ...online, warning: { code, severity, message } };
}

const ended = (broadcast: Broadcast, reason: string): object => ({
  broadcasting_status: 'offline',
  broadcast: shown(broadcast),
  reason,
});

const shown = ({ id, started_ms, protocol, address }: Broadcast): object => ({
  _id: id,
  started_at: new Date(started_ms).toISOString(),
  protocol,
  address,
});

const fromColumns = (row: Broadcast): BroadcastRow => ({
  id: row.id,
  protocol: row.protocol,
  address: row.address,
  startedMs: row.started_ms,
  endedMs: row.ended_ms,
  reason: row.reason,
});
