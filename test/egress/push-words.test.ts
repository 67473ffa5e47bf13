import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AckWatch } from '../../src/egress/ack-watch.ts';
import { pushAddress } from '../../src/egress/push-address.ts';
import { refusalOf } from '../../src/egress/push-failure.ts';
import { PUSH_TIMINGS, retryDelayMs } from '../../src/egress/push-timings.ts';
import { silentFrame } from '../../src/egress/silence.ts';
import { writeAudioTag, writeFlvHeader, writeFlvTag } from '../../src/formats/flv/index.ts';
import { parseAacConfig } from '../../src/media/index.ts';
import { runChild } from '../support/child.ts';

test('G06 servers and keys of the services become app, tcUrl and stream name, with nothing lost and nothing added', () => {
  const at = (scheme: 'rtmp' | 'rtmps', host: string, port: number, path: string, key: string) => {
    const { app, tcUrl, streamName } = pushAddress({ scheme, host, port, path }, key);
    return [app, tcUrl, streamName];
  };
  // YouTube, its backup address, Facebook (port written, slash at the end, a key with a query), Twitch, Kick.
  assert.deepEqual(at('rtmps', 'a.rtmps.youtube.com', 443, '/live2', 'aaaa-bbbb'), [
    'live2',
    'rtmps://a.rtmps.youtube.com/live2',
    'aaaa-bbbb',
  ]);
  assert.deepEqual(at('rtmp', 'b.rtmp.youtube.com', 1935, '/live2?backup=1', 'aaaa-bbbb'), [
    'live2?backup=1',
    'rtmp://b.rtmp.youtube.com/live2?backup=1',
    'aaaa-bbbb',
  ]);
  assert.deepEqual(at('rtmps', 'live-api-s.facebook.com', 443, '/rtmp/', 'FB-1-0-Ab?s_bl=1&s_psm=1&a=Ab=='), [
    'rtmp',
    'rtmps://live-api-s.facebook.com/rtmp',
    'FB-1-0-Ab?s_bl=1&s_psm=1&a=Ab==',
  ]);
  assert.deepEqual(at('rtmp', 'live.twitch.tv', 1935, '/app/', 'live_1_x?bandwidthtest=true'), [
    'app',
    'rtmp://live.twitch.tv/app',
    'live_1_x?bandwidthtest=true',
  ]);
  assert.deepEqual(at('rtmps', 'fa7.global-contribute.live-video.net', 443, '/', 'sk_us'), [
    '',
    'rtmps://fa7.global-contribute.live-video.net/',
    'sk_us',
  ]);
  // The key in the server's path; applications with instances; ports of one's own; IPv6; a `?` with nothing behind it.
  assert.deepEqual(at('rtmp', 'host', 1935, '/live/inst/key?a=1&b=/2', ''), [
    'live/inst',
    'rtmp://host/live/inst',
    'key?a=1&b=/2',
  ]);
  assert.deepEqual(at('rtmp', '2001:db8::1', 8443, '/live/inst', ' /key '), [
    'live/inst',
    'rtmp://[2001:db8::1]:8443/live/inst',
    'key',
  ]);
  assert.deepEqual(at('rtmp', 'host', 443, '/live?', 'key'), ['live', 'rtmp://host:443/live', 'key']);
  assert.deepEqual(at('rtmps', 'host', 1935, '/live', ''), ['live', 'rtmps://host:1935/live', '']);
});

