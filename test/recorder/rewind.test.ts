import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { createLogger } from '../../src/base/index.ts';
import { Recorder } from '../../src/recorder/index.ts';
import { comparable, mergeDelta } from '../conformance/delta.ts';
import { type MediaPlaylist, readPlaylist } from '../conformance/playlist.ts';
import { BROADCAST_ID, HLS, type OnAir, onAir, PART_US } from '../origin/on-air.ts';
import { runChild } from '../support/child.ts';
import { until } from '../support/until.ts';

const listed = (playlist: string): MediaPlaylist => readPlaylist(playlist) as MediaPlaylist;

/** Six parts, as `OnAir.segments` makes them. */
const SEGMENT_S = (6 * PART_US) / 1e6;
const MAIN_BYTES = 30_000;
const REWIND_S = 40;
/** Files are of four segments with so short a rewind. */
const BLOCK = 4;

async function start(
  t: TestContext,
  { folder, minFreeBytes = 0 }: { readonly folder?: string; readonly minFreeBytes?: number } = {},
): Promise<{ air: OnAir; recorder: Recorder; folder: string }> {
  const own = folder ?? join(await mkdtemp(join(tmpdir(), 'liveapi-dvr-')), 'dvr');
  const options = { folder: own, maxRewindMs: 1000 * REWIND_S, minFreeBytes, log: createLogger('silent') };
  const recorder = new Recorder(options);
  await recorder.start();
  // Memory holds seven segments, so that what is older can only come from the disk.
  const air = await onAir(t, { maxBytes: 7.5 * 33_000, past: (id) => recorder.open(id, 3_600_000) });
  t.after(async () => {
    air.shelf.close();
    await recorder.close();
    if (!folder) await rm(join(own, '..'), { recursive: true });
  });
  return { air, recorder, folder: own };
}

/** Pushes segments, each as soon as the one before is in its file. */
async function push(air: OnAir, recorder: Recorder, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const before = recorder.written;
    air.segments(1);
    await until('the segment is written', 10_000, () => recorder.written > before, 2);
  }
}

const expected = (rendition: 'main' | 'audio', index: number): Buffer =>
  Buffer.concat(
    Array.from({ length: 6 }, (_, part) => {
      const n = index * 6 + part;
      return Buffer.from(rendition === 'main' ? `main ${n} `.padEnd(5000, 'm') : `audio ${n} `.padEnd(500, 'a'));
    }),
  );

async function text(air: OnAir, query = '', rendition = 'main'): Promise<string> {
  return (await air.get(`${HLS}/${rendition}.m3u8${query}`)).body.toString();
}

test('F31 H29 H52 a rewind stays playable from disk, bounded, and cheap to follow', async (t) => {
  const { air, recorder, folder } = await start(t);
  const { firstMsn } = air.begin();
  await push(air, recorder, 12);
  air.run({ main: { init: Buffer.from('second init'), codecs: 'avc1.640028' } });
  let before = listed(await text(air));
  for (let i = 0; i < 30; i++) {
    await push(air, recorder, 1);
    const now = listed(await text(air));
    const delta = listed(await text(air, '?_HLS_skip=YES'));
    assert.ok(delta.skipped! > 0);
    assert.equal(comparable(mergeDelta(now, delta)), comparable(now), 'a delta says what the whole playlist says');
    assert.ok(delta.segments.length < 12, 'and does so in a few lines');
    // Nothing changes but the ends.
    for (const segment of now.segments) {
      const same = before.segments.find(({ msn }) => msn === segment.msn);
      if (same) assert.deepEqual([segment.uri, segment.map, segment.dateText], [same.uri, same.map, same.dateText]);
    }
    const gone = before.segments.filter(({ msn, discontinuity }) => msn < now.mediaSequence && discontinuity).length;
    assert.equal(now.discontinuitySequence, before.discontinuitySequence! + gone);
    before = now;
  }
  const all = before.segments.length;
  assert.ok(all * SEGMENT_S >= REWIND_S, `${all} segments`);
  assert.ok(all * SEGMENT_S <= REWIND_S + (7 + BLOCK) * SEGMENT_S, `${all} segments`);
  assert.ok(before.mediaSequence > firstMsn + 8, 'it slides');
  assert.equal(before.segments.at(-1)!.msn, firstMsn + 41);
  assert.ok(air.window.bytes <= 7.5 * 33_000, 'memory holds what it always does');

  for (const { msn } of before.segments) {
    for (const rendition of ['main', 'audio'] as const) {
      const got = await air.get(`${HLS}/${BROADCAST_ID}/${rendition === 'audio' ? 'audio-' : ''}${msn}.m4s`);
      assert.equal(got.status, 200, `${rendition} ${msn}`);
      assert.ok(got.body.equals(expected(rendition, msn - firstMsn)), `${rendition} ${msn}: byte for byte`);
    }
  }
  for (const run of [0, 1]) assert.equal((await air.get(`${HLS}/${BROADCAST_ID}/init-${run}.mp4`)).status, 200);

  // From the disk as from memory: what HTTP promises of a segment.
  const old = `${HLS}/${BROADCAST_ID}/${before.mediaSequence}.m4s`;
  const fresh = `${HLS}/${BROADCAST_ID}/${firstMsn + 41}.m4s`;
  const { headers } = await air.get(old);
  const names = (answer: Awaited<ReturnType<OnAir['get']>>) => [
    answer.status,
    Object.keys(answer.headers),
    answer.body.length,
  ];
  const asks: Record<string, string>[] = [
    {},
    ...['4990-10009', '-7', '99999-'].map((range) => ({ range: `bytes=${range}` })),
  ];
  for (const ask of [...asks, { 'if-none-match': '*' }]) {
    for (const method of ['GET', 'HEAD']) {
      const [fromDisk, fromMemory] = [await air.get(old, ask, method), await air.get(fresh, ask, method)];
      assert.deepEqual(names(fromDisk), names(fromMemory), `${method} ${JSON.stringify(ask)}`);
    }
  }
  assert.equal((await air.get(old, { 'if-none-match': headers.etag! })).status, 304);
  const range = await air.get(old, { range: 'bytes=4990-10009' });
  assert.ok(range.body.equals(expected('main', before.mediaSequence - firstMsn).subarray(4990, 10_010)));
  assert.equal(Number(headers['content-length']), MAIN_BYTES);

  // Joined out of pieces that were compressed once.
  for (const rendition of ['main', 'audio']) {
    const packed = await air.get(`${HLS}/${rendition}.m3u8`, { 'accept-encoding': 'gzip' });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(packed.body).toString(), await text(air, '', rendition));
  }

  const files = async () => (await readdir(join(folder, BROADCAST_ID))).length;
  assert.ok((await files()) <= Math.ceil(42 / BLOCK) + 1);
  air.window.end();
  assert.match(await text(air), /#EXT-X-ENDLIST\n$/);
  assert.equal(listed(await text(air, '?_HLS_skip=YES')).segments.length, all, 'an ended playlist is whole');
  air.shelf.close();
  await recorder.close();
  assert.equal(existsSync(join(folder, BROADCAST_ID)), false, 'nothing outlives the window');
  assert.deepEqual([recorder.size, recorder.bytes], [0, 0]);
});

