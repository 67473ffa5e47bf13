import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after } from 'node:test';
import pg from 'pg';
import { startPostgres, type TestPostgres } from './postgres.ts';

// Which database the tests of store and API run on: LIVEAPI_TEST_DATABASE is `sqlite` (as when it is not set), `postgres`
// (this process starts one for itself) or the address of a server that is there. `npm test` runs them on both.
const wanted = process.env.LIVEAPI_TEST_DATABASE ?? 'sqlite';

export const onPostgres = wanted !== 'sqlite';

let started: Promise<TestPostgres> | null = null;
const made = new Map<string, Promise<string>>();

/** What `openStore` needs beside the data folder: the same folder gets the same database, a new one an empty one. */
export async function databaseFor(dataDir: string): Promise<{ databaseUrl?: string }> {
  if (!onPostgres) return {};
  const name = `t_${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`;
  let url = made.get(name);
  if (!url) made.set(name, (url = make(name)));
  return { databaseUrl: await url };
}

async function make(name: string): Promise<string> {
  const base = wanted === 'postgres' ? (await (started ??= startPostgres())).url('postgres') : wanted;
  await run(base, `create database ${name}`);
  return named(base, name);
}

const named = (url: string, name: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href;

/** Runs statements behind the store's back, in the database of that data folder. */
export async function execute(dataDir: string, sql: string): Promise<void> {
  const { databaseUrl } = await databaseFor(dataDir);
  if (databaseUrl) return run(databaseUrl, sql);
  const db = new DatabaseSync(join(dataDir, 'liveapi.db'));
  db.exec(sql);
  db.close();
}

/** All rows of all tables as one text: what somebody sees who gets hold of the database. */
export async function dump(dataDir: string): Promise<string> {
  const { databaseUrl } = await databaseFor(dataDir);
  if (!databaseUrl) {
    const db = new DatabaseSync(join(dataDir, 'liveapi.db'), { readOnly: true });
    const tables = db.prepare("select name from sqlite_master where type = 'table'").all() as { name: string }[];
    const rows = tables.map(({ name }) => JSON.stringify([name, db.prepare(`select * from "${name}"`).all()]));
    db.close();
    return rows.join('\n');
  }
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query("select tablename from pg_tables where schemaname = 'public'");
    const texts: string[] = [];
    for (const { tablename } of rows)
      texts.push(JSON.stringify([tablename, (await client.query(`select * from "${tablename}"`)).rows]));
    return texts.join('\n');
  } finally {
    await client.end();
  }
}

async function run(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

after(async () => {
  if (started) return (await started).close();
  for (const name of made.keys()) await run(named(wanted, 'postgres'), `drop database if exists ${name} with (force)`);
});
