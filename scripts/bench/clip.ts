import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FlvReader, type FlvTag, parseAudioTag, parseVideoTag } from '../../src/formats/flv/index.ts';
import { runChild } from '../../test/support/child.ts';

const folder = fileURLToPath(new URL('../../.runtime/bench/', import.meta.url));

/** RTMP chunk size of the load, as OBS and ffmpeg's successors choose it. */
export const CHUNK_SIZE = 4096;

/** 16 s are 480 frames of video and 750 of AAC at 48 kHz: whole numbers, so the clip goes round without a seam. */
const LOOP_MS = 16_000;
const VIDEO_FRAMES = 480;
const AUDIO_FRAMES = 750;

const VIDEO_CSID = 6;
const AUDIO_CSID = 4;

/** A clip as RTMP chunks, cut once: every publisher writes these same Buffers, round and round. */
export interface Clip {
  readonly loopMs: number;
  /** Bits a second with all chunk headers. */
  readonly bitRate: number;
  /** The two configurations at time 0. */
  readonly head: Buffer;
  /** Times of the messages, in ms from the clip's start. */
  readonly timesMs: Float64Array;
  readonly isVideo: readonly boolean[];
  /** With type-1 headers, whose times are differences: the first round differs from the others in its first two messages. */
  readonly firstRound: readonly Buffer[];
  readonly laterRounds: readonly Buffer[];
}

/** One message as chunks: a header of type 0 (with the message stream id 1) or 1, and one byte before each further piece. */
function cut(type: 0 | 1, csid: number, messageType: number, time: number, body: Buffer): Buffer {
  const header = type === 0 ? 12 : 8;
  const pieces = Math.max(1, Math.ceil(body.length / CHUNK_SIZE));
  const bytes = Buffer.allocUnsafeSlow(header + body.length + pieces - 1);
  bytes[0] = (type << 6) | csid;
  bytes.writeUIntBE(time, 1, 3);
  bytes.writeUIntBE(body.length, 4, 3);
  bytes[7] = messageType;
  if (type === 0) bytes.writeUInt32LE(1, 8);
  for (let piece = 0, at = header; piece < pieces; piece++) {
    if (piece > 0) bytes[at++] = 0xc0 | csid;
    at += body.copy(bytes, at, piece * CHUNK_SIZE, (piece + 1) * CHUNK_SIZE);
  }
  return bytes;
}

/**
 * A clip of a moving test picture, H.264 at a constant `videoKbps` without B-frames, a key frame each 2 s, and AAC of 128
 * kbit/s. ffmpeg makes it once; later runs take it from .runtime/bench.
 */
export async function loadClip(size: '1280x720' | '640x360', videoKbps: number): Promise<Clip> {
  const path = `${folder}${size}-${videoKbps}k.flv`;
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    const rate = `${videoKbps}k`;
    // Noise gives the encoder enough to do at any rate; filler makes it constant where it is not.
    const picture = `testsrc2=size=${size}:rate=30:duration=17,noise=alls=12:allf=t`;
    const x264 = 'nal-hrd=cbr:force-cfr=1:keyint=60:min-keyint=60:scenecut=0:bframes=0';
    const video = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-x264-params', x264];
    const rates = ['-b:v', rate, '-minrate', rate, '-maxrate', rate, '-bufsize', rate];
    const sources = [
      '-f',
      'lavfi',
      '-i',
      picture,
      '-f',
      'lavfi',
      '-i',
      'sine=frequency=440:sample_rate=48000:duration=17',
    ];
    const audio = ['-c:a', 'aac', '-b:a', '128k', '-ac', '2'];
    await runChild('ffmpeg', [
      '-v',
      'error',
      '-y',
      ...sources,
      ...video,
      ...rates,
      ...audio,
      '-f',
      'flv',
      `${path}.part`,
    ]);
    renameSync(`${path}.part`, path);
  }
  return cutClip(readFileSync(path));
}

function cutClip(flv: Buffer): Clip {
  const heads: Buffer[] = [];
  const frames: FlvTag[] = [];
  const counts = { video: 0, audio: 0 };
  const reader = new FlvReader((tag) => {
    if (tag.type !== 'video' && tag.type !== 'audio') return;
    const parsed = tag.type === 'video' ? parseVideoTag(tag.body) : parseAudioTag(tag.body);
    const [csid, messageType] = tag.type === 'video' ? [VIDEO_CSID, 9] : [AUDIO_CSID, 8];
    if (parsed.kind === 'config') heads.push(cut(0, csid, messageType, 0, tag.body));
    else if (parsed.kind === 'frame' && counts[tag.type]++ < (tag.type === 'video' ? VIDEO_FRAMES : AUDIO_FRAMES))
      frames.push(tag);
  });
  reader.push(flv);
  if (counts.video < VIDEO_FRAMES || counts.audio < AUDIO_FRAMES)
    throw new Error('the clip is too short: remove .runtime/bench');
  const cutAll = (before: { video: number; audio: number }) =>
    frames.map(({ type, timestampMs, body }) => {
      const kind = type as 'video' | 'audio';
      const delta = timestampMs - before[kind];
      before[kind] = timestampMs;
      return kind === 'video' ? cut(1, VIDEO_CSID, 9, delta, body) : cut(1, AUDIO_CSID, 8, delta, body);
    });
  const last = { video: 0, audio: 0 };
  const firstRound = cutAll(last);
  const laterRounds = cutAll({ video: last.video - LOOP_MS, audio: last.audio - LOOP_MS });
  return {
    loopMs: LOOP_MS,
    bitRate: (laterRounds.reduce((sum, bytes) => sum + bytes.length, 0) * 8000) / LOOP_MS,
    head: Buffer.concat(heads),
    timesMs: Float64Array.from(frames, (frame) => frame.timestampMs),
    isVideo: frames.map((frame) => frame.type === 'video'),
    firstRound,
    laterRounds,
  };
}
