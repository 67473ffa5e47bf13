// Pulls that ffmpeg reads for us: RTSP from a scripted server, SRT from another ffmpeg.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { startChild } from '../support/child.ts';
import { makeFlv } from '../support/encoder.ts';
import { readFlvTags, sentFrames } from '../support/flv-frames.ts';
import { freePorts } from '../support/server.ts';
import { until } from '../support/until.ts';
import { findRun, startPullStation } from './pull-station.ts';
import { type RtspBehaviour, startRtspServer } from './scripted-rtsp.ts';

const flv = await makeFlv({
  seconds: 6,
  video: { gopS: 1, size: '320x180', kbps: 200 },
  audio: { rate: 48_000, channels: 1 },
});

/** Processes that this one has started and that run ffmpeg for a pull: their command lines. */
function running(): { readonly pid: number; readonly command: string; readonly state: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        const [state = '', parent] = stat.replace(/^.*\) /s, '').split(' ');
        const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ');
        const ours = Number(parent) === process.pid && (command.includes('-protocol_whitelist') || state === 'Z');
        return ours ? [{ pid: Number(name), command, state }] : [];
      } catch {
        return []; // it is gone
      }
    });
}

test('S70 S72 S74 RTSP: media through our relay, digest and basic, no password in sight; a killed ffmpeg is started again', async () => {
  const station = await startPullStation();
  const server = await startRtspServer(flv, { user: { name: 'cam', password: 'pa ss-9' } });
  const { id } = await station.create({
    enabled: true,
    url: `rtsp://cam:pa%20ss-9@127.0.0.1:${server.port}/cam?token=t0ken`,
  });
  const status = await station.untilState(id, 'online');
  assert.equal(status.protocol, 'pull-rtsp');
  await until('frames of both kinds', 20_000, () => station.received.length > 200);
  const video = station.received.filter(({ kind }) => kind === 'video').map(({ hash }) => hash);
  assert.ok(findRun(server.sent(), video) >= 0, 'no frame is missing or changed');
  assert.ok(station.received.some(({ kind }) => kind === 'audio'));
  // What the server sees is its own address; what ffmpeg sees is ours.
  const uri = `rtsp://127.0.0.1:${server.port}/cam?token=t0ken`;
  assert.ok(
    server.requests.every((line) => line.split(' ')[1]!.startsWith(uri)),
    server.requests.join('\n'),
  );
  const [process] = running();
  assert.match(process!.command, / -f rtsp -rtsp_transport tcp .* -i rtsp:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32} /);
  assert.match(process!.command, / -nostdin .*-protocol_whitelist rtsp,tcp,rtp /);
  assert.doesNotMatch(process!.command, /ss-9|t0ken|-i rtsp:\/\/cam/);
  const limits = readFileSync(`/proc/${process!.pid}/limits`, 'utf8');
  assert.match(limits, /Max file size +0 +0 /);
  assert.match(limits, /Max open files +64 +64 /);
  assert.ok(!station.lines.some((line) => /ss-9|t0ken/.test(line)));

  globalThis.process.kill(process!.pid, 'SIGKILL');
  await until('another one runs', 10_000, () => running().some(({ pid }) => pid !== process!.pid));
  assert.equal(station.pulls.status(id)!.lastError!.code, 'ffmpeg_failed');
  await station.untilState(id, 'online');
  await until('a second run', 10_000, () => station.received.at(-1)!.run === 1);
  await station.change(id, { enabled: false });
  await until('nothing is left of it, no zombie either', 5000, () => running().length === 0);

  const basic = await startRtspServer(flv, { user: { name: 'cam', password: 'x', basic: true } });
  const other = await station.create({ enabled: true, url: `rtsp://cam:x@127.0.0.1:${basic.port}/` });
  await station.untilState(other.id, 'online');
});

