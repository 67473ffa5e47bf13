import type { Kysely, Selectable } from 'kysely';
import type { SecretBox } from '../base/index.ts';
import type { Settings } from '../contract/index.ts';
import type { PullSource, PullTarget } from '../live/index.ts';
import { rewindOf, settingsPurpose } from './live-stream-row.ts';
import type { LiveStreamsTable, Tables } from './schema.ts';

const COLUMNS = ['id', 'playback_id', 'user_id', 'settings', 'discontinuities'] as const;

/** What is to be pulled, as the media side asks for it; and who does it, so that no two processes do. */
export class PullStore implements PullSource {
  readonly #db: Kysely<Tables>;
  readonly #secrets: SecretBox;
  readonly #node: string;

  /** `node` is who takes leases. */
  constructor(db: Kysely<Tables>, secrets: SecretBox, node: string) {
    this.#db = db;
    this.#secrets = secrets;
    this.#node = node;
  }

  async pulls(): Promise<PullTarget[]> {
    const rows = await this.#pulled().execute();
    return rows.map((row) => this.#toTarget(row));
  }

  async pull(liveStreamId: string): Promise<PullTarget | null> {
    const row = await this.#pulled().where('id', '=', liveStreamId).executeTakeFirst();
    return row ? this.#toTarget(row) : null;
  }

  async acquirePull(liveStreamId: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable('live_streams')
      .set({ pull_node: this.#node })
      .where('id', '=', liveStreamId)
      // Free, or of a node that is gone.
      .where(({ eb, or, not, exists, selectFrom }) => {
        const holder = selectFrom('nodes').select('nodes.id').whereRef('nodes.id', '=', 'live_streams.pull_node');
        return or([eb('pull_node', '=', this.#node), not(exists(holder))]);
      })
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  async releasePull(liveStreamId: string): Promise<void> {
    await this.#db
      .updateTable('live_streams')
      .set({ pull_node: null })
      .where('id', '=', liveStreamId)
      .where('pull_node', '=', this.#node)
      .execute();
  }

  #pulled() {
    return this.#db
      .selectFrom('live_streams')
      .select(COLUMNS)
      .where('pull_enabled', '=', 1)
      .where('enabled', '=', 1)
      .orderBy('id');
  }

  #toTarget(row: Pick<Selectable<LiveStreamsTable>, (typeof COLUMNS)[number]>): PullTarget {
    const { id: liveStreamId, playback_id: playbackId, user_id: userId, discontinuities } = row;
    const settings: Settings = JSON.parse(this.#secrets.open(row.settings, settingsPurpose(liveStreamId)));
    const authorisation = { liveStreamId, playbackId, userId, discontinuities, ...rewindOf(settings) };
    return { authorisation, pullingMode: settings.pulling_mode ?? {} };
  }
}
