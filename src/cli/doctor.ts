import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statfsSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLogger } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import { secretKeyFile, tryDatabase } from '../store/index.ts';

type Finding = { readonly state: 'ok' | 'note' | 'wrong'; readonly what: string; readonly todo?: string };

/** Looks at what the server needs from its machine and prints what is right, what is missing and what to do about it. */
export async function doctor(config: Config): Promise<void> {
  const findings: Finding[] = [
    node(),
    await port('http_port', config.httpHost, config.httpPort),
    await port('rtmp_port', config.rtmpHost, config.rtmpPort),
    ...(config.tlsCertificate ? [await port('rtmps_port', config.rtmpHost, config.rtmpsPort)] : []),
    certificate(config),
    dataFolder(config.dataDir),
    secretKey(config),
    ...(config.databaseUrl ? [await database(config.databaseUrl)] : []),
    publicUrl(config),
    ...proxies(config),
    pages(),
    clock(),
    openFiles(),
    ffmpeg(),
  ];
  const sign = { ok: 'ok   ', note: 'note ', wrong: 'WRONG' };
  for (const { state, what, todo } of findings)
    console.log(`${sign[state]}  ${what}${todo ? `\n       → ${todo}` : ''}`);
  const wrong = findings.filter((finding) => finding.state === 'wrong').length;
  console.log(wrong === 0 ? '\nThe server can start.' : `\n${wrong} to put right before the server can start.`);
  process.exitCode = wrong === 0 ? 0 : 1;
}

function node(): Finding {
  const ok = Number(process.versions.node.split('.')[0]) >= 24;
  return {
    state: ok ? 'ok' : 'wrong',
    what: `Node ${process.versions.node}`,
    todo: ok ? undefined : 'Run `npm run setup`: it installs Node 24 beside the project.',
  };
}

function port(key: string, host: string | undefined, number: number): Promise<Finding> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve({
        state: 'wrong',
        what: `${key} ${number}: ${error.code === 'EADDRINUSE' ? 'taken by another program' : error.message}`,
        todo:
          error.code === 'EADDRINUSE'
            ? `Stop that program (is the server running already?) or set ${key}.`
            : `Set ${key} or its host to one that this machine may listen on.`,
      }),
    );
    server.listen(number, host, () => server.close(() => resolve({ state: 'ok', what: `${key} ${number} is free` })));
  });
}

function certificate(config: Config): Finding {
  if (!config.tlsCertificate || !config.tlsKey) {
    return {
      state: 'note',
      what: 'RTMPS is off',
      todo: 'Set tls_certificate and tls_key (PEM files) to let encoders connect encrypted.',
    };
  }
  try {
    readFileSync(config.tlsKey);
    const { validTo } = new X509Certificate(readFileSync(config.tlsCertificate));
    const days = Math.floor((Date.parse(validTo) - Date.now()) / 86_400_000);
    if (days < 0)
      return { state: 'wrong', what: `tls_certificate ran out on ${validTo}`, todo: 'Renew it: encoders refuse it.' };
    return { state: days < 14 ? 'note' : 'ok', what: `tls_certificate is valid for ${days} more days` };
  } catch (error) {
    return {
      state: 'wrong',
      what: `tls_certificate, tls_key: ${(error as Error).message}`,
      todo: 'Give the paths of two readable PEM files.',
    };
  }
}

function dataFolder(folder: string): Finding {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.R_OK | constants.W_OK);
    const { bavail, bsize } = statfsSync(folder);
    const freeMb = Math.floor((bavail * bsize) / 1e6);
    if (freeMb < 200)
      return {
        state: 'wrong',
        what: `data_dir ${folder}: ${freeMb} MB free`,
        todo: 'Make room or set data_dir to another disk.',
      };
    return { state: 'ok', what: `data_dir ${folder} is writable, ${(freeMb / 1000).toFixed(1)} GB free` };
  } catch (error) {
    return {
      state: 'wrong',
      what: `data_dir ${folder}: ${(error as Error).message}`,
      todo: 'Set data_dir to a folder that this user may write to.',
    };
  }
}

