import { isoTime } from '../base/index.ts';
import type { Stats } from '../contract/index.ts';
import { maskSecret, maskServer } from '../contract/index.ts';
import type { BroadcastStats, PlatformStatus, TrackStats } from '../live/index.ts';
import type { PlatformRow } from '../store/index.ts';
import { type PublicAddresses, pullUrlsOf } from './to-live-stream.ts';

/** What is on air, and who watches it. */
export interface OnAirStats extends BroadcastStats {
  readonly viewers: number;
  readonly bytesOut: number;
  /** kbit/s over the last ten seconds. */
  readonly outputBitrate: number;
  /** Milliseconds since 1970; null before the first request. */
  readonly lastAccessMs: number | null;
}

/** By profile_idc (ISO 14496-10, annex A). */
const PROFILES: Record<number, string> = {
  66: 'Baseline',
  77: 'Main',
  88: 'Extended',
  100: 'High',
  110: 'High 10',
  122: 'High 4:2:2',
  244: 'High 4:4:4 Predictive',
};

/** What belongs to a live stream's stats beside what its broadcast measures. */
export interface StatsContext {
  readonly addresses: PublicAddresses;
  readonly platforms: readonly PlatformRow[];
  readonly statuses: readonly PlatformStatus[];
  /** Where it is pulled from; null when an encoder publishes it. */
  readonly pulledFrom: string | null;
}

/** Stats as both dialects show them. `liveStreamId` is what the contract calls the stream. */
export function toStats(liveStreamId: string, stats: OnAirStats, context: StatsContext): Stats {
  const { standby } = stats;
  const running = stats.runningSinceMs !== null;
  return {
    id: stats.broadcastId,
    source_id: stats.publisher.id,
    status: running ? 'running' : 'waiting',
    running,
    alive: stats.alive,
    url: context.pulledFrom ?? 'publish://',
    published_via: stats.publisher.protocol,
    published_from: stats.publisher.address,
    opened_at: stats.openedAtMs,
    // A number for clients also while nothing runs.
    start_running_at: stats.runningSinceMs ?? stats.openedAtMs,
    last_access_at: stats.lastAccessMs,
    lifetime: Date.now() - stats.openedAtMs,
    last_dts: stats.lastDtsMs ?? 0,
    ts_delay: Math.round(stats.delayMs),
    retry_count: stats.reconnects,
    bitrate: Math.round(stats.bitrate),
    input_bitrate: Math.round(stats.inputBitrate),
    output_bitrate: Math.round(stats.outputBitrate),
    out_bandwidth: Math.round(stats.outputBitrate),
    bytes_in: stats.bytesIn,
    bytes_out: stats.bytesOut,
    online_clients: stats.viewers,
    viewers: stats.viewers,
    dropped: stats.dropped,
    advice: stats.advice.map(({ code, severity, message, sinceMs }) => ({
      code,
      severity,
      message,
      since: isoTime(sinceMs),
    })),
    push_stats: pushStats(context),
    active_encoder: stats.active,
    standby: standby && {
      published_via: standby.protocol,
      published_from: standby.address,
      since: isoTime(standby.sinceMs),
    },
    pull_urls: pullUrlsOf(stats.playbackId, context.addresses),
    srt_port_resolve: null,
    media_info: { flow_type: 'stream', stream_id: liveStreamId, tracks: stats.tracks.map(toTrack) },
  };
}

/** By target URL, as the contract has it; without the key in it. */
function pushStats({ platforms, statuses }: StatsContext): Stats['push_stats'] {
  return Object.fromEntries(
    statuses.flatMap(({ platformId, state, bytesSent }) => {
      const platform = platforms.find(({ id }) => id === platformId);
      if (!platform) return [];
      const { server, key } = platform;
      const url = [maskServer(server, key).replace(/\/$/, ''), ...(key ? [maskSecret(key)] : [])].join('/');
      return [[url, { sent_bytes: bytesSent, status: state === 'online' ? 'running' : state }]];
    }),
  );
}

function toTrack(track: TrackStats): Stats['media_info']['tracks'][number] {
  const bitrate = Math.round(track.bitrate);
  if (track.kind === 'audio') {
    const { channels, outputSampleRate, codecString } = track.config;
    const codec = codecString === 'opus' ? 'opus' : 'aac';
    return { track_id: 'a1', content: 'audio', codec, bitrate, channels, sample_rate: outputSampleRate };
  }
  const { width, height, frameRate, profile, level, pixelFormat, sampleAspect } = track.config;
  const measured = Math.round(track.fps * 100) / 100;
  return {
    track_id: 'v1',
    content: 'video',
    codec: 'h264',
    bitrate,
    width,
    height,
    pixel_width: width,
    pixel_height: height,
    sar_width: sampleAspect[0],
    sar_height: sampleAspect[1],
    pix_fmt: pixelFormat,
    fps: frameRate === null ? Math.round(measured) : Math.round(frameRate * 100) / 100,
    avg_fps: measured,
    profile: PROFILES[profile] ?? String(profile),
    level: (level / 10).toFixed(1),
    bframes: track.bFrames,
    gop_size: track.gop,
    last_gop: track.lastGop,
  };
}
