// What the store's two threads say to each other, in lists: requests there, answers back in the same order.

/** One statement for the worker. `control` marks begin, commit, rollback and the like, which never share a transaction. */
export interface Request {
  readonly id: number;
  readonly sql: string;
  readonly parameters: readonly unknown[];
  readonly control: boolean;
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
