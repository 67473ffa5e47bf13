import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { Answer, Request } from './sqlite-messages.ts';

// The thread that owns the SQLite connection. A batch of requests comes as one message and is answered by one message, in
// order. Statements that came together share a transaction, hence one fsync, and are answered only after its commit.

const MAX_STATEMENTS = 500;
/** For another process's write to end: longer and the statements behind wait too long (L19). */
const BUSY_MS = 2000;
const SQLITE_BUSY = 5;

const port = parentPort!;
const db = new DatabaseSync((workerData as { file: string }).file, {
  timeout: BUSY_MS,
  enableForeignKeyConstraints: true,
});
// FULL: a commit is on the disk before it is answered. NORMAL would lose the last ones in a power cut.
db.exec('pragma journal_mode = wal; pragma synchronous = full');

const statements = new Map<string, Prepared>();

interface Prepared {
  readonly statement: StatementSync;
  /** It answers rows: a select, or anything with `returning`. */
  readonly reads: boolean;
}

port.on('message', (requests: Request[] | 'close') => {
  if (requests === 'close') {
    db.close();
    port.close();
    return;
  }
  const together = requests.length > 1 && !db.isTransaction && !requests.some((request) => request.control);
  port.postMessage(together ? runTogether(requests) : requests.map(run));
});

function runTogether(requests: Request[]): Answer[] {
  try {
    db.exec('begin');
    const answers: Answer[] = [];
    for (const request of requests) {
      const answer = run(request);
      answers.push(answer);
      // A full disk or an I/O error may have rolled everything back, not just the one statement.
      if (!db.isTransaction) return requests.map(({ id }) => ({ id, error: answer.error! }));
    }
    db.exec('commit');
    return answers;
  } catch (error) {
    if (db.isTransaction) db.exec('rollback');
    return requests.map(({ id }) => failure(id, error));
  }
}

function run(request: Request): Answer {
  try {
    // Who asked has given up, or is about to. Only a rollback is never too late.
    if (request.sql !== 'rollback' && process.hrtime.bigint() > request.beginBy)
      return { id: request.id, error: { message: 'too much waits for the database', code: SQLITE_BUSY } };
    if (request.control) {
      if (request.sql !== 'rollback' || db.isTransaction) db.exec(request.sql);
      return { id: request.id, rows: [] };
    }
    const { statement, reads } = prepare(request.sql);
    const parameters = request.parameters as SQLInputValue[];
    if (reads) return { id: request.id, rows: statement.all(...parameters) };
    return { id: request.id, rows: [], changes: Number(statement.run(...parameters).changes) };
  } catch (error) {
    return failure(request.id, error);
  }
}

function prepare(sql: string): Prepared {
  let prepared = statements.get(sql);
  if (!prepared) {
    if (statements.size >= MAX_STATEMENTS) statements.clear();
    const statement = db.prepare(sql);
    statements.set(sql, (prepared = { statement, reads: statement.columns().length > 0 }));
  }
  return prepared;
}

function failure(id: number, error: unknown): Answer {
  const { message, errcode = 0 } = error as { message: string; errcode?: number };
  return { id, error: { message, code: errcode } };
}
