import { type Static, type TSchema, Type } from 'typebox';
import { CodedError } from '../base/index.ts';
import { listOf } from './answers.ts';
import { BroadcastingStatus, Platform } from './platform.ts';

const optional = <T extends TSchema>(type: T) => Type.Optional(type);
const texts = (description: string) => Type.Array(Type.String({ maxLength: 255 }), { maxItems: 250, description });
/** Of a live stream's settings as JSON, so that a page of a list stays small (S50). */
const MAX_SETTINGS_BYTES = 16 * 1024;

export type Environment = 'production' | 'development';

/** In words of the contract (liveapi-contract.md §2.2), both dialects' together. */
const SETTINGS = {
  pulling_mode: Type.Object(
    { enabled: optional(Type.Boolean()), url: optional(Type.String({ maxLength: 2048 })) },
    { description: 'Fetch the stream from a URL; {} is off.' },
  ),
  abr: Type.Boolean({ description: 'Adaptive bitrate: transcode into several renditions.' }),
  cloud_recording: Type.Boolean({
    description: 'Keep a temporary recording. Absent: yes; created under /v2 without it: no.',
  }),
  low_latency_playback: Type.Boolean({ description: 'Adds playback.ll_embed_url.' }),
  varying_rewind: Type.Integer({
    enum: [-1, 3600, 7200, 10800, 14400],
    description: 'Seconds that a viewer can rewind.',
  }),
  embed_password: Type.String({ maxLength: 255, description: 'Password on the embedded player.' }),
  country_block: texts('Countries that may not watch.'),
  country_whitelist: texts('The only countries that may watch.'),
  domain_whitelist: texts('The only domains that may embed the player.'),
  chat_enabled: Type.Boolean({ description: 'Chat beside the embedded player.' }),
};

/** The settings of a live stream. An absent key means "as the server does by default". */
export const Settings = Type.Partial(Type.Object(SETTINGS), { description: 'Settings of a live stream.' });
export type Settings = Static<typeof Settings>;

/** What changes of the settings: null takes a key back to its default, unknown keys are ignored. */
export type SettingsChange = { readonly [Key in keyof Settings]?: Settings[Key] | null };
export const SettingsChange = Type.Unsafe<SettingsChange>(
  Type.Object(
    Object.fromEntries(Object.entries(SETTINGS).map(([key, type]) => [key, optional(Type.Union([type, Type.Null()]))])),
    { description: 'Merged with what is set, objects key by key; null takes a key back to its default.' },
  ),
);

/** The body of POST /live_streams and of PATCH /live_streams/{id}: all of it optional. */
export const LiveStreamChange = Type.Object(
  {
    name: optional(Type.String({ maxLength: 255 })),
    enabled: optional(Type.Boolean({ description: 'false: the encoder is cut at once and nobody can publish.' })),
    settings: optional(SettingsChange),
  },
  { $id: 'LiveStreamChange' },
);
export type LiveStreamChange = Static<typeof LiveStreamChange>;

/** The body of POST /live_streams/{id}/rotate_key. */
export const KeyRotation = Type.Object(
  {
    overlap_s: Type.Integer({
      minimum: 0,
      maximum: 86_400,
      default: 0,
      description: 'Seconds that the key before stays valid. 0: it dies at once, and an encoder on air is cut.',
    }),
  },
  { $id: 'KeyRotation' },
);
export type KeyRotation = Static<typeof KeyRotation>;

const identity = {
  _id: Type.String({ description: '24 hex digits.' }),
  name: Type.String(),
  enabled: Type.Boolean({ description: 'false: nobody can publish.' }),
  ingest: Type.Object({
    server: Type.String({ description: 'What OBS calls the server.' }),
    key: Type.String({ description: 'The stream key, with its password: a secret.' }),
  }),
};
const EmbedUrl = Type.String({ description: 'A page with the player: opens in a browser or an iframe.' });
const state = {
  broadcasting_status: optional(BroadcastingStatus),
  user: Type.String(),
  environment: Type.Unsafe<Environment>(Type.String({ enum: ['production', 'development'] })),
  organization: Type.String(),
  creation_time: Type.String({ format: 'date-time' }),
};

/** A live stream as the API shows it. Times are ISO 8601 in UTC with milliseconds. */
export const LiveStream = Type.Object(
  {
    ...identity,
    playback: Type.Object({
      embed_url: EmbedUrl,
      embed_audio_url: Type.String({ description: 'The same with the sound alone.' }),
      hls_url: Type.String(),
      ll_embed_url: optional(Type.String({ description: 'With settings.low_latency_playback.' })),
    }),
    platforms: Type.Array(Platform),
    settings: Settings,
    pull_urls: optional(
      Type.Object(
        { rtmp: optional(Type.String()), srt: optional(Type.String()) },
        { description: 'Only while online, and only where the server serves such players.' },
      ),
    ),
    ...state,
  },
  { $id: 'LiveStream' },
);
export type LiveStream = Static<typeof LiveStream>;

export const LiveStreamList = listOf(LiveStream, 'LiveStreamList');
export type LiveStreamList = Static<typeof LiveStreamList>;

/** The body of POST /sub_second_streams and of PATCH /sub_second_streams/{id}. */
export const SubSecondStreamChange = Type.Object(
  { name: LiveStreamChange.properties.name, enabled: LiveStreamChange.properties.enabled },
  { $id: 'SubSecondStreamChange' },
);
export type SubSecondStreamChange = Static<typeof SubSecondStreamChange>;

/** A sub-second stream as the API shows it: a live stream with an embed page and nothing to set. */
export const SubSecondStream = Type.Object(
  {
    ...identity,
    playback: Type.Object({ embed_url: EmbedUrl }),
    platforms: Type.Array(Platform, { maxItems: 0 }),
    settings: Type.Object({}),
    ...state,
  },
  { $id: 'SubSecondStream' },
);
export type SubSecondStream = Static<typeof SubSecondStream>;

export const SubSecondStreamList = listOf(SubSecondStream, 'SubSecondStreamList');
export type SubSecondStreamList = Static<typeof SubSecondStreamList>;

/** `?page=&limit=` of every list. A limit above 100 is served as 100, and the answer's `limit` says so. */
export const PageQuery = Type.Object({
  page: Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: 1 }),
  limit: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, default: 20 }),
});
export type PageQuery = Static<typeof PageQuery>;

/** The query of GET /live_streams. The filter is Castr's: without the prefix it is ignored, as LiveAPI knows none. */
export const LiveStreamQuery = Type.Object({
  ...PageQuery.properties,
  low_latency_playback: optional(Type.Boolean({ description: 'Only those with this setting.' })),
});
export type LiveStreamQuery = Static<typeof LiveStreamQuery>;

/**
 * Lays `change` over `settings`: objects are merged key by key, lists and plain values replaced, null takes a key away.
 * @throws CodedError bad_request when the outcome takes more than 16 KiB as JSON
 */
export function mergeSettings(settings: Settings, change: SettingsChange): Settings {
  const pulling_mode = change.pulling_mode === null ? {} : { ...settings.pulling_mode, ...change.pulling_mode };
  const merged = Object.entries({ ...settings, ...change, pulling_mode });
  const outcome: Settings = Object.fromEntries(merged.filter(([, value]) => value !== null));
  const size = new TextEncoder().encode(JSON.stringify(outcome)).length;
  if (size > MAX_SETTINGS_BYTES)
    throw new CodedError('bad_request', `The settings take ${size} bytes as JSON: ${MAX_SETTINGS_BYTES} are allowed.`);
  return outcome;
}