test('L40 L41 waits double from 1 to 60 s with full jitter, five minutes after a refusal; refusals are told apart', () => {
  const ceilings = Array.from({ length: 9 }, (_, n) => retryDelayMs(n + 1, false, PUSH_TIMINGS, () => 1));
  assert.deepEqual(ceilings, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  assert.equal(
    retryDelayMs(5, false, PUSH_TIMINGS, () => 0),
    0,
  );
  assert.equal(
    retryDelayMs(1e6, false, PUSH_TIMINGS, () => 0.5),
    30_000,
  );
  assert.equal(
    retryDelayMs(1, true, PUSH_TIMINGS, () => 0.5),
    300_000,
  );

  const kinds = (code: string, description = '', redirect: string | null = null) => {
    const { code: name, permanent, message } = refusalOf(code, description, redirect);
    assert.ok(!message.includes(description || '\0'), 'a stranger’s description is never repeated');
    return [name, permanent];
  };
  assert.deepEqual(kinds('NetStream.Publish.BadName', 'no such stream'), ['refused', true]);
  assert.deepEqual(kinds('NetStream.Publish.Denied'), ['refused', true]);
  assert.deepEqual(kinds('NetConnection.Connect.InvalidApp'), ['refused', true]);
  assert.deepEqual(kinds('NetConnection.Connect.Failed', 'server answered 403'), ['refused', true]);
  assert.deepEqual(kinds('NetConnection.Connect.Rejected', 'go there', 'rtmp://10.0.0.1/x'), ['redirected', true]);
  assert.deepEqual(kinds('NetStream.Publish.BadName', 'Already publishing'), ['busy', false]);
  assert.deepEqual(kinds('NetStream.Publish.Failed', 'disk full'), ['rejected', false]);
  assert.deepEqual(kinds('my key is lv_1234?password=5'), ['rejected', false]);
  assert.doesNotMatch(refusalOf('my key is lv_1234?password=5', '', null).message, /1234|password/);
});

test('G05 a service that acknowledges, and then does not, is late; one that never did, or only at first, is not', () => {
  const always = new AckWatch();
  for (let mb = 0; mb < 10; mb++) assert.equal(always.lateMs(mb * 1000, mb << 20, Math.max(0, (mb << 20) - 5000)), 0);
  assert.equal(always.lateMs(10_000, 11 << 20, (9 << 20) - 5000), 0, 'two steps of its own and a little are allowed');
  assert.equal(always.lateMs(11_000, 12 << 20, (9 << 20) - 5000), 0, 'counted from the moment that it is due');
  assert.equal(always.lateMs(15_000, 14 << 20, (9 << 20) - 5000), 4000);
  assert.equal(always.lateMs(16_000, 15 << 20, 10 << 20), 0);
  const never = new AckWatch();
  const once = new AckWatch();
  for (let s = 0; s < 100; s++) {
    assert.equal(never.lateMs(s * 1000, s << 20, 0), 0);
    assert.equal(once.lateMs(s * 1000, s << 20, s > 1 ? 3500 : 0), 0);
  }
});

test('silence fits every usual layout: ffmpeg decodes it without complaint, and hears nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'liveapi-silence-'));
  try {
    // AAC-LC, 48 kHz, 1 to 6 channels; 44.1 kHz with frames of 960 samples; HE-AAC.
    const records = [1, 2, 3, 4, 5, 6].map((channels) => Buffer.from([0x11, 0x80 | (channels << 3)]));
    records.push(Buffer.from([0x12, 0x14]), Buffer.from([0x2b, 0x11, 0x88, 0x00]));
    for (const record of records) {
      const config = parseAacConfig(record);
      const frame = silentFrame({ kind: 'audio', codec: 'aac', timescale: config.sampleRate, config })!;
      const tags = [
        writeAudioTag('config', record),
        ...Array.from({ length: 50 }, () => writeAudioTag('frame', frame)),
      ];
      const file = join(folder, `${record.toString('hex')}.flv`);
      const body = tags.map((tag, n) =>
        writeFlvTag({ type: 'audio', timestampMs: Math.max(0, n - 1) * 21, body: tag }),
      );
      await writeFile(file, Buffer.concat([writeFlvHeader({ audio: true, video: false }), ...body]));
      const filter = ['-af', 'astats=metadata=0:measure_perchannel=none', '-f', 'null', '-'];
      const heard = await runChild('sh', ['-c', `ffmpeg -xerror -i ${file} ${filter.join(' ')} 2>&1`]);
      assert.match(heard, /Peak level dB: -inf/, record.toString('hex'));
      const samples = Number(/Number of samples: (\d+)/.exec(heard)?.[1]);
      assert.ok(samples >= 48 * config.frameSamples, `${record.toString('hex')}: ${samples} samples`);
    }
    const odd = parseAacConfig(Buffer.from([0x11, 0x80, 0x04, 0x04, 0, 0, 0, 0, 0, 0, 0]));
    assert.equal(silentFrame({ kind: 'audio', codec: 'aac', timescale: 48_000, config: odd }), null);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
