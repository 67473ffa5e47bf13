import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CodedError } from '../base/index.ts';
import { prepareDataDir } from './data-dir.ts';

const BUSY = 5;

/** What this process holds. A database that nobody refers to is closed when memory is cleaned up, and its lock is gone. */
const held = new Set<DatabaseSync>();

/**
 * Makes this process the one server of `dataDir` until the answer is called or the process ends, however it does: two servers on one
 * SQLite file would each know only the half of what is on air. The lock is SQLite's own, on a file beside the database, so commands
 * and backups work beside it.
 * @throws CodedError data_dir_unusable when another server has it
 */
export function lockDataDir(dataDir: string): () => void {
  prepareDataDir(dataDir);
  const file = join(dataDir, 'server.lock');
  let db: DatabaseSync | null = null;
  try {
    // Never opened where it is there: to close a file gives up every lock that this process has on it.
    if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
    db = new DatabaseSync(file, { timeout: 0 });
    // In memory, so that nothing is ever written to the file: the lock is all there is to it.
    db.exec('pragma journal_mode = memory; begin exclusive');
    const lock = db;
    held.add(lock);
    return () => {
      held.delete(lock);
      lock.close();
    };
  } catch (error) {
    db?.close();
    if ((error as { errcode?: number }).errcode === BUSY)
      throw new CodedError(
        'data_dir_unusable',
        `Another server runs on ${dataDir}: stop it first, or give this one a data_dir of its own. Several servers share a Postgres (database_url).`,
      );
    throw new CodedError('data_dir_unusable', `${file} cannot be locked: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}
