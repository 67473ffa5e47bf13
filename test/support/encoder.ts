import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Child, runChild, startChild } from './child.ts';

/** What to make: all that the tests vary. Times in seconds. */
export interface Clip {
  readonly seconds: number;
  /** Absent: no video. */
  readonly video?: {
    readonly size?: string;
    readonly fps?: number;
    readonly gopS?: number;
    readonly bFrames?: number;
    readonly source?: string;
    readonly kbps?: number;
  };
  /** Absent: no audio. */
  readonly audio?: { readonly rate: number; readonly channels: 1 | 2; readonly kbps?: number };
}

/** The arguments that make ffmpeg produce `clip` from its own test sources, up to the output's name. */
export function sourceArgs(clip: Clip): string[] {
  const { video, audio, seconds } = clip;
  const args: string[] = [];
  const fps = video?.fps ?? 30;
  if (video)
    args.push(
      '-f',
      'lavfi',
      '-i',
      `${video.source ?? 'testsrc2'}=size=${video.size ?? '640x360'}:rate=${fps}:duration=${seconds}`,
    );
  if (audio)
    args.push('-f', 'lavfi', '-i', `sine=frequency=440:beep_factor=2:sample_rate=${audio.rate}:duration=${seconds}`);
  if (video) {
    const gop = Math.round(fps * (video.gopS ?? 2));
    args.push(
      '-c:v',
      'libx264',
      '-preset',
      'veryfast',
      '-pix_fmt',
      'yuv420p',
      '-threads',
      '1',
      '-g',
      `${gop}`,
      '-keyint_min',
      `${gop}`,
      '-sc_threshold',
      '0',
    );
    args.push(
      '-bf',
      `${video.bFrames ?? 0}`,
      '-b:v',
      `${video.kbps ?? 600}k`,
      '-maxrate',
      `${video.kbps ?? 600}k`,
      '-bufsize',
      `${video.kbps ?? 600}k`,
    );
  }
  if (audio)
    args.push('-c:a', 'aac', '-b:a', `${audio.kbps ?? 96}k`, '-ar', `${audio.rate}`, '-ac', `${audio.channels}`);
  return args;
}

const folder = join(tmpdir(), 'liveapi-test-media');

/** An FLV file of `clip`, made once by ffmpeg and kept for later runs. Returns its path. */
export async function makeFlv(clip: Clip): Promise<string> {
  const args = sourceArgs(clip);
  const path = join(folder, `${createHash('sha1').update(JSON.stringify(args)).digest('hex').slice(0, 16)}.flv`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  await runChild('ffmpeg', ['-v', 'error', '-y', ...args, '-f', 'flv', unfinished]);
  renameSync(unfinished, path);
  return path;
}

/** Pushes with ffmpeg in real time. `input` is what comes before the output: sources and codecs. */
export const publish = (input: readonly string[], url: string): Child =>
  startChild('ffmpeg', ['-v', 'warning', '-nostdin', ...input, '-f', 'flv', url]);

/** Pushes a file's coded frames as they are, in real time; ends with the file unless `loop`. */
export const publishFile = (flv: string, url: string, options: { readonly loop?: boolean } = {}): Child =>
  publish(['-re', ...(options.loop ? ['-stream_loop', '-1'] : []), '-i', flv, '-c', 'copy'], url);
