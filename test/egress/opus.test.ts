// Opus on its way out: to players as Enhanced RTMP has it, to platforms only where they take it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../src/base/index.ts';
import { Feeds } from '../../src/egress/index.ts';
import { FlvReader, parseAudioTag, writeFlvHeader } from '../../src/formats/flv/index.ts';
import { Broadcast, type Publisher } from '../../src/live/index.ts';
import { type OpusTrack, type Packet, parseOpusConfig } from '../../src/media/index.ts';
import { until } from '../support/until.ts';
import { platform, startStation } from './station.ts';

const HEAD = Buffer.from('4f707573486561640102380180bb0000000000', 'hex');
const track: OpusTrack = { kind: 'audio', codec: 'opus', timescale: 48_000, config: parseOpusConfig(HEAD, 960) };
const sound = (n: number): Packet => {
  const dts = n * 960;
  return { track, dts, pts: dts, key: true, data: Buffer.from([0xf8, n]) };
};

test('a feed of Opus has its configuration and frames under the FourCC, and says so in the metadata', async () => {
  const authorisation = { liveStreamId: 'id', playbackId: 'lv_00', userId: 'user', discontinuities: 0 };
  const log = createLogger('silent');
  const broadcast = new Broadcast('b', authorisation, log);
  const publisher = { id: 'p', protocol: 'browser', remoteAddress: '127.0.0.1', bytesReceived: 0, close() {} };
  broadcast.attach(publisher as unknown as Publisher);
  const feeds = new Feeds({ mergeMs: 0, log });
  const sent: Buffer[] = [writeFlvHeader({ audio: true, video: false })];
  const cursor = feeds.open(broadcast, 'flv', {
    delayMs: 0,
    onMore() {
      for (let batch = cursor.next(); batch; batch = cursor.next()) {
        if (cursor.restarts) sent.push(cursor.head());
        sent.push(batch.bytes);
      }
    },
  });
  for (let n = 0; n < 3; n++) broadcast.write(sound(n));
  await null;
  const read: string[] = [];
  new FlvReader(({ timestampMs, body }) => {
    const { codec, kind, data } = parseAudioTag(body);
    read.push(`${timestampMs} ${codec} ${kind} ${data.toString('hex')}`);
  }).push(Buffer.concat(sent));
  assert.deepEqual(read, [
    `0 opus config ${HEAD.toString('hex')}`,
    '0 opus frame f800',
    '20 opus frame f801',
    '40 opus frame f802',
  ]);
  const { audiocodecid, audiosamplerate } = cursor.metadata();
  assert.deepEqual([audiocodecid, audiosamplerate], [0x4f707573, 48_000]);
  cursor.close();
});

test('G09 a platform that did not say that it takes Opus is not sent it; sound that is left out keeps nobody out', async () => {
  const station = startStation();
  // Nobody listens there: who is not refused before fails otherwise.
  const nowhere = 'rtmp://127.0.0.1:9/app';
  station.platforms = [
    platform('aac', nowhere),
    platform('opus', nowhere, { codecs: ['avc', 'aac', 'opus'] }),
    platform('mute', nowhere, { audio: 'mute' }),
  ];
  const claim = await station.claim();
  for (let n = 0; n < 3; n++) claim.write(sound(n));
  const refused = await station.untilState('aac', 'refused');
  assert.equal(refused.lastError!.code, 'codec_unsupported');
  assert.match(refused.lastError!.message, /opus/);
  for (const id of ['opus', 'mute']) {
    await until('it was tried', 10_000, () => station.status(id)?.lastError);
    assert.notEqual(station.status(id)!.lastError!.code, 'codec_unsupported', id);
  }
  station.end();
});
