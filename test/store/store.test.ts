import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { CodedError, createLogger } from '../../src/base/index.ts';
import { openStore, type Principal, type Store } from '../../src/store/index.ts';
import { databaseFor, dump, execute, onPostgres } from '../support/database.ts';
import { until } from '../support/until.ts';

const log = createLogger('silent');
const root = mkdtempSync(join(tmpdir(), 'liveapi-store-'));
after(() => rmSync(root, { recursive: true }));

let folders = 0;
const newFolder = () => join(root, `data-${++folders}`);
const openIn = async (dataDir: string) => openStore({ dataDir, ...(await databaseFor(dataDir)), log });
const open = async (dataDir = newFolder()) => ({ store: await openIn(dataDir), dataDir });
const coded =
  (code: string, message = /./) =>
  (error: unknown) =>
    error instanceof CodedError && error.code === code && message.test(error.message);

/** The principal of a new store's first token. */
async function first(store: Store): Promise<Principal> {
  const { token } = await store.bootstrap();
  return (await store.verifyToken(token!.id, token!.secret))!;
}

/** A second tenant, written behind the store's back: the product has no way yet to make one. */
async function addTenant(dataDir: string): Promise<Principal> {
  await execute(
    dataDir,
    `insert into organizations (id, name, created_ms) values ('o2', 'Other', 1);
    insert into environments values ('o2', 'production'), ('o2', 'development');
    insert into users (id, organization_id, role, created_ms) values ('u2', 'o2', 'owner', 1)`,
  );
  return {
    kind: 'token',
    tokenId: 't2',
    sessionId: null,
    organizationId: 'o2',
    userId: 'u2',
    environment: 'production',
    role: 'member',
    expiresMs: null,
  };
}

test('S10 S13 first start: one owner, a production token shown once, nothing usable in the files, closed to others', async () => {
  const { store, dataDir } = await open();
  const { created, token } = await store.bootstrap();
  assert.equal(created, true);
  assert.match(token!.id, /^[0-9a-f]{24}$/);
  assert.match(token!.secret, /^[0-9a-f]{64}$/);
  assert.deepEqual(await store.bootstrap(), { created: false });
  const principal = (await store.verifyToken(token!.id, token!.secret))!;
  assert.equal(principal.environment, 'production');
  assert.match(principal.organizationId, /^[0-9a-f]{24}$/);
  assert.match(principal.userId, /^[0-9a-f]{24}$/);
  assert.equal(await store.verifyToken(token!.id, `${token!.secret}0`), null);
  assert.equal(await store.verifyToken(token!.id, ''), null);
  assert.equal(await store.verifyToken('0'.repeat(24), token!.secret), null);
  assert.equal(await store.verifyToken("' or 1=1 --", token!.secret), null);

  assert.equal(statSync(dataDir).mode & 0o777, 0o700);
  const files = readdirSync(dataDir);
  if (!onPostgres) assert.ok(files.includes('liveapi.db-wal'), 'write-ahead logging');
  for (const file of files) {
    assert.equal(statSync(join(dataDir, file)).mode & 0o777, 0o600, file);
    assert.ok(!readFileSync(join(dataDir, file)).includes(token!.secret), file);
  }
  await store.close();
  await assert.rejects(store.verifyToken(token!.id, 'x'), coded('store_unavailable'));
  assert.equal(await store.ready(), false);
});

test('a token known in advance exists from the first start, is replaced by a new secret, and none is made up beside it', async () => {
  const { store, dataDir } = await open();
  assert.deepEqual(await store.bootstrap({ token: 'ci:0123456789abcdef:x' }), { created: true });
  assert.deepEqual(await store.bootstrap({ token: 'ci:0123456789abcdef:x' }), { created: false });
  const ci = (await store.verifyToken('ci', '0123456789abcdef:x'))!;
  assert.deepEqual([ci.environment, ci.role], ['production', 'admin']);
  assert.equal((await store.tokens.list(ci, { page: 1, limit: 9 })).total, 1);
  await store.tokens.revoke(ci, 'ci');
  assert.equal(await store.verifyToken('ci', '0123456789abcdef:x'), null);
  await store.close();
  const again = await openIn(dataDir);
  await again.bootstrap({ token: 'ci:fedcba9876543210' });
  assert.equal(await again.verifyToken('ci', '0123456789abcdef:x'), null);
  assert.ok(await again.verifyToken('ci', 'fedcba9876543210'));
  await again.close();
});

