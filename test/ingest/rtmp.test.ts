import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import { createLogger } from '../../src/base/index.ts';
import { writeAudioTag, writeVideoTag } from '../../src/formats/flv/index.ts';
import { ClientSession } from '../../src/formats/rtmp/index.ts';
import { RtmpServer, type RtmpServerOptions } from '../../src/ingest/rtmp/index.ts';
import { LiveRegistry, type PublishRequest, type Reader } from '../../src/live/index.ts';
import type { Packet } from '../../src/media/index.ts';

const KEY = `lv_${'0'.repeat(31)}1`;
const OTHER_KEY = `lv_${'0'.repeat(31)}2`;
const DISABLED_KEY = `lv_${'0'.repeat(31)}3`;
const PASSWORD = '0badcafe';
const log = createLogger('silent');

// A Baseline 16x16 configuration and one IDR access unit, enough for a track and packets.
const AVC_CONFIG = Buffer.from(
  '0142c00affe100196742c00ad90797e7c044000003000400000300f03c489e4001000568cb83cb20',
  'hex',
);
const IDR = Buffer.concat([Buffer.from([0, 0, 0, 5, 0x65]), Buffer.alloc(4, 1)]);
const AAC_CONFIG = Buffer.from([0x11, 0x90]);

/** A server on a free port with a real registry; keys are checked by a list (the port is this room's one dependency). */
async function ingest(
  options: Partial<RtmpServerOptions> = {},
  onAuthorise?: (request: PublishRequest) => Promise<void>,
) {
  const packets: Packet[] = [];
  const events: string[] = [];
  const reader: Reader = {
    name: 'test',
    onRun: () => events.push('run'),
    onPacket: (packet) => packets.push(packet),
    onPause: () => events.push('pause'),
    onEnd: () => events.push('end'),
  };
  const registry = new LiveRegistry({
    reconnectWindowMs: 60_000,
    takeoverAfterMs: 300,
    log,
    onBroadcast: (broadcast) => broadcast.addReader(reader),
  });
  const server = new RtmpServer({
    host: '127.0.0.1',
    port: 0,
    publisherTimeoutMs: 2000,
    maxConnections: 10_000,
    maxConnectionsPerAddress: 50,
    failuresPerMinute: 10,
    registry,
    log,
    authoriser: {
      authorise: async (request) => {
        await onAuthorise?.(request);
        if (![KEY, OTHER_KEY, DISABLED_KEY].includes(request.playbackId) || request.password !== PASSWORD)
          return { ok: false, reason: 'unknown' };
        if (request.playbackId === DISABLED_KEY) return { ok: false, reason: 'disabled' };
        return {
          ok: true,
          authorisation: {
            liveStreamId: request.playbackId,
            playbackId: request.playbackId,
            userId: 'user',
            discontinuities: 0,
          },
        };
      },
    },
    ...options,
  });
  await server.start();
  const close = async () => {
    registry.close();
    await server.close();
  };
  after(close);
  return { server, registry, packets, events, close };
}

interface Encoder {
  readonly socket: net.Socket;
  readonly session: ClientSession;
  /** Resolves with null once publishing, else with the refusal. */
  readonly answer: Promise<{ code: string; description: string } | null>;
  readonly closed: Promise<unknown>;
}

