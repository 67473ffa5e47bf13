import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { Kysely, sql } from 'kysely';
import { CodedError, createLogger } from '../../src/base/index.ts';
import { openStore } from '../../src/store/index.ts';
import { SqliteClient, spawnSqliteWorker } from '../../src/store/sqlite-client.ts';
import { sqliteDialect } from '../../src/store/sqlite-dialect.ts';

const root = mkdtempSync(join(tmpdir(), 'liveapi-sqlite-'));
after(() => rmSync(root, { recursive: true }));

interface Tables {
  t: { id: string; n: number };
}

async function open(name: string) {
  const workers: Worker[] = [];
  const second = Promise.withResolvers<void>();
  const spawn = () => {
    const worker = spawnSqliteWorker(join(root, name));
    if (workers.push(worker) === 2) queueMicrotask(second.resolve);
    return worker;
  };
  const client = new SqliteClient(spawn, createLogger('silent'));
  const db = new Kysely<Tables>({ dialect: sqliteDialect(client) });
  // A test that fails must not leave a thread behind that keeps the process.
  after(() => db.destroy());
  await sql`create table if not exists t (id text primary key, n integer not null check (n < 100))`.execute(db);
  const ids = async () => (await db.selectFrom('t').select('id').orderBy('id').execute()).map((row) => row.id);
  return { db, workers, second: second.promise, ids };
}
const unavailable = (error: unknown) => error instanceof CodedError && error.code === 'store_unavailable';

