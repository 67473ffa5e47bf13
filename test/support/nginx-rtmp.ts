import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from './child.ts';
import { freePorts } from './server.ts';
import { until } from './until.ts';

const RTMP_MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

/** A server of another maker that takes a push and writes it down. */
export interface RecordingServer {
  /** Where to push to: server, without key. */
  readonly url: string;
  /** The FLV files that it has made so far, oldest first. */
  recordings(): Promise<string[]>;
  close(): Promise<void>;
}

/** Waits until somebody listens on a port of loopback. */
export const listening = (port: number): Promise<true> =>
  until(
    `port ${port} is open`,
    15_000,
    () =>
      new Promise<true>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.destroy();
          resolve(true);
        });
        socket.once('error', reject);
      }),
  );

/** nginx with its RTMP module (Debian's `libnginx-mod-rtmp`), which records all that is published to it. */
export async function startNginxRtmp(): Promise<RecordingServer> {
  const [port] = (await freePorts(1)) as [number];
  const folder = await mkdtemp(join(tmpdir(), 'liveapi-nginx-'));
  const records = join(folder, 'records');
  await mkdir(records);
  const file = join(folder, 'nginx.conf');
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  await writeFile(
    file,
    `load_module ${RTMP_MODULE};
${user} daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 256; }
rtmp { server { listen 127.0.0.1:${port}; application hidden-app { live on; record all; record_path ${records}; record_unique on; } } }
`,
  );
  const child = startChild('/usr/sbin/nginx', ['-c', file, '-p', folder]);
  const close = async () => {
    await child.stop();
    await rm(folder, { recursive: true, force: true });
  };
  await listening(port).catch(async (error: unknown) => {
    await close();
    throw new Error(`nginx did not start: ${child.stderr()}`, { cause: error });
  });
  const recordings = async () => (await readdir(records)).sort().map((name) => join(records, name));
  return { url: `rtmp://127.0.0.1:${port}/hidden-app`, recordings, close };
}
