// A stranger's first minute: the demo, and the first start with nothing configured.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ask, closeConnections } from '../conformance/index.ts';
import { type Child, startChild } from '../support/child.ts';
import { readMediaPlaylist } from '../support/collect.ts';
import { freePorts } from '../support/server.ts';
import { until } from '../support/until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs a command of the program with free ports, an empty folder and no other setting. */
async function run(t: TestContext, command: string): Promise<Child> {
  const dataDir = await mkdtemp(join(tmpdir(), 'liveapi-start-'));
  const [httpPort, rtmpPort] = await freePorts(2);
  const child = startChild(process.execPath, ['src/cli/main.ts', command], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      HOME: dataDir,
      LIVEAPI_HTTP_PORT: String(httpPort),
      LIVEAPI_RTMP_PORT: String(rtmpPort),
      LIVEAPI_DATA_DIR: dataDir,
    },
  });
  t.after(async () => {
    closeConnections();
    await child.stop();
    await rm(dataDir, { recursive: true, force: true });
    assert.equal((await child.ended).code, 0, child.stderr().slice(-2000));
  });
  return child;
}

test('the demo prints where to watch, and it plays', { timeout: 60_000 }, async (t) => {
  const demo = await run(t, 'demo');
  const [embedUrl, hlsUrl] = await until('the addresses are printed', 20_000, () => {
    assert.ok(demo.running, demo.stderr());
    const page = /https?:\/\/\S+\/embed\/lv_[0-9a-f]{32}(?=\s)/.exec(demo.stdout())?.[0];
    const playlist = /https?:\/\/\S+\/index\.m3u8/.exec(demo.stdout())?.[0];
    return page && playlist ? [page, playlist] : null;
  });
  const page = await ask(embedUrl!);
  assert.equal(page.status, 200);
  assert.match(page.body.toString('utf8'), /https?:\/\/[^"]+\.m3u8/);
  const segments = async () =>
    (await readMediaPlaylist(hlsUrl!.replace('index.m3u8', 'main.m3u8'))).segments.filter(({ gap }) => !gap).length;
  const first = await until('a segment', 15_000, segments);
  await until('another segment', 15_000, async () => (await segments()) > first);
});

test('the first start prints an access token that works, once', { timeout: 60_000 }, async (t) => {
  const server = await run(t, 'serve');
  const [, url, id, secret] = await until('the token is printed', 20_000, () => {
    assert.ok(server.running, server.stderr());
    return /API +(http\S+)[\s\S]*id +(\S+)\s+secret +(\S+)/.exec(server.stdout());
  });
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  const created = await ask(`${url}/live_streams`, { method: 'POST', headers: { authorization }, alone: true });
  assert.equal(created.status, 200, created.body.toString('utf8'));
  assert.equal((await ask(`${url}/live_streams`, { alone: true })).status, 401);
});
