// What players meet beside our own live streams: a recording in two qualities with two sounds and captions, and an event that keeps its
// whole past, both cut by ffmpeg.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';

const lengthS = 120;
const segmentS = 2;
/** How much of the event is over when it is first asked for. */
const pastS = 20;

const master = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="a0.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,URI="a1.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English captions",LANGUAGE="en",AUTOSELECT=YES,URI="s0.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=300000,CODECS="avc1.42c01e,mp4a.40.2",RESOLUTION=320x180,AUDIO="a",SUBTITLES="s"
v0.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=600000,CODECS="avc1.42c01e,mp4a.40.2",RESOLUTION=640x360,AUDIO="a",SUBTITLES="s"
v1.m3u8
`;
const captions = `#EXTM3U\n#EXT-X-TARGETDURATION:${lengthS}\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:${lengthS},\ns0.vtt\n#EXT-X-ENDLIST\n`;
const words = `WEBVTT\n\n00:00.000 --> 02:00.000\nWords that are spoken\n`;

/** Makes the media in `folder`; answers who serves it: `master.m3u8` and `event.m3u8`, which grows from its first request on. */
export function makeRecording(folder: string): (name: string) => string | Buffer | null {
  const picture = (size: string) => ['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=10:d=${lengthS}`];
  const tone = (hz: number) => ['-f', 'lavfi', '-i', `sine=${hz}:r=48000:d=${lengthS}`];
  const output = (name: string, maps: string[], how = ['-hls_playlist_type', 'vod']) => [
    ...maps.flatMap((map) => ['-map', map]),
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-profile:v', 'baseline', '-pix_fmt', 'yuv420p', '-g', '20'],
    ...['-c:a', 'aac', '-f', 'hls', '-hls_time', String(segmentS), '-hls_segment_type', 'fmp4', ...how],
    ...['-hls_list_size', '0', '-hls_fmp4_init_filename', `${name}.mp4`],
    ...['-hls_segment_filename', `${name}-%d.m4s`, `${name}.m3u8`],
  ];
  const inputs = [...picture('320x180'), ...picture('640x360'), ...tone(440), ...tone(880)];
  const outputs = [
    ...[output('v0', ['0:v']), output('v1', ['1:v']), output('a0', ['2:a']), output('a1', ['3:a'])],
    output('event', ['0:v', '2:a'], ['-hls_playlist_type', 'event']),
  ];
  const done = spawnSync('ffmpeg', ['-v', 'error', ...inputs, ...outputs.flat()], { cwd: folder });
  if (done.status !== 0) throw new Error(`ffmpeg: ${done.stderr}`);

  let begunMs = 0;
  const event = () => {
    begunMs ||= performance.now();
    const [head, ...segments] = readFileSync(join(folder, 'event.m3u8'), 'utf8').split('#EXTINF:');
    const count = Math.floor((pastS + (performance.now() - begunMs) / 1000) / segmentS);
    return (
      head +
      segments
        .slice(0, count)
        .map((segment) => `#EXTINF:${segment.replace('#EXT-X-ENDLIST', '')}`)
        .join('')
    );
  };
  return (name) => {
    if (name === 'master.m3u8') return master;
    if (name === 's0.m3u8') return captions;
    if (name === 's0.vtt') return words;
    if (name === 'event.m3u8') return event();
    const path = join(folder, normalize(`/${name}`));
    return existsSync(path) ? readFileSync(path) : null;
  };
}
