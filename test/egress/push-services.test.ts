import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startRtmpReceiver } from '../support/bad-rtmp-server.ts';
import { startChild } from '../support/child.ts';
import { makeFlv } from '../support/encoder.ts';
import { readFlvTags, sentFrames } from '../support/flv-frames.ts';
import { flvPackets } from '../support/media-frames.ts';
import { startNginxRtmp } from '../support/nginx-rtmp.ts';
import { startNodeMediaServer } from '../support/node-media-server.ts';
import { freePorts, ingestUrl, startServer } from '../support/server.ts';
import { publishTags } from '../support/session-publisher.ts';
import { until } from '../support/until.ts';
import { platform, startStation } from './station.ts';

const flv = () =>
  makeFlv({ seconds: 4, video: { size: '320x180', gopS: 0.5, kbps: 200 }, audio: { rate: 48_000, channels: 2 } });

interface Shown {
  readonly name: string;
  readonly status?: { readonly state: string; readonly last_error?: { readonly code: string } | null };
}

/** Fails unless the recording holds what was sent: each kind's frames in one row, none missing up to the last one. */
function assertRecorded(file: string, sent: { video: string[]; audio: string[] }, what: string): void {
  const { frames, avcConfig, aacConfig } = sentFrames(readFlvTags(file));
  assert.ok(avcConfig && aacConfig, `${what}: configurations`);
  for (const kind of ['video', 'audio'] as const) {
    const got = frames.filter((frame) => frame.kind === kind).map(({ hash }) => hash);
    const from = sent[kind].indexOf(got[0]!);
    assert.ok(from >= 0 && from < 40, `${what}: ${kind} begins with the beginning, not ${from} frames later`);
    assert.deepEqual(got, sent[kind].slice(from), `${what}: ${kind}`);
  }
  const times = frames.filter(({ kind }) => kind === 'video').map(({ dtsMs }) => dtsMs);
  assert.ok(
    times.every((ms, n) => n === 0 || ms > times[n - 1]!),
    `${what}: timestamps rise`,
  );
}

test('L44 nginx-rtmp, Node-Media-Server and ffmpeg take the push and record every frame as it was published', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'liveapi-push-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const [nginx, nms, [port]] = await Promise.all([startNginxRtmp(), startNodeMediaServer(), freePorts(1)]);
  after(() => Promise.all([nginx.close(), nms.close()]));
  const ffmpegUrl = `rtmp://127.0.0.1:${port}/hidden-app/secret-key`;
  const recorded = join(folder, 'ffmpeg.flv');
  const ffmpeg = startChild('ffmpeg', [
    '-v',
    'error',
    '-listen',
    '1',
    '-f',
    'flv',
    '-i',
    ffmpegUrl,
    '-c',
    'copy',
    recorded,
  ]);
  after(() => ffmpeg.stop('SIGKILL'));
  const clip = flvPackets(await flv());
  const station = startStation({ mergeMs: 30 });
  station.platforms = [
    platform('nginx', nginx.url),
    platform('nms', `${nms.url}/`, { key: 'secret-key?with=query&and=more' }),
    // The key in the server's path.
    platform('ffmpeg', ffmpegUrl, { key: '' }),
  ];
  await station.claim();
  const ids = ['nginx', 'nms', 'ffmpeg'];
  await Promise.all(ids.map((id) => station.untilState(id, 'online', 15_000)));
  const encoder = station.play(clip);
  const startedMs = performance.now();
  await until('some seconds are sent', 10_000, () => performance.now() - startedMs > 3500);
  encoder.stop();
  const sent = { video: [] as string[], audio: [] as string[] };
  const { frames } = sentFrames(readFlvTags(await flv()));
  const kinds = new Map(frames.map(({ hash, kind }) => [hash, kind]));
  for (const hash of station.sent) sent[kinds.get(hash)!].push(hash);
  // The encoder is away for as long as everything needs to arrive; then the end, which closes the files.
  station.leave();
  await until('everything has left', 5000, () => ids.every((id) => station.status(id)!.bytesSent > 50_000));
  // ffmpeg listens a moment later than it starts.
  for (const id of ids)
    assert.deepEqual(
      station.told(id).filter((what) => what !== 'error unreachable'),
      ['connected'],
      id,
    );
  station.end();
  // It calls every end of a connection an input error.
  await ffmpeg.ended;
  assertRecorded(recorded, sent, 'ffmpeg');
  for (const [name, server] of Object.entries({ nginx, nms })) {
    const file = await until(`${name} has closed its file`, 10_000, async () => {
      const [only, second] = await server.recordings();
      assert.equal(second, undefined);
      const { frames: there } = only ? sentFrames(readFlvTags(only)) : { frames: [] };
      return there.at(-1)?.hash === station.sent.at(-1) && only;
    });
    assertRecorded(file, sent, name);
  }
});

