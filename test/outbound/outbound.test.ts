// What the one way out lets through: every spelling of an address that is not public, names that move, redirects, and answers
// without end. Nothing here connects to anything but loopback.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { after, test } from 'node:test';
import { CodedError } from '../../src/base/index.ts';
import { createOutbound, type Dial, type OutboundKind, type OutboundOptions } from '../../src/outbound/index.ts';

const PUBLIC = '93.184.215.14';

/** An outbound whose connections end at a spy, and whose resolver reads numbers as getaddrinfo does. */
function guarded(names: Record<string, readonly string[]> = {}, options: Partial<OutboundOptions> = {}) {
  const dialled: Dial[] = [];
  const resolved: string[] = [];
  const outbound = createOutbound({
    allow: [],
    ownListeners: () => [],
    failureFloorMs: 0,
    resolve: async (host) => {
      resolved.push(host);
      const addresses = names[host] ?? (/^[\d.]+$|^0x/i.test(host) ? ['127.0.0.1'] : undefined);
      if (!addresses) throw new Error('ENOTFOUND');
      return addresses;
    },
    connect: async (dial) => {
      dialled.push(dial);
      throw new Error('not today');
    },
    ...options,
  });
  after(() => outbound.close());
  return { outbound, dialled, resolved };
}
type Guarded = ReturnType<typeof guarded>['outbound'];

const SINKS: readonly [kind: OutboundKind, scheme: string][] = [
  ['webhook', 'https'],
  ['webhook', 'http'],
  ['platform', 'rtmp'],
  ['platform', 'rtmps'],
  ['pull', 'http'],
  ['pull', 'https'],
  ['pull', 'rtmp'],
  ['pull', 'rtmps'],
  ['pull', 'rtsp'],
  ['download', 'http'],
  ['download', 'https'],
];
/** Schemes that no sink has. */
const NEVER = 'udp ws wss ftp file gopher data javascript rtmpe rtmpt unix dict'.split(' ');

/** Uses a URL as `kind` would, and tells the code of the refusal. */
async function use(outbound: Guarded, url: string, kind: OutboundKind): Promise<string> {
  const call =
    kind === 'platform' || (kind === 'pull' && /^\s*rt[ms]p/i.test(url))
      ? outbound.connectTcp(url, kind as 'pull')
      : outbound.request(url, {
          kind,
          method: 'POST',
          headers: {},
          body: '{}',
          timeoutMs: 1000,
          maxResponseBytes: 100,
        });
  return call.then(
    () => 'connected',
    (error) => {
      assert.ok(error instanceof CodedError, `${url}: ${String(error)}`);
      return error.code;
    },
  );
}

const HOSTS =
  `127.0.0.1 127.1 127.0.1 127.0.0.1. 127.255.255.254 2130706433 0x7f000001 0x7f.1 0x7f.0.0.1 0X7F.0.0.1 0177.0.0.1
017700000001 0177.0x0.0.1 00000177.0.0.1 127.000.000.001 %31%32%37.0.0.1 １２７.0.0.1 127。0。0。1 ①②⑦.0.0.1 ⓵27.0.0.1 0 0.0.0.0
0.1.2.3 0x0 00 10.0.0.1 10.1 012.0.0.1 167772161 100.64.0.1 100.127.255.254 169.254.169.254 169.254.170.2 0xa9fea9fe 2852039166
0251.0376.0251.0376 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 192.168.1 3232235521
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 4294967295 256.0.0.1
1.2.3.4.5 [::] [::1] [0:0:0:0:0:0:0:1] [::127.0.0.1] [::7f00:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:a9fe:a9fe]
[::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2001::1] [2001:0:7f00:1::] [2001:db8::1] [3fff::1]
[fc00::1] [fd00:ec2::254] [fd12:3456::1] [fe80::1] [fe80::1%eth0] [fe80::1%25eth0] [fec0::1] [ff02::1] [100::1] [1::1] [4000::1]
[::1.2.3.4] ::1 [::1 [127.0.0.1] localhost LOCALHOST localhost. foo.localhost private.test mixed.test mixed6.test metadata.test
mapped.test absent.test empty.test public.test@127.0.0.1 127.0.0.1@public.test user:pass@public.test public.test:443@127.0.0.1
@public.test public.test\\@127.0.0.1 127.0.0.1\\@public.test public.test\\.evil.test public.test:22 public.test:25 public.test:0
public.test:6379 public.test:65536 public.test:99999999999 public.test:-1 public.test:80:80 public.test:４４３x public.test:1e3 pub\tlic.test pub\nlic.test
public.test\0 xn-- * .. -`
    .split(/(?<!pub)[ \n]/)
    .filter((host) => host !== '');

