import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '../base/index.ts';

/** Where SQLite's database is. */
export const databaseFile = (dataDir: string): string => join(dataDir, 'liveapi.db');

/**
 * Makes the data folder (0700). A folder that was there keeps its mode: it may be somebody else's, and the files in it are
 * closed anyway.
 * @throws CodedError data_dir_unusable
 */
export function prepareDataDir(dataDir: string): void {
  trying(dataDir, () => mkdirSync(dataDir, { recursive: true, mode: 0o700 }));
}

/**
 * Makes the database file (0600, which SQLite's `-wal` and `-shm` take over).
 * @throws CodedError data_dir_unusable
 */
export function prepareDatabaseFile(dataDir: string): void {
  const file = databaseFile(dataDir);
  trying(dataDir, () => {
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
  });
}

function trying(dataDir: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    const reason = (error as Error).message;
    throw new CodedError(
      'data_dir_unusable',
      `The data folder ${dataDir} cannot be used: ${reason}. Set data_dir to a folder that can be written.`,
    );
  }
}
