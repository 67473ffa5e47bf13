import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startChild } from '../support/child.ts';
import { freePorts } from '../support/server.ts';
import { until } from '../support/until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A command of the program in a world of its own: free ports, an empty folder, nothing inherited but PATH. */
async function world() {
  const [http, rtmp] = await freePorts(2);
  const folder = mkdtempSync(join(tmpdir(), 'liveapi-cli-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const env = {
    PATH: process.env.PATH,
    LIVEAPI_HTTP_PORT: String(http),
    LIVEAPI_RTMP_PORT: String(rtmp),
    LIVEAPI_DATA_DIR: folder,
    LIVEAPI_PUBLIC_URL: `http://localhost:${http}`,
  };
  const run = (args: string[], more: Record<string, string> = {}) =>
    startChild(process.execPath, [join(root, 'src/cli/main.ts'), ...args], { cwd: folder, env: { ...env, ...more } });
  return { http: http!, rtmp: rtmp!, folder, run };
}

test('the first start shows a token once and a curl line that works; the second finds everything again', async () => {
  const { run, http } = await world();
  const first = run(['serve']);
  await until('the banner', 20_000, () => first.stdout().includes('curl'));
  const curl = /curl .*/.exec(first.stdout())![0].split(' ').slice(1);
  const stream = JSON.parse(execFileSync('curl', ['-sS', ...curl], { encoding: 'utf8' }));
  assert.match(stream.ingest.key, /^lv_[0-9a-f]{32}\?password=[0-9a-f]{8}$/);
  assert.equal(stream.environment, 'production');
  const credentials = curl[curl.indexOf('-u') + 1]!;
  await first.stop('SIGTERM');
  assert.deepEqual(await first.ended, { code: 0, signal: null }, 'SIGTERM ends it in order');

  const second = run(['serve']);
  await until('the banner', 20_000, () => second.stdout().includes('curl'));
  assert.ok(!second.stdout().includes(credentials.split(':')[1]!), 'the secret is not shown again');
  const again = execFileSync(
    'curl',
    ['-sS', '-u', credentials, `http://localhost:${http}/live_streams/${stream._id}`],
    { encoding: 'utf8' },
  );
  assert.equal(JSON.parse(again).ingest.key, stream.ingest.key);
  await second.stop('SIGTERM');
});

test('what is wrong with the machine or the settings is said in one line, with what to do', async () => {
  const { run, http } = await world();
  const holder = net.createServer();
  await new Promise<void>((resolve) => holder.listen(http, resolve));
  after(() => holder.close());
  const taken = run(['serve']);
  assert.deepEqual(await taken.ended, { code: 1, signal: null });
  assert.match(taken.stderr(), new RegExp(`Port ${http} is taken by another program: choose another with http_port`));
  const examined = run(['doctor']);
  assert.equal((await examined.ended).code, 1);
  assert.match(examined.stdout(), new RegExp(`WRONG +http_port ${http}`));
  const misspelt = run(['serve', '--http-prot', '8080']);
  assert.equal((await misspelt.ended).code, 1);
  assert.match(misspelt.stderr(), /http-prot.*http-port/s);
  const unknown = run(['serv']);
  assert.notEqual((await unknown.ended).code, 0);
});

test('doctor finds a good machine good; --help names every setting; --version is that of the package', async () => {
  const { run } = await world();
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const said = run(['--version']);
  assert.deepEqual([await said.ended, said.stdout()], [{ code: 0, signal: null }, `${version}\n`]);
  const examined = run(['doctor']);
  assert.equal((await examined.ended).code, 0, examined.stdout());
  for (const what of ['http_port', 'rtmp_port', 'data_dir', 'ffmpeg', 'clock'])
    assert.match(examined.stdout(), new RegExp(what));
  const help = run(['serve', '--help']);
  await help.ended;
  for (const key of ['http-port', 'LIVEAPI_DATA_DIR', 'reconnect']) assert.match(help.stdout(), new RegExp(key));
});

test('the demo publishes its clip and says where to watch', async () => {
  const { run } = await world();
  const demo = run(['demo']);
  await until('the addresses', 20_000, () => demo.stdout().includes('/embed/'));
  const hls = /http\S+index\.m3u8/.exec(demo.stdout())![0];
  await until('the playlist has three parts', 15_000, async () => {
    const playlist = await (await fetch(new URL('main.m3u8', hls))).text();
    return (playlist.match(/#EXT-X-PART:/g) ?? []).length >= 3;
  });
  const curl = /curl -X PATCH (.*)/.exec(demo.stdout())![0];
  assert.equal(
    JSON.parse(execFileSync('sh', ['-c', curl.replace('curl', 'curl -sS')], { encoding: 'utf8' })).enabled,
    false,
  );
  await demo.stop('SIGINT');
  assert.equal((await demo.ended).code, 0);
});
