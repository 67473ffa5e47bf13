import type { Kysely } from 'kysely';
import type { SecretBox } from '../base/index.ts';
import { passwordPurpose, settingsPurpose } from './live-stream-row.ts';
import type { Tables } from './schema.ts';

const BATCH = 500;

/** Seals what the first version kept in clear: passwords and settings of live streams. Does nothing from the second start on. */
export async function sealClearText(db: Kysely<Tables>, secrets: SecretBox): Promise<void> {
  for (;;) {
    const rows = await db
      .selectFrom('live_streams')
      .select(['id', 'password', 'settings'])
      .where('settings', 'like', '{%')
      .limit(BATCH)
      .execute();
    if (rows.length === 0) return;
    for (const { id, password, settings } of rows)
      await db
        .updateTable('live_streams')
        .set({
          password: secrets.seal(password, passwordPurpose(id)),
          settings: secrets.seal(settings, settingsPurpose(id)),
        })
        .where('id', '=', id)
        .where('settings', '=', settings)
        .execute();
  }
}