test('F32 what another life has left is deleted, what is on air is not', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'liveapi-dvr-'));
  t.after(() => rm(folder, { recursive: true }));
  const left = join(folder, 'aaaaaaaaaaaaaaaaaaaaaaaa');
  await mkdir(left);
  await writeFile(join(left, '1'), 'left by a kill');
  const { air, recorder } = await start(t, { folder });
  assert.equal(existsSync(left), false);
  const { firstMsn } = air.begin();
  await push(air, recorder, 12);
  await recorder.start();
  assert.equal((await air.get(`${HLS}/${BROADCAST_ID}/${firstMsn}.m4s`)).status, 200);
  // The stream comes back at once: the earlier broadcast's files stay as long as its players may ask for them.
  const again = '222222222222222222222222';
  air.begin(again);
  assert.equal((await air.get(`${HLS}/${BROADCAST_ID}/${firstMsn}.m4s`)).status, 200);
  await push(air, recorder, 1);
  assert.deepEqual((await readdir(folder)).sort(), [BROADCAST_ID, again]);
});

test('L21 L22 a disk that fails costs the rewind and nothing else, and is tried again', async (t) => {
  const folder = join(await mkdtemp(join(tmpdir(), 'liveapi-dvr-')), 'dvr');
  t.after(() => rm(join(folder, '..'), { recursive: true }));
  const { air, recorder } = await start(t, { folder });
  const { firstMsn } = air.begin();
  await push(air, recorder, 12);
  assert.equal(listed(await text(air)).mediaSequence, firstMsn);
  // The folder is gone, and a file stands where it was: no path below it can be made or read.
  await rm(folder, { recursive: true });
  await writeFile(folder, '');
  assert.equal((await air.get(`${HLS}/${BROADCAST_ID}/${firstMsn}.m4s`)).status, 404, 'who goes back is told');
  air.segments(14);
  const live = listed(await text(air));
  assert.equal(live.segments.at(-1)!.msn, firstMsn + 25, 'live goes on');
  assert.ok(live.mediaSequence > firstMsn + 12, 'nothing is listed that is not there');
  assert.ok(recorder.lost > 0);
  for (const { msn } of live.segments)
    assert.equal((await air.get(`${HLS}/${BROADCAST_ID}/${msn}.m4s`)).status, 200, `${msn}`);
  await rm(folder);
  const before = recorder.written;
  await until('it is written again', 20_000, () => {
    air.segments(1);
    return recorder.written > before;
  });
  await push(air, recorder, 12);
  assert.ok(listed(await text(air)).segments.length >= 12, 'and grows again');
  for (const { msn } of listed(await text(air)).segments)
    assert.equal((await air.get(`${HLS}/${BROADCAST_ID}/${msn}.m4s`)).status, 200, `${msn}`);
});

test('L21 a full disk makes the rewind short, and live goes on', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'liveapi-dvr-'));
  const mount = runChild('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', folder]);
  const mounted = await mount.then(() => true).catch(() => false);
  t.after(async () => {
    if (mounted) await runChild('umount', ['-l', folder]);
    await rm(folder, { recursive: true });
  });
  if (!mounted) return t.skip('needs the right to mount');
  const { air, recorder } = await start(t, { folder });
  const { firstMsn } = air.begin();
  await push(air, recorder, 10);
  let most = 0;
  for (let i = 10; i < 70; i++) {
    air.segments(1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    const { segments } = listed(await text(air));
    most = Math.max(most, segments.length);
    assert.equal(segments.at(-1)!.msn, firstMsn + i);
  }
  // 400 kB hold twelve segments of 33 kB; a rewind of 40 s would be twenty.
  assert.ok(most > 7 && most < 22, `${most} segments were listed`);
  for (const { msn } of listed(await text(air)).segments)
    assert.equal((await air.get(`${HLS}/${BROADCAST_ID}/${msn}.m4s`)).status, 200, `${msn}`);
});

test('with less free than is to stay free nothing is written', async (t) => {
  const { air, recorder } = await start(t, { minFreeBytes: Number.MAX_SAFE_INTEGER });
  air.begin();
  air.segments(12);
  await until('a segment was lost', 10_000, () => recorder.lost > 0);
  assert.equal(recorder.bytes, 0);
  assert.ok(listed(await text(air)).segments.length >= 6);
});