test('S14 revoked tokens are refused at once, in another process within a second; last use is noted', async (t) => {
  const { store, dataDir } = await open();
  const production = await first(store);
  const made = await store.tokens.create({ ...production, environment: 'development' }, { name: 'Testing' });
  const principal = (await store.verifyToken(made.id, made.secret))!;
  assert.deepEqual(principal, { ...production, tokenId: made.id, environment: 'development', role: 'member' });
  const other = await openIn(dataDir);
  t.after(() => other.close());
  assert.ok(await other.verifyToken(made.id, made.secret));
  assert.equal(await store.tokens.revoke(principal, made.id), true);
  assert.equal(await store.tokens.revoke(principal, made.id), false);
  assert.equal(await store.verifyToken(made.id, made.secret), null);
  // What may pass in another process is time, so time has to pass here.
  await setTimeout(1010);
  assert.equal(await other.verifyToken(made.id, made.secret), null);
  await store.close();
  const { rows: listed } = await other.tokens.list(production, { page: 1, limit: 9 });
  assert.deepEqual(
    listed.map((token) => token.id),
    [production.tokenId],
  );
  assert.ok(listed.every((token) => Math.abs(Date.now() - token.lastUsedMs!) < 60_000));
  assert.equal((await other.tokens.list(principal, { page: 1, limit: 9 })).total, 0);
});

test('S11 an unknown token costs what a wrong secret costs', async (t) => {
  const { store } = await open();
  t.after(() => store.close());
  const { token } = await store.bootstrap();
  const times = { unknown: [] as number[], wrong: [] as number[] };
  for (let i = 0; i < 1500; i++) {
    // The right secret in between: what is remembered of it must not answer for a wrong one.
    if (i % 100 === 0) await store.verifyToken(token!.id, token!.secret);
    for (const kind of ['unknown', 'wrong'] as const) {
      const started = performance.now();
      await store.verifyToken(kind === 'wrong' ? token!.id : 'f'.repeat(24), 'a wrong secret');
      times[kind].push(performance.now() - started);
    }
  }
  const median = (list: number[]) => list.sort((a, b) => a - b)[list.length / 2]!;
  const difference = Math.abs(median(times.unknown) - median(times.wrong));
  t.diagnostic(`medians differ by ${(difference * 1000).toFixed(1)} us`);
  assert.ok(difference < 0.2, `${difference} ms`);
});

test('live streams: create, read, list newest first, merge settings, delete; after a restart everything is there', async () => {
  const { store, dataDir } = await open();
  const me = await first(store);
  const bare = await store.liveStreams.create(me, {});
  assert.match(bare.id, /^[0-9a-f]{24}$/);
  assert.match(bare.playbackId, /^lv_[0-9a-f]{32}$/);
  assert.match(bare.password, /^[0-9a-f]{8}$/);
  assert.deepEqual([bare.name, bare.enabled, bare.settings, bare.userId], ['', true, { pulling_mode: {} }, me.userId]);
  const values = { name: 'Harbour', enabled: false, settings: { abr: true, country_block: ['DE', 'AT'] } };
  const full = await store.liveStreams.create(me, values);
  assert.deepEqual(await store.liveStreams.get(me, full.id), full);
  const changed = await store.liveStreams.update(me, full.id, {
    settings: { country_block: ['CH'], pulling_mode: { url: 'https://a.example/' } },
  });
  assert.deepEqual(changed, {
    ...full,
    settings: { abr: true, country_block: ['CH'], pulling_mode: { url: 'https://a.example/' } },
  });
  const twenty = await Promise.all(
    Array.from({ length: 20 }, (_, i) => store.liveStreams.create(me, { name: `${i}` })),
  );
  await store.close();

  const again = await openIn(dataDir);
  assert.deepEqual(await again.bootstrap(), { created: false });
  assert.deepEqual(await again.liveStreams.get(me, full.id), changed);
  const seen: string[] = [];
  for (let page = 1; page <= 3; page++) {
    const { rows, total } = await again.liveStreams.list(me, { page, limit: 10 });
    assert.equal(total, 22);
    assert.ok(rows.every((row, i) => i === 0 || row.createdMs <= rows[i - 1]!.createdMs));
    seen.push(...rows.map((row) => row.id));
  }
  assert.deepEqual(seen.sort(), [bare, full, ...twenty].map((row) => row.id).sort());
  assert.deepEqual(await again.liveStreams.list(me, { page: 4, limit: 10 }), { rows: [], total: 22 });
  assert.equal(await again.liveStreams.delete(me, bare.id), true);
  assert.equal(await again.liveStreams.delete(me, bare.id), false);
  assert.equal(await again.liveStreams.get(me, bare.id), null);
  assert.equal(await again.liveStreams.update(me, bare.id, { name: 'x' }), null);
  await again.close();
});