/** Elsewhere than in a pull's URL a user name is refused for itself. */
const PUBLIC_WITH_USER = new Set(['127.0.0.1@public.test', 'user:pass@public.test', '@public.test']);

const NAMES = {
  'public.test': [PUBLIC],
  localhost: ['127.0.0.1', '::1'],
  'foo.localhost': ['127.0.0.1'],
  'private.test': ['10.0.0.7'],
  'mixed.test': [PUBLIC, '192.168.0.7'],
  'mixed6.test': [PUBLIC, 'fd00::1'],
  'metadata.test': ['169.254.169.254'],
  'mapped.test': ['::ffff:10.0.0.1'],
  'empty.test': [],
};

test('S31 S35 S37 no spelling of an address that is not public is connected to, by no sink', async (t) => {
  const { outbound, dialled } = guarded(NAMES, { allowHttpWebhooks: true });
  // The spy sees what is allowed: without that, no connections would mean nothing.
  for (const [kind, scheme] of SINKS) {
    for (const host of [
      'public.test',
      'PUBLIC.test.',
      PUBLIC,
      '[2606:4700:4700::1111]',
      'public.test:8443',
      'public.test:50000',
    ])
      assert.equal(
        await use(outbound, ` ${scheme.toUpperCase()}://${host}/a/b?c `, kind),
        'destination_unreachable',
        host,
      );
  }
  assert.equal(dialled.length, SINKS.length * 6);
  dialled.length = 0;
  let tried = 0;
  const attempt = async (url: string, kind: OutboundKind) => {
    tried++;
    assert.equal(await use(outbound, url, kind), 'destination_refused', `${kind} ${JSON.stringify(url)}`);
    assert.deepEqual(dialled, [], `${kind} ${JSON.stringify(url)} connected`);
  };
  for (const [kind, scheme] of SINKS) {
    // A pull's URL may name a user; who that is says nothing about where it leads.
    const hosts =
      kind === 'pull' && !scheme.startsWith('rtmp') ? HOSTS.filter((host) => !PUBLIC_WITH_USER.has(host)) : HOSTS;
    for (const host of hosts) await attempt(`${scheme}://${host}/path`, kind);
    for (const url of [
      `${scheme}:/public.test`,
      `${scheme}:public.test`,
      `${scheme}:\\\\public.test`,
      `//public.test/`,
      'public.test',
      '',
    ])
      await attempt(url, kind);
    await attempt(`${scheme}://public.test/${'a'.repeat(2048)}`, kind);
  }
  for (const kind of ['webhook', 'platform', 'pull', 'download'] as const) {
    const schemes = SINKS.filter(([of]) => of === kind).map(([, scheme]) => scheme);
    const others = ['http', 'https', 'rtmp', 'rtmps', 'rtsp', 'srt'].filter((scheme) => !schemes.includes(scheme));
    for (const scheme of [...NEVER, ...others]) {
      // SRT is a datagram protocol, which ffmpeg speaks with an address that was checked: there is nothing to connect to.
      for (const url of [
        `${scheme}://public.test/`,
        ` ${scheme.toUpperCase()}://public.test/`,
        `${scheme}:\n//public.test/`,
      ])
        await attempt(url, kind);
    }
  }
  assert.equal(dialled.length, 0);
  t.diagnostic(
    `${HOSTS.length} spellings × ${SINKS.length} sinks and odd schemes: ${tried} tried, ${dialled.length} connects`,
  );
  assert.ok(HOSTS.length >= 60 && tried > 1000);

  const strict = guarded(NAMES);
  assert.equal(
    await use(strict.outbound, 'http://public.test/', 'webhook'),
    'destination_refused',
    'webhooks want https',
  );
  await assert.rejects(strict.outbound.check('https://me:secret-7@public.test/', 'webhook'), (error: Error) => {
    assert.doesNotMatch(error.message, /secret-7/);
    return true;
  });
  // A name that does not exist and one of a private address are told of alike: it would be a map of the inside.
  const words = new Set<string>();
  for (const host of ['private.test', 'absent.test', 'empty.test', '10.0.0.1', 'metadata.test'])
    await strict.outbound.check(`https://${host}/`, 'webhook').catch((error: Error) => words.add(error.message));
  assert.equal(words.size, 1);
});

