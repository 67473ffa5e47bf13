import type { Kysely } from 'kysely';
import { sha256Hex } from '../base/index.ts';
import type { Tables } from './schema.ts';

/**
 * Finds out whether platforms of live streams that are on air here have been changed by another process of the same database: what it
 * changed is told to nobody there.
 */
export class PlatformWatch {
  readonly #db: Kysely<Tables>;
  readonly #node: string;
  /** By live stream: what its platforms looked like, as a digest. */
  #seen = new Map<string, string>();

  constructor(db: Kysely<Tables>, node: string) {
    this.#db = db;
    this.#node = node;
  }

  /** The live streams on air here whose platforms are not what they were at the last call, and those that were not on air then. */
  async look(): Promise<string[]> {
    const rows = await this.#db
      .selectFrom('broadcasts')
      .leftJoin('platforms', 'platforms.live_stream_id', 'broadcasts.live_stream_id')
      .select('broadcasts.live_stream_id as liveStreamId')
      // Sealed texts are new with every change. Not what the pushes themselves write.
      .select(['platforms.id', 'enabled', 'server', 'secret_server', 'key', 'audio', 'delay_s', 'codecs'])
      .where('broadcasts.node', '=', this.#node)
      .where('broadcasts.ended_ms', 'is', null)
      .orderBy('platforms.id')
      .execute();
    const before = this.#seen;
    this.#seen = new Map();
    for (const [id, platforms] of Map.groupBy(rows, (row) => row.liveStreamId))
      this.#seen.set(id, sha256Hex(JSON.stringify(platforms)));
    return [...this.#seen].filter(([id, looks]) => before.get(id) !== looks).map(([id]) => id);
  }
}
