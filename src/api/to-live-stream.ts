import { isoTime, isoTimeOrNull } from '../base/index.ts';
import type { Config } from '../config/index.ts';
import {
  COMMON_CODECS,
  type LiveStream,
  maskPullingMode,
  maskSecret,
  maskServer,
  type Platform,
  type PlatformStatus,
  type PullingStatus,
  type SubSecondStream,
  templateOf,
} from '../contract/index.ts';
import type * as media from '../live/index.ts';
import type { LiveStreamRow, PlatformRow } from '../store/index.ts';
import type { Dialect } from './dialect.ts';

/** The addresses that a live stream's URLs begin with. */
export type PublicAddresses = Pick<Config, 'publicUrl' | 'rtmpPublicUrl'>;

/** What is on air, as far as a live stream's answer shows it. */
export interface OnAir {
  isOnline(liveStreamId: string): boolean;
  platformStatuses(liveStreamId: string): readonly media.PlatformStatus[];
  pullStatus(liveStreamId: string): media.PullStatus | null;
}

/** A live stream as the API shows it. `onAir` is left out of the answer to its creation, as clients know it from there. */
export function toLiveStream(
  row: LiveStreamRow,
  addresses: PublicAddresses,
  dialect: Dialect,
  onAir?: OnAir,
): LiveStream {
  const embedUrl = embedUrlOf(row, addresses);
  // Read once: they are opened with every reading.
  const { settings } = row;
  const { pulling_mode } = settings;
  const shown = pulling_mode ? { ...settings, pulling_mode: maskPullingMode(pulling_mode) } : settings;
  const online = onAir?.isOnline(row.id);
  // Most have none, and need not be asked for.
  const statuses = row.platforms.length > 0 ? onAir?.platformStatuses(row.id) : undefined;
  const pull = pulling_mode?.enabled ? onAir?.pullStatus(row.id) : undefined;
  return {
    ...common(row, addresses, online),
    playback: {
      ...playbackOf(row, addresses),
      // All our playback is low latency: the same page.
      ll_embed_url: settings.low_latency_playback ? embedUrl : undefined,
    },
    platforms: row.platforms.map((platform) => toPlatform(platform, statuses)),
    // Castr's clients read the switch; LiveAPI's have none, and there its absence means on.
    settings: dialect === 'castr' ? { cloud_recording: true, ...shown } : shown,
    pull_urls: online ? pullUrlsOf(row.playbackId, addresses) : undefined,
    pulling_status: pull ? toPullingStatus(pull) : undefined,
  };
}

/** Where it is watched. */
export function playbackOf(row: LiveStreamRow, addresses: PublicAddresses) {
  const embedUrl = embedUrlOf(row, addresses);
  return {
    embed_url: embedUrl,
    embed_audio_url: `${embedUrl}?onlyAudio=true`,
    hls_url: `${addresses.publicUrl}/hls/${row.userId}/${row.playbackId}/index.m3u8`,
  };
}

/** A sub-second stream as the API shows it: an embed page is all there is of its playback. */
export function toSubSecondStream(row: LiveStreamRow, addresses: PublicAddresses, online?: boolean): SubSecondStream {
  const playback = { embed_url: embedUrlOf(row, addresses) };
  return { ...common(row, addresses, online), playback, platforms: [], settings: {} };
}

/** A platform as the API shows it: its key masked. Without a status nothing is pushed to it. */
export function toPlatform(row: PlatformRow, statuses: readonly media.PlatformStatus[] = []): Platform {
  const { id, template, name, enabled, key, audio, delayS, metadata } = row;
  const status = statuses.find(({ platformId }) => platformId === id);
  return {
    _id: id,
    template,
    name,
    enabled,
    server: maskServer(row.server, key),
    key: maskSecret(key),
    broadcasting_status: status?.state === 'online' ? 'online' : 'offline',
    status: status && toPlatformStatus(status),
    audio,
    delay_s: delayS,
    codecs: [...(row.codecs ?? templateOf(template)?.codecs ?? COMMON_CODECS)],
    ...(metadata && { metadata }),
  };
}

/** Where RTMP and HTTP-FLV players find what is on air. */
export function pullUrlsOf(playbackId: string, { publicUrl, rtmpPublicUrl }: PublicAddresses) {
  const { protocol, host } = new URL(rtmpPublicUrl);
  return { rtmp: `${protocol}//${host}/${playbackId}`, flv: `${publicUrl}/live/${playbackId}.flv` };
}

type Connection = Omit<media.PlatformStatus, 'platformId' | 'state' | 'bytesSent' | 'dropped' | 'lastError'> & {
  readonly lastError: { readonly code: string; readonly message: string; readonly atMs: number } | null;
};

function connectionOf({ sinceMs, severity, attempt, nextRetryMs, lastError, bitrate, connectedSinceMs }: Connection) {
  return {
    since: isoTime(sinceMs),
    severity,
    attempt,
    next_retry: isoTimeOrNull(nextRetryMs),
    last_error: lastError && { code: lastError.code, message: lastError.message, at: isoTime(lastError.atMs) },
    bitrate: Math.round(bitrate),
    uptime_s: connectedSinceMs === null ? null : Math.max(0, Math.floor((Date.now() - connectedSinceMs) / 1000)),
  };
}

export const toPlatformStatus = (status: media.PlatformStatus): PlatformStatus => ({
  state: status.state,
  ...connectionOf(status),
  bytes_sent: status.bytesSent,
  dropped: status.dropped,
});

export const toPullingStatus = (status: media.PullStatus): PullingStatus => ({
  state: status.state,
  ...connectionOf(status),
  url: status.url,
  url_index: status.urlIndex,
  protocol: status.protocol,
  bytes_received: status.bytesReceived,
});

const embedUrlOf = (row: LiveStreamRow, { publicUrl }: PublicAddresses): string =>
  `${publicUrl}/embed/${row.playbackId}`;

function common(row: LiveStreamRow, { rtmpPublicUrl }: PublicAddresses, online?: boolean) {
  const { playbackId, backupPassword } = row;
  const ingest = { server: rtmpPublicUrl, key: `${playbackId}?password=${row.password}` };
  return {
    _id: row.id,
    name: row.name,
    enabled: row.enabled,
    ingest: backupPassword ? { ...ingest, backup_key: `${playbackId}?password=${backupPassword}` } : ingest,
    broadcasting_status: online === undefined ? undefined : online ? ('online' as const) : ('offline' as const),
    user: row.userId,
    environment: row.environment,
    organization: row.organizationId,
    creation_time: isoTime(row.createdMs),
  };
}
