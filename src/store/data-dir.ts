import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '../base/index.ts';

/**
 * Makes the data folder (0700) and the database file (0600, which SQLite's `-wal` and `-shm` take over) and returns the
 * file's path. A folder that was there keeps its mode: it may be somebody else's, and the files in it are closed anyway.
 * @throws CodedError data_dir_unusable
 */
export function prepareDataDir(dataDir: string): string {
  const file = join(dataDir, 'liveapi.db');
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
  } catch (error) {
    const reason = (error as Error).message;
    throw new CodedError(
      'data_dir_unusable',
      `The data folder ${dataDir} cannot be used: ${reason}. Set data_dir to a folder that can be written.`,
    );
  }
  return file;
}
