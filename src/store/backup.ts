import { closeSync, copyFileSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { CodedError } from '../base/index.ts';
import { databaseFile, prepareDataDir } from './data-dir.ts';
import { MIGRATIONS, worksWithout } from './migrations.ts';
import { secretKeyFile } from './secret-key.ts';

const invalid = (message: string, cause?: unknown) => new CodedError('data_dir_unusable', message, { cause });

/** Where a backup's key is, beside it. */
const keyBeside = (file: string): string => `${file}.key`;

/**
 * Copies the SQLite database of `dataDir` to `file`, as it is at one moment, beside a running server; the copy is checked and on the
 * disk when it returns. `withKey` puts the key file beside it, as `<file>.key`.
 * @throws CodedError data_dir_unusable
 */
export function backupDatabase(dataDir: string, file: string, { withKey }: { readonly withKey: boolean }): void {
  const source = databaseFile(dataDir);
  if (!existsSync(source)) throw invalid(`There is no database in ${dataDir}: set data_dir to the server's.`);
  for (const path of withKey ? [file, keyBeside(file)] : [file])
    if (existsSync(path)) throw invalid(`${path} is there already: choose another name.`);
  if (withKey && !existsSync(secretKeyFile(dataDir)))
    throw invalid(`There is no ${secretKeyFile(dataDir)}: the key is what secret_key says, keep that.`);
  const unfinished = `${file}.unfinished`;
  try {
    rmSync(unfinished, { force: true });
    // Made here, so that it is closed to others from its first byte on.
    closeSync(openSync(unfinished, 'wx', 0o600));
    const db = new DatabaseSync(source, { timeout: 5000 });
    try {
      db.prepare('vacuum into ?').run(unfinished);
    } finally {
      db.close();
    }
    checkCopy(unfinished);
    sync(unfinished);
    if (withKey) copyFileSync(secretKeyFile(dataDir), keyBeside(file));
    renameSync(unfinished, file);
  } catch (error) {
    rmSync(unfinished, { force: true });
    if (error instanceof CodedError) throw error;
    throw invalid(`The backup ${file} could not be written: ${(error as Error).message}.`, error);
  }
}

/**
 * Puts the backup `file` in the place of the SQLite database of `dataDir`, with the key beside it where `dataDir` has none. What was
 * there stays beside it; its name is the answer, null when nothing was there. No server may run on `dataDir`.
 * @throws CodedError data_dir_unusable; nothing has changed then
 */
export function restoreDatabase(
  dataDir: string,
  file: string,
  { force, keyGiven }: { readonly force: boolean; readonly keyGiven: boolean },
): string | null {
  if (!existsSync(file)) throw invalid(`There is no backup at ${file}.`);
  checkCopy(file);
  prepareDataDir(dataDir);
  const target = databaseFile(dataDir);
  const there = existsSync(target);
  if (there) assertUnused(dataDir);
  if (there && !force) throw invalid(`${target} is there already: --force puts the backup in its place and keeps it.`);
  const bringsKey = existsSync(keyBeside(file));
  const hasKey = existsSync(secretKeyFile(dataDir));
  if (!keyGiven && !hasKey && !bringsKey)
    throw invalid(`The backup's secrets need its key: put ${secretKeyFile(dataDir)} back, or set secret_key.`);
  const unfinished = `${target}.unfinished`;
  rmSync(unfinished, { force: true });
  closeSync(openSync(unfinished, 'wx', 0o600));
  copyFileSync(file, unfinished);
  sync(unfinished);
  if (!hasKey && bringsKey) copyFileSync(keyBeside(file), secretKeyFile(dataDir));
  const before = `${target}.before-${new Date().toISOString().replaceAll(':', '-')}`;
  if (there) renameSync(target, before);
  for (const suffix of ['-wal', '-shm']) rmSync(target + suffix, { force: true });
  renameSync(unfinished, target);
  return there ? before : null;
}

/**
 * Makes sure that no process has the SQLite database of `dataDir` open.
 * @throws CodedError data_dir_unusable when one has
 */
export function assertUnused(dataDir: string): void {
  let mode: unknown;
  try {
    const db = new DatabaseSync(databaseFile(dataDir), { timeout: 0 });
    try {
      // SQLite leaves write-ahead logging only where nobody else has the file open; the server goes back to it.
      mode = db.prepare('pragma journal_mode = delete').get()?.journal_mode;
    } finally {
      db.close();
    }
  } catch (error) {
    // NOTADB, CORRUPT: no server runs on that.
    if ([11, 26].includes((error as { errcode?: number }).errcode ?? 0)) return;
  }
  if (mode !== 'delete') throw invalid(`A server runs on ${dataDir}: stop it first.`);
}

/** A whole database of ours, and one that this version understands. */
function checkCopy(file: string): void {
  let names: string[];
  try {
    const db = new DatabaseSync(file, { readOnly: true });
    try {
      const check = db.prepare('pragma integrity_check').get()?.integrity_check;
      if (check !== 'ok') throw new Error(String(check));
      names = db
        .prepare('select name from kysely_migration')
        .all()
        .map((row) => String(row.name));
    } finally {
      db.close();
    }
  } catch (error) {
    throw invalid(`${file} is not a whole LiveAPI database: ${(error as Error).message}.`, error);
  }
  const tooNew = names.find((name) => !(name in MIGRATIONS) && !worksWithout(name));
  if (tooNew) throw invalid(`${file} is of a newer version (${tooNew}): restore it with that one.`);
}

function sync(file: string): void {
  const opened = openSync(file, 'r+');
  fsyncSync(opened);
  closeSync(opened);
}
