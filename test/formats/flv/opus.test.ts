import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ToPackets, writeOpusTag } from '../../../src/formats/flv/index.ts';

const HEAD = Buffer.from('4f707573486561640102380180bb0000000000', 'hex');
const tag = (first: number, data: Buffer) => Buffer.concat([Buffer.from([first]), Buffer.from('Opus'), data]);

test('Opus over Enhanced RTMP: the configuration is an OpusHead, times are counted by what each packet says', () => {
  const unsupported: string[] = [];
  const dropped: string[] = [];
  const packets = new ToPackets({
    unsupported: (kind, codec) => unsupported.push(`${kind} ${codec}`),
    dropped: (reason) => dropped.push(reason),
  });
  assert.equal(packets.audio(1000, tag(0x90, HEAD)), null);
  const frames = [
    [1000, 'f8fffe'], // 20 ms
    [1020, 'f0fffe'], // 10 ms
    [1030, 'f8fffe'],
    [1500, 'f8fffe'], // after a gap
  ] as const;
  const made = frames.map(([ms, data]) => packets.audio(ms, tag(0x91, Buffer.from(data, 'hex')))!);
  assert.deepEqual(
    made.map(({ dts, pts, key }) => [dts, pts, key]),
    [48_000, 48_960, 49_440, 72_000].map((time) => [time, time, true]),
  );
  const [{ track }] = made as [(typeof made)[0]];
  assert.deepEqual([track.codec, track.timescale, track.config.record], ['opus', 48_000, HEAD]);
  // Repeated as with each key frame: the same track.
  packets.audio(1520, tag(0x90, HEAD));
  assert.equal(packets.audio(1520, tag(0x91, made[0]!.data as Buffer))!.track, track);
  // Another one, as when a mixer switches to mono, and AAC after it.
  const mono = Buffer.from(HEAD);
  mono[9] = 1;
  packets.audio(1540, tag(0x90, mono));
  const next = packets.audio(1540, tag(0x91, made[0]!.data as Buffer))!;
  assert.equal(next.track.kind === 'audio' && next.track.config.channels, 1);
  packets.audio(1560, Buffer.from('af001190', 'hex'));
  assert.equal(packets.audio(1560, Buffer.from('af0121', 'hex'))!.track.codec, 'aac');
  assert.equal(packets.audio(1560, tag(0x90, HEAD.subarray(0, 12))), null);
  assert.match(dropped.join(), /^Opus: the configuration is no OpusHead$/);
  assert.equal(unsupported.length, 0);
  // Without a configuration, as before Enhanced RTMP, it is nothing that can be played.
  const bare = new ToPackets({ unsupported: (kind, codec) => unsupported.push(`${kind} ${codec}`), dropped: () => {} });
  assert.equal(bare.audio(0, Buffer.from('dff8fffe', 'hex')), null);
  assert.deepEqual(unsupported, ['audio opus']);
});

test('Opus is written as it is read', () => {
  assert.equal(writeOpusTag('config', HEAD).toString('hex'), tag(0x90, HEAD).toString('hex'));
  assert.equal(writeOpusTag('frame', Buffer.from([1])).toString('hex'), tag(0x91, Buffer.from([1])).toString('hex'));
});
