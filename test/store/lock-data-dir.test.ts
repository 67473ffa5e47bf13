import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lockDataDir } from '../../src/store/index.ts';
import { startChild } from '../support/child.ts';
import { freePorts } from '../support/server.ts';

const root = mkdtempSync(join(tmpdir(), 'liveapi-lock-'));
after(() => rmSync(root, { recursive: true }));

const refused = { code: 'data_dir_unusable', message: /Another server runs on .*data_dir of its own/ };
const store = fileURLToPath(new URL('../../src/store/index.ts', import.meta.url));
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

test('one server for a data folder of SQLite: a second one is refused by name, one after a kill is not', async () => {
  const dataDir = join(root, 'data');
  // Another process that holds it, keeps nothing of it, and cleans up its memory.
  const program = `import { lockDataDir } from ${JSON.stringify(store)};
    lockDataDir(${JSON.stringify(dataDir)});
    setImmediate(() => {
      gc();
      setImmediate(() => process.send('locked'));
    });
    setInterval(() => {}, 1000);`;
  const holder = startChild(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  await once(holder.process, 'message');
  assert.throws(() => lockDataDir(dataDir), refused);
  assert.equal(statSync(join(dataDir, 'server.lock')).mode & 0o777, 0o600);

  const [http, rtmp] = (await freePorts(2)) as [number, number];
  const env = {
    PATH: process.env.PATH,
    LIVEAPI_DATA_DIR: dataDir,
    LIVEAPI_HTTP_PORT: String(http),
    LIVEAPI_RTMP_PORT: String(rtmp),
  };
  const second = startChild(process.execPath, [main, 'serve'], { cwd: root, env });
  assert.equal((await second.ended).code, 1);
  assert.match(second.stdout() + second.stderr(), refused.message);
  assert.ok(!existsSync(join(dataDir, 'liveapi.db')), 'the refused one has touched nothing');

  await holder.stop('SIGKILL');
  const unlock = lockDataDir(dataDir);
  assert.throws(() => lockDataDir(dataDir), refused, 'within one process too');
  assert.throws(() => lockDataDir(dataDir), refused, 'and being refused takes nothing from who has it');
  unlock();
  lockDataDir(dataDir)();
});
