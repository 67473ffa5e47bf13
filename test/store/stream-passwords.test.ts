import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { GuessLimiter } from '../../src/live/index.ts';
import { openStore } from '../../src/store/index.ts';
import { databaseFor } from '../support/database.ts';

const log = createLogger('silent');
const dataDir = mkdtempSync(join(tmpdir(), 'liveapi-passwords-'));
after(() => rmSync(dataDir, { recursive: true, force: true }));

test('S20 short stream passwords are not guessed: few wrong ones a minute are looked at; long ones by a setting, for new keys', async () => {
  const options = { dataDir, ...(await databaseFor(dataDir)), log };
  let store = await openStore(options);
  const { token } = await store.bootstrap();
  const owner = (await store.verifyToken(token!.id, token!.secret))!;
  const stream = await store.liveStreams.create(owner, {});
  assert.match(stream.password, /^[0-9a-f]{8}$/, "the contract's form");

  let checked = 0;
  const counted: typeof store.authorise = (request) => {
    checked++;
    return store.authorise(request);
  };
  const limiter = new GuessLimiter({ authoriser: { authorise: counted }, log });
  const wrong = stream.password === '00000000' ? '11111111' : '00000000';
  const guess = async (address: string, password = wrong) => {
    const { playbackId } = stream;
    return (await limiter.authorise({ playbackId, password, address })).ok;
  };
  const looks = async (guesses: () => Promise<unknown>) => {
    const before = checked;
    await guesses();
    return checked - before;
  };

  for (let i = 0; i < 500; i++) assert.ok(await guess('192.0.2.1', stream.password), 'a right password is no guess');
  const many = () => Promise.all(Array.from({ length: 200 }, () => guess('198.51.100.1')));
  assert.equal(await looks(many), 30, 'of one address, however many come at once');
  assert.equal(await guess('198.51.100.1', stream.password), false, 'the right one is not found there any more');
  const ofOneCustomer = () => Promise.all(Array.from({ length: 100 }, (_, i) => guess(`2001:db8:1:2::${i + 1}`)));
  assert.equal(await looks(ofOneCustomer), 30, '64 bits of IPv6 are one');
  const crowd = () => Promise.all(Array.from({ length: 500 }, (_, i) => guess(`203.0.113.${i % 250}`)));
  assert.equal(await looks(crowd), 90, 'of all together: 150 a minute, of four thousand million');
  assert.equal(await guess('192.0.2.2', stream.password), false);
  assert.ok(await guess('192.0.2.1', stream.password), 'whoever has known it comes back at once');
  const other = await store.liveStreams.create(owner, {});
  const { ok } = await limiter.authorise({
    playbackId: other.playbackId,
    password: other.password,
    address: '192.0.2.2',
  });
  assert.ok(ok, 'other live streams notice nothing');

  await store.close();
  store = await openStore({ ...options, streamPasswordBits: 128 });
  assert.ok(await guess('192.0.2.1', stream.password), 'keys that are there stay');
  const long = (await store.liveStreams.rotateKey(owner, stream.id, { overlapMs: 0, which: 'primary' }))!;
  assert.match(long.password, /^[0-9a-f]{32}$/);
  assert.ok(await guess('192.0.2.2', long.password), 'a long one is taken from anywhere, also while others guess');
  const made = await store.liveStreams.create(owner, {});
  assert.match(`${made.password} ${made.backupPassword}`, /^[0-9a-f]{32} [0-9a-f]{32}$/);
  await store.close();
});