test('S01 S03 S05 another organization or environment sees and changes nothing, and is not counted', async (t) => {
  const { store, dataDir } = await open();
  t.after(() => store.close());
  const me = await first(store);
  const mine = await store.liveStreams.create(me, { name: 'mine' });
  for (const stranger of [await addTenant(dataDir), { ...me, environment: 'development' as const }]) {
    const theirs = await store.liveStreams.create(stranger, { name: 'theirs' });
    assert.equal(await store.liveStreams.get(stranger, mine.id), null);
    assert.equal(await store.liveStreams.update(stranger, mine.id, { name: 'taken' }), null);
    assert.equal(await store.liveStreams.delete(stranger, mine.id), false);
    assert.deepEqual(await store.liveStreams.list(stranger, { page: 1, limit: 9 }), { rows: [theirs], total: 1 });
  }
  assert.deepEqual(await store.liveStreams.list(me, { page: 1, limit: 9 }), { rows: [mine], total: 1 });
});

test('a key is accepted with its password only; a disabled live stream says so only to who knows the password', async (t) => {
  const { store } = await open();
  t.after(() => store.close());
  const me = await first(store);
  const { id, playbackId, password } = await store.liveStreams.create(me, {});
  const ok = (discontinuities: number) => ({
    ok: true,
    authorisation: {
      liveStreamId: id,
      playbackId,
      userId: me.userId,
      discontinuities,
      priority: 0 as const,
      giveBack: true,
    },
  });
  const unknown = { ok: false, reason: 'unknown' };
  assert.deepEqual(await store.authorise({ playbackId, password }), ok(0));
  await store.addDiscontinuities(id, 3);
  assert.deepEqual(await store.authorise({ playbackId, password }), ok(3), 'H28 the numbering outlives the process');
  for (const wrong of ['', password.slice(1), `${password}0`, password.toUpperCase().padEnd(9)]) {
    assert.deepEqual(await store.authorise({ playbackId, password: wrong }), unknown);
  }
  assert.deepEqual(await store.authorise({ playbackId: `lv_${'0'.repeat(32)}`, password }), unknown);
  await store.liveStreams.update(me, id, { enabled: false });
  assert.deepEqual(await store.authorise({ playbackId, password }), { ok: false, reason: 'disabled' });
  assert.deepEqual(await store.authorise({ playbackId, password: 'wrong' }), unknown);
  await store.liveStreams.update(me, id, { enabled: true });
  assert.deepEqual(await store.authorise({ playbackId, password }), ok(3));
  await store.liveStreams.delete(me, id);
  assert.deepEqual(await store.authorise({ playbackId, password }), unknown);
});

test('changes at the same time lose nothing, within a process and between two', async (t) => {
  const { store, dataDir } = await open();
  const other = await openIn(dataDir);
  t.after(() => Promise.all([store.close(), other.close()]));
  const me = await first(store);
  const { id } = await store.liveStreams.create(me, {});
  const changes = [
    { abr: true },
    { chat_enabled: true },
    { varying_rewind: 3600 },
    { embed_password: 'x' },
    { country_block: ['DE'] },
    { pulling_mode: { stop_after_idle_s: 60 } },
    { pulling_mode: { url: 'https://a.example/' } },
    { cloud_recording: false },
  ];
  await Promise.all(changes.map((settings, i) => (i % 2 ? store : other).liveStreams.update(me, id, { settings })));
  assert.deepEqual((await store.liveStreams.get(me, id))!.settings, {
    ...Object.assign({}, ...changes),
    pulling_mode: { stop_after_idle_s: 60, url: 'https://a.example/' },
  });
});

