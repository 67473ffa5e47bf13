// What the store's two threads say to each other, in lists: requests there, answers back in the same order.

/**
 * One statement for the worker, or the end of a unit. What is written stands in groups, numbered upwards: a group is one transaction
 * of SQLite, hence one fsync, and it begins with its first statement.
 */
export interface Request {
  readonly id: number;
  /** A statement; or `rollback`, the end of a member that takes back what it did; or `commit`, the end of the group. */
  readonly sql: string;
  readonly parameters: readonly unknown[];
  /** 0: a query that sees what is committed and waits for no transaction. */
  readonly group: number;
  /** The transaction that it is a part of, a number within the thread's life; 0: it stands for itself. */
  readonly member: number;
  /** By the machine's monotonic clock (`process.hrtime`, the same in all threads); not begun by then, it is not begun at all. */
  readonly beginBy: bigint;
}

export interface Answer {
  readonly id: number;
  readonly rows?: Record<string, unknown>[];
  /** Rows changed by an insert, update or delete. */
  readonly changes?: number;
  /** `code` is SQLite's extended result code, 0 when SQLite had no part in it. */
  readonly error?: { readonly message: string; readonly code: number };
}