test('S37 the operator opens networks and ports; our own listeners stay shut', async () => {
  const listeners = [{ address: '127.0.0.1', port: 18080 }];
  const options = {
    allow: ['127.0.0.0/8', 'fd00::/8', '::1/128', '0.0.0.0/8'],
    ports: [8081],
    ownListeners: () => listeners,
  };
  const { outbound, dialled } = guarded({ ...NAMES, 'tunnel.test': ['127.0.0.1'] }, options);
  const tryIt = (authority: string) => use(outbound, `https://${authority}/`, 'webhook');
  for (const authority of ['127.0.0.1', '127.9.9.9:18080', '[fd00::1]', 'localhost:8081', '[::ffff:127.0.0.1]:9000'])
    assert.equal(await tryIt(authority), 'destination_unreachable', authority);
  for (const authority of ['10.0.0.1', 'mixed.test', 'public.test:8082', '[fe80::1]'])
    assert.equal(await tryIt(authority), 'destination_refused', authority);
  dialled.length = 0;
  for (const authority of [
    '127.0.0.1:18080',
    '[::ffff:127.0.0.1]:18080',
    'localhost:18080',
    'tunnel.test:18080',
    '0.0.0.0:18080',
  ])
    assert.equal(await tryIt(authority), 'destination_refused', authority);
  listeners[0] = { address: '::', port: 18080 };
  for (const authority of ['127.0.0.1:18080', '127.9.9.9:18080', '[::1]:18080'])
    assert.equal(await tryIt(authority), 'destination_refused', authority);
  listeners[0] = { address: 'live.test', port: 1935 };
  assert.equal(
    await use(guarded({ 'live.test': [PUBLIC] }, options).outbound, 'rtmp://live.test/app', 'platform'),
    'destination_refused',
  );
  assert.deepEqual(dialled, []);
  assert.throws(() => guarded({}, { allow: ['127.0.0.1'] }), /outbound_allow holds "127\.0\.0\.1"/);
});

/** A server on loopback that counts its connections. */
async function serve(handler: http.RequestListener) {
  const server = http.createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  const seen = { connections: 0, requests: 0 };
  server.on('connection', () => seen.connections++);
  server.on('request', () => seen.requests++);
  return { port: (server.address() as net.AddressInfo).port, seen };
}
const open: Partial<OutboundOptions> = { allow: ['127.0.0.1/32'], allowHttpWebhooks: true };
const post = {
  kind: 'webhook',
  method: 'POST',
  headers: {},
  body: '{}',
  timeoutMs: 5000,
  maxResponseBytes: 65_536,
} as const;

/** Like `guarded`, with real connections. */
function real(names: Record<string, readonly string[]>, options: Partial<OutboundOptions> = {}) {
  const { outbound } = guarded(names, { ...open, connect: undefined as never, ...options });
  return outbound;
}

