import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FlvReader, parseAudioTag, parseVideoTag } from '../../src/formats/flv/index.ts';
import {
  type AudioTrack,
  type Packet,
  parseAacConfig,
  parseAvcConfig,
  toLengthPrefixed,
  toMs,
  type VideoTrack,
} from '../../src/media/index.ts';

const CACHE = join(tmpdir(), 'liveapi-packager-test');

/** A picture that moves and a tone that beats, as an FLV file by ffmpeg: made once, then kept. */
export function flv(options: { seconds: number; video?: string[]; fps?: string; audio?: string[] }): Buffer {
  const { seconds, video, fps = '30', audio } = options;
  const args = ['-v', 'error', '-y'];
  if (video) args.push('-f', 'lavfi', '-i', `testsrc2=size=192x108:rate=${fps}`);
  if (audio) args.push('-f', 'lavfi', '-i', 'sine=frequency=440:beep_factor=4:sample_rate=48000');
  if (video) args.push('-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', ...video);
  if (audio) args.push('-c:a', 'aac', '-b:a', '64k', ...audio);
  args.push('-t', String(seconds), '-threads', '1', '-f', 'flv');
  mkdirSync(CACHE, { recursive: true });
  const file = join(CACHE, `${createHash('sha256').update(args.join(' ')).digest('hex').slice(0, 16)}.flv`);
  if (!existsSync(file)) {
    execFileSync('ffmpeg', [...args, `${file}.${process.pid}`]);
    renameSync(`${file}.${process.pid}`, file);
  }
  return readFileSync(file);
}

/** The packets of an FLV file, as the publisher's door makes them: audio is clocked by its sample count. */
export function packetsOf(file: Buffer, shiftMs = 0): Packet[] {
  const packets: Packet[] = [];
  let video: VideoTrack | null = null;
  let audio: AudioTrack | null = null;
  let soundDts = Number.NaN;
  new FlvReader(({ type, timestampMs, body }) => {
    const ms = timestampMs + shiftMs;
    if (type === 'video') {
      const tag = parseVideoTag(body);
      if (tag.kind === 'config') {
        video = { kind: 'video', codec: 'avc', timescale: 1000, config: parseAvcConfig(tag.data) };
      } else if (tag.kind === 'frame' && video) {
        const data = toLengthPrefixed(tag.data, video.config);
        packets.push({ track: video, dts: ms, pts: ms + tag.compositionMs, key: tag.key, data });
      }
    } else if (type === 'audio') {
      const tag = parseAudioTag(body);
      if (tag.kind === 'config') {
        const config = parseAacConfig(tag.data);
        audio = { kind: 'audio', codec: 'aac', timescale: config.sampleRate, config };
      } else if (tag.kind === 'frame' && audio) {
        if (Number.isNaN(soundDts)) soundDts = Math.round((ms * audio.timescale) / 1000);
        packets.push({ track: audio, dts: soundDts, pts: soundDts, key: true, data: tag.data });
        soundDts += audio.config.frameSamples;
      }
    }
  }).push(file);
  return packets;
}

/** Time of a packet on the publisher's clock, in ms. */
export const ms = (packet: Packet): number => toMs(packet.dts, packet.track.timescale);

/** The same packets, moved in time, with other tracks if given. */
export function moved(
  packets: readonly Packet[],
  byMs: number,
  tracks: { video?: VideoTrack; audio?: AudioTrack } = {},
): Packet[] {
  return packets.map((packet) => {
    const by = Math.round((byMs * packet.track.timescale) / 1000);
    return { ...packet, track: tracks[packet.track.kind] ?? packet.track, dts: packet.dts + by, pts: packet.pts + by };
  });
}
