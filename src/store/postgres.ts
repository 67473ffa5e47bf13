import { Kysely, PostgresDialect, type PostgresPoolClient } from 'kysely';
import pg from 'pg';
import type { Logger } from '../base/index.ts';
import { type Database, type OnQuery, tellQueries } from './database.ts';
import { toCodedError, unavailable } from './postgres-errors.ts';

const MAX_CONNECTIONS = 10;
/** Beyond this many calls that wait for a connection new ones are refused: a slow database must not fill the memory. */
const MAX_WAITING = 10_000;
/** For a connection to become free or to be made, and for one statement: so that no request hangs (L19). */
const CONNECT_WITHIN_MS = 2000;
const STATEMENT_WITHIN_MS = 4000;
/** A process that stands still in a transaction must not keep its locks from the others. */
const IDLE_TRANSACTION_MS = 10_000;
/** Kept for the next burst: to make a connection costs more than most statements. */
const IDLE_CONNECTION_MS = 60_000;

/** pg gives 64-bit integers and sums as texts; ours are milliseconds and counts, which a number holds. */
const NUMERIC = new Set<number>([pg.types.builtins.INT8, pg.types.builtins.NUMERIC]);
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    NUMERIC.has(oid) && format !== 'binary' ? Number : pg.types.getTypeParser(oid, format),
} as pg.CustomTypesConfig;

export interface PostgresOptions {
  /** One connection without time limits, for what may take long while others wait for it: migrations, sealing anew. */
  readonly patient?: boolean;
  readonly onQuery?: OnQuery;
}

/** Opens a pool of connections to `postgres://…`. Connects when first asked something. Never repeats the URL: it holds a password. */
export function openPostgres(url: string, log: Logger, { patient = false, onQuery }: PostgresOptions = {}): Database {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'liveapi',
    types,
    keepAlive: true,
    max: patient ? 1 : MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    idleTimeoutMillis: IDLE_CONNECTION_MS,
    ...(patient
      ? {}
      : {
          // The server's limit ends the statement there; ours is for a server that does not answer at all.
          statement_timeout: STATEMENT_WITHIN_MS,
          query_timeout: STATEMENT_WITHIN_MS + 500,
          idle_in_transaction_session_timeout: IDLE_TRANSACTION_MS,
        }),
  });
  pool.on('error', (error) => log.warn({ reason: error.message }, 'store: a Postgres connection was lost'));
  // One that breaks between two statements says so by an event, which nobody else listens to.
  pool.on('connect', (client) => void client.on('error', () => {}));
  let closed: Promise<void> | null = null;
  const close = () => (closed ??= pool.end());
  const connect = async (): Promise<PostgresPoolClient> => {
    if (closed) throw unavailable('The database is not open.');
    if (pool.waitingCount >= MAX_WAITING) throw unavailable('Too many statements wait for the database.');
    try {
      // Kysely's type asks for cursors too, which are never used here.
      return new Connection(await pool.connect()) as unknown as PostgresPoolClient;
    } catch (error) {
      throw toCodedError(error);
    }
  };
  const dialect = new PostgresDialect({ pool: { connect, end: close, options: {} } });
  return {
    kind: 'postgres',
    db: new Kysely({ dialect, log: tellQueries(onQuery) }),
    where: describe(pool.options),
    hurry: () => {},
    close,
  };
}

/** A connection while somebody has it. One that failed is not given to the next: it may still be busy with what timed out. */
class Connection {
  readonly #client: pg.PoolClient;
  #lost = false;

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  async query(sql: string, parameters: readonly unknown[]): Promise<pg.QueryResult> {
    if (this.#lost)
      throw unavailable('The connection to Postgres was lost within a transaction; nothing of it was kept.');
    try {
      return await this.#client.query(sql, parameters.map(withoutNul));
    } catch (error) {
      this.#lost = !(error instanceof pg.DatabaseError) || error.severity === 'FATAL';
      throw toCodedError(error);
    }
  }

  release(destroy = false): void {
    this.#client.release(destroy || this.#lost);
  }
}

/** Postgres holds no NUL characters in texts, SQLite does: they become the sign for what cannot be shown, as elsewhere halves of characters. */
const withoutNul = (value: unknown): unknown =>
  typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value;

function describe(options: pg.PoolOptions): string {
  const { host, port, database } = new pg.Client(options);
  return `${database ?? ''} at ${host}:${port}`;
}
