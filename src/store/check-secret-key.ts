import type { Kysely } from 'kysely';
import { CodedError, type SecretBox } from '../base/index.ts';
import type { Tables } from './schema.ts';
import type { SealedColumn } from './sealed-columns.ts';

/** Where the probe stands; its purpose is whole as it is. */
export const SECRET_KEY_PROBE: SealedColumn & { readonly name: string } = {
  table: 'settings',
  key: 'name',
  column: 'value',
  name: 'secret_key_probe',
  purpose: 'settings.secret_key_probe',
};

/**
 * Makes sure that our keys open what this database holds, by a probe that the first start leaves in it: a wrong key is found
 * at the start, and not by the first customer whose secret does not open.
 * @throws CodedError secret_unreadable
 */
export async function checkSecretKey(db: Kysely<Tables>, secrets: SecretBox): Promise<void> {
  const probe = { name: SECRET_KEY_PROBE.name, value: secrets.seal('', SECRET_KEY_PROBE.purpose) };
  await db
    .insertInto('settings')
    .values(probe)
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const { value } = await db
    .selectFrom('settings')
    .select('value')
    .where('name', '=', SECRET_KEY_PROBE.name)
    .executeTakeFirstOrThrow();
  try {
    secrets.open(value, SECRET_KEY_PROBE.purpose);
  } catch (error) {
    const message =
      'The database was sealed with another key: set secret_key to the one that it was made with, or put the file secret.key of its data folder back.';
    throw new CodedError('secret_unreadable', message, { cause: error });
  }
}
