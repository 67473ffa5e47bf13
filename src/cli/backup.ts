import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CodedError, createLogger } from '../base/index.ts';
import { type Config, describeConfig, loadConfig } from '../config/index.ts';
import { backupDatabase, restoreDatabase, rotateSecretKey, secretKeyFile } from '../store/index.ts';
import { UsageError } from './api-options.ts';

/** Adds `backup`, `restore` and `rotate-secret-key`, which work on the data folder and need no server. */
export function addBackup(program: Command): void {
  withFile(program, 'backup', 'Copy the SQLite database to a file, beside a running server.')
    .option('--with-secret-key', 'put the key beside it, as <file>.key: without it the secrets in the copy do not open')
    .action((_file: string, { withSecretKey = false }, self: Command) => backup(fileAndConfig(self), withSecretKey));
  withFile(program, 'restore', 'Put a backup in the place of the SQLite database; the server must be stopped.')
    .option('--force', 'also where there is a database already, which is kept under another name')
    .action((_file: string, { force = false }, self: Command) => restore(fileAndConfig(self), force));
  withFlags(program, 'rotate-secret-key', 'Encrypt all stored secrets with a new key (docs/guide/backup.md).').action(
    (_options, self: Command) => rotate(configOf(self.args)),
  );
}

interface FileAndConfig {
  readonly file: string;
  readonly config: Config;
}

const withFlags = (program: Command, name: string, description: string): Command =>
  program
    .command(name)
    .description(description)
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', `\n${describeConfig()}`);

const withFile = (program: Command, name: string, description: string): Command =>
  withFlags(program, name, description).argument('<file>');

/** The settings' flags are not commander's: it leaves them behind the file. */
function fileAndConfig(self: Command): FileAndConfig {
  const [file, ...argv] = self.args as [string, ...string[]];
  if (file.startsWith('-')) throw new UsageError(`Name the file first: liveapi ${self.name()} <file> ${file} …`);
  return { file: resolve(file), config: configOf(argv) };
}

const configOf = (argv: readonly string[]): Config => loadConfig({ argv, env: process.env, cwd: process.cwd() });

function backup({ file, config: { dataDir, databaseUrl, secretKeys } }: FileAndConfig, withKey: boolean): void {
  if (databaseUrl) throw useInstead(`pg_dump --format=custom --file=${file} "$LIVEAPI_DATABASE_URL"`);
  backupDatabase(dataDir, file, { withKey });
  console.log(`The database is in ${file}.`);
  if (withKey) console.log(`Its key is in ${file}.key: who has both can read every secret.`);
  else if (secretKeys) console.log('Its secrets open with secret_key: keep that too, in another place.');
  else console.log(`Its secrets open with ${secretKeyFile(dataDir)}: keep that too, in another place.`);
}

function restore({ file, config: { dataDir, databaseUrl, secretKeys } }: FileAndConfig, force: boolean): void {
  if (databaseUrl) throw useInstead(`pg_restore --clean --if-exists --dbname="$LIVEAPI_DATABASE_URL" ${file}`);
  const before = restoreDatabase(dataDir, file, { force, keyGiven: secretKeys !== undefined });
  console.log(`${file} is restored to ${dataDir}. Start the server.`);
  if (before) console.log(`What was there is in ${before}.`);
}

const useInstead = (line: string) =>
  new CodedError('config_invalid', `database_url is set, the data is in Postgres. Use its own tool: ${line}`);

async function rotate({ dataDir, databaseUrl, secretKeys, logLevel }: Config): Promise<void> {
  const sealed = await rotateSecretKey({ dataDir, databaseUrl, secretKeys, log: createLogger(logLevel) });
  console.log(`${sealed} secrets are encrypted anew.`);
  if (secretKeys) console.log('Now only the first key of secret_key is needed: take the others away.');
  else console.log(`The new key is in ${secretKeyFile(dataDir)}. Backups from before need the old one.`);
}