test('S32 S33 a name that moves is checked for each request, on kept connections too, and connected to where it was checked', async () => {
  const { port, seen } = await serve((request, response) => response.end(`${request.headers.host} ${request.url}`));
  let answers = [['127.0.0.1']];
  const outbound = real({}, { resolve: async () => (answers.length > 1 ? answers.shift()! : answers[0]!) });
  const url = `http://hook.test:${port}/x?y=1#z`;
  const first = await outbound.request(url, post);
  assert.deepEqual([first.status, first.body.toString()], [200, `hook.test:${port} /x?y=1`]);
  for (let i = 0; i < 4; i++) await outbound.request(url, post);
  assert.ok(seen.requests === 5 && seen.connections <= 2, 'connections are kept');
  answers = [['10.0.0.1']];
  await assert.rejects(outbound.request(url, post), { code: 'destination_refused' });
  answers = [['127.0.0.1', '10.0.0.1']];
  await assert.rejects(outbound.request(url, post), { code: 'destination_refused' });

  // Good when asked first, bad when it is connected to: the connection looks again, and refuses.
  const moved = guarded({}, { resolve: async () => (moved.resolved.push('') === 1 ? [PUBLIC] : ['127.0.0.1']) });
  await assert.rejects(moved.outbound.request('https://rebind.test/', post), { code: 'destination_refused' });
  assert.deepEqual([moved.dialled, moved.resolved.length], [[], 2]);
  const same = guarded({ 'public.test': [PUBLIC] });
  await assert.rejects(same.outbound.request('https://public.test:8443/', post), { code: 'destination_unreachable' });
  assert.deepEqual(same.dialled, [
    { host: 'public.test', port: 8443, tls: true, isAddress: false, addresses: [PUBLIC] },
  ]);
});

test('S34 webhooks follow no redirect; downloads three, each checked', async () => {
  const { port, seen } = await serve((request, response) => {
    const step = Number(new URL(request.url!, 'http://host').searchParams.get('n') ?? -1);
    const to = new URL(request.url!, 'http://host').searchParams.get('to');
    if (step === 0) return response.end(`done ${request.headers.authorization}`);
    response.writeHead(302, { location: to ?? `/?n=${step - 1}` }).end('moved');
  });
  const outbound = real({});
  const base = `http://127.0.0.1:${port}/`;
  assert.equal((await outbound.request(`${base}?n=1`, post)).status, 302);
  assert.equal(seen.requests, 1);
  const get = {
    ...post,
    kind: 'download',
    method: 'GET',
    body: undefined as never,
    headers: { authorization: 'Basic eDp5' },
  } as const;
  assert.equal((await outbound.request(`${base}?n=3`, get)).body.toString(), 'done Basic eDp5');
  await assert.rejects(outbound.request(`${base}?n=4`, get), { code: 'destination_refused' });
  for (const to of [
    'http://169.254.169.254/latest',
    'http://2130706434/',
    'file:///etc/passwd',
    'rtmp://1.1.1.1/',
    'http://u:p@1.1.1.1/',
  ])
    await assert.rejects(
      outbound.request(`${base}?to=${encodeURIComponent(to)}`, get),
      { code: 'destination_refused' },
      to,
    );
  // A pull's own user name goes with it on its host, and nowhere else.
  const pull = { ...get, kind: 'pull', headers: {} } as const;
  const withUser = base.replace('//', '//me:p%40ss@');
  const basic = `done Basic ${Buffer.from('me:p@ss').toString('base64')}`;
  const followed = await outbound.request(`${withUser}?n=3`, pull);
  assert.deepEqual([followed.body.toString(), followed.url], [basic, `${withUser}?n=0`]);
  await assert.rejects(outbound.request(`${base}?to=rtsp://127.0.0.1:9000/`, pull), { code: 'destination_refused' });
  const other = await serve((request, response) => response.end(String(request.headers.authorization)));
  const elsewhere = await outbound.request(`${withUser}?to=http://127.0.0.1:${other.port}/`, pull);
  assert.equal(elsewhere.body.toString(), 'undefined');
  const moved = await outbound.request(`${base}?to=http://127.0.0.1:${other.port}/`, get);
  assert.equal(moved.body.toString(), 'undefined', 'credentials stay with their host');
});

