import type { Writable } from 'node:stream';
import { type Child, startChild } from './child.ts';

// A clock in the picture: each frame shows the wall-clock time at which it was drawn as 48 black or white cells, 16 in each of
// three rows: 32 bits of milliseconds, then 16 check bits. Cells of 40 x 40 survive any encoder setting of the tests.
const WIDTH = 640;
const HEIGHT = 360;
const CELL = 40;
const COLUMNS = 16;
const TOP = 120;

const check = (high: number, low: number): number => (high * 31 + low * 17 + 0x5a5a) & 0xffff;

/** Draws the cells for `timeMs` into a gray frame of 640 x 360. */
export function drawClock(frame: Uint8Array, timeMs: number): void {
  const low = timeMs & 0xffff;
  const high = Math.floor(timeMs / 65_536) & 0xffff;
  [high, low, check(high, low)].forEach((word, row) => {
    for (let column = 0; column < COLUMNS; column++) {
      const level = (word >> (15 - column)) & 1 ? 235 : 16;
      for (let y = 0; y < CELL; y++) {
        const start = (TOP + row * CELL + y) * WIDTH + column * CELL;
        frame.fill(level, start, start + CELL);
      }
    }
  });
}

/**
 * JavaScript for a page: a function of a video element that answers how many milliseconds ago the shown frame was drawn, or
 * null when no frame can be read.
 */
export const READ_CLOCK = `(video) => {
  if (!video || video.readyState < 2) return null;
  const canvas = (window.__clock ??= new OffscreenCanvas(${WIDTH}, ${HEIGHT}).getContext('2d', { willReadFrequently: true }));
  canvas.drawImage(video, 0, 0, ${WIDTH}, ${HEIGHT});
  const now = Date.now();
  const pixels = canvas.getImageData(0, 0, ${WIDTH}, ${HEIGHT}).data;
  const [high, low, check] = [0, 1, 2].map((row) => {
    let word = 0;
    for (let column = 0; column < ${COLUMNS}; column++) {
      const at = ((${TOP} + row * ${CELL} + ${CELL / 2}) * ${WIDTH} + column * ${CELL} + ${CELL / 2}) * 4;
      word = word * 2 + (pixels[at + 1] > 127 ? 1 : 0);
    }
    return word;
  });
  if (((high * 31 + low * 17 + 0x5a5a) & 0xffff) !== check) return null;
  return ((now % 4294967296) - (high * 65536 + low) + 4294967296) % 4294967296;
}`;

/** Pushes the clock at 30 frames a second with a tone, as an encoder set for low delay does. Stop it with `stop()`. */
export function publishClock(url: string, options: { readonly gopFrames?: number } = {}): Child {
  const input = [
    '-f',
    'rawvideo',
    '-pix_fmt',
    'gray',
    '-video_size',
    `${WIDTH}x${HEIGHT}`,
    '-framerate',
    '30',
    '-i',
    'pipe:0',
  ];
  const tone = ['-f', 'lavfi', '-i', 'sine=frequency=330:sample_rate=48000'];
  const gop = `${options.gopFrames ?? 60}`;
  const video = [
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-tune',
    'zerolatency',
    '-pix_fmt',
    'yuv420p',
    '-g',
    gop,
    '-keyint_min',
    gop,
    '-sc_threshold',
    '0',
  ];
  const child = startChild(
    'ffmpeg',
    [
      '-v',
      'warning',
      '-fflags',
      'nobuffer',
      ...input,
      ...tone,
      ...video,
      '-c:a',
      'aac',
      '-b:a',
      '64k',
      '-flush_packets',
      '1',
      '-f',
      'flv',
      url,
    ],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  const pipe = child.process.stdin as Writable;
  pipe.on('error', () => {}); // ffmpeg ended: `child.ended` tells
  const startMs = performance.now();
  let drawn = 0;
  const timer = setInterval(() => {
    // Frames are drawn at their own time; after a hold-up the missed ones follow at once, each with the time it is drawn.
    for (; (drawn * 1000) / 30 <= performance.now() - startMs; drawn++) {
      if (pipe.writableLength > 8 * WIDTH * HEIGHT) continue; // ffmpeg does not keep up: leave the frame out
      const frame = Buffer.alloc(WIDTH * HEIGHT, 60 + ((drawn * 2) % 100));
      drawClock(frame, Date.now());
      pipe.write(frame);
    }
  }, 5);
  void child.ended.then(() => clearInterval(timer));
  return child;
}
