// Makes src/cli/clip/demo.flv, what `npm run demo` puts on air over and over: a test card with a running clock, a soft chord
// and a tick each second. Needs ffmpeg with x264 and a folder of DejaVu fonts: `node scripts/make-clip.ts [fonts folder]`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Eight seconds are the shortest time that is a whole number of 30 fps frames (240), of one-second GOPs (8) and of AAC frames
// at 48 kHz (375): repeated end to end, neither track gains on the other and key frames stay a second apart.
const seconds = 8;
const fps = 30;
const sampleRate = 48_000;
const samplesPerAacFrame = 1024;
const aacFrames = (seconds * sampleRate) / samplesPerAacFrame;

const width = 1024;
const height = 576;
const accent = '0xFF5A4F';
const fonts = process.argv[2] ?? '/usr/share/fonts/truetype/dejavu';
const clip = fileURLToPath(new URL('../src/cli/clip/demo.flv', import.meta.url));

function ffmpeg(args: string[]): void {
  const done = spawnSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', '-fflags', '+bitexact', ...args], {
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`ffmpeg failed: ${done.error?.message ?? done.stderr}`);
}

const text = (font: string, size: number, color: string, x: number, baseline: number, what: string) =>
  `drawtext=fontfile=${join(fonts, font)}:fontsize=${size}:fontcolor=${color}:x=${x}:y=${baseline}-max_glyph_a:text='${what}'`;

/** Slow waves of dark blue, drawn small and scaled up; every term turns a whole number of times in `seconds`. */
function background(): string {
  const turn = (n: number) => `2*PI*${n}*T/${seconds}`;
  const wave = `sin(2*PI*X/W+${turn(1)})*cos(2*PI*Y/H*0.7-${turn(1)})`;
  const glow = `sin(2*PI*(X/W*1.4+Y/H)-${turn(2)})`;
  return [
    `color=black:s=256x144:r=${fps}:d=${seconds},format=gbrp`,
    `geq=r='17+5*${wave}+3*${glow}':g='21+8*${wave}+4*${glow}':b='34+14*${wave}+9*${glow}'`,
    `scale=${width}:${height}:flags=bicubic`,
  ].join(',');
}

/** A dial that fills once a second, with a dot at its head: smooth motion, and each frame of a second is told apart. */
function dial(): string {
  const size = 232;
  const middle = size / 2;
  const radius = `hypot(X-${middle},Y-${middle})`;
  const angle = `mod(atan2(X-${middle},${middle}-Y)+2*PI,2*PI)`;
  const head = `2*PI*mod(N,${fps})/${fps}`;
  const dot = `hypot(X-${middle}-96*sin(${head}),Y-${middle}+96*cos(${head}))`;
  const edge = (distance: string, half: number) => `clip(${half}+1-${distance},0,1)`;
  const ring = edge(`abs(${radius}-96)`, 5);
  const lit = `max(${ring}*(0.16+0.84*lt(${angle},${head})),${edge(dot, 11)})`;
  return `color=${accent}:s=${size}x${size}:r=${fps}:d=${seconds},format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*${lit}'`;
}

/** The classic colour bars as a slim strip at the foot of the picture, toned down. */
function bars(): string {
  const colors = ['0xC8C8C8', '0xC6BE4B', '0x52BDC4', '0x58B368', '0xB45CB8', '0xC9514A', '0x4563C4', '0x20242E'];
  const each = Math.ceil(width / colors.length);
  return colors
    .map((color, i) => `drawbox=x=${i * each}:y=${height - 16}:w=${each}:h=16:color=${color}:t=fill`)
    .join(',');
}

