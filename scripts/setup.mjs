// What a fresh machine needs before `npm start`, `npm run demo` or `npm test`, installed once and only where missing:
// Node 24 (from the npm registry, where the machine's own Node is older), the packages of the lock file and the built web
// pages; with --test also ffmpeg, mpv, Chromium, Postgres and nginx with RTMP from Debian's packages. Plain JavaScript: any Node from 18 on runs it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR = 24;
const NODE_PACKAGES = { 'linux-x64': '24.21.0', 'linux-arm64': '24.21.0', 'darwin-x64': '24.18.1' };
const DEBIAN = {
  ffmpeg: 'ffmpeg',
  chromium: 'chromium',
  mpv: 'mpv',
  postgres: 'postgresql',
  nginx: 'nginx',
  rtmp: 'libnginx-mod-rtmp',
};
/** Debian keeps these off PATH: each version of Postgres in a folder of its own, nginx for the administrator. */
const FIND = {
  postgres: 'ls /usr/lib/postgresql/*/bin/postgres',
  nginx: 'ls /usr/sbin/nginx',
  rtmp: 'ls /usr/lib/nginx/modules/ngx_rtmp_module.so',
};

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => join(root, ...parts);
const forTests = process.argv.includes('--test');

/** Ends the set-up with a sentence that says what to do, never with a stack trace. */
function fail(sentence) {
  console.error(`setup: ${sentence}`);
  process.exit(1);
}

/** Runs a command quietly; its output is shown only when it fails. */
function run(what, command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (done.status === 0) return;
  process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}`);
  fail(`${what} failed (${done.error?.message ?? `${command} ended with ${done.status ?? done.signal}`})`);
}

const say = (text) => console.error(`setup: ${text}`);

/** Waits until no other set-up works in this folder: two starts at once must not install over each other. */
function lock() {
  const folder = at('.runtime', 'lock');
  mkdirSync(at('.runtime'), { recursive: true });
  for (let told = false; ; ) {
    try {
      mkdirSync(folder);
      writeFileSync(join(folder, 'pid'), String(process.pid));
      process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
      for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    let owner = 0;
    try {
      owner = Number(readFileSync(join(folder, 'pid'), 'utf8'));
      process.kill(owner, 0);
    } catch {
      // The owner is gone, or has made the folder this instant and not yet written its id.
      let age = 0;
      try {
        age = Date.now() - statSync(folder).mtimeMs;
      } catch {}
      if (owner || age > 5000) rmSync(folder, { recursive: true, force: true });
    }
    if (!told) say('another set-up is running in this folder, waiting for it');
    told = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
}

/** Sees to `node_modules/.bin/node` being Node 24, which every script of package.json then runs. */
function node24() {
  const link = at('node_modules', '.bin', 'node');
  const major = (binary) =>
    Number(/^v(\d+)/.exec(spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1] ?? 0);
  if (existsSync(link) && major(link) >= NODE_MAJOR) return link;
  let binary = process.execPath;
  if (major(binary) < NODE_MAJOR) {
    const platform = `${process.platform}-${process.arch}`;
    const version = NODE_PACKAGES[platform];
    if (!version)
      fail(
        `this machine has Node ${process.version} and no Node ${NODE_MAJOR} package exists for ${platform}: install Node ${NODE_MAJOR} and try again`,
      );
    const folder = at('.runtime', `node-${version}`);
    binary = join(folder, 'node_modules', `node-${platform}`, 'bin', 'node');
    if (!existsSync(binary)) {
      say(`installing Node ${version} beside the project (this machine has ${process.version})`);
      run('installing Node', 'npm', [
        'install',
        '--no-save',
        '--ignore-scripts',
        '--no-audit',
        '--no-fund',
        '--prefix',
        folder,
        `node-${platform}@${version}`,
      ]);
    }
  }
  mkdirSync(at('node_modules', '.bin'), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(binary, link);
  return link;
}

/** One digest over files and folders, so that unchanged inputs are never installed or built twice. */
function digest(paths) {
  const hash = createHash('sha256');
  const add = (path) => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort()) add(join(path, name));
    } else hash.update(path.slice(root.length)).update('\0').update(readFileSync(path)).update('\0');
  };
  for (const path of paths) add(at(path));
  return hash.digest('hex');
}

function onceFor(stamp, inputs, work) {
  const file = at('.runtime', stamp);
  const now = digest(inputs);
  if (existsSync(file) && readFileSync(file, 'utf8') === now) return;
  work();
  mkdirSync(at('.runtime'), { recursive: true });
  writeFileSync(file, now);
}

function debianPackages() {
  const missing = Object.keys(DEBIAN).filter(
    (program) => spawnSync('sh', ['-c', FIND[program] ?? `command -v ${program}`]).status !== 0,
  );
  if (missing.length === 0) return;
  const packages = missing.map((program) => DEBIAN[program]);
  if (spawnSync('sh', ['-c', 'command -v apt-get']).status !== 0)
    fail(`the tests need ${missing.join(', ')}: install them and try again`);
  const sudo = process.getuid?.() === 0 ? [] : ['sudo'];
  say(`installing ${packages.join(', ')} with apt-get`);
  const apt = (what, args) =>
    run(what, [...sudo, 'apt-get'][0], [...sudo, 'apt-get', ...args].slice(1), {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  apt('apt-get update', ['update']);
  apt(`installing ${packages.join(', ')}`, [
    'install',
    '-y',
    '--no-install-recommends',
    ...packages,
    'fonts-dejavu-core',
  ]);
}

lock();
if (!existsSync(at('node_modules', 'fastify'))) rmSync(at('.runtime', 'packages'), { force: true });
onceFor('packages', ['package-lock.json'], () => {
  say('installing packages');
  // Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms.
  run('installing packages', 'npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']);
});
const node = node24();
if (existsSync(at('web', 'vite.config.ts'))) {
  if (!existsSync(at('dist', 'web'))) rmSync(at('.runtime', 'web'), { force: true });
  onceFor('web', ['web', 'package-lock.json'], () => {
    say('building the web pages');
    run('building the web pages', node, [
      at('node_modules', 'vite', 'bin', 'vite.js'),
      'build',
      'web',
      '--logLevel',
      'warn',
    ]);
  });
}
if (forTests) debianPackages();
