import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChild } from './child.ts';
import { listening, type RecordingServer } from './nginx-rtmp.ts';
import { freePorts } from './server.ts';

const program = fileURLToPath(new URL('../../node_modules/node-media-server/bin/app.js', import.meta.url));

/** Node-Media-Server in a process of its own, which records all that is published to it. */
export async function startNodeMediaServer(): Promise<RecordingServer> {
  const [rtmp, http] = (await freePorts(2)) as [number, number];
  const folder = await mkdtemp(join(tmpdir(), 'liveapi-nms-'));
  const records = join(folder, 'records');
  const config = {
    bind: '127.0.0.1',
    notify: { url: '' },
    store: { path: join(folder, 'data') },
    auth: { play: false, publish: false, secret: '', jwt: { secret: 'test', users: [] } },
    rtmp: { port: rtmp },
    http: { port: http },
    webadmin: { enable: false },
    record: { auto: true, path: records },
  };
  const file = join(folder, 'config.json');
  await writeFile(file, JSON.stringify(config));
  const child = startChild(process.execPath, [program, '--config', file, '--no-admin'], { cwd: folder });
  const close = async () => {
    await child.stop();
    await rm(folder, { recursive: true, force: true });
  };
  await listening(rtmp).catch(async (error: unknown) => {
    await close();
    throw new Error(`Node-Media-Server did not start: ${child.stderr()}${child.stdout()}`, { cause: error });
  });
  const recordings = async () => {
    const names = await readdir(records, { recursive: true }).catch(() => []);
    return names
      .filter((name) => name.endsWith('.flv'))
      .sort()
      .map((name) => join(records, name));
  };
  return { url: `rtmp://127.0.0.1:${rtmp}/hidden-app`, recordings, close };
}