function encoder(
  port: number,
  streamName = `${KEY}?password=${PASSWORD}`,
  options: { app?: string; socket?: net.Socket } = {},
): Encoder {
  const socket = options.socket ?? net.connect({ port, host: '127.0.0.1', noDelay: true });
  const app = options.app ?? 'static';
  let settle: (value: { code: string; description: string } | null) => void;
  const answer = new Promise<{ code: string; description: string } | null>((resolve) => {
    settle = resolve;
  });
  const session = new ClientSession(
    { app, tcUrl: `rtmp://127.0.0.1/${app}`, streamName },
    {
      send: (bytes) => socket.write(bytes),
      published: () => settle(null),
      refused: (code, description) => settle({ code, description }),
    },
  );
  const closed = once(socket, 'close').catch(() => once(socket, 'close'));
  socket.on('error', () => settle({ code: 'socket', description: 'error' }));
  socket.on('close', () => settle({ code: 'socket', description: 'closed' }));
  socket.on(socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect', () => session.start());
  socket.on('data', (bytes) => session.receive(bytes));
  return { socket, session, answer, closed };
}

function sendFrames({ session }: Encoder, fromMs: number, frames: number): void {
  session.sendVideo(fromMs, writeVideoTag('config', true, 0, AVC_CONFIG));
  session.sendAudio(fromMs, writeAudioTag('config', AAC_CONFIG));
  for (let i = 0; i < frames; i++) {
    session.sendVideo(fromMs + i * 33, writeVideoTag('frame', true, 0, IDR));
    session.sendAudio(fromMs + Math.round((i * 1024) / 48), writeAudioTag('frame', Buffer.from([i])));
  }
}

async function until(what: string, condition: () => boolean, timeoutMs = 15_000): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    if (waited > timeoutMs) assert.fail(`timed out: ${what}`);
    await delay(10);
  }
}

test('C14 C15 a publish becomes packets; stop, FIN, RST and silence each end it truthfully', async () => {
  const { server, registry, packets, events } = await ingest();
  const ends = {
    stop: (one: Encoder) => one.session.stop(),
    fin: (one: Encoder) => void one.socket.end(),
    rst: (one: Encoder) => void one.socket.resetAndDestroy(),
    silence: () => {},
  };
  for (const [name, end] of Object.entries(ends)) {
    packets.length = 0;
    events.length = 0;
    const one = encoder(server.port);
    assert.equal(await one.answer, null, name);
    sendFrames(one, 0, 20);
    await until(`${name}: 40 packets`, () => packets.length === 40);
    assert.equal(packets.filter((packet) => packet.track.kind === 'video' && packet.key).length, 20);
    assert.deepEqual(
      packets.filter((packet) => packet.track.kind === 'audio').map((packet) => packet.dts),
      Array.from({ length: 20 }, (_, i) => i * 1024),
      'E07 audio is re-clocked by its sample count',
    );
    assert.ok(registry.isOnline(KEY));
    end(one);
    await until(`${name}: offline`, () => !registry.isOnline(KEY));
    assert.deepEqual(events, ['run', 'pause']);
    if (name === 'silence') await one.closed;
    one.socket.destroy();
  }
  await until('no socket left', () => server.connections === 0);
});

test('E13 the clock of the machine is set three hours on and back: who publishes stays, who is silent goes', async (t) => {
  const { server, registry, packets, events } = await ingest({ publisherTimeoutMs: 600 });
  const one = encoder(server.port);
  assert.equal(await one.answer, null);
  sendFrames(one, 0, 1);
  const now = Date.now;
  let setByMs = 0;
  t.mock.method(Date, 'now', () => now() + setByMs);
  for (let i = 1; i <= 12; i++) {
    setByMs = [0, 3 * 3_600_000, -3 * 3_600_000][i % 3]!;
    one.session.sendVideo(i * 33, writeVideoTag('frame', true, 0, IDR));
    await until('its frame', () => packets.length === 2 + i);
    await delay(100);
  }
  assert.deepEqual([registry.isOnline(KEY), events], [true, ['run']]);
  const video = packets.filter(({ track }) => track.kind === 'video');
  assert.deepEqual(
    video.map(({ dts }) => dts),
    Array.from({ length: 13 }, (_, i) => i * 33),
  );
  setByMs = -3 * 3_600_000;
  await one.closed;
  assert.deepEqual([registry.isOnline(KEY), events], [false, ['run', 'pause']]);
});

test('C13 the key is checked for longer than silence is borne: who waits is not cleared away, and publishes', async () => {
  const { server, registry, packets } = await ingest({ publisherTimeoutMs: 300 }, () => delay(1500));
  const one = encoder(server.port);
  assert.equal(await one.answer, null);
  assert.ok(registry.isOnline(KEY));
  sendFrames(one, 0, 5);
  await until('its packets', () => packets.length === 10);
  one.socket.destroy();
});

