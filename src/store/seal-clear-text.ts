import type { Kysely } from 'kysely';
import type { SecretBox } from '../base/index.ts';
import { passwordPurpose, settingsPurpose } from './live-stream-row.ts';
import type { Tables } from './schema.ts';

const BATCH = 500;

const DONE = 'clear_text_sealed';

/** Seals what the first version kept in clear: passwords and settings of live streams. Once, then never looks again. */
export async function sealClearText(db: Kysely<Tables>, secrets: SecretBox): Promise<void> {
  const done = await db.selectFrom('settings').select('name').where('name', '=', DONE).executeTakeFirst();
  if (done) return;
  for (let after = ''; ; ) {
    const rows = await db
      .selectFrom('live_streams')
      .select(['id', 'password', 'settings'])
      .where('id', '>', after)
      .orderBy('id')
      .limit(BATCH)
      .execute();
    if (rows.length === 0) break;
    after = rows.at(-1)!.id;
    for (const { id, password, settings } of rows.filter((row) => row.settings.startsWith('{')))
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
  await db
    .insertInto('settings')
    .values({ name: DONE, value: '1' })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
}