test('S72 R47 hostile RTSP: redirects, UDP, wrong passwords, garbage and silence end in a true state, and connect nowhere else', async () => {
  const station = await startPullStation({ timings: { firstFrameMs: 4000 } });
  const elsewhere = net.createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  after(() => elsewhere.close());
  let visited = 0;
  elsewhere.on('connection', () => visited++);
  const { port } = elsewhere.address() as AddressInfo;
  const cases: readonly [RtspBehaviour, string, string][] = [
    [{ redirect: `rtsp://127.0.0.1:${port}/` }, 'refused', 'bad_answer'],
    [{ transport: `RTP/AVP/UDP;unicast;source=127.0.0.1;server_port=${port}-${port + 1}` }, 'refused', 'bad_answer'],
    [{ user: { name: 'cam', password: 'right' } }, 'refused', 'unauthorized'],
    [{ status: '404 Not Found' }, 'retrying', 'not_found'],
    [{ garbage: Buffer.from('HTTP/1.1 200 OK\r\n\r\n') }, 'retrying', 'timeout'],
    [{ garbage: Buffer.alloc(100_000, 'A') }, 'retrying', 'bad_answer'],
    [
      { garbage: Buffer.from('RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n') },
      'retrying',
      'bad_answer',
    ],
    [{ silent: true }, 'retrying', 'timeout'],
  ];
  await Promise.all(
    cases.map(async ([behaviour, state, code]) => {
      const server = await startRtspServer(flv, behaviour);
      const { id } = await station.create({ enabled: true, url: `rtsp://cam:wrong@127.0.0.1:${server.port}/a` });
      await until(`${JSON.stringify(behaviour).slice(0, 80)}: ${state}`, 20_000, () => {
        const status = station.pulls.status(id);
        if (status?.state !== state || status.lastError?.code !== code) throw new Error(JSON.stringify(status));
        return true;
      });
      await station.change(id, { enabled: false });
    }),
  );
  assert.equal(visited, 0);
  assert.equal(station.received.length, 0);
  await until('nothing is left of them', 5000, () => running().length === 0);
});

test('SRT by the checked address; so many at a time; ffmpeg that is missing is said at once', async () => {
  const station = await startPullStation({ maxFfmpeg: 1 });
  const [port] = (await freePorts(2)) as [number];
  const args = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', flv, '-c', 'copy', '-f', 'mpegts'];
  const listener = startChild('ffmpeg', [...args, `srt://127.0.0.1:${port}?mode=listener&passphrase=0123456789abc`]);
  after(() => listener.stop('SIGKILL'));
  const url = `srt://127.0.0.1:${port}?passphrase=0123456789abc&latency=50&unknown=-y`;
  await station.pulls.check({ enabled: true, url });
  const { id } = await station.create({ enabled: true, url });
  assert.equal((await station.untilState(id, 'online', 20_000)).protocol, 'pull-srt');
  await until('frames of both kinds', 20_000, () => station.received.length > 150);
  const sent = sentFrames(readFlvTags(flv)).frames.filter(({ kind }) => kind === 'audio');
  const audio = station.received.filter(({ kind }) => kind === 'audio').map(({ hash }) => hash);
  const twice = [...sent, ...sent].map(({ hash }) => hash);
  assert.ok(findRun(twice, audio.slice(0, 100)) >= 0, 'no frame is missing or changed');
  assert.match(
    running()[0]!.command,
    / -f mpegts -mode caller .*-passphrase 0123456789abc -i srt:\/\/127\.0\.0\.1:\d+ /,
  );
  assert.doesNotMatch(running()[0]!.command, /unknown/);

  // The usual sound of broadcasts is left out, and the picture plays.
  const [mp2Port] = (await freePorts(1)) as [number];
  const mp2 = startChild('ffmpeg', [
    ...args.slice(0, -2),
    '-c:a',
    'mp2',
    '-f',
    'mpegts',
    `srt://127.0.0.1:${mp2Port}?mode=listener`,
  ]);
  after(() => mp2.stop('SIGKILL'));
  await station.change(id, { url: `srt://127.0.0.1:${mp2Port}` });
  await until('the picture of it', 20_000, () => station.received.filter(({ run }) => run === 1).length > 30);
  assert.ok(station.received.every(({ run, kind }) => run === 0 || kind === 'video'));

  const second = await station.create({ enabled: true, url: `srt://127.0.0.1:${port + 1}` });
  await until(
    'there is no place for a second one',
    5000,
    () => station.pulls.status(second.id)!.lastError?.code === 'too_many',
  );

  const path = process.env.PATH;
  process.env.PATH = '/nonexistent';
  try {
    const bare = await startPullStation();
    for (const scheme of ['rtsp', 'srt'])
      await assert.rejects(bare.pulls.check({ enabled: true, url: `${scheme}://127.0.0.1:9000/` }), {
        code: 'bad_request',
        message: /^settings\.pulling_mode\.url: RTSP and SRT need ffmpeg, which is not installed/,
      });
    await bare.pulls.check({ enabled: true, url: 'rtmp://127.0.0.1/a/b', urls: ['http://127.0.0.1:9000/a.m3u8'] });
    const { id: bareId } = await bare.create({ enabled: true, url: 'rtsp://127.0.0.1:9000/' });
    await bare.untilState(bareId, 'refused');
  } finally {
    process.env.PATH = path;
  }
  await station.close();
  await until('closing leaves no process', 5000, () => running().length === 0);
});
