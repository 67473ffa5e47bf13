// `npm run dev`: the server, restarted when a source file changes; the web pages, rebuilt when theirs do; and one live stream
// with the test picture on it, published again after every restart. Its data lie in data/dev, so its URLs stay the same.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, watch } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { publishClip } from '../src/cli/demo.ts';
import { createClient } from '../src/client/index.ts';
import { loadConfig } from '../src/config/index.ts';

const RETRY_MS = 1000;
/** An editor saves several files at a time. */
const SETTLE_MS = 200;
const NAME = 'Development';

const root = fileURLToPath(new URL('..', import.meta.url));
const env = { ...process.env };
env.LIVEAPI_DATA_DIR ??= `${root}data/dev`;
// A new one for each run, known to this script and to whoever reads its output.
env.LIVEAPI_BOOTSTRAP_TOKEN ??= `dev:${randomBytes(24).toString('hex')}`;
const config = loadConfig({ argv: process.argv.slice(2), env, cwd: root });
mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });

const run = (...args: string[]) => spawn(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
const startServer = () => run('src/cli/main.ts', 'serve', ...process.argv.slice(2));
const pages = run('node_modules/vite/bin/vite.js', 'build', 'web', '--watch', '--logLevel', 'warn');
let server = startServer();

let ending = false;

// Not `node --watch`: it sends messages of its own to the store's worker, through the channel of our queries.
let restart: NodeJS.Timeout | undefined;
watch(`${root}src`, { recursive: true }, () => {
  clearTimeout(restart);
  restart = setTimeout(() => {
    const again = () => {
      if (!ending) server = startServer();
    };
    if (server.exitCode !== null || server.signalCode !== null) return again();
    server.removeAllListeners('exit').once('exit', again);
    server.kill('SIGTERM');
  }, SETTLE_MS);
});

const end = () => {
  ending = true;
  for (const child of [server, pages]) child.kill('SIGTERM');
  setTimeout(() => process.exit(0), 1000);
};
process.on('SIGINT', end);
process.on('SIGTERM', end);

const [tokenId = '', secret = ''] = config.bootstrapToken!.split(':');
const client = createClient({ baseUrl: `http://127.0.0.1:${config.httpPort}`, tokenId, secret });

/** Publishes until the server goes away. Rejects while it is not there yet. */
async function publish(): Promise<void> {
  const { docs } = await client.liveStreams.list();
  const stream = docs.find(({ name }) => name === NAME) ?? (await client.liveStreams.create({ name: NAME }));
  await new Promise<void>((resolve, reject) => {
    const publisher = publishClip(config.rtmpPort, stream.ingest.key, () => resolve());
    publisher.started.then(
      () => console.log(`  On air       ${stream.playback.embed_url}\n  Token        ${config.bootstrapToken}\n`),
      reject,
    );
  });
}

while (!ending) {
  await publish().catch(() => {}); // not up yet, or restarting
  await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}
