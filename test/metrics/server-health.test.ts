import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ServerHealth } from '../../src/metrics/index.ts';

test('how the process and its machine are; without ffmpeg and with one that says what it is', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'liveapi-health-'));
  const { PATH } = process.env;
  t.after(() => {
    process.env.PATH = PATH;
    rmSync(folder, { recursive: true });
  });
  process.env.PATH = folder;
  const without = new ServerHealth(folder);
  const { disk, ffmpeg, rss, eventLoopP99Ms } = await without.read();
  without.close();
  assert.equal(ffmpeg, null);
  assert.ok(disk!.free > 0 && disk!.free <= disk!.total && rss > 1e6 && eventLoopP99Ms >= 0);

  writeFileSync(join(folder, 'ffmpeg'), '#!/bin/sh\necho "ffmpeg version 5.1.6-0+deb12u1 Copyright"\n', {
    mode: 0o755,
  });
  const health = new ServerHealth(join(folder, 'missing'));
  assert.deepEqual(
    await Promise.all([health.read(), health.read()]).then((all) => all.map((one) => [one.disk, one.ffmpeg])),
    [
      [null, '5.1.6-0+deb12u1'],
      [null, '5.1.6-0+deb12u1'],
    ],
  );
  health.close();
});
