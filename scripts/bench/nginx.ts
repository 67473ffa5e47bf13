import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Child, startChild } from '../../test/support/child.ts';
import { freePorts } from '../../test/support/server.ts';
import { until } from '../../test/support/until.ts';
import { pin, SERVER_CORE } from './measure.ts';

const RTMP_MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

/** Debian's nginx with its RTMP module is here (`apt-get install nginx libnginx-mod-rtmp`). */
export const hasNginxRtmp = (): boolean => existsSync(RTMP_MODULE) && spawnSync('nginx', ['-v']).status === 0;

/** nginx-rtmp with one worker on the server's core. `workerPid` is what to measure; `app` is 'static'. */
export async function startNginxRtmp(options: {
  /** HLS in segments of 2 s, as its documentation advises. */
  readonly hls: boolean;
}): Promise<{ readonly port: number; readonly workerPid: number; close(): Promise<void> }> {
  const [port] = (await freePorts(1)) as [number];
  const folder = await mkdtemp(join(tmpdir(), 'bench-nginx-'));
  // Segments in memory: a disk would cost it more.
  const segments = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : folder, 'bench-hls-'));
  const file = join(folder, 'nginx.conf');
  const hls = options.hls ? `hls on; hls_path ${segments}; hls_fragment 2s;` : '';
  await writeFile(
    file,
    `load_module ${RTMP_MODULE};
user root; daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
rtmp { server { listen 127.0.0.1:${port}; chunk_size 4096; application static { live on; ${hls} } } }
`,
  );
  const child: Child = startChild('nginx', ['-c', file, '-p', folder]);
  const close = async () => {
    await child.stop();
    await rm(folder, { recursive: true, force: true });
    await rm(segments, { recursive: true, force: true });
  };
  try {
    const workerPid = await until('nginx has a worker', 5000, () => childOf(child.pid));
    pin(workerPid, SERVER_CORE);
    return { port, workerPid, close };
  } catch (error) {
    await close();
    throw new Error(`nginx did not start: ${child.stderr()}`, { cause: error });
  }
}

function childOf(parent: number): number | undefined {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const [, pid] = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8')) ?? [];
      if (Number(pid) === parent && readFileSync(`/proc/${name}/cmdline`, 'utf8').startsWith('nginx: worker'))
        return Number(name);
    } catch {
      // It ended meanwhile.
    }
  }
  return undefined;
}
