import type { Config } from '../config/index.ts';
import type { LiveStream } from '../contract/index.ts';
import type { LiveStreamRow } from '../store/index.ts';

/** The addresses that a live stream's URLs begin with. */
export type PublicAddresses = Pick<Config, 'publicUrl' | 'rtmpPublicUrl'>;

/**
 * A live stream as the API shows it. `online` is left out of the answer to its creation, as clients know it from there.
 * No `pull_urls`: they name protocols that a live stream can be pulled by (RTMP, SRT), and none is served yet.
 */
export function toLiveStream(
  row: LiveStreamRow,
  { publicUrl, rtmpPublicUrl }: PublicAddresses,
  online?: boolean,
): LiveStream {
  const embedUrl = `${publicUrl}/embed/${row.playbackId}`;
  return {
    _id: row.id,
    name: row.name,
    enabled: row.enabled,
    ingest: { server: rtmpPublicUrl, key: `${row.playbackId}?password=${row.password}` },
    playback: {
      embed_url: embedUrl,
      embed_audio_url: `${embedUrl}?onlyAudio=true`,
      hls_url: `${publicUrl}/hls/${row.userId}/${row.playbackId}/index.m3u8`,
    },
    platforms: [],
    settings: row.settings,
    broadcasting_status: online === undefined ? undefined : online ? 'online' : 'offline',
    user: row.userId,
    environment: row.environment,
    organization: row.organizationId,
    creation_time: new Date(row.createdMs).toISOString(),
  };
}