test('C09 C10 C11 C12 a refusal says why and closes; unknown key and wrong password look alike', async () => {
  const { server, registry, events } = await ingest();
  const refusal = async (name: string) => {
    const one = encoder(server.port, name);
    const answer = await one.answer;
    await one.closed;
    return answer;
  };
  const unknown = await refusal(`lv_${'f'.repeat(32)}?password=${PASSWORD}`);
  assert.equal(unknown?.code, 'NetStream.Publish.BadName');
  assert.match(unknown!.description, /Unknown stream key/);
  assert.deepEqual(await refusal(`${KEY}?password=00000000`), unknown);
  assert.deepEqual(await refusal(KEY), unknown);
  assert.deepEqual(await refusal(''), unknown);
  assert.deepEqual(
    await refusal(`${DISABLED_KEY}?password=00000000`),
    unknown,
    'disabled is only told to who knows the password',
  );
  assert.match((await refusal(`${DISABLED_KEY}?password=${PASSWORD}`))!.description, /disabled/);
  const first = encoder(server.port);
  assert.equal(await first.answer, null);
  const beat = setInterval(() => sendFrames(first, 0, 1), 20);
  const second = await refusal(`${KEY}?password=${PASSWORD}`);
  clearInterval(beat);
  assert.match(second!.description, /Already live/);
  assert.ok(registry.isOnline(KEY), 'the first publisher is not displaced');
  assert.deepEqual(events, ['run'], 'C12 a refused duplicate leaves no trace');
  const back = encoder(server.port);
  assert.equal(await back.answer, null, 'a silent one is taken over');
  await first.closed;
  back.socket.destroy();
});

test('S20 R37 wrong keys are answered ever more slowly, right ones at once', async () => {
  const { server } = await ingest({ failuresPerMinute: 3 });
  for (let i = 0; i < 5; i++) await encoder(server.port, 'lv_wrong').answer;
  let slowAnswered = false;
  const slow = encoder(server.port, 'lv_wrong').answer.then(() => {
    slowAnswered = true;
  });
  const right = encoder(server.port);
  assert.equal(await right.answer, null);
  assert.equal(slowAnswered, false, 'the right key overtook the wrong one');
  await slow;
  right.socket.destroy();
});

test('a key check that fails, is slow, or outlives its connection harms nothing', async () => {
  let release: (() => void)[] = [];
  let fail = false;
  const { server, registry, packets } = await ingest({}, async () => {
    if (fail) throw new Error('the store is away');
    await new Promise<void>((resolve) => release.push(resolve));
  });
  const impatient = encoder(server.port);
  await until('the check began', () => release.length === 1);
  impatient.socket.destroy();
  await until('gone', () => server.connections === 0);
  release[0]!();
  release = [];
  await delay(0);
  assert.ok(!registry.isOnline(KEY), 'a connection that left while its key was checked is not online');
  const stopped = encoder(server.port);
  await until('the check began', () => release.length === 1);
  registry.stop(KEY, 'disabled');
  release[0]!();
  assert.match((await stopped.answer)!.description, /disabled/, 'a stop during the check wins');
  release = [];
  const eager = encoder(server.port);
  await until('the check began', () => release.length === 1);
  release[0]!();
  assert.equal(await eager.answer, null);
  sendFrames(eager, 0, 5);
  await until('packets', () => packets.length === 10);
  eager.socket.destroy();
  fail = true;
  assert.equal((await encoder(server.port).answer)!.code, 'NetStream.Publish.Failed');
});

