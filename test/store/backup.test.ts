import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLogger } from '../../src/base/index.ts';
import { openStore, type Principal, type Store } from '../../src/store/index.ts';
import { SEALED_COLUMNS } from '../../src/store/sealed-columns.ts';
import { startPostgres } from '../support/postgres.ts';

const log = createLogger('silent');
const root = mkdtempSync(join(tmpdir(), 'liveapi-backup-'));
after(() => rmSync(root, { recursive: true }));
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** Runs `liveapi …` on a data folder. */
function liveapi(dataDir: string, args: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LIVEAPI_DATA_DIR: dataDir, ...env },
  });
  return { status, said: stdout + stderr };
}
const done = (run: { status: number | null; said: string }) => assert.equal(run.status, 0, run.said);
const refused = (run: { status: number | null; said: string }, why: RegExp) => {
  assert.equal(run.status, 1);
  assert.match(run.said, why);
};

async function first(store: Store): Promise<Principal> {
  const { token } = await store.bootstrap();
  return (await store.verifyToken(token!.id, token!.secret))!;
}

test('a backup beside a running store, restored elsewhere, holds what was there and its secrets', async () => {
  const dataDir = join(root, 'one');
  const store = await openStore({ dataDir, log });
  const me = await first(store);
  const rows = await Promise.all(Array.from({ length: 50 }, (_, i) => store.liveStreams.create(me, { name: `${i}` })));
  // Writes go on while the copy is made.
  let stop = false;
  const writing = (async () => {
    while (!stop) await store.liveStreams.create(me, { name: 'meanwhile' });
  })();
  const file = join(root, 'one.backup');
  done(liveapi(dataDir, ['backup', file, '--with-secret-key']));
  refused(liveapi(dataDir, ['backup', file]), /is there already/);
  refused(liveapi(dataDir, ['restore', file, '--force']), /A server runs on .*stop it first/);
  stop = true;
  await writing;
  await store.close();
  for (const path of [file, `${file}.key`]) assert.equal(statSync(path).mode & 0o777, 0o600);

  const elsewhere = join(root, 'two');
  done(liveapi(elsewhere, ['restore', file]));
  const restored = await openStore({ dataDir: elsewhere, log });
  for (const row of rows) assert.deepEqual(await restored.liveStreams.get(me, row.id), row);
  await restored.liveStreams.create(me, { name: 'after the restore' });
  await restored.close();

  refused(liveapi(elsewhere, ['restore', file]), /--force/);
  const { said } = liveapi(elsewhere, ['restore', file, '--force']);
  const kept = /in (\S+before\S+)\.\n/.exec(said)![1]!;
  const db = new DatabaseSync(kept);
  assert.equal(db.prepare("select count(*) as n from live_streams where name = 'after the restore'").get()!.n, 1);
  db.close();
});

test('a backup without its key, a broken one and one of a newer version are refused, and nothing changes', async () => {
  const dataDir = join(root, 'three');
  await (await openStore({ dataDir, log })).close();
  const file = join(root, 'three.backup');
  done(liveapi(dataDir, ['backup', file]));
  assert.ok(!existsSync(`${file}.key`));
  refused(liveapi(join(root, 'four'), ['restore', file]), /need its key: put .*secret\.key/);
  assert.ok(!existsSync(join(root, 'four', 'liveapi.db')));
  const newer = new DatabaseSync(file);
  newer.exec("insert into kysely_migration values ('9999_contract_x', '2100-01-01')");
  newer.close();
  refused(liveapi(dataDir, ['restore', file, '--force']), /newer version \(9999_contract_x\)/);
  truncateSync(file, statSync(file).size - 8192);
  const before = readFileSync(join(dataDir, 'liveapi.db'));
  refused(liveapi(dataDir, ['restore', file, '--force']), /not a whole LiveAPI database/);
  assert.deepEqual(readFileSync(join(dataDir, 'liveapi.db')), before);
  refused(liveapi(dataDir, ['restore', join(root, 'nothing')]), /There is no backup at/);
  const url = { LIVEAPI_DATABASE_URL: 'postgres://u:hidden-password@h.example/d' };
  for (const command of ['backup', 'restore']) {
    const run = liveapi(dataDir, [command, 'x'], url);
    refused(run, command === 'backup' ? /pg_dump --format=custom/ : /pg_restore --clean/);
    assert.ok(!run.said.includes('hidden-password'));
  }
});

