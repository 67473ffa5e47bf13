import type { Kysely } from 'kysely';
import { IDEMPOTENCY_MS } from './idempotency.ts';
import type { Tables } from './schema.ts';
import { SESSION_IDLE_MS, SESSION_MS } from './sessions.ts';

/** Rows of one statement: others wait for it. */
const AT_ONCE = 5000;

/** Deletes what is valid no longer and nobody came back for: kept answers, sessions, links for a new password, invitations. */
export async function pruneExpired(db: Kysely<Tables>, nowMs: number): Promise<void> {
  const old = {
    answers: db
      .selectFrom('idempotency_keys')
      .select('id')
      .where('created_ms', '<', nowMs - IDEMPOTENCY_MS),
    sessions: db
      .selectFrom('sessions')
      .select('id')
      .where((eb) =>
        eb.or([eb('last_used_ms', '<', nowMs - SESSION_IDLE_MS), eb('created_ms', '<', nowMs - SESSION_MS)]),
      ),
    links: db.selectFrom('password_resets').select('token_hash').where('expires_ms', '<', nowMs),
    invitations: db.selectFrom('invitations').select('id').where('expires_ms', '<', nowMs),
  };
  const deletions = [
    db.deleteFrom('idempotency_keys').where('id', 'in', old.answers.limit(AT_ONCE)),
    db.deleteFrom('sessions').where('id', 'in', old.sessions.limit(AT_ONCE)),
    db.deleteFrom('password_resets').where('token_hash', 'in', old.links.limit(AT_ONCE)),
    db.deleteFrom('invitations').where('id', 'in', old.invitations.limit(AT_ONCE)),
  ];
  for (const some of deletions) {
    let deleted: bigint;
    do deleted = (await some.executeTakeFirstOrThrow()).numDeletedRows;
    while (deleted >= AT_ONCE);
  }
}