test('S36 answers are cut: headers at 16 KiB, bodies where the caller says, and nothing is unpacked', async () => {
  const endless = Buffer.alloc(16_384, 'a');
  const { port } = await serve((request, response) => {
    if (request.url === '/headers') response.setHeader('x-long', 'a'.repeat(20_000));
    if (request.url === '/gzip') response.setHeader('content-encoding', 'gzip');
    if (request.url !== '/endless') return response.end('short');
    const more = (): boolean => !response.destroyed && response.write(endless) && more();
    response.on('drain', more);
    more();
  });
  const outbound = real({});
  await assert.rejects(outbound.request(`http://127.0.0.1:${port}/headers`, post), { code: 'destination_unreachable' });
  const cut = await outbound.request(`http://127.0.0.1:${port}/endless`, post);
  assert.deepEqual([cut.status, cut.body.length, cut.truncated], [200, 65_536, true]);
  const packed = await outbound.request(`http://127.0.0.1:${port}/gzip`, post);
  assert.deepEqual([packed.body.toString(), packed.truncated], ['short', false]);
});

test('S36 a stream is read as it comes: idle for too long, ended by either side, held back by a slow reader', async () => {
  let written = 0;
  const { port } = await serve((request, response) => {
    if (request.url === '/mute') return;
    if (request.url === '/missing') return response.writeHead(404).end();
    response.writeHead(200);
    if (request.url === '/pause') return response.write('once');
    const more = (): boolean => {
      for (;;) {
        if (response.destroyed) return false;
        written += 65_536;
        if (!response.write(Buffer.alloc(65_536))) return false;
      }
    };
    response.on('drain', more);
    more();
  });
  const outbound = real({});
  const open = (path: string, more: { signal?: AbortSignal; timeoutMs?: number } = {}) =>
    outbound.stream(`http://127.0.0.1:${port}${path}`, { kind: 'pull', timeoutMs: 5000, idleMs: 500, ...more });
  const missing = await open('/missing');
  assert.equal(missing.status, 404);
  missing.close();
  await assert.rejects(open('/mute', { timeoutMs: 300 }), { code: 'destination_unreachable' });
  const ended = new AbortController();
  const mute = open('/mute', { signal: ended.signal });
  ended.abort();
  await assert.rejects(mute, { code: 'destination_unreachable' });
  await assert.rejects(async () => {
    const pause = await open('/pause');
    for await (const bytes of pause.body) assert.equal(bytes.toString(), 'once');
  });
  const endless = await open('/endless');
  for await (const bytes of endless.body) {
    assert.ok(bytes.length > 0);
    break;
  }
  endless.close();
  endless.close();
  assert.ok(written < 32 << 20, `${written} bytes were taken for one that was read`);
});

test('S38 closed, silent, gossiping and badly certified ports are told of in one wording, and not at once', async () => {
  const listen = async (onSocket: (socket: net.Socket) => void) => {
    const sockets = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      sockets.add(socket.on('error', () => {}));
      onSocket(socket);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return (server.address() as net.AddressInfo).port;
  };
  const gone = net.createServer();
  await once(gone.listen(0, '127.0.0.1'), 'listening');
  const closed = (gone.address() as net.AddressInfo).port;
  await new Promise((resolve) => gone.close(resolve));
  const cases: [scheme: string, port: number][] = [
    ['http', await listen((socket) => socket.end('220 mail.example.test ESMTP\r\n'))],
    ['http', await listen((socket) => socket.resetAndDestroy())],
    ['http', await listen(() => {})],
    ['http', await listen((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'))],
    ['https', await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    ['http', closed],
  ];
  const outbound = real({}, { failureFloorMs: 300 });
  const told = await Promise.all(
    cases.map(async ([scheme, port]) => {
      const startedMs = performance.now();
      const error = await outbound.request(`${scheme}://127.0.0.1:${port}/`, { ...post, timeoutMs: 300 }).then(
        () => assert.fail(),
        (failure: CodedError) => failure,
      );
      assert.ok(performance.now() - startedMs >= 295, `${scheme} ${port} was told too early`);
      return `${error.code}: ${error.message}`;
    }),
  );
  assert.equal(new Set(told).size, 1, told.join('\n'));
  assert.match(told[0]!, /^destination_unreachable: /);
});