test('RTMPS with the host’s name and a trusted certificate only, IPv6, and a kill -9 of the server: it is pushed to again', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'liveapi-push-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const files = (name: string) => [join(folder, `${name}.key`), join(folder, `${name}.pem`)] as const;
  const certificate = (name: string, host: string) => {
    const [key, cert] = files(name);
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
    ];
    const out = ['-addext', `subjectAltName=DNS:${host}`, '-keyout', key, '-out', cert];
    execFileSync('openssl', [...request, ...out], { stdio: 'ignore' });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  };
  const names: (string | false | null)[] = [];
  const trusted = certificate('trusted', 'localhost');
  const secure = await startRtmpReceiver('ok', {
    tls: {
      ...trusted,
      SNICallback: (name, done) => {
        names.push(name);
        done(null);
      },
    },
  });
  const stranger = await startRtmpReceiver('ok', { tls: certificate('stranger', 'localhost') });
  const elsewhere = await startRtmpReceiver('ok', { tls: certificate('elsewhere', 'elsewhere.test') });
  const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
  if (!hasIpv6) t.diagnostic('no IPv6 on this machine: that part is left out');
  const six = hasIpv6 ? await startRtmpReceiver('ok', { host: '::1' }) : null;

  execFileSync('sh', ['-c', `cat ${files('trusted')[1]} ${files('elsewhere')[1]} > ${folder}/ca.pem`]);
  const server = await startServer({
    env: { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'), LIVEAPI_OUTBOUND_ALLOW: '127.0.0.0/8,::1/128' },
  });
  let encoder: ReturnType<typeof publishTags> | null = null;
  try {
    const live = await server.createLiveStream({ name: 'out' });
    const add = (url: string, name: string) =>
      server.api<{ _id: string; key: string }>('POST', `/live_streams/${live._id}/platforms`, {
        template: 'custom',
        name,
        server: url,
        key: 'canary-key?x=1',
        enabled: true,
      });
    const { key } = await add(`rtmps://localhost:${secure.port}/app`, 'secure');
    assert.ok(!key.includes('canary'), 'shown masked');
    await add(`rtmps://localhost:${stranger.port}/app`, 'stranger');
    await add(`rtmps://localhost:${elsewhere.port}/app`, 'elsewhere');
    if (six) await add(`rtmp://[::1]:${six.port}/app`, 'six');
    const tags = readFlvTags(await flv());
    const publish = () => publishTags(tags, ingestUrl(live), { loop: true });
    encoder = publish();
    await encoder.accepted;
    const hashes = new Set(sentFrames(tags).frames.map(({ hash }) => hash));
    const comes = (receiver: typeof secure, life: number) =>
      until('frames come', 15_000, () => (receiver.published[life]?.frames.length ?? 0) > 60);
    await comes(secure, 0);
    if (six) {
      await comes(six, 0);
      assert.equal(six.published[0]!.tcUrl, `rtmp://[::1]:${six.port}/app`);
    }
    assert.ok(secure.published[0]!.frames.every(({ hash }) => hashes.has(hash)));
    assert.deepEqual([...new Set(names)], ['localhost']);

    // A restart of the server: what was pushed to is pushed to again, once.
    await server.kill9();
    await encoder.closed;
    await server.restart();
    encoder = publish();
    await encoder.accepted;
    await comes(secure, 1);
    assert.equal(secure.published.length, 2);
    assert.ok(secure.published[0]!.closed);
    const shown = await until('errors are shown', 15_000, async () => {
      const { platforms } = await server.api<{ platforms: Shown[] }>('GET', `/live_streams/${live._id}`);
      const failed = platforms.filter(({ status }) => status?.last_error?.code === 'unreachable');
      return failed.length === 2 && platforms;
    });
    assert.deepEqual([stranger.published.length, elsewhere.published.length], [0, 0], 'certificates are checked');
    assert.equal(shown.find(({ name }) => name === 'secure')!.status!.state, 'online');
    assert.doesNotMatch(JSON.stringify(shown), /canary/);
    await encoder.stop();
  } finally {
    await encoder?.stop();
    await server.close();
  }
  await until('the server’s end says goodbye', 5000, () => secure.published[1]!.stopped);
});
