import pg from 'pg';
import { CodedError } from '../base/index.ts';
import { madeTwice, unavailable } from './database.ts';

/**
 * SQLSTATEs, or their classes, that are nobody's mistake and may pass: connection (08), resources (53), shutdown, crash and time-outs
 * (57), input and output (58), serialization and deadlock (40), lock time-out, idle in a transaction, a standby after a fail-over.
 */
const MAY_PASS = /^(08|53|57|58|40)|^(55P03|25P03|25P04|25006)$/;
/** What the operator has to put right: the user, the password, the database's name, its permissions. */
const REFUSED = /^28|^(3D000|42501)$/;
const UNIQUE_VIOLATION = '23505';

/** Turns what pg throws into a CodedError where somebody branches on it; what is left is a mistake of ours. */
export function toCodedError(error: unknown): Error {
  if (error instanceof CodedError) return error;
  // What does not come from the server comes from the way to it.
  if (!(error instanceof pg.DatabaseError))
    return unavailable(`Postgres cannot be reached: ${reasonOf(error)}.`, error);
  const code = error.code ?? '';
  if (MAY_PASS.test(code)) return unavailable(`Postgres: ${error.message} (${code}).`, error);
  if (code === UNIQUE_VIOLATION) return madeTwice(error);
  if (REFUSED.test(code)) {
    const message = `Postgres refuses: ${error.message} (${code}). Look at user, password and name in database_url.`;
    return unavailable(message, error);
  }
  return error;
}

/** An address with several IPs fails with a list of errors and no message of its own. */
function reasonOf(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : String(first);
}
