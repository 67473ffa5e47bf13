import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { hlsSource } from '../../src/ingest/pull/hls-source.ts';
import { tsSource } from '../../src/ingest/pull/ts-source.ts';
import { type Packet, toMs } from '../../src/media/index.ts';
import { runChild, startChild } from '../support/child.ts';
import { type Clip, makeFlv, publishFile } from '../support/encoder.ts';
import { type BareFrame, bareFrames, flvPackets } from '../support/media-frames.ts';
import { ingestUrl, startServer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { earliness, pull, serve } from './pulled-source.ts';

const CLIP: Clip = {
  seconds: 4,
  video: { size: '160x90', bFrames: 2, gopS: 0.5, kbps: 150 },
  audio: { rate: 48_000, channels: 2 },
};
/** Half a second each; the last sound may make one more. */
const SEGMENT_S = 0.5;
/** Four seconds at once would be early by more. */
const A_BURST_MS = 1500;
const folder = mkdtempSync(join(tmpdir(), 'liveapi-hls-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const KINDS = ['video', 'audio'] as const;
const hashes = (frames: readonly BareFrame[]) => frames.map(({ hash, key }) => `${hash}${key ? ' key' : ''}`);

/** Both tracks as they were sent, whole and in order, with times that rise and keep the tracks' distance. */
function assertWhole(
  packets: readonly Packet[],
  sent: readonly Packet[],
  kinds: readonly ('video' | 'audio')[] = KINDS,
) {
  const skew: number[] = [];
  for (const kind of kinds) {
    const [actual, expected] = [bareFrames(packets, kind), bareFrames(sent, kind)];
    assert.deepEqual(hashes(actual), hashes(expected), kind);
    skew.push(...actual.map(({ ptsMs }, index) => ptsMs - expected[index]!.ptsMs));
  }
  assert.ok(Math.max(...skew) - Math.min(...skew) < 3, 'presentation times');
  assertRising(packets);
}

function assertRising(packets: readonly Packet[]): void {
  for (const kind of KINDS) {
    const times = packets.filter(({ track }) => track.kind === kind).map(({ dts, track }) => dts / track.timescale);
    assert.ok(
      times.every((time, index) => index === 0 || time > times[index - 1]!),
      `${kind} rises`,
    );
  }
}

/** Segments of `flv`, cut by ffmpeg at its key frames, made once. */
async function cut(
  flv: string,
  name: string,
  ...args: string[]
): Promise<{ playlist: string; files: Map<string, Buffer> }> {
  const at = join(folder, `${name}.m3u8`);
  const fmp4 = args.includes('fmp4');
  await runChild('ffmpeg', [
    ...['-v', 'error', '-y', '-i', flv, '-c', 'copy', ...args, '-f', 'hls', '-hls_time', String(SEGMENT_S)],
    ...['-hls_list_size', '0', ...(fmp4 ? ['-hls_fmp4_init_filename', `${name}-init.mp4`] : [])],
    ...['-hls_segment_filename', join(folder, `${name}-%03d.${fmp4 ? 'm4s' : 'ts'}`), at],
  ]);
  const files = readdirSync(folder).filter((file) => file.startsWith(`${name}-`));
  return {
    playlist: readFileSync(at, 'utf8'),
    files: new Map(files.sort().map((file) => [`/${file}`, readFileSync(join(folder, file))])),
  };
}

/** ffmpeg's transport streams begin at this time. */
const TS_START = 1.4 * 90_000;

/** Sound without a container: ADTS behind an ID3 tag with the time, twenty frames a segment. */
function packAudio(packets: readonly Packet[]): { playlist: string; files: Map<string, Buffer> } {
  const files = new Map<string, Buffer>();
  let playlist = '#EXTM3U\n#EXT-X-TARGETDURATION:1\n';
  for (let at = 0; at < packets.length; at += 20) {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(Math.round((packets[at]!.dts * 90_000) / 48_000 + TS_START)));
    const content = Buffer.concat([Buffer.from('com.apple.streaming.transportStreamTimestamp\0'), time]);
    const frame = Buffer.concat([Buffer.from('PRIV'), Buffer.from([0, 0, 0, content.length, 0, 0]), content]);
    const bytes = [Buffer.from('ID3'), Buffer.from([4, 0, 0, 0, 0, 0, frame.length]), frame];
    for (const { data } of packets.slice(at, at + 20)) {
      const size = data.length + 7;
      // AAC-LC, 48 kHz, two channels.
      bytes.push(Buffer.from([0xff, 0xf1, 0x4c, 0x80 | (size >> 11), (size >> 3) & 255, ((size & 7) << 5) | 31, 0xfc]));
      bytes.push(Buffer.from(data));
    }
    files.set(`/sound-${at}.aac`, Buffer.concat(bytes));
    playlist += `#EXTINF:0.42667,\nsound-${at}.aac\n`;
  }
  return { playlist: `${playlist}#EXT-X-ENDLIST\n`, files };
}

suite('HLS as a source', { concurrency: 4, timeout: 60_000 }, () => {
  let flv: string;
  let sent: Packet[];
  before(async () => {
    flv = await makeFlv(CLIP);
    sent = flvPackets(flv);
  });

  for (const [name, args] of [
    ['live-ts', []],
    ['live-fmp4', ['-hls_segment_type', 'fmp4']],
  ] as const)
    test(`${name}: what ffmpeg makes while it runs comes frame by frame, no frame before its time`, async () => {
      const at = join(folder, name);
      const ffmpeg = startChild('ffmpeg', [
        ...['-v', 'error', '-y', '-re', '-i', flv, '-c', 'copy', ...args, '-f', 'hls', '-hls_time', String(SEGMENT_S)],
        ...['-hls_list_size', '0', '-hls_flags', 'temp_file', '-hls_fmp4_init_filename', `${name}-init.mp4`],
        ...['-hls_segment_filename', `${at}-%03d.seg`, `${at}.m3u8`],
      ]);
      await until('the first segment is listed', 20_000, () => existsSync(`${at}.m3u8`));
      const web = await serve((path) => readFileSync(join(folder, path)));
      const pulled = await pull(hlsSource, `${web.url}/${name}.m3u8`);
      assert.equal(pulled.end.code, 'source_ended');
      assertWhole(pulled.packets, sent);
      assert.ok(earliness(pulled) < A_BURST_MS);
      assert.equal((await ffmpeg.ended).code, 0, ffmpeg.stderr());
    });

  test('G12 a master playlist: redirected, with cookies, sound apart; AES-128 with and without IV; paced like the clock', async () => {
    const picture = await cut(flv, 'picture', '-an');
    const sound = packAudio(sent.filter(({ track }) => track.kind === 'audio'));
    const key = randomBytes(16);
    let sequence = 0;
    const encrypted = new Map(
      [...picture.files].map(([path, bytes]) => {
        const iv = Buffer.alloc(16);
        // The first ones are under an IV of their own, the others under their number.
        if (sequence < 3) iv.fill(7);
        else iv.writeUInt32BE(sequence, 12);
        sequence++;
        const cipher = createCipheriv('aes-128-cbc', key, iv);
        return [path, Buffer.concat([cipher.update(bytes), cipher.final()])];
      }),
    );
    let segments = 0;
    const keyed = picture.playlist.replace(/#EXTINF/g, (tag) => {
      if (segments++ === 0) return `#EXT-X-KEY:METHOD=AES-128,URI="/key",IV=0x${'07'.repeat(16)}\n${tag}`;
      return segments === 4 ? `#EXT-X-KEY:METHOD=AES-128,URI="/key"\n${tag}` : tag;
    });
    const web = await serve((path, request, response) => {
      if (path === '/start') {
        response.writeHead(302, { location: '/live/master.m3u8' });
        return '';
      }
      if (path === '/live/master.m3u8') {
        response.setHeader('set-cookie', ['session=one; Path=/; HttpOnly', 'other=two']);
        return [
          '\ufeff#EXTM3U',
          '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="snd",NAME="other",URI="none.m3u8"',
          '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="snd",NAME="main",DEFAULT=YES,URI="sound.m3u8"',
          '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="txt",NAME="words",URI="words.m3u8"',
          '#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS="hvc1.1.6.L93.B0,mp4a.40.2",AUDIO="snd"',
          'hevc.m3u8',
          '#EXT-X-STREAM-INF:BANDWIDTH=99000000,CODECS="avc1.640033,mp4a.40.2",AUDIO="snd"',
          'huge.m3u8',
          '#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS="avc1.64001f,mp4a.40.2",AUDIO="snd"',
          'small.m3u8',
          '#EXT-X-STREAM-INF:BANDWIDTH=500000,CODECS="avc1.64001f,mp4a.40.2",AUDIO="snd",SUBTITLES="txt"',
          'picture.m3u8',
        ].join('\r\n');
      }
      assert.equal(request.headers.cookie, 'session=one; other=two', path);
      assert.equal(request.headers['accept-encoding'], undefined, 'compression is not asked for');
      if (path === '/live/picture.m3u8') return keyed;
      if (path === '/live/sound.m3u8') return sound.playlist;
      if (path === '/key') return key;
      return encrypted.get(path.slice(5)) ?? sound.files.get(path.slice(5))!;
    });
    const pulled = await pull(hlsSource, `${web.url}/start`);
    assert.deepEqual([pulled.end.code, pulled.unsupported], ['source_ended', []]);
    assertWhole(pulled.packets, sent);
    assert.equal(pulled.asked.filter((url) => url.endsWith('/key')).length, 1, 'a key is fetched once');
    assert.ok(earliness(pulled) < A_BURST_MS, 'an ended playlist is played like a clock');
  });

  test('G12 pieces of one file, for segments and for what they need', async () => {
    const whole = await cut(flv, 'pieces', '-hls_segment_type', 'fmp4', '-hls_flags', 'single_file');
    const file = readFileSync(join(folder, 'pieces-%03d.m4s'));
    assert.match(whole.playlist, /EXT-X-BYTERANGE/);
    assert.match(whole.playlist, /EXT-X-MAP:.*BYTERANGE/);
    const web = await serve((path, request, response) => {
      if (path.endsWith('.m3u8')) return whole.playlist;
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range!)!;
      // Now and then a server that does not know ranges.
      if (Number(from) > file.length / 2) return file;
      response.statusCode = 206;
      return file.subarray(Number(from), Number(to) + 1);
    });
    const pulled = await pull(hlsSource, `${web.url}/pieces.m3u8`);
    assert.equal(pulled.end.code, 'source_ended', pulled.end.message);
    assertWhole(pulled.packets, sent);
  });

  test('G12 L45 numbers that jump and go back, gaps, lost segments, clocks that begin anew: the time line goes on rising', async () => {
    const { files } = await cut(flv, 'odd');
    const names = [...files.keys()].slice(0, 8);
    const segment = (index: number, extra = '') => `${extra}#EXTINF:0.5,\n${names[index]}\n`;
    const list = (sequence: number, ...segments: string[]) =>
      `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:${sequence}\n${segments.join('')}`;
    const playlists = [
      list(100, segment(0), segment(1)),
      // An old copy from a server that is behind.
      list(100, segment(0)),
      // The numbers begin anew, the names go on.
      list(0, segment(1), segment(2)),
      // And jump.
      list(7000, segment(2), segment(3)),
      // 404 once (it comes the second time), 404 for good, and a gap.
      list(7001, segment(3), segment(4), segment(5), segment(6, '#EXT-X-GAP\n'), segment(7)),
      // Begun anew: other numbers, other names, and a clock that was there before.
      `${list(3, segment(0, '#EXT-X-DISCONTINUITY\n'), segment(1))}#EXT-X-ENDLIST\n`.replaceAll('/odd-', '/again/odd-'),
    ];
    let asked = -1;
    const failed = new Map<string, number>();
    const web = await serve((path, _request, response) => {
      if (path === '/odd.m3u8') return playlists[Math.min(++asked, playlists.length - 1)]!;
      const failures = (failed.get(path) ?? 0) + 1;
      failed.set(path, failures);
      if ((path === names[4] && failures === 1) || path === names[5]) response.statusCode = 404;
      return files.get(path.replace('/again', ''))!;
    });
    const pulled = await pull(hlsSource, `${web.url}/odd.m3u8`);
    assert.equal(pulled.end.code, 'source_ended', pulled.end.message);
    assertRising(pulled.packets);
    const frames = bareFrames(sent, 'video');
    const of = (...indexes: number[]) => indexes.flatMap((index) => hashes(frames.slice(index * 15, index * 15 + 15)));
    assert.deepEqual(hashes(bareFrames(pulled.packets, 'video')), of(0, 1, 2, 3, 4, 7, 0, 1));
    assert.deepEqual(
      web.asked.filter((path) => path !== '/odd.m3u8'),
      [0, 1, 2, 3, 4, 4, 5, 5, 7]
        .map((index) => names[index]!)
        .concat(names.slice(0, 2).map((name) => `/again${name}`)),
    );
    const steps = pulled.packets
      .filter(({ track }) => track.kind === 'video')
      .map(({ dts, track }) => toMs(dts, track.timescale))
      .map((ms, index, all) => (index === 0 ? 0 : ms - all[index - 1]!));
    assert.ok(Math.max(...steps) < 1200, `what was left out is a gap, and no more: ${Math.max(...steps)} ms`);
  });

  test('S72 L45 what is refused, and what is none: a reason that can be branched on, and nothing fetched that must not be', async () => {
    const head = '#EXTM3U\n#EXT-X-TARGETDURATION:1\n';
    const one = (uri: string, tags = '') => `${head}${tags}#EXTINF:1,\n${uri}\n#EXT-X-ENDLIST\n`;
    const answers: Record<string, [body: string | Buffer, code: string, permanent: boolean, status?: number]> = {
      '/file': [one('file:///etc/passwd'), 'destination_refused', true],
      '/data': [one('data:video/mp2t;base64,R0AAEA=='), 'destination_refused', true],
      '/concat': [one('concat:http://a/b|file:///etc/passwd'), 'destination_refused', true],
      '/inside': [one('http://10.0.0.1/a.ts'), 'destination_refused', true],
      '/key': [one('a.ts', '#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/hostname"\n'), 'destination_refused', true],
      '/map': [one('a.ts', '#EXT-X-MAP:URI="subfile:,,start,0,end,9,,:/etc/passwd"\n'), 'destination_refused', true],
      '/sample': [one('a.ts', '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"\n'), 'media_unsupported', true],
      '/master': ['#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\ngopher://a/b\n', 'destination_refused', true],
      '/hevc': ['#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="hvc1.1"\na\n', 'media_unsupported', true],
      '/nested': ['#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nnested\n', 'bad_answer', false],
      '/html': ['<html>\n', 'bad_answer', false],
      '/broken': [`${head}#EXT-X-KEY:METHOD\n`, 'bad_answer', false],
      '/large': [Buffer.alloc((1 << 20) + 1, '#'), 'bad_answer', false],
      '/missing': ['', 'not_found', false, 404],
      '/secret': ['', 'unauthorized', true, 403],
      '/garbage': [`${head}${'#EXTINF:0.1,\ngarbage.ts\n'.repeat(3)}#EXT-X-ENDLIST\n`, 'source_ended', false],
    };
    const web = await serve((path, _request, response) => {
      if (path === '/garbage.ts') return randomBytes(5000);
      const answer = answers[path];
      response.statusCode = answer?.[3] ?? (answer ? 200 : 404);
      return answer?.[0] ?? '';
    });
    await Promise.all(
      Object.entries(answers).map(async ([path, [, code, permanent]]) => {
        const { end, packets } = await pull(hlsSource, web.url + path);
        assert.deepEqual([path, end.code, end.permanent, packets.length], [path, code, permanent, 0]);
        assert.doesNotMatch(end.message, /passwd|127\.0|10\.0\.0|base64/);
      }),
    );
    const loop = await serve((_path, _request, response) => {
      response.writeHead(302, { location: '/again' });
      return '';
    });
    assert.equal((await pull(hlsSource, `${loop.url}/`)).end.code, 'destination_refused');
    assert.equal(loop.asked.length, 4);
    const closed = loop.url;
    await loop.close();
    assert.equal((await pull(hlsSource, `${closed}/`)).end.code, 'unreachable');
  });

  test('our own server as the source: parts, as soon as they are there', async () => {
    const server = await startServer();
    const stream = await server.createLiveStream({});
    const long = await makeFlv({ ...CLIP, seconds: 20 });
    const encoder = publishFile(long, ingestUrl(stream));
    await server.untilStatus(stream._id, 'online');
    const url = stream.playback.hls_url;
    await until('it plays', 10_000, async () => (await fetch(url)).status === 200);
    const pulled = await pull(hlsSource, url, (packets) => packets.length > 300);
    const all = flvPackets(long);
    for (const kind of KINDS) {
      const [actual, expected] = [hashes(bareFrames(pulled.packets, kind)), hashes(bareFrames(all, kind))];
      const from = expected.indexOf(actual[0]!);
      assert.deepEqual(actual, expected.slice(from, from + actual.length), kind);
    }
    assertRising(pulled.packets);
    const asked = pulled.asked.map((at) => new URL(at));
    assert.ok(
      asked.some(({ searchParams }) => searchParams.has('_HLS_part')),
      'asks for what comes next',
    );
    await encoder.stop();
    await server.close();
  });

  test('L45 MPEG-TS over HTTP whose clock jumps on by 20 s, and back: one rising time line, sound with its picture', async () => {
    const piece = async (startS: number): Promise<Buffer> => {
      const path = join(folder, `jump-${startS}.ts`);
      const args = ['-c', 'copy', '-t', '1', '-output_ts_offset', String(startS), '-f', 'mpegts', path];
      await runChild('ffmpeg', ['-v', 'error', '-y', '-i', flv, ...args]);
      return readFileSync(path);
    };
    const file = Buffer.concat([await piece(30), await piece(50), await piece(10)]);
    const web = await serve((_path, _request, response) => {
      response.setHeader('content-length', file.length);
      return file;
    });
    const { packets, end } = await pull(tsSource, `${web.url}/`);
    assert.equal(end.code, 'source_ended');
    assertRising(packets);
    const of = (kind: 'video' | 'audio') => bareFrames(packets, kind);
    // The last frame of each piece does not know that it is whole when another clock follows.
    assert.ok(of('video').length >= 3 * 30 - 2, `${of('video').length} frames`);
    for (const kind of KINDS) {
      const steps = of(kind).map(({ dtsMs }, index, all) => (index === 0 ? 0 : dtsMs - all[index - 1]!.dtsMs));
      assert.ok(Math.max(...steps) < 500, `${kind} steps by ${Math.max(...steps)} ms`);
    }
    const firstSecond = hashes(bareFrames(sent, 'audio').slice(0, 30));
    for (const hash of firstSecond.slice(0, 20)) {
      const at = of('audio').filter((frame) => hashes([frame])[0] === hash);
      assert.equal(at.length, 3, 'sound of all three pieces');
    }
  });

  test('MPEG-TS over HTTP, a file and live: frame by frame, and no file faster than it plays', async () => {
    const path = join(folder, 'whole.ts');
    await runChild('ffmpeg', ['-v', 'error', '-y', '-i', flv, '-c', 'copy', '-f', 'mpegts', path]);
    const file = readFileSync(path);
    const web = await serve((at, _request, response) => {
      if (at === '/file.ts') {
        response.setHeader('content-length', file.length);
        return file;
      }
      const live = startChild('ffmpeg', ['-v', 'error', '-re', '-i', flv, '-c', 'copy', '-f', 'mpegts', 'pipe:1']);
      live.process.stdout!.setEncoding('latin1').on('data', (bytes: string) => response.write(bytes, 'latin1'));
      void live.ended.then(() => response.end());
      return null;
    });
    const [played, live] = await Promise.all([pull(tsSource, `${web.url}/file.ts`), pull(tsSource, `${web.url}/live`)]);
    for (const pulled of [played, live]) {
      assert.equal(pulled.end.code, 'source_ended');
      assertWhole(pulled.packets, sent);
    }
    assert.ok(earliness(played) < A_BURST_MS);
    assert.equal((await pull(tsSource, `${web.url.replace(/\d+$/, '1')}/`)).end.code, 'destination_refused');
  });
});
