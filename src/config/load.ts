import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Type } from 'typebox';
import { parse } from 'yaml';
import { CodedError } from '../base/index.ts';
import { readAs } from '../contract/index.ts';
import { derive } from './derive.ts';
import { type Config, environmentName, flagName, KEYS, type Key } from './keys.ts';

export interface ConfigSources {
  /** Flags, without the name of the program and of the command. */
  readonly argv?: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths start here. */
  readonly cwd: string;
}

/** A value as it was given, and where. */
interface Given {
  readonly value: unknown;
  readonly source: string;
}

/** Other `LIVEAPI_` variables that are no settings: the file's path, and what Kubernetes sets for a service of that name. */
const OTHER_VARIABLES = /^LIVEAPI_(CONFIG|SERVICE_(HOST|PORT)(_\w+)?|PORT(_\w+)?)$/;

const byName = new Map(KEYS.map((key) => [key.name, key]));
const readers = new Map(KEYS.map((key) => [key.name, readAs(Type.Object({ [key.name]: key.schema }))]));

/**
 * Reads the settings: defaults < file < environment < flags. The file is `--config`, else `LIVEAPI_CONFIG`, else `config.yml` in `cwd`
 * where there is one. An empty environment variable counts as not set.
 * @throws CodedError config_invalid, naming the key, its value, where it was given and what is allowed.
 */
export function loadConfig({ argv = [], env, cwd }: ConfigSources): Config {
  const flags = readFlags(argv);
  const path = flags.get('config')?.value ?? (env.LIVEAPI_CONFIG || undefined);
  flags.delete('config');
  const given = new Map([...readFile(path as string | undefined, cwd), ...readEnvironment(env), ...flags]);
  const values: Record<string, unknown> = {};
  for (const key of KEYS) values[key.name] = given.has(key.name) ? check(key, given.get(key.name)!) : key.default;
  const config = derive(values, cwd);
  for (const key of ['tlsCertificate', 'tlsKey'] as const)
    mustBeReadable(key === 'tlsKey' ? 'tls_key' : 'tls_certificate', config[key]);
  return Object.freeze(config);
}

function readFile(path: string | undefined, cwd: string): Map<string, Given> {
  const file = resolve(cwd, path ?? 'config.yml');
  if (path === undefined && !existsSync(file)) return new Map();
  let values: unknown;
  try {
    values = parse(readFileSync(file, 'utf8')) ?? {};
  } catch (error) {
    throw new CodedError(
      'config_invalid',
      `The configuration file ${file} cannot be read: ${(error as Error).message.split('\n', 1)[0]}`,
    );
  }
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new CodedError('config_invalid', `The configuration file ${file} must hold lines of the form "key: value".`);
  }
  const given = new Map<string, Given>();
  for (const [name, value] of Object.entries(values as object)) {
    if (!byName.has(name)) throw unknown(`"${name}" in ${file}`, name, (key) => key);
    if (value !== null) given.set(name, { value, source: file });
  }
  return given;
}

function readEnvironment(env: ConfigSources['env']): Map<string, Given> {
  const given = new Map<string, Given>();
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith('LIVEAPI_') || OTHER_VARIABLES.test(variable)) continue;
    const name = variable.slice('LIVEAPI_'.length).toLowerCase();
    if (!byName.has(name) || variable !== environmentName(name)) {
      const error = unknown(`The environment variable ${variable}`, name, environmentName);
      if (nearestKey(name)) throw error;
      // No slip of the pen: a newer or an older version knows it, or another program.
      process.emitWarning(error.message);
      continue;
    }
    if (value) given.set(name, { value, source: variable });
  }
  return given;
}

function readFlags(argv: readonly string[]): Map<string, Given> {
  const given = new Map<string, Given>();
  for (let i = 0; i < argv.length; i++) {
    const [flag, ...rest] = argv[i]!.split('=') as [string, ...string[]];
    const name = flag.slice(2).replaceAll('-', '_');
    if (flag !== '--config' && (!byName.has(name) || flag !== flagName(name)))
      throw unknown(`"${flag}"`, name, flagName);
    const value = rest.length > 0 ? rest.join('=') : argv[++i];
    if (value === undefined) throw new CodedError('config_invalid', `${flag} needs a value.`);
    given.set(name, { value, source: flag });
  }
  return given;
}

/** The value of one key, with numbers out of the texts of environment and flags. */
function check(key: Key, { value, source }: Given): unknown {
  try {
    return readers.get(key.name)!(
      { [key.name]: key.schema.type === 'array' ? asList(value) : value },
      { fromText: source === environmentName(key.name) || source.startsWith('--') },
    )[key.name];
  } catch (error) {
    const shown = key.secret ? '' : ` Given was ${JSON.stringify(value)}.`;
    throw new CodedError('config_invalid', `${(error as Error).message}${shown} (${source})`);
  }
}

/** Lists are lists in the file, and have commas in between elsewhere: `80,8080`. */
function asList(value: unknown): unknown {
  if (typeof value === 'number') return [value];
  if (typeof value !== 'string') return value;
  const entries = value.split(',').map((entry) => entry.trim());
  return entries.map((entry) => (/^\d{1,9}$/.test(entry) ? Number(entry) : entry));
}

function unknown(what: string, name: string, spell: (key: string) => string): CodedError {
  const nearest = nearestKey(name);
  const hint = nearest ? ` Did you mean ${spell(nearest)}?` : '';
  return new CodedError('config_invalid', `${what} is not a setting.${hint} config.example.yml lists all of them.`);
}

/** The key that was probably meant. */
function nearestKey(name: string): string | undefined {
  const [nearest] = KEYS.map((key) => ({ name: key.name, distance: editDistance(key.name, name) })).sort(
    (a, b) => a.distance - b.distance,
  );
  return nearest!.distance <= Math.max(3, name.length / 3) ? nearest!.name : undefined;
}

/** Levenshtein's distance: how many letters must be added, dropped or changed. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

function mustBeReadable(name: string, path: string | undefined): void {
  if (path === undefined) return;
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw new CodedError(
      'config_invalid',
      `${name} is ${path}, which cannot be read (${(error as NodeJS.ErrnoException).code}).`,
    );
  }
}