function secretKey({ dataDir, secretKeys, databaseUrl }: Config): Finding {
  const file = secretKeyFile(dataDir);
  if (secretKeys) return { state: 'ok', what: `secret_key is set (${secretKeys.length})` };
  const made = existsSync(file);
  const what = made
    ? `the key of stored secrets is ${file}`
    : `the first start makes the key of stored secrets, ${file}`;
  if (databaseUrl)
    return { state: 'note', what, todo: 'Other machines on this database need the same key: set secret_key.' };
  if (!made && existsSync(join(dataDir, 'liveapi.db')))
    return {
      state: 'note',
      what: `${file} is missing`,
      todo: 'Put it back from your backup, if secrets are in the data.',
    };
  return { state: 'ok', what };
}

async function database(url: string): Promise<Finding> {
  try {
    const { where, version } = await tryDatabase(url, createLogger('silent'));
    const ok = version >= 15;
    const todo = ok ? undefined : 'Use Postgres 15 or newer.';
    return { state: ok ? 'ok' : 'wrong', what: `Postgres ${version} answers: ${where}`, todo };
  } catch (error) {
    const todo = 'See that Postgres runs and that database_url is right.';
    return { state: 'wrong', what: `database_url: ${(error as Error).message}`, todo };
  }
}

function publicUrl(config: Config): Finding {
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(new URL(config.publicUrl).hostname);
  if (!local) return { state: 'ok', what: `public_url ${config.publicUrl}` };
  return {
    state: 'note',
    what: `public_url ${config.publicUrl}`,
    todo: 'Viewers elsewhere need an address that leads here: set public_url.',
  };
}

/** TLS is a proxy's work: without its address everybody seems to come from there. */
function proxies({ publicUrl, trustedProxies }: Config): Finding[] {
  if (!publicUrl.startsWith('https:')) return [];
  if (trustedProxies.length > 0) return [{ state: 'ok', what: `trusted_proxies ${trustedProxies.join(', ')}` }];
  const todo = "Set it to the proxy's address (127.0.0.1 on the same machine): else all strangers share one limit.";
  return [{ state: 'note', what: 'public_url is https, and trusted_proxies is empty', todo }];
}

function pages(): Finding {
  const built = existsSync(fileURLToPath(new URL('../../dist/web/player.html', import.meta.url)));
  return {
    state: built ? 'ok' : 'wrong',
    what: built ? 'the player pages are built' : 'the player pages are not built',
    todo: built ? undefined : 'Run `npm run setup`.',
  };
}

function clock(): Finding {
  // Sequence numbers of playlists and ids begin with the time: a clock that is years off must be seen.
  const now = new Date();
  const ok = now.getUTCFullYear() >= 2026 && now.getUTCFullYear() < 2100;
  return {
    state: ok ? 'ok' : 'wrong',
    what: `the clock says ${now.toISOString()}`,
    todo: ok ? undefined : 'Set the clock (an NTP service keeps it right): playlists count from it.',
  };
}

function openFiles(): Finding {
  let limit = Number.NaN;
  try {
    limit = Number(/Max open files\s+\d+\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  } catch {
    // Not Linux: nothing is known, and nothing said.
  }
  if (!(limit < 8192))
    return { state: 'ok', what: `open files: ${Number.isNaN(limit) ? 'no limit known' : `up to ${limit}`}` };
  return {
    state: 'note',
    what: `open files: up to ${limit}`,
    todo: 'Every viewer and encoder takes one: raise it (LimitNOFILE= in systemd, ulimit -n).',
  };
}

function ffmpeg(): Finding {
  try {
    const version = /version (\S+)/.exec(
      execFileSync('ffmpeg', ['-version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    )?.[1];
    return { state: 'ok', what: `ffmpeg ${version}` };
  } catch {
    return {
      state: 'note',
      what: 'no ffmpeg on PATH',
      todo: 'Only RTSP and SRT sources of pulling_mode need it: `apt-get install ffmpeg`; it is also an encoder to try with.',
    };
  }
}