test('S13 rotate-secret-key encrypts every sealed column anew; afterwards the new key opens all and the old one nothing', async (t) => {
  const dataDir = join(root, 'five');
  const store = await openStore({ dataDir, log });
  const me = await first(store);
  const row = await store.liveStreams.create(me, { settings: { embed_password: 'secret' } });
  const rotated = (await store.liveStreams.rotateKey(me, row.id, { overlapMs: 60_000, which: 'primary' }))!;
  refused(liveapi(dataDir, ['rotate-secret-key']), /A server runs/);
  await store.close();
  const old = readFileSync(join(dataDir, 'secret.key'), 'utf8').trim();
  const run = liveapi(dataDir, ['rotate-secret-key']);
  done(run);
  t.diagnostic(run.said.trim());
  const now = readFileSync(join(dataDir, 'secret.key'), 'utf8').trim();
  assert.match(now, /^[A-Za-z0-9+/]{43}=$/);
  assert.notEqual(now, old);
  assert.equal(statSync(join(dataDir, 'secret.key')).mode & 0o777, 0o600);
  const keys = (...texts: string[]) => texts.map((text) => Buffer.from(text, 'base64'));
  await assert.rejects(openStore({ dataDir, log, secretKeys: keys(old) }), { code: 'secret_unreadable' });
  const again = await openStore({ dataDir, log });
  assert.deepEqual(await again.liveStreams.get(me, row.id), rotated);
  for (const password of [row.password, rotated.password])
    assert.ok((await again.authorise({ playbackId: row.playbackId, password })).ok);
  // Everything sealed carries its key's name in front.
  const db = new DatabaseSync(join(dataDir, 'liveapi.db'));
  const names = SEALED_COLUMNS.flatMap(({ table, column }) =>
    db.prepare(`select ${column} as sealed from ${table} where ${column} is not null`).all(),
  ).map(({ sealed }) => String(sealed).split('.')[0]);
  assert.ok(names.length >= 3);
  assert.equal(new Set(names).size, 1);
  db.close();
  // The new key in front of the old one: beside a running store that has both.
  const next = randomBytes(32).toString('base64');
  const running = await openStore({ dataDir, log, secretKeys: keys(next, now) });
  done(liveapi(dataDir, ['rotate-secret-key'], { LIVEAPI_SECRET_KEY: `${next},${now}` }));
  assert.deepEqual(await running.liveStreams.get(me, row.id), rotated);
  await running.close();
  await again.close();
  const last = await openStore({ dataDir, log, secretKeys: keys(next) });
  assert.deepEqual(await last.liveStreams.get(me, row.id), rotated);
  await last.close();
});

test('rotate-secret-key on Postgres, and what doctor says of it', async (t) => {
  const postgres = await startPostgres();
  t.after(() => postgres.close());
  const dataDir = join(root, 'six');
  const databaseUrl = await postgres.create('rotated');
  const env = { LIVEAPI_DATABASE_URL: databaseUrl };
  const [one, two] = [randomBytes(32), randomBytes(32)];
  const store = await openStore({ dataDir, databaseUrl, secretKeys: [one], log });
  const me = await first(store);
  const row = await store.liveStreams.create(me, {});
  await store.close();
  refused(liveapi(dataDir, ['rotate-secret-key'], env), /set secret_key to a new key, a comma/);
  const both = [two, one].map((key) => key.toString('base64')).join(',');
  done(liveapi(dataDir, ['rotate-secret-key'], { ...env, LIVEAPI_SECRET_KEY: both }));
  const again = await openStore({ dataDir, databaseUrl, secretKeys: [two], log });
  assert.deepEqual(await again.liveStreams.get(me, row.id), row);
  await again.close();

  const ports = { LIVEAPI_HTTP_PORT: '18080', LIVEAPI_RTMP_PORT: '11935' };
  const well = liveapi(dataDir, ['doctor'], { ...env, ...ports, LIVEAPI_SECRET_KEY: both });
  assert.match(well.said, /ok {5}Postgres \d+ answers: rotated at 127\.0\.0\.1/);
  assert.match(well.said, /secret_key is set/);
  await postgres.stop();
  const ill = liveapi(dataDir, ['doctor'], { ...env, ...ports });
  assert.match(ill.said, /WRONG {2}database_url: Postgres cannot be reached/);
  assert.equal(ill.status, 1);
  for (const { said } of [well, ill]) assert.ok(!said.includes(postgres.password) && !said.includes(both.slice(0, 20)));
});
