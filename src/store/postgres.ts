import { Kysely, PostgresDialect, type PostgresPoolClient } from 'kysely';
import pg from 'pg';
import type { Logger } from '../base/index.ts';
import { type Database, type OnQuery, tellQueries, unavailable } from './database.ts';
import { toCodedError } from './postgres-errors.ts';

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
    // What is asked without waiting for the answer before travels at once: see `together`.
    pipeline: true,
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

/**
 * A connection while somebody has it, for one statement or one transaction. One that failed is not given to the next: it may still
 * be busy with what timed out. Each trip counts, as rows stay locked meanwhile: a transaction's begin travels with its first statement,
 * and statements that nobody waits for travel with what comes behind them; when one of these fails, so does the commit.
 */
class Connection {
  readonly #client: pg.PoolClient;
  #lost = false;
  /** `begin` was asked for and is not sent yet. */
  #toBegin = false;
  /** The first failure since. */
  #failure: Error | null = null;

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  async query(sql: string, parameters: readonly unknown[]): Promise<pg.QueryResult> {
    if (this.#lost)
      throw unavailable('The connection to Postgres was lost within a transaction; nothing of it was kept.');
    const ends = sql === 'commit' || sql === 'rollback';
    if (sql === 'begin' || (ends && this.#toBegin)) {
      this.#toBegin = sql === 'begin';
      return { ...NOTHING, command: sql.toUpperCase() };
    }
    this.#gather();
    if (this.#toBegin) {
      this.#toBegin = false;
      // When it fails the connection is lost, which the statement behind it meets too.
      this.#client.query('begin').catch(() => {});
    }
    let result: pg.QueryResult;
    try {
      result = await this.#client.query({ name: nameOf(sql), text: sql, values: parameters.map(withoutNul) });
    } catch (error) {
      this.#lost ||= !(error instanceof pg.DatabaseError) || error.severity === 'FATAL';
      throw (this.#failure ??= toCodedError(error));
    }
    if (sql === 'commit' && this.#failure) throw this.#failure;
    return result;
  }

  /** What is sent in this turn of the event loop leaves as one piece. */
  #gather(): void {
    const { stream } = this.#client.connection;
    if (stream.writableCorked > 0) return;
    stream.cork();
    process.nextTick(() => stream.uncork());
  }

  release(destroy = false): void {
    this.#client.release(destroy || this.#lost);
  }
}

/** Statements that came before, and what those that came twice are called: Postgres parses and plans these once for a connection. */
const seen = new Map<string, string | undefined>();
const MAX_SEEN = 1000;
const MAX_NAMED = 200;
let named = 0;

/**
 * Not for lists of all columns: when another version adds one to the table, a statement that was prepared before fails. Those whose
 * text depends on a number of values come in too many kinds.
 */
function nameOf(sql: string): string | undefined {
  const name = seen.get(sql);
  if (name !== undefined || sql.includes('*') || !sql.includes('$')) return name;
  if (!seen.has(sql)) {
    if (seen.size < MAX_SEEN) seen.set(sql, undefined);
    return undefined;
  }
  if (named >= MAX_NAMED) return undefined;
  const made = `s${++named}`;
  seen.set(sql, made);
  return made;
}

const NOTHING: pg.QueryResult = { command: '', rowCount: 0, oid: 0, fields: [], rows: [] };

/** Postgres holds no NUL characters in texts, SQLite does: they become the sign for what cannot be shown, as elsewhere halves of characters. */
const withoutNul = (value: unknown): unknown =>
  typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value;

function describe(options: pg.PoolOptions): string {
  const { host, port, database } = new pg.Client(options);
  return `${database ?? ''} at ${host}:${port}`;
}
