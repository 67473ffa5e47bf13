import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { createLogger, newId, sha256 } from '../../src/base/index.ts';
import { openStore } from '../../src/store/index.ts';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import { openSqlite } from '../../src/store/sqlite.ts';
import { databaseFor, execute } from '../support/database.ts';

const log = createLogger('silent');
const root = mkdtempSync(join(tmpdir(), 'liveapi-tenants-'));
after(() => rmSync(root, { recursive: true }));

test('a database from before people had passwords: its owner and tokens go on, and the owner can be set up', async (t) => {
  const dataDir = mkdtempSync(join(root, 'old-'));
  const { databaseUrl } = await databaseFor(dataDir);
  const old = databaseUrl ? openPostgres(databaseUrl, log) : openSqlite(dataDir, log);
  const db = old.db as unknown as Kysely<unknown>;
  const provider = { getMigrations: async () => MIGRATIONS };
  const { error } = await new Migrator({ db, provider }).migrateTo('0001_organizations_tokens_live_streams');
  assert.equal(error, undefined);
  await old.close();
  const [organization, owner, token] = [newId(), newId(), newId()];
  await execute(
    dataDir,
    `insert into organizations values ('${organization}', 'Old', 1);
    insert into environments values ('${organization}', 'production'), ('${organization}', 'development');
    insert into users values ('${owner}', '${organization}', null, 'owner', 1);
    insert into access_tokens values ('${token}', '${organization}', 'production', '${owner}', 'First', '${sha256('secret').toString('hex')}', 1, null, null)`,
  );
  const store = await openStore({ dataDir, databaseUrl, log });
  t.after(() => store.close());
  assert.deepEqual(await store.bootstrap(), { created: false });
  const principal = await store.verifyToken(token, 'secret');
  assert.deepEqual(principal, {
    kind: 'token',
    tokenId: token,
    sessionId: null,
    organizationId: organization,
    environment: 'production',
    userId: owner,
    role: 'admin',
    expiresMs: null,
  });
  assert.equal(await store.setup.needed(), true);
  const values = {
    token: (await store.setup.issue())!,
    email: 'ada@example.test',
    name: 'Ada',
    password: 'long enough',
  };
  assert.deepEqual(await store.setup.complete(values), { userId: owner });
  assert.equal((await store.users.signIn('ada@example.test', 'long enough'))?.id, owner);
  assert.deepEqual(
    (await store.organizations.of(owner)).map(({ id, role }) => [id, role]),
    [[organization, 'owner']],
  );
});

test('S14 a token that is verified while it is revoked is not remembered as valid', async (t) => {
  const dataDir = mkdtempSync(join(root, 'race-'));
  const store = await openStore({ dataDir, ...(await databaseFor(dataDir)), log });
  t.after(() => store.close());
  const { token } = await store.bootstrap();
  const owner = (await store.verifyToken(token!.id, token!.secret))!;
  for (let i = 0; i < 50; i++) {
    const { id, secret } = await store.tokens.create(owner, {});
    await Promise.all([store.verifyToken(id, secret), store.tokens.revoke(owner, id), store.verifyToken(id, secret)]);
    assert.equal(await store.verifyToken(id, secret), null);
  }
});

test('S15 an unknown e-mail costs what a wrong password costs', async (t) => {
  const dataDir = mkdtempSync(join(root, 'cost-'));
  const store = await openStore({ dataDir, ...(await databaseFor(dataDir)), log });
  t.after(() => store.close());
  await store.bootstrap();
  const values = {
    token: (await store.setup.issue())!,
    email: 'ada@example.test',
    name: 'Ada',
    password: 'long enough',
  };
  await store.setup.complete(values);
  const times = { unknown: [] as number[], wrong: [] as number[] };
  for (let i = 0; i < 15; i++)
    for (const kind of ['unknown', 'wrong'] as const) {
      const started = performance.now();
      assert.equal(
        await store.users.signIn(kind === 'wrong' ? 'ada@example.test' : 'x@example.test', 'wrong one'),
        null,
      );
      times[kind].push(performance.now() - started);
    }
  const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1]!;
  t.diagnostic(`medians: unknown ${median(times.unknown).toFixed(1)} ms, wrong ${median(times.wrong).toFixed(1)} ms`);
});
