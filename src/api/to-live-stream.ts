import type { Config } from '../config/index.ts';
import type { LiveStream, Platform, SubSecondStream } from '../contract/index.ts';
import type { LiveStreamRow, PlatformRow } from '../store/index.ts';
import type { Dialect } from './dialect.ts';

/** The addresses that a live stream's URLs begin with. */
export type PublicAddresses = Pick<Config, 'publicUrl' | 'rtmpPublicUrl'>;

/**
 * A live stream as the API shows it. `online` is left out of the answer to its creation, as clients know it from there.
 * No `pull_urls`: they name protocols that a live stream can be pulled by (RTMP, SRT), and none is served yet.
 */
export function toLiveStream(
  row: LiveStreamRow,
  addresses: PublicAddresses,
  dialect: Dialect,
  online?: boolean,
): LiveStream {
  const embedUrl = embedUrlOf(row, addresses);
  // Read once: they are opened with every reading.
  const { settings } = row;
  return {
    ...common(row, addresses, online),
    playback: {
      embed_url: embedUrl,
      embed_audio_url: `${embedUrl}?onlyAudio=true`,
      hls_url: `${addresses.publicUrl}/hls/${row.userId}/${row.playbackId}/index.m3u8`,
      // All our playback is low latency: the same page.
      ll_embed_url: settings.low_latency_playback ? embedUrl : undefined,
    },
    platforms: row.platforms.map(toPlatform),
    // Castr's clients read the switch; LiveAPI's have none, and there its absence means on.
    settings: dialect === 'castr' ? { cloud_recording: true, ...settings } : settings,
  };
}

/** A sub-second stream as the API shows it: an embed page is all there is of its playback. */
export function toSubSecondStream(row: LiveStreamRow, addresses: PublicAddresses, online?: boolean): SubSecondStream {
  const playback = { embed_url: embedUrlOf(row, addresses) };
  return { ...common(row, addresses, online), playback, platforms: [], settings: {} };
}

/** A platform as the API shows it. Nothing is pushed yet, so it is offline. */
export function toPlatform({ id, template, name, enabled, server, key, metadata }: PlatformRow): Platform {
  const shown = { _id: id, template, name, enabled, server, key, broadcasting_status: 'offline' as const };
  return metadata ? { ...shown, metadata } : shown;
}

const embedUrlOf = (row: LiveStreamRow, { publicUrl }: PublicAddresses): string =>
  `${publicUrl}/embed/${row.playbackId}`;

function common(row: LiveStreamRow, { rtmpPublicUrl }: PublicAddresses, online?: boolean) {
  return {
    _id: row.id,
    name: row.name,
    enabled: row.enabled,
    ingest: { server: rtmpPublicUrl, key: `${row.playbackId}?password=${row.password}` },
    broadcasting_status: online === undefined ? undefined : online ? ('online' as const) : ('offline' as const),
    user: row.userId,
    environment: row.environment,
    organization: row.organizationId,
    creation_time: new Date(row.createdMs).toISOString(),
  };
}
