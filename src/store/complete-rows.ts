import type { Kysely } from 'kysely';
import { randomHex, type SecretBox } from '../base/index.ts';
import type { Settings } from '../contract/index.ts';
import { backupPasswordPurpose, settingsPurpose } from './live-stream-row.ts';
import { fromPlatformColumns, serverColumns } from './platform-row.ts';
import type { Tables } from './schema.ts';

const BATCH = 500;
const SERVERS_DONE = 'platform_servers_sealed';

/**
 * Fills in what a migration cannot, as it takes the secret key: a key for the backup encoder of each live stream that has none,
 * whether it is pulled, and seals servers that hold keys. At every start, as an older version may have written rows in between.
 */
export async function completeRows(db: Kysely<Tables>, secrets: SecretBox): Promise<void> {
  await completeLiveStreams(db, secrets);
  await sealServers(db, secrets);
}

async function completeLiveStreams(db: Kysely<Tables>, secrets: SecretBox): Promise<void> {
  for (let after = ''; ; ) {
    const rows = await db
      .selectFrom('live_streams')
      .select(['id', 'settings'])
      .where('id', '>', after)
      .where((eb) => eb.or([eb('backup_password', 'is', null), eb('pull_enabled', 'is', null)]))
      .orderBy('id')
      .limit(BATCH)
      .execute();
    if (rows.length === 0) return;
    after = rows.at(-1)!.id;
    await db.transaction().execute(async (transaction) => {
      for (const { id, settings } of rows) {
        const { pulling_mode }: Settings = JSON.parse(secrets.open(settings, settingsPurpose(id)));
        const password = secrets.seal(randomHex(4), backupPasswordPurpose(id));
        await transaction
          .updateTable('live_streams')
          .set(({ fn, val }) => ({
            backup_password: fn.coalesce('backup_password', val(password)),
            pull_enabled: pulling_mode?.enabled ? 1 : 0,
          }))
          .where('id', '=', id)
          .where('settings', '=', settings)
          .execute();
      }
    });
  }
}

/** Once. */
async function sealServers(db: Kysely<Tables>, secrets: SecretBox): Promise<void> {
  const done = await db.selectFrom('settings').select('name').where('name', '=', SERVERS_DONE).executeTakeFirst();
  if (done) return;
  for (let after = ''; ; ) {
    const rows = await db
      .selectFrom('platforms')
      .selectAll()
      .where('id', '>', after)
      .where('secret_server', 'is', null)
      .orderBy('id')
      .limit(BATCH)
      .execute();
    if (rows.length === 0) break;
    after = rows.at(-1)!.id;
    for (const row of rows) {
      const columns = serverColumns(fromPlatformColumns(row, secrets), secrets);
      if (!columns.secret_server) continue;
      await db
        .updateTable('platforms')
        .set(columns)
        .where('id', '=', row.id)
        .where('server', '=', row.server)
        .execute();
    }
  }
  await db
    .insertInto('settings')
    .values({ name: SERVERS_DONE, value: '1' })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
}
