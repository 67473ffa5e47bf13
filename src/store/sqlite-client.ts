import { Worker } from 'node:worker_threads';
import { type Logger, monotonicMs } from '../base/index.ts';
import { madeTwice, unavailable } from './database.ts';
import type { Answer, Request } from './sqlite-messages.ts';

interface Waiting {
  readonly sinceMs: number;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** Beyond this many unanswered statements new ones are refused: a stalled disk must not fill the memory. */
export const MAX_WAITING = 10_000;
const FIRST_RESTART_MS = 50;
const LAST_RESTART_MS = 5000;
/** For a statement to begin, and for its answer: no request hangs while a disk or another process holds the file (L19). */
const BEGIN_WITHIN_MS = 2500;
export const ANSWER_WITHIN_MS = 5000;
const LOOK_EVERY_MS = 500;
const FAR_AWAY = 2n ** 62n;
/** SQLite's primary result codes that are nobody's mistake and may pass: PERM, BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN. */
const UNAVAILABLE = new Set([3, 5, 6, 7, 8, 10, 13, 14]);

/** SQLITE_CONSTRAINT_PRIMARYKEY and _UNIQUE. */
const NOT_UNIQUE = new Set([1555, 2067]);

/** The worker of this room, on the database `file`. */
export const spawnSqliteWorker = (file: string): Worker =>
  new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData: { file }, name: 'store' });

/**
 * Talks to the thread that owns the SQLite connection. Statements of one turn of the event loop travel as one message. A thread
 * that dies fails what it had not answered with `store_unavailable` and is started again, later and later while it keeps dying.
 */
export class SqliteClient {
  /** Rises with every new thread: a transaction begun in one cannot go on in the next. */
  generation = 0;
  readonly #spawn: () => Worker;
  readonly #log: Logger;
  readonly #waiting = new Map<number, Waiting>();
  #outbox: Request[] = [];
  #worker: Worker | null = null;
  #lastId = 0;
  #restartMs = FIRST_RESTART_MS;
  #restart: NodeJS.Timeout | null = null;
  #closing: PromiseWithResolvers<void> | null = null;
  #hurry: NodeJS.Timeout | null = null;
  #flushing: NodeJS.Immediate | null = null;
  /** Called before a message leaves, to add what belongs to its end. */
  onFlush: () => void = () => {};

  constructor(spawn: () => Worker, log: Logger) {
    this.#spawn = spawn;
    this.#log = log;
    this.#start();
  }

  /** @throws CodedError store_unavailable when the statement could not be run or its outcome is unknown; Error when it is wrong. */
  execute(sql: string, parameters: readonly unknown[], group = 0, member = 0): Promise<Answer> {
    if (!this.#worker || this.#closing) return Promise.reject(unavailable('The database is not open.'));
    // An end is never refused: what is to be taken back would be kept.
    if (this.#waiting.size >= MAX_WAITING && sql !== 'rollback' && sql !== 'commit')
      return Promise.reject(unavailable('Too many statements wait for the database.'));
    this.flushSoon();
    const id = ++this.#lastId;
    const beginBy = this.#hurry ? process.hrtime.bigint() + BigInt(BEGIN_WITHIN_MS * 1e6) : FAR_AWAY;
    this.#outbox.push({ id, sql, parameters, group, member, beginBy });
    return new Promise((resolve, reject) => this.#waiting.set(id, { sinceMs: monotonicMs(), resolve, reject }));
  }

  /** Sends what there is at the end of this turn of the event loop. */
  flushSoon(): void {
    this.#flushing ??= setImmediate(this.#flush);
  }

  /** From now on a statement that takes too long fails with store_unavailable; migrations before that may take their time. */
  hurry(): void {
    this.#hurry ??= setInterval(() => this.#giveUpOld(), LOOK_EVERY_MS).unref();
  }

  /** Lets the thread finish what it was given, then ends it. */
  close(): Promise<void> {
    if (this.#closing) return this.#closing.promise;
    if (this.#flushing) this.#flush();
    this.#closing = Promise.withResolvers();
    if (this.#restart) clearTimeout(this.#restart);
    if (this.#hurry) clearInterval(this.#hurry);
    if (this.#worker) this.#worker.postMessage('close');
    else this.#closing.resolve();
    return this.#closing.promise;
  }

  readonly #flush = (): void => {
    if (this.#flushing) clearImmediate(this.#flushing);
    // What is added now goes with the rest: it needs no turn of its own.
    this.onFlush();
    this.#flushing = null;
    if (this.#outbox.length === 0 || !this.#worker) return;
    this.#worker.postMessage(this.#outbox);
    this.#outbox = [];
  };

  #start(): void {
    this.#restart = null;
    this.generation++;
    const startedMs = monotonicMs();
    const worker = this.#spawn();
    this.#worker = worker;
    let cause: unknown;
    worker.on('message', (answers: Answer[]) => {
      // Under `node --watch` Node sends messages of its own through this channel.
      if (!Array.isArray(answers)) return;
      this.#restartMs = FIRST_RESTART_MS;
      for (const answer of answers) this.#settle(answer);
    });
    worker.on('error', (error) => (cause = error));
    worker.on('exit', () => {
      this.#worker = null;
      this.#outbox = [];
      const lost = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { reject } of lost) reject(unavailable(`The database thread ended: ${describe(cause)}.`, cause));
      if (this.#closing) return this.#closing.resolve();
      const livedMs = Math.round(monotonicMs() - startedMs);
      this.#log.error(
        { err: cause, lost: lost.length, livedMs, restartMs: this.#restartMs },
        'store: database thread ended',
      );
      this.#restart = setTimeout(() => this.#start(), this.#restartMs);
      this.#restartMs = Math.min(this.#restartMs * 2, LAST_RESTART_MS);
    });
  }

  /** The oldest come first. What the thread does with them is not known: a write may still happen. */
  #giveUpOld(): void {
    const before = monotonicMs() - ANSWER_WITHIN_MS;
    for (const [id, { sinceMs, reject }] of this.#waiting) {
      if (sinceMs > before) return;
      this.#waiting.delete(id);
      reject(unavailable('SQLite does not answer: the disk is too slow, or another program holds the file.'));
    }
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    const { error } = answer;
    if (!error) waiting?.resolve(answer);
    else if (NOT_UNIQUE.has(error.code)) waiting?.reject(madeTwice(new Error(`SQLite: ${error.message}`)));
    else if (UNAVAILABLE.has(error.code & 0xff)) waiting?.reject(unavailable(`SQLite: ${error.message}.`));
    else waiting?.reject(new Error(`SQLite: ${error.message} (${error.code})`));
  }
}

const describe = (cause: unknown): string => (cause instanceof Error ? cause.message : 'no reason given');