test('kill -9 of a process that writes loses no row that it was told is written', async () => {
  const dataDir = newFolder();
  const token = 'writer:0123456789abcdef';
  const acknowledged: string[] = [];
  const { databaseUrl = '' } = await databaseFor(dataDir);
  for (const rows of [40, 150, 400]) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'writer.ts'), dataDir, token, databaseUrl], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    let seen = 0;
    for await (const line of createInterface(child.stdout)) {
      if (line.length === 24) acknowledged.push(line);
      if (++seen === rows) child.kill('SIGKILL');
    }
    assert.deepEqual(await exited, [null, 'SIGKILL']);
  }
  // Postgres may still be busy with the writers that are gone.
  const store = await until('the store opens', 20_000, () => openIn(dataDir));
  const me = (await store.verifyToken('writer', '0123456789abcdef'))!;
  const lost = (await Promise.all(acknowledged.map((id) => store.liveStreams.get(me, id)))).filter(
    (row) => row === null,
  );
  assert.ok(acknowledged.length >= 590);
  assert.equal(lost.length, 0);
  await store.close();
  if (onPostgres) return;
  const db = new DatabaseSync(join(dataDir, 'liveapi.db'));
  assert.deepEqual({ ...db.prepare('pragma integrity_check').get() }, { integrity_check: 'ok' });
  db.close();
});

test('L37 a database that a newer version has widened is used as it is; one it has taken something from is refused', async () => {
  const { store, dataDir } = await open();
  const { token } = await store.bootstrap();
  await store.close();
  const newer = (name: string) => execute(dataDir, `insert into kysely_migration values ('${name}', '2100-01-01')`);
  await newer('7000_more_from_the_future');
  await execute(dataDir, 'alter table live_streams add column from_the_future text');
  const again = await openIn(dataDir);
  const me = (await again.verifyToken(token!.id, token!.secret))!;
  const { id } = await again.liveStreams.create(me, { name: 'made by the older one' });
  assert.equal((await again.liveStreams.get(me, id))?.name, 'made by the older one');
  await again.close();
  await newer('9999_contract_from_the_future');
  await assert.rejects(open(dataDir), coded('data_dir_unusable', /9999_contract_from_the_future.*newer version/));
});

test('two processes that start together on an empty database agree on its tables, its key and its first token', async (t) => {
  const dataDir = newFolder();
  const [one, two] = (await Promise.all([openIn(dataDir), openIn(dataDir)])) as [Store, Store];
  t.after(() => Promise.all([one.close(), two.close()]));
  const answers = await Promise.all([one.bootstrap(), two.bootstrap()]);
  assert.equal(answers.filter(({ created }) => created).length, 1);
  const { token } = answers.find(({ created }) => created)!;
  const me = (await one.verifyToken(token!.id, token!.secret))!;
  const { id, password } = await one.liveStreams.create(me, {});
  assert.equal((await two.liveStreams.get(me, id))?.password, password);
});

test('S13 a database opens with the key it was made with only, and says so at the start', async () => {
  const { store, dataDir } = await open();
  await store.close();
  const options = { dataDir, ...(await databaseFor(dataDir)), log };
  await assert.rejects(
    openStore({ ...options, secretKeys: [randomBytes(32)] }),
    coded('secret_unreadable', /secret_key/),
  );
  const key = readFileSync(join(dataDir, 'secret.key'), 'utf8').trim();
  const rotated = await openStore({ ...options, secretKeys: [randomBytes(32), Buffer.from(key, 'base64')] });
  await rotated.close();
});

test('S13 a dump of the database holds no secret that could be used', async (t) => {
  const { store, dataDir } = await open();
  t.after(() => store.close());
  const { token } = await store.bootstrap();
  const me = (await store.verifyToken(token!.id, token!.secret))!;
  const { password } = await store.liveStreams.create(me, {
    settings: { embed_password: 'canary-embed', pulling_mode: { url: 'rtmp://u:canary-pull@h.example/' } },
  });
  const text = await dump(dataDir);
  assert.ok(text.includes(me.userId), 'it is the dump of this database');
  for (const secret of [token!.secret, `"${password}"`, 'canary-embed', 'canary-pull'])
    assert.ok(!text.includes(secret));
});