test('R01 R02 R03 R04 R05 R06 A05 whoever stalls is closed by a deadline', { timeout: 60_000 }, async () => {
  const { server } = await ingest();
  const raw = (first?: Buffer) => {
    const socket = net.connect({ port: server.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.on('connect', () => first && socket.write(first));
    socket.resume();
    return socket;
  };
  const c0c1 = Buffer.concat([Buffer.from([3]), Buffer.alloc(1536)]);
  const drip = raw();
  const dripping = setInterval(() => drip.writable && drip.write(Buffer.from([3])), 1000);
  const connectOnly = net.connect({ port: server.port, host: '127.0.0.1' });
  const half = new ClientSession(
    { app: 'static', tcUrl: 'rtmp://127.0.0.1/static', streamName: '' },
    {
      // Everything up to the end of the handshake, and the connect after it, but no createStream.
      send: (bytes) => {
        if (connectOnly.bytesWritten < 1537 + 1536 + 500) connectOnly.write(bytes);
      },
      published: () => {},
      refused: () => {},
    },
  );
  connectOnly.on('connect', () => half.start());
  let replies = 0;
  connectOnly.on('data', (bytes) => {
    if (replies++ < 1) half.receive(bytes);
  });
  const publishOnly = encoder(server.port);
  const sockets = {
    R01: raw(),
    R02: raw(Buffer.from([3])),
    R03: drip,
    R04: raw(c0c1),
    R05: connectOnly,
    R06: publishOnly.socket,
  };
  await Promise.all(Object.values(sockets).map((socket) => once(socket, 'close')));
  clearInterval(dripping);
  await until('no socket left', () => server.connections === 0);
});

test('R07 R46 A03 strangers that speak something else are closed; the frames of a healthy neighbour stay what they are', async () => {
  const { server, packets } = await ingest();
  const neighbour = encoder(server.port, `${OTHER_KEY}?password=${PASSWORD}`);
  assert.equal(await neighbour.answer, null);
  sendFrames(neighbour, 0, 1);
  const sent: Buffer[] = [];
  const sendOne = () => {
    const slice = createHash('sha256').update(`${sent.length}`).digest();
    const frame = Buffer.concat([Buffer.from([0, 0, 0, 33, 0x65]), slice]);
    sent.push(frame);
    neighbour.session.sendVideo(33 * sent.length, writeVideoTag('frame', true, 0, frame));
  };
  const greetings = [
    '\0',
    '\x02',
    '\x06',
    'G',
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n',
  ];
  for (const greeting of greetings) {
    const socket = net.connect({ port: server.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.write(Buffer.concat([Buffer.from(greeting, 'latin1'), Buffer.alloc(1536, 0x47)]));
    socket.resume();
    sendOne();
    await once(socket, 'close');
  }
  for (let i = 0; i < 50; i++) {
    // After a true handshake: noise instead of chunks.
    const socket = net.connect({ port: server.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    const noise = Buffer.from(Array.from({ length: 4000 }, (_, k) => (k * 7919 + i * 104_729) & 255));
    socket.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(1536), Buffer.alloc(1536), noise]));
    socket.end();
    socket.resume();
    sendOne();
    await once(socket, 'close');
  }
  await until('all frames of the neighbour', () => packets.length === 2 + sent.length);
  assert.equal(sent.length, 57);
  const video = packets.filter(({ track }) => track.kind === 'video').slice(1);
  assert.deepEqual(
    video.map(({ data }) => Buffer.from(data).toString('hex')),
    sent.map((frame) => frame.toString('hex')),
  );
  neighbour.socket.destroy();
});

test('R08 thousands of half-open sockets do not keep an encoder out; a full house evicts the oldest stranger', {
  timeout: 60_000,
}, async () => {
  const { server } = await ingest({ maxConnections: 600 });
  const idle: net.Socket[] = [];
  for (let i = 0; i < 2000; i++) {
    const socket = net.connect({ port: server.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    idle.push(socket);
    if (i % 100 === 99) await once(socket, 'connect').catch(() => {});
  }
  const one = encoder(server.port);
  assert.equal(await one.answer, null);
  assert.ok(server.connections <= 600);
  for (const socket of idle) socket.destroy();
  await until('only the encoder is left', () => server.connections === 1);
  one.socket.destroy();
});

test('A06 R12 RTMPS takes the same publish, shrugs at plain bytes, and a bad certificate is a clear error', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'liveapi-tls-'));
  after(() => rmSync(folder, { recursive: true }));
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-keyout',
      join(folder, 'key.pem'),
      '-out',
      join(folder, 'cert.pem'),
    ],
    { stdio: 'ignore' },
  );
  const certificate = readFileSync(join(folder, 'cert.pem'));
  const key = readFileSync(join(folder, 'key.pem'));
  const { server, packets, registry } = await ingest({ tls: { port: 0, certificate, key } });
  const plain = net.connect({ port: server.tlsPort!, host: '127.0.0.1' });
  plain.on('error', () => {});
  plain.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(1536)]));
  plain.resume();
  await once(plain, 'close');
  // Half-open TLS is bounded: with two places the third socket costs the first one its own.
  const { server: small } = await ingest({ tls: { port: 0, certificate, key }, maxConnections: 2 });
  const halfOpen = Array.from({ length: 3 }, () => net.connect({ port: small.tlsPort!, host: '127.0.0.1' }));
  for (const socket of halfOpen) socket.on('error', () => {});
  await once(halfOpen[0]!.resume(), 'close');
  for (const socket of halfOpen) socket.destroy();
  const secure = tls.connect({ port: server.tlsPort!, host: '127.0.0.1', ca: certificate, servername: 'localhost' });
  const one = encoder(0, undefined, { socket: secure });
  assert.equal(await one.answer, null);
  sendFrames(one, 0, 10);
  await until('packets', () => packets.length === 20);
  one.socket.destroy();

  // R12: clients that do it their own way publish too, and one that goes without a farewell is gone.
  await until('the first has left', () => !registry.isOnline(KEY));
  for (const [name, options] of Object.entries<tls.ConnectionOptions>({
    'one byte a write': { servername: 'localhost' },
    'no server name': { servername: '' },
    'another server name': { servername: 'elsewhere.example.net' },
  })) {
    packets.length = 0;
    const raw = net.connect({ port: server.tlsPort!, host: '127.0.0.1', noDelay: true });
    const bytewise = new Duplex({
      read() {},
      write: (bytes: Buffer, _, done) => {
        for (const byte of bytes.subarray(0, 2000)) raw.write(Buffer.of(byte));
        raw.write(bytes.subarray(2000), done);
      },
    });
    raw.on('data', (bytes) => bytewise.push(bytes));
    raw.on('close', () => bytewise.destroy());
    const socket = tls.connect({
      ...options,
      ca: certificate,
      checkServerIdentity: () => undefined,
      socket: name === 'one byte a write' ? bytewise : raw,
    });
    const odd = encoder(0, undefined, { socket });
    assert.equal(await odd.answer, null, name);
    sendFrames(odd, 0, 10);
    await until(name, () => packets.length === 20);
    raw.destroy();
    await until(`${name}: offline`, () => !registry.isOnline(KEY));
    odd.socket.destroy();
  }
  await assert.rejects(ingest({ tls: { port: 0, certificate: 'not a certificate', key } }), { code: 'config_invalid' });
});

