import { type Static, type TSchema, Type } from 'typebox';

const optional = <T extends TSchema>(type: T) => Type.Optional(type);
const texts = (description: string) =>
  optional(Type.Array(Type.String({ maxLength: 255 }), { maxItems: 1000, description }));

export type Environment = 'production' | 'development';

/** The settings that the contract names. Unknown keys are ignored; an absent key means "as the server does by default". */
export const Settings = Type.Object(
  {
    pulling_mode: optional(
      Type.Object(
        { enabled: optional(Type.Boolean()), url: optional(Type.String({ maxLength: 2048 })) },
        { description: 'Fetch the stream from a URL; {} is off.' },
      ),
    ),
    abr: optional(Type.Boolean({ description: 'Adaptive bitrate: transcode into several renditions.' })),
    cloud_recording: optional(Type.Boolean({ description: 'Keep a temporary recording.' })),
    low_latency_playback: optional(Type.Boolean()),
    varying_rewind: optional(
      Type.Integer({ enum: [-1, 3600, 7200, 10800, 14400], description: 'Seconds that a viewer can rewind.' }),
    ),
    embed_password: optional(Type.String({ maxLength: 255, description: 'Password on the embedded player.' })),
    country_block: texts('Countries that may not watch.'),
    country_whitelist: texts('The only countries that may watch.'),
    domain_whitelist: texts('The only domains that may embed the player.'),
    chat_enabled: optional(Type.Boolean()),
  },
  { description: 'Settings of a live stream.' },
);
export type Settings = Static<typeof Settings>;

/** The body of POST /live_streams and of PATCH /live_streams/{id}: all of it optional. */
export const LiveStreamChange = Type.Object(
  { name: optional(Type.String({ maxLength: 255 })), enabled: optional(Type.Boolean()), settings: optional(Settings) },
  { $id: 'LiveStreamChange' },
);
export type LiveStreamChange = Static<typeof LiveStreamChange>;

const BroadcastingStatus = Type.Unsafe<'online' | 'offline'>(Type.String({ enum: ['online', 'offline'] }));

const Platform = Type.Object({
  _id: Type.String(),
  template: Type.String(),
  name: Type.String(),
  enabled: Type.Boolean(),
  server: Type.String(),
  key: Type.String(),
  broadcasting_status: optional(BroadcastingStatus),
});

/** A live stream as the API shows it. Times are ISO 8601 in UTC with milliseconds. */
export const LiveStream = Type.Object(
  {
    _id: Type.String({ description: '24 hex digits.' }),
    name: Type.String(),
    enabled: Type.Boolean({ description: 'false: nobody can publish.' }),
    ingest: Type.Object({
      server: Type.String({ description: 'What OBS calls the server.' }),
      key: Type.String({ description: 'The stream key, with its password: a secret.' }),
    }),
    playback: Type.Object({
      embed_url: Type.String(),
      embed_audio_url: Type.String(),
      hls_url: Type.String(),
    }),
    platforms: Type.Array(Platform),
    settings: Settings,
    broadcasting_status: optional(BroadcastingStatus),
    pull_urls: optional(
      Type.Object(
        { rtmp: optional(Type.String()), srt: optional(Type.String()) },
        { description: 'Only while online.' },
      ),
    ),
    user: Type.String(),
    environment: Type.Unsafe<Environment>(Type.String({ enum: ['production', 'development'] })),
    organization: Type.String(),
    creation_time: Type.String(),
  },
  { $id: 'LiveStream' },
);
export type LiveStream = Static<typeof LiveStream>;

export const LiveStreamList = Type.Object(
  {
    docs: Type.Array(LiveStream),
    total: Type.Integer(),
    limit: Type.Integer(),
    page: Type.Integer(),
    pages: Type.Integer({ description: 'At least 1, for an empty list too: clients loop until page = pages.' }),
  },
  { $id: 'LiveStreamList' },
);
export type LiveStreamList = Static<typeof LiveStreamList>;

/** `?page=&limit=` of every list. A limit above 100 is served as 100, and the answer's `limit` says so. */
export const PageQuery = Type.Object({
  page: Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: 1 }),
  limit: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, default: 20 }),
});
export type PageQuery = Static<typeof PageQuery>;

/** Lays `change` over `settings`: objects are merged key by key, lists and plain values replaced. */
export function mergeSettings(settings: Settings, change: Settings): Settings {
  return { ...settings, ...change, pulling_mode: { ...settings.pulling_mode, ...change.pulling_mode } };
}