function picture(): string {
  const clock = `%{eif\\:floor(n/${fps})\\:d\\:2}.%{eif\\:mod(floor(n/${fps / 10})\\,10)\\:d}`;
  const frame = `frame %{eif\\:n\\:d\\:3}`;
  return [
    `${background()},${bars()}[ground]`,
    `${dial()}[dial]`,
    `[ground][dial]overlay=x=${width - 232 - 66}:y=158:format=gbrp`,
  ]
    .join(';')
    .concat(
      `,${text('DejaVuSans-Bold.ttf', 38, '0xF2F4F8', 66, 90, 'Live')}`,
      `,${text('DejaVuSans-Bold.ttf', 38, accent, 156, 90, 'API')}`,
      `,${text('DejaVuSans.ttf', 20, '0x9AA3B5', 68, 127, 'Test broadcast')}`,
      `,${text('DejaVuSansMono-Bold.ttf', 158, '0xF2F4F8', 60, 330, clock)}`,
      `,${text('DejaVuSans.ttf', 20, '0x9AA3B5', 68, 386, 'seconds')}`,
      `,${text('DejaVuSansMono.ttf', 20, '0x9AA3B5', 68, 516, `${width} x ${height}   ${fps} fps   ${frame}`)}`,
      ',format=yuv420p[v]',
    );
}

/** A quiet chord whose tones all fit `seconds` a whole number of times, and a tick each second, the first one higher. */
function sound(): string {
  const tone = (hz: number, level: number, side: number) =>
    `${level}*sin(2*PI*${hz}*t)*(0.75+0.25*sin(2*PI*t*${1 + side}/${seconds}))`;
  const tick = `0.22*sin(2*PI*t*if(lt(mod(t,${seconds}),1),1760,880))*exp(-45*mod(t,1))`;
  const channel = (side: number) =>
    `${tone(220, 0.035, side)}+${tone(277.25, 0.025, side)}+${tone(329.625, 0.025, 1 - side)}+${tick}`;
  return `aevalsrc='${channel(0)}|${channel(1)}':s=${sampleRate}:d=${seconds * 3}`;
}

/** The frames of an ADTS file. */
function adtsFrames(file: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = ((file[at + 3] & 3) << 11) | (file[at + 4] << 3) | (file[at + 5] >> 5);
    frames.push(file.subarray(at, (at += length)));
  }
  return frames;
}

const folder = mkdtempSync(join(tmpdir(), 'clip-'));
try {
  const whole = join(folder, 'whole.aac');
  const loop = join(folder, 'loop.aac');
  ffmpeg(['-f', 'lavfi', '-i', sound(), '-c:a', 'aac', '-b:a', '96k', '-flags:a', '+bitexact', whole]);
  // The middle one of three rounds: its first frame overlaps with the end of an identical round, so the loop has no seam.
  // The encoder's first frame is priming, hence the one more.
  const frames = adtsFrames(readFileSync(whole)).slice(aacFrames + 1, 2 * aacFrames + 1);
  if (frames.length !== aacFrames) throw new Error(`expected ${aacFrames} AAC frames, got ${frames.length}`);
  writeFileSync(loop, Buffer.concat(frames));
  ffmpeg([
    ...['-i', loop, '-filter_complex', picture(), '-map', '[v]', '-map', '0:a'],
    ...['-c:v', 'libx264', '-profile:v', 'main', '-preset', 'veryslow', '-tune', 'animation', '-bf', '0', '-crf', '22'],
    ...['-g', String(fps), '-keyint_min', String(fps), '-sc_threshold', '0', '-maxrate', '800k', '-bufsize', '400k'],
    ...['-color_primaries', 'bt709', '-color_trc', 'bt709', '-colorspace', 'bt709'],
    // Without the encoder's settings (SEI) and the end-of-sequence tag, which would cut the loop.
    ...['-bsf:v', 'filter_units=remove_types=6', '-c:a', 'copy', '-bsf:a', 'aac_adtstoasc'],
    ...['-flags', '+bitexact', '-flvflags', 'no_sequence_end', '-f', 'flv', clip],
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${clip}: ${statSync(clip).size} bytes`);
