import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type Child, runChild, startChild } from './child.ts';
import { freePorts } from './server.ts';
import { until } from './until.ts';

/** A Postgres of its own on a port of loopback, in a folder that goes with it. Nothing it holds outlives the test. */
export interface TestPostgres {
  readonly port: number;
  readonly password: string;
  /** The address of a database on it, as `database_url` wants it. */
  url(database: string): string;
  /** Makes an empty database where there is none of that name. */
  create(database: string): Promise<string>;
  drop(database: string): Promise<void>;
  /** How many connections there are to all databases, without the one that asks. */
  connections(): Promise<number>;
  /** Stops every one of its processes where it is (SIGSTOP), and lets them go on. */
  freeze(): void;
  thaw(): void;
  /** Ends it at once: connections break, new ones are refused. */
  stop(): Promise<void>;
  /** Starts it again: same port, same data. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Debian keeps each version's programs in a folder of its own, off PATH. */
function programs(): string {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const bin = versions.map((version) => join(root, version, 'bin')).find((path) => existsSync(join(path, 'postgres')));
  if (!bin) throw new Error('the tests need Postgres: `npm run setup -- --test` or `apt-get install postgresql`');
  return bin;
}

/** Postgres refuses to run as root; Debian's package brings a user for it. */
function unprivileged(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const [, uid, gid] = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? [];
  if (!uid) throw new Error('the tests need the user postgres, which Debian makes with the package postgresql');
  return { uid: Number(uid), gid: Number(gid) };
}

/** Starts a Postgres and waits until it answers. Unless it is to be `durable`, it does not survive a power cut; nothing else differs. */
export async function startPostgres({ durable = false } = {}): Promise<TestPostgres> {
  const bin = programs();
  const user = unprivileged();
  const [port] = (await freePorts(1)) as [number];
  const folder = await mkdtemp(join(tmpdir(), 'liveapi-postgres-'));
  const data = join(folder, 'data');
  const password = randomBytes(12).toString('hex');
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password);
  if (user.uid !== undefined) for (const path of [folder, passwordFile]) await chown(path, user.uid, user.gid!);
  await chmod(folder, 0o700);
  const options = { ...user, cwd: folder, env: { PATH: bin, LC_ALL: 'C' } };
  const how = ['-U', 'liveapi', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8', '--locale=C', '-N'];
  await runChild(join(bin, 'initdb'), ['-D', data, ...how], options);
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    ...(!durable && { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }),
    max_connections: 300,
    shared_buffers: '32MB',
    autovacuum: 'off',
  };
  const args = ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const url = (database: string) => `postgres://liveapi:${password}@127.0.0.1:${port}/${database}`;
  let server: Child;

  const ask = async (sql: string) => {
    const client = new pg.Client({ connectionString: url('postgres'), connectionTimeoutMillis: 2000 });
    client.on('error', () => {});
    await client.connect();
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  };
  const signal = (name: NodeJS.Signals) => {
    for (const pid of [server.pid, ...childrenOf(server.pid)]) process.kill(pid, name);
  };
  const postgres: TestPostgres = {
    port,
    password,
    url,
    async create(database) {
      const { rowCount } = await ask(`select 1 from pg_database where datname = '${database}'`);
      if (!rowCount) await ask(`create database ${database}`);
      return url(database);
    },
    drop: async (database) => void (await ask(`drop database if exists ${database} with (force)`)),
    connections: async () =>
      Number(
        (
          await ask(
            "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
          )
        ).rows[0].count,
      ),
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    // Postgres takes SIGINT for "roll back, end now", and SIGTERM for "wait until all have left".
    stop: () => server.stop('SIGINT', 10_000),
    async start() {
      server = startChild(join(bin, 'postgres'), args, options);
      await until('Postgres answers', 20_000, async () => {
        if (!server.running) return true;
        return (await ask('select 1')).rowCount === 1;
      }).catch(async (error: unknown) => {
        await server.stop('SIGKILL');
        throw new Error(`${String(error)}\n${server.stderr().slice(-2000)}`);
      });
      if (!server.running) throw new Error(`Postgres ended: ${server.stderr().slice(-2000)}`);
    },
    async close() {
      await server.stop('SIGINT', 10_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
  await postgres.start();
  return postgres;
}

/** Every connection has a process, which Postgres puts into a group of its own. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[1]) === parent;
      } catch {
        return false; // it has ended meanwhile
      }
    });
}
