import type { Kysely, LogEvent } from 'kysely';
import { CodedError } from '../base/index.ts';
import type { Tables } from './schema.ts';

/** Told of every statement that ended: how long it took, and whether it worked. */
export type OnQuery = (durationMs: number, ok: boolean) => void;

/** What makes Kysely tell. */
export const tellQueries = (onQuery: OnQuery | undefined) =>
  onQuery && ((event: LogEvent) => onQuery(event.queryDurationMillis, event.level === 'query'));

/** An open database, whichever kind it is. */
export interface Database {
  readonly kind: 'sqlite' | 'postgres';
  readonly db: Kysely<Tables>;
  /** For messages: the file, or host and name. Holds no secret. */
  readonly where: string;
  /** To be called when the tables are up to date: from then on no statement may take long. */
  readonly hurry: () => void;
  /** Resolves when everything accepted is written and the connections are closed. Calls afterwards reject with store_unavailable. */
  readonly close: () => Promise<void>;
}

/** The error for two that make the same thing at the same moment: the second one is told so. */
export const madeTwice = (cause?: unknown): CodedError =>
  new CodedError('conflict', 'The same thing was made at the same moment: look at it, or ask again.', { cause });

/** The error for a database that cannot answer for now. */
export const unavailable = (message: string, cause?: unknown): CodedError =>
  new CodedError('store_unavailable', message, { cause });
