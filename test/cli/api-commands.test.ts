import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { startApi } from '../api/start-api.ts';
import { startChild } from '../support/child.ts';
import { until } from '../support/until.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'liveapi-cli-'));
let api: Awaited<ReturnType<typeof startApi>>;
let env: Record<string, string | undefined>;
before(async () => {
  api = await startApi();
  const { id, secret } = api.secrets;
  env = { PATH: process.env.PATH, HOME: home, LIVEAPI_URL: api.baseUrl, LIVEAPI_TOKEN: `${id}:${secret}` };
});
after(async () => {
  await api.stop();
  api.remove();
  rmSync(home, { recursive: true });
});

const start = (args: string[], more: Record<string, string | undefined> = {}) =>
  startChild(process.execPath, [main, ...args], { cwd: home, env: { ...env, ...more } });

/** Runs a command to its end. */
async function run(args: string[], more: Record<string, string | undefined> = {}) {
  const child = start(args, more);
  const { code } = await child.ended;
  return { code, stdout: child.stdout(), stderr: child.stderr() };
}

/** Runs a command that has to work, and reads what it prints for programs. */
async function json(...args: string[]) {
  const { code, stdout, stderr } = await run([...args, '--json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

test('live streams, platforms, tokens and the organization, for programs and for people', async () => {
  const stream = await json(
    'streams',
    'create',
    '--name',
    'Pier \u001b[31m',
    '--set',
    'abr=true',
    '--set',
    'embed_password=x',
  );
  assert.deepEqual([stream.enabled, stream.settings.abr, stream.settings.embed_password], [true, true, 'x']);
  assert.equal((await json('streams', 'disable', stream._id)).enabled, false);
  assert.equal((await json('streams', 'enable', stream._id)).enabled, true);
  const listed = await run(['streams', 'list']);
  assert.match(listed.stdout, new RegExp(`^ID +NAME +STATUS.*\n${stream._id}  Pier �\\[31m +offline`));
  assert.ok(!listed.stdout.includes('\u001b'), 'a name does not steer the terminal');
  assert.notEqual((await json('streams', 'rotate-key', stream._id)).ingest.key, stream.ingest.key);
  const backup = await json('streams', 'rotate-key', stream._id, '--backup');
  assert.notEqual(backup.ingest.backup_key, stream.ingest.backup_key);

  const [first, second] = ['rtmp://origin.example.invalid/live/x', 'https://b.example.invalid/live.m3u8'];
  const pull = ['streams', 'pull'];
  const off = await run([...pull, 'set', stream._id, '--from', 'ftp://a.example/']);
  assert.deepEqual([off.code, /settings\.pulling_mode\.url must be/.test(off.stderr)], [1, true]);
  const from = ['--from', first, '--from', second, '--start', 'on_demand', '--stop-after-idle', '60'];
  await json(...pull, 'set', stream._id, ...from);
  const kept = { url: first, urls: [second], start: 'on_demand', stop_after_idle_s: 60 };
  assert.deepEqual((await json(...pull, 'off', stream._id)).settings.pulling_mode, { ...kept, enabled: false });
  assert.match(
    (await run([...pull, 'status', stream._id])).stdout,
    /^enabled +no\nurl +rtmp:.*\nstatus\.state +off\n$/s,
  );

  const look = await run([...pull, 'test', stream._id, '--from', first, '--json']);
  assert.deepEqual([look.code, JSON.parse(look.stdout).code], [1, 'timeout']);

  const platforms = ['streams', 'platforms'];
  const added = await json(...platforms, 'add', stream._id, '--server', 'rtmp://push.example.net/live', '--key', 'abc');
  assert.equal((await json(...platforms, 'update', stream._id, added._id, '--no-enable')).enabled, false);
  assert.equal((await json('platforms', 'list', stream._id)).length, 1);
  const table = await run(['platforms', 'list', stream._id]);
  assert.match(table.stdout, new RegExp(`^ID +NAME +SERVER +KEY +STATE.*\n${added._id} .* \\*{4} +paused`));
  const more = ['--audio', 'silence', '--delay', '5', '--codecs', 'h264,aac', '--enable'];
  const changed = await json('platforms', 'update', stream._id, added._id, ...more);
  assert.deepEqual([changed.audio, changed.delay_s, changed.codecs], ['silence', 5, ['h264', 'aac']]);
  assert.match((await run(['platforms', 'list', stream._id])).stdout, / offline/);
  assert.match(
    (await run(['platforms', 'templates'])).stdout,
    /youtube +YouTube +rtmps:\/\/a\.rtmps\.youtube\.com\/live2/,
  );
  api.live.idle = true;
  const idle = await run(['platforms', 'restart', stream._id, added._id]);
  assert.deepEqual([idle.code, /not on air/.test(idle.stderr)], [1, true]);
  assert.deepEqual(await json(...platforms, 'remove', stream._id, added._id), { success: true });

  const token = await json('tokens', 'create', '--name', 'Job');
  const own = { LIVEAPI_TOKEN: `${token._id}:${token.secret}` };
  assert.equal((await run(['streams', 'get', stream._id], own)).code, 0);
  const refused = await run(['tokens', 'list'], own);
  assert.equal(refused.code, 1, 'a member makes no tokens');
  assert.match((await run(['tokens', 'list'])).stdout, /Job/);
  await json('tokens', 'revoke', token._id);
  const revoked = await run(['streams', 'list'], own);
  assert.deepEqual([revoked.code, /revoked/.test(revoked.stderr)], [1, true]);

  assert.ok((await json('orgs', 'show'))[0].name);
  assert.equal((await json('orgs', 'members'))[0].role, 'owner');
  for (let i = 0; i < 110; i++) await api.client.liveStreams.update(stream._id, { enabled: i % 2 === 1 });
  assert.deepEqual(await json('streams', 'delete', stream._id), { success: true });
  assert.equal((await json('events', 'list', '--limit', '105', '--live-stream', stream._id)).length, 105);
  assert.deepEqual(await json('events', 'list', '--limit', '0'), []);
  assert.equal((await run(['events', 'list', '--event', 'stream-created,stream-removed'])).code, 2);
  const events = await json('events', 'list', '--live-stream', stream._id, '--limit', '1');
  assert.equal(events[0].event, 'stream-removed');
});

test('0 is done, 1 is failed, 2 is not called as it should be; each says what to do', async () => {
  const gone = await run(['streams', 'get', '0'.repeat(24)]);
  assert.deepEqual([gone.code, gone.stdout], [1, '']);
  assert.match(gone.stderr, /^liveapi: Live stream not found\. GET \/live_streams/);
  const stats = await run(['streams', 'stats', (await json('streams', 'create'))._id]);
  assert.deepEqual([stats.code, /not found upstream/i.test(stats.stderr)], [1, true]);

  const noToken = await run(['streams', 'list'], { LIVEAPI_TOKEN: undefined });
  assert.deepEqual([noToken.code, /set LIVEAPI_TOKEN/.test(noToken.stderr)], [2, true]);
  const away = await run(['streams', 'delete', 'x', '--url', 'http://127.0.0.1:1']);
  assert.deepEqual([away.code, /No answer from http:\/\/127\.0\.0\.1:1/.test(away.stderr)], [1, true]);
  const misuses = [
    ['streams', 'get'],
    ['streams', 'list', '--limit', 'many'],
    ['streams', 'list', '--colour'],
    ['streams', 'create', '--set', 'abr'],
    ['streams', 'pull', 'set', 'x'],
    ['streams', 'pull', 'set', 'x', '--from', 'rtmp://a.example/x', '--start', 'soon'],
    ['platforms', 'update', 'x', 'y', '--audio', 'loud'],
    ['webhooks', 'listen'],
    ['webhooks', 'listen', '--forward', 'localhost:3000'],
    ['webhooks', 'trigger'],
    ['events', 'tail', '--event', 'stream-explodes'],
    ['strems'],
  ];
  await Promise.all(
    misuses.map(async (wrong) => {
      const { code, stderr } = await run(wrong);
      assert.equal(code, 2, `liveapi ${wrong.join(' ')}: ${stderr}`);
      assert.ok(stderr.length > 20);
    }),
  );
  await Promise.all(
    ['streams', 'tokens', 'webhooks', 'orgs', 'events'].map(async (group) => {
      const { code, stdout } = await run([group, '--help']);
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`Examples:\n  \\$ liveapi ${group} `));
    }),
  );

  mkdirSync(join(home, '.config', 'liveapi'), { recursive: true });
  const { LIVEAPI_URL: url, LIVEAPI_TOKEN: token } = env;
  writeFileSync(join(home, '.config', 'liveapi', 'cli.json'), JSON.stringify({ url, token }));
  const filed = await run(['streams', 'list'], { LIVEAPI_URL: undefined, LIVEAPI_TOKEN: undefined });
  assert.equal(filed.code, 0, filed.stderr);
});

/** A program that receives webhooks, and refuses what is not signed with `secret`. */
async function receiver(secret: string) {
  const received: { event: string; payload: { _id?: string } }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    try {
      const body = Buffer.concat(chunks).toString();
      received.push(
        new Webhook(secret).verify(body, request.headers as Record<string, string>) as (typeof received)[0],
      );
      response.writeHead(204).end();
    } catch {
      response.writeHead(400).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close());
  return { received, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

/** A way to the API that can be cut and restored. */
async function cuttable() {
  const sockets = new Set<net.Socket>();
  let whole = true;
  const server = net.createServer((socket) => {
    if (!whole) return void socket.resetAndDestroy();
    const onward = net.connect(Number(new URL(api.baseUrl).port), '127.0.0.1');
    for (const one of [socket, onward]) {
      sockets.add(one);
      one.on('error', () => {}).on('close', () => sockets.delete(one));
    }
    socket.pipe(onward).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  after(() => {
    cut();
    server.close();
  });
  const restore = () => {
    whole = true;
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut, restore };
}

const SECRET = `whsec_${Buffer.from('a secret of this test, 32 bytes.').toString('base64')}`;

test('listen forwards what happens from now on, signed and in order, and loses nothing while the network is away', async () => {
  const { received, address } = await receiver(SECRET);
  const way = await cuttable();
  const before = await api.client.liveStreams.create({ name: 'before' });
  const listening = start(
    ['webhooks', 'listen', '--forward', address, '--secret', SECRET, '--events', 'stream-created,stream-removed'],
    {
      LIVEAPI_URL: way.url,
    },
  );
  await until('it listens', 20_000, () => listening.stderr().includes('Listening.'));
  const ids: string[] = [];
  const create = async () => ids.push((await api.client.liveStreams.create())._id);
  const arrived = () => received.filter(({ event }) => event === 'stream-created').map(({ payload }) => payload._id);
  for (let i = 0; i < 5; i++) await create();
  await api.client.liveStreams.rotateKey(before._id);
  await until('five have arrived', 10_000, () => received.length === 5);
  way.cut();
  await until('it says so', 20_000, () => listening.stderr().includes('does not answer'));
  for (let i = 0; i < 5; i++) await create();
  way.restore();
  await until('all have arrived', 30_000, () => received.length >= 10);
  await api.client.liveStreams.delete(before._id);
  await until('the deletion has arrived', 10_000, () => received.length >= 11);
  assert.deepEqual(arrived(), ids);
  assert.equal(received.at(-1)!.event, 'stream-removed');
  assert.match(listening.stdout(), /^\d+ {2}stream-created {2}204 {2}\d+ ms$/m);
  await listening.stop('SIGINT');
});

test('trigger sends an example to this machine, or through the server to one endpoint', async () => {
  const { received, address } = await receiver(SECRET);
  // No server is asked, so no token is needed.
  const alone = { LIVEAPI_TOKEN: undefined };
  const sent = await run(['webhooks', 'trigger', 'stream-connected', '--forward', address, '--secret', SECRET], alone);
  assert.equal(sent.code, 0, sent.stderr);
  assert.equal(received[0]!.event, 'stream-connected');
  assert.ok(received[0]!.payload._id);
  const unsigned = await run(['webhooks', 'trigger', '--forward', address]);
  assert.equal(unsigned.code, 1, 'another secret is refused by the receiver');
  assert.match(unsigned.stderr, /Signing with whsec_/);

  const endpoint = await json(
    'webhooks',
    'create',
    'https://example.com/hook',
    '--name',
    'Shop',
    '--events',
    'stream-created',
  );
  assert.match((await run(['webhooks', 'list'])).stdout, /Shop .*stream-created +enabled/);
  await json('webhooks', 'trigger', 'stream-created', '--endpoint', endpoint._id);
  const [delivery] = await json('webhooks', 'deliveries', endpoint._id);
  assert.equal(delivery.event, 'stream-created');
  assert.equal(
    JSON.parse((await json('webhooks', 'deliveries', endpoint._id, delivery._id)).body).event,
    'stream-created',
  );
  assert.equal((await json('webhooks', 'resend', endpoint._id)).resent, 0);
  assert.notEqual((await json('webhooks', 'rotate-secret', endpoint._id)).secret, endpoint.secret);
  assert.equal((await json('webhooks', 'update', endpoint._id, '--no-enable', '--all-events')).enabled, false);
  assert.deepEqual(await json('webhooks', 'delete', endpoint._id), { success: true });
});

test('events tail prints one line for each event until it is stopped', async () => {
  const { last_number } = await api.client.events.list();
  const tail = start(['events', 'tail', '--after', String(last_number), '--json']);
  const stream = await api.client.liveStreams.create({ name: 'tailed' });
  await until('the event is there', 20_000, () => tail.stdout().includes(stream._id));
  assert.equal(JSON.parse(tail.stdout().split('\n')[0]!).number, last_number + 1);
  await tail.stop('SIGINT');
});