test('statements that travel together stand and fall each for itself', async () => {
  const { db, ids } = await open('together.db');
  const answers = await Promise.allSettled(
    ['a', 'b', 'a', 'c'].map((id, i) =>
      db
        .insertInto('t')
        .values({ id, n: i === 1 ? 100 : i })
        .execute(),
    ),
  );
  assert.deepEqual(
    answers.map((answer) => answer.status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  );
  const { code, cause } = (answers[2] as PromiseRejectedResult).reason;
  assert.equal(code, 'conflict');
  assert.match(cause.message, /UNIQUE constraint failed/);
  assert.deepEqual(await ids(), ['a', 'c']);
  await db.destroy();
});

test('a transaction has the connection for itself, and leaves nothing when it fails', async () => {
  const { db, ids } = await open('transaction.db');
  const inside = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const failing = db.transaction().execute(async (transaction) => {
    await transaction.insertInto('t').values({ id: 'rolled back', n: 1 }).execute();
    inside.resolve();
    await goOn.promise;
    throw new Error('changed my mind');
  });
  await inside.promise;
  const outside = db.insertInto('t').values({ id: 'outside', n: 1 }).execute();
  const next = db
    .transaction()
    .execute((transaction) => transaction.insertInto('t').values({ id: 'next', n: 1 }).execute());
  goOn.resolve();
  await assert.rejects(failing, /changed my mind/);
  await Promise.all([outside, next]);
  assert.deepEqual(await ids(), ['next', 'outside']);
  await db.destroy();
});

test('what writes goes in the order in which it came, one that fails takes back only its own, and nobody else sees half of it', async () => {
  const { db, ids } = await open('order.db');
  const order: string[] = [];
  const seen: string[][] = [];
  const write = (id: string, fail = false) =>
    db.transaction().execute(async (transaction) => {
      order.push(id);
      await transaction.insertInto('t').values({ id, n: 1 }).execute();
      seen.push(await ids());
      await transaction
        .insertInto('t')
        .values({ id: `${id}, again`, n: 2 })
        .execute();
      if (fail) throw new Error('changed my mind');
    });
  const outcomes = await Promise.allSettled([
    write('a'),
    write('b', true),
    db.insertInto('t').values({ id: 'c', n: 1 }).execute(),
    write('d'),
    db.insertInto('t').values({ id: 'a', n: 1 }).execute(),
    write('e'),
  ]);
  const fulfilled = outcomes.map(({ status }) => status === 'fulfilled');
  assert.deepEqual(fulfilled, [true, false, true, true, false, true]);
  assert.deepEqual(order, ['a', 'b', 'd', 'e']);
  assert.deepEqual(await ids(), ['a', 'a, again', 'c', 'd', 'd, again', 'e', 'e, again']);
  for (const rows of seen) {
    assert.ok(!rows.some((id) => id.startsWith('b')));
    for (const id of ['a', 'd', 'e']) assert.equal(rows.includes(id), rows.includes(`${id}, again`));
  }
  await db.destroy();
});

test('a commit that fails is told to all that share it, and the next one works', async () => {
  const { db, ids } = await open('commit.db');
  await sql`create table child (t text references t (id) deferrable initially deferred)`.execute(db);
  // On a busy machine the first may be on the disk before the others come: whoever was told so is there, and nobody else.
  let shared = false;
  for (let i = 0; i < 20 && !shared; i++) {
    const outcomes = await Promise.allSettled([
      db.transaction().execute((transaction) =>
        transaction
          .insertInto('t')
          .values({ id: `${i} a`, n: 1 })
          .execute(),
      ),
      // Noticed by the commit only.
      db.transaction().execute((transaction) => sql`insert into child values ('nobody')`.execute(transaction)),
      db
        .insertInto('t')
        .values({ id: `${i} b`, n: 1 })
        .execute(),
    ]);
    const [first, wrong, last] = outcomes.map(({ status }) => status === 'fulfilled');
    assert.equal(wrong, false);
    assert.deepEqual(await ids(), [...(first ? [`${i} a`] : []), ...(last ? [`${i} b`] : [])]);
    shared = !first && !last;
    await db.deleteFrom('t').execute();
  }
  assert.ok(shared);
  await db.insertInto('t').values({ id: 'c', n: 1 }).execute();
  assert.deepEqual(await ids(), ['c']);
  await db.destroy();
});

test('a database thread that dies fails what it had not answered, and another takes its place', async () => {
  const { db, workers, second, ids } = await open('dies.db');
  await db.insertInto('t').values({ id: 'before', n: 1 }).execute();
  // Long enough that the thread is at it when it is ended.
  const forever = sql`with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c`.execute(
    db,
  );
  const behind = db.insertInto('t').values({ id: 'behind', n: 1 }).execute();
  setImmediate(() => workers[0]!.terminate());
  const outcomes = await Promise.allSettled([forever, behind]);
  assert.ok(outcomes.every((outcome) => outcome.status === 'rejected' && unavailable(outcome.reason)));
  await assert.rejects(ids(), unavailable, 'until the next thread is there, calls fail at once');
  await second;
  assert.deepEqual(await ids(), ['before']);
  await db.destroy();
});

test('a transaction whose thread died does not go on in the next one', async () => {
  const { db, workers, second, ids } = await open('half.db');
  const half = db.transaction().execute(async (transaction) => {
    await transaction.insertInto('t').values({ id: 'first half', n: 1 }).execute();
    const ended = once(workers[0]!, 'exit');
    workers[0]!.terminate();
    await ended;
    await second;
    await transaction.insertInto('t').values({ id: 'second half', n: 1 }).execute();
  });
  await assert.rejects(half, unavailable);
  assert.deepEqual(await ids(), []);
  await db.insertInto('t').values({ id: 'after', n: 1 }).execute();
  assert.deepEqual(await ids(), ['after']);
  await db.destroy();
});

test('close writes what was accepted before it', async () => {
  const { db } = await open('close.db');
  const writes = ['1', '2', '3'].map((id) => db.insertInto('t').values({ id, n: 1 }).execute());
  await new Promise(setImmediate);
  await db.destroy();
  await Promise.all(writes);
  const { db: again, ids } = await open('close.db');
  assert.deepEqual(await ids(), ['1', '2', '3']);
  await again.destroy();
});

test('a folder or a file that cannot be used is refused with its path and a way out', async () => {
  const refused = (dataDir: string, message: RegExp) =>
    assert.rejects(
      openStore({ dataDir, log: createLogger('silent') }),
      (error) => error instanceof CodedError && error.code === 'data_dir_unusable' && message.test(error.message),
    );
  const file = join(root, 'a-file');
  writeFileSync(file, 'no folder');
  await refused(file, /a-file.*Set data_dir/);
  const garbage = join(root, 'garbage');
  mkdirSync(garbage);
  writeFileSync(join(garbage, 'liveapi.db'), 'This is no database, whatever its name says. '.repeat(100));
  await refused(garbage, /liveapi\.db.*not a database/);
  const keyless = join(root, 'keyless');
  mkdirSync(keyless);
  writeFileSync(join(keyless, 'secret.key'), 'too short');
  await refused(keyless, /secret\.key must hold base64 of 32 bytes/);
});