test('R06 who keeps the connection warm but sends nothing to play is told so and goes offline', async () => {
  const { server, registry } = await ingest({ publisherTimeoutMs: 600 });
  const mp3 = encoder(server.port);
  let told = '';
  mp3.socket.on('data', (bytes) => {
    told += bytes.toString('latin1');
  });
  assert.equal(await mp3.answer, null);
  const beat = setInterval(() => mp3.socket.writable && mp3.session.sendAudio(0, Buffer.from([0x2f, 1, 2, 3])), 50);
  await mp3.closed;
  clearInterval(beat);
  assert.match(told, /No H\.264 video and no AAC audio has come/);
  assert.ok(!registry.isOnline(KEY));
});

test('D18 an audio codec that cannot be carried is left out, a video codec ends the publish with the reason', async () => {
  const { server, packets } = await ingest();
  const mp3 = encoder(server.port);
  assert.equal(await mp3.answer, null);
  mp3.session.sendAudio(0, Buffer.from([0x2f, 1, 2, 3]));
  sendFrames(mp3, 0, 3);
  await until('the video goes on', () => packets.length === 6);
  mp3.socket.destroy();
  let told = '';
  const hevc = encoder(server.port, `${OTHER_KEY}?password=${PASSWORD}`);
  hevc.socket.on('data', (bytes) => {
    told += bytes.toString('latin1');
  });
  assert.equal(await hevc.answer, null);
  hevc.session.sendVideo(0, Buffer.from([0x90, ...Buffer.from('hvc1'), 1, 2, 3]));
  await hevc.closed;
  assert.match(told, /H\.264/);
});
