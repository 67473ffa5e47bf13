import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { Answer, Request } from './sqlite-messages.ts';

// The thread that owns the SQLite connections. A batch of requests comes as one message and is answered by one message, in order.
// Nothing of a group counts before its commit was answered.

const MAX_STATEMENTS = 500;
/** For another process's write to end: longer and the statements behind wait too long (L19). */
const BUSY_MS = 2000;
const SQLITE_BUSY = 5;

interface Prepared {
  readonly statement: StatementSync;
  /** It answers rows: a select, or anything with `returning`. */
  readonly reads: boolean;
}

/** A connection and its statements. */
class Connection {
  readonly db: DatabaseSync;
  readonly #statements = new Map<string, Prepared>();

  constructor(file: string, pragmas: string) {
    this.db = new DatabaseSync(file, { timeout: BUSY_MS, enableForeignKeyConstraints: true });
    this.db.exec(pragmas);
  }

  run({ id, sql, parameters }: Request): Answer {
    const { statement, reads } = this.#prepare(sql);
    if (reads) return { id, rows: statement.all(...(parameters as SQLInputValue[])) };
    return { id, rows: [], changes: Number(statement.run(...(parameters as SQLInputValue[])).changes) };
  }

  #prepare(sql: string): Prepared {
    let prepared = this.#statements.get(sql);
    if (!prepared) {
      if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
      const statement = this.db.prepare(sql);
      this.#statements.set(sql, (prepared = { statement, reads: statement.columns().length > 0 }));
    }
    return prepared;
  }
}

const { file } = workerData as { file: string };
// FULL: a commit is on the disk before it is answered. NORMAL would lose the last ones in a power cut.
const writer = new Connection(file, 'pragma journal_mode = wal; pragma synchronous = full');
/** Sees what is committed, whatever the writer is in the middle of. */
const reader = new Connection(file, 'pragma query_only = on');

/** The group that is open, or the last one. */
let group = 0;
/** Why nothing more can become of the group. */
let broken: Answer['error'] | null = null;
/** Whose savepoint is the newest; 0: there is none. */
let member = 0;

const port = parentPort!;
port.on('message', (requests: Request[] | 'close') => {
  if (requests === 'close') {
    reader.db.close();
    writer.db.close();
    port.close();
    return;
  }
  port.postMessage(requests.map(run));
});

function run(request: Request): Answer {
  try {
    // Who asked has given up, or is about to. Only a rollback is never too late.
    const late = process.hrtime.bigint() > request.beginBy && request.sql !== 'rollback';
    if (request.group === 0) return late ? { id: request.id, error: tooLate } : reader.run(request);
    return write(request, late);
  } catch (error) {
    return { id: request.id, error: toError(error) };
  }
}

const tooLate = { message: 'too much waits for the database', code: SQLITE_BUSY };

function write(request: Request, late: boolean): Answer {
  const { id, sql } = request;
  if (request.group > group) begin(request.group, late);
  // Also where SQLite itself has taken everything back, not just the one statement: a full disk, an I/O error.
  if (broken) return { id, error: broken };
  if (sql === 'commit') return commit(id, late);
  if (late) return { id, error: tooLate };
  try {
    if (sql === 'rollback') {
      if (member === request.member) writer.db.exec('rollback to member');
      return { id, rows: [] };
    }
    if (request.member !== 0 && request.member !== member) {
      writer.db.exec(member === 0 ? 'savepoint member' : 'release member; savepoint member');
      member = request.member;
    }
    return writer.run(request);
  } catch (error) {
    if (!writer.db.isTransaction) broken = toError(error);
    throw error;
  }
}

function begin(number: number, late: boolean): void {
  group = number;
  member = 0;
  broken = late ? tooLate : null;
  if (late) return;
  try {
    if (writer.db.isTransaction) writer.db.exec('rollback');
    // IMMEDIATE takes the write lock now: a read that is upgraded later fails at once when another process wrote between.
    writer.db.exec('begin immediate');
  } catch (error) {
    broken = toError(error);
  }
}

function commit(id: number, late: boolean): Answer {
  try {
    if (late) throw new Error(tooLate.message);
    writer.db.exec('commit');
    broken = { message: 'the transaction is over', code: 0 };
    return { id, rows: [] };
  } catch (error) {
    broken = late ? tooLate : toError(error);
    if (writer.db.isTransaction) writer.db.exec('rollback');
    return { id, error: broken };
  }
}

function toError(error: unknown): NonNullable<Answer['error']> {
  const { message, errcode = 0 } = error as { message: string; errcode?: number };
  return { message, code: errcode };
}
