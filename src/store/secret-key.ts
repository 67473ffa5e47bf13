import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CodedError, randomHex } from '../base/index.ts';

/** Where the keys stand when `secret_key` is not set: base64, one a line, the newest first. */
export const secretKeyFile = (dataDir: string): string => join(dataDir, 'secret.key');

/**
 * The keys of `secret.key`, the newest first; the first call makes the file (0600, on the disk before it is used).
 * @throws CodedError data_dir_unusable when it cannot be read, made or understood
 */
export function readSecretKeyFile(dataDir: string): Buffer[] {
  const file = secretKeyFile(dataDir);
  let text: string;
  try {
    text = readIfThere(file) ?? makeFile(file);
  } catch (error) {
    throw new CodedError('data_dir_unusable', `The key file ${file} cannot be used: ${(error as Error).message}.`);
  }
  const keys = text
    .trim()
    .split(/\s+/)
    .map((line) => Buffer.from(line, 'base64'));
  if (keys.some((key) => key.length !== 32)) {
    const message = `The key file ${file} must hold base64 of 32 bytes in each line: put it back from your backup.`;
    throw new CodedError('data_dir_unusable', message);
  }
  return keys;
}

/** Writes the file anew, in one step and on the disk when it returns. */
export function writeSecretKeyFile(dataDir: string, keys: readonly Buffer[]): void {
  const file = secretKeyFile(dataDir);
  const written = writeBeside(file, keys);
  renameSync(written, file);
  syncFolder(dataDir);
}

/** Two processes that start together agree: the name is given to one of the two files. */
function makeFile(file: string): string {
  const written = writeBeside(file, [randomBytes(32)]);
  try {
    linkSync(written, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(written, { force: true });
  }
  syncFolder(dirname(file));
  return readFileSync(file, 'utf8');
}

function writeBeside(file: string, keys: readonly Buffer[]): string {
  const beside = `${file}.${randomHex(6)}`;
  const lines = keys.map((key) => `${key.toString('base64')}\n`).join('');
  writeFileSync(beside, lines, { flag: 'wx', mode: 0o600, flush: true });
  return beside;
}

/** The name of a new file is on the disk when its folder is. */
function syncFolder(folder: string): void {
  const opened = openSync(folder, 'r');
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
