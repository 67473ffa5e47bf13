import { type Static, type TSchema, Type } from 'typebox';
import { CodedError } from '../base/index.ts';
import { listOf } from './answers.ts';
import { BroadcastingStatus, connectionStatus, Platform, severity } from './platform.ts';
import {
  checkPullingMode,
  PullingMode,
  type PullingModeChange,
  PullingModeChange as PullingModeChangeSchema,
  unmaskPullingMode,
} from './pulling-mode.ts';

const optional = <T extends TSchema>(type: T) => Type.Optional(type);
const nullable = <T extends TSchema>(type: T) => Type.Union([type, Type.Null()]);
const texts = (description: string) => Type.Array(Type.String({ maxLength: 255 }), { maxItems: 250, description });
/** Of a live stream's settings as JSON, so that a page of a list stays small (S50). */
const MAX_SETTINGS_BYTES = 16 * 1024;

export type Environment = 'production' | 'development';

/** In words of the contract (liveapi-contract.md §2.2), both dialects' together. */
const SETTINGS = {
  pulling_mode: PullingMode,
  backup_encoder: Type.Partial(
    Type.Object({
      give_back: Type.Boolean({
        description:
          'Whether the encoder with the primary key gets its place back when it returns; true when not given.',
      }),
    }),
    { description: 'The encoder that publishes with ingest.backup_key.' },
  ),
  abr: Type.Boolean({ description: 'Adaptive bitrate: transcode into several renditions.' }),
  cloud_recording: Type.Boolean({
    description: 'Keep a temporary recording. Absent: yes; created under /v2 without it: no.',
  }),
  low_latency_playback: Type.Boolean({ description: 'Adds playback.ll_embed_url.' }),
  varying_rewind: Type.Integer({
    enum: [-1, 3600, 7200, 10800, 14400],
    description:
      'Seconds that a viewer can rewind while the live stream is on air; -1: none. Takes effect with the next broadcast.',
  }),
  playback_policy: Type.Unsafe<'public' | 'signed'>(
    Type.String({
      enum: ['public', 'signed'],
      description:
        'signed: only viewers with a token watch: a JWT by a key of /signing_keys, or one of POST /live_streams/{id}/playback_tokens. An own addition.',
    }),
  ),
  embed_password: Type.String({
    maxLength: 255,
    description: 'What viewers are asked for before they may watch. Viewers with a signed token are not.',
  }),
  country_block: texts(
    'Countries that may not watch: ISO 3166 codes, such as DE. Needs country_header in the configuration; without it nobody watches.',
  ),
  country_whitelist: texts('The only countries that may watch: as country_block.'),
  domain_whitelist: texts('The only domains whose pages may show the player, each with those below it.'),
  chat_enabled: Type.Boolean({ description: 'Chat beside the embedded player.' }),
};

/** The settings of a live stream. An absent key means "as the server does by default". */
export const Settings = Type.Partial(Type.Object(SETTINGS), { description: 'Settings of a live stream.' });
export type Settings = Static<typeof Settings>;

/** What changes of the settings: null takes a key back to its default, unknown keys are ignored. */
export type SettingsChange = {
  readonly [Key in keyof Settings]?: (Key extends 'pulling_mode' ? PullingModeChange : Settings[Key]) | null;
};
const CHANGES = { ...SETTINGS, pulling_mode: PullingModeChangeSchema };
export const SettingsChange = Type.Unsafe<SettingsChange>(
  Type.Object(
    Object.fromEntries(Object.entries(CHANGES).map(([key, type]) => [key, optional(Type.Union([type, Type.Null()]))])),
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
    which: Type.Unsafe<'primary' | 'backup'>(
      Type.String({ enum: ['primary', 'backup'], default: 'primary', description: 'The backup key has no overlap.' }),
    ),
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
    backup_key: optional(
      Type.String({
        description:
          'The key of a second encoder, which stands by and takes over when the first falls silent: a secret.',
        examples: ['lv_0d1e2f3a4b5c11eeb0a1c2d3e4f50617?password=1f2e3d4c'],
      }),
    ),
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

/** How the pull of a live stream fares. An own addition. */
export const PullingStatus = Type.Object(
  {
    state: Type.String({
      enum: ['off', 'waiting', 'connecting', 'online', 'retrying', 'refused', 'standby'],
      description: 'waiting: for a viewer or its time; standby: an encoder feeds the live stream.',
    }),
    severity,
    ...connectionStatus,
    url: nullable(
      Type.String({
        description: 'Its password is masked, its query left out.',
        examples: ['rtmp://a.example.net/live'],
      }),
    ),
    url_index: Type.Integer({ description: 'Which one: 0 is url, or the first of urls.' }),
    protocol: nullable(Type.String({ description: 'Once it is known; such as pull-hls.', examples: ['pull-hls'] })),
    bytes_received: Type.Integer({ description: "Since the server's start." }),
  },
  {
    $id: 'PullingStatus',
    description: 'How the pull fares, while settings.pulling_mode is enabled: our own addition.',
  },
);
export type PullingStatus = Static<typeof PullingStatus>;

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
        {
          rtmp: optional(
            Type.String({
              description: 'For RTMP players and other servers.',
              examples: ['rtmp://in.example.net/lv_0d1e2f3a4b5c11eeb0a1c2d3e4f50617'],
            }),
          ),
          flv: optional(
            Type.String({
              description: 'The same as FLV over HTTP: our own addition.',
              examples: ['https://live.example.net/live/lv_0d1e2f3a4b5c11eeb0a1c2d3e4f50617.flv'],
            }),
          ),
        },
        { description: 'Only while online. There is no srt: the server serves no SRT players.' },
      ),
    ),
    pulling_status: optional(PullingStatus),
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
 * @throws CodedError bad_request when the outcome takes more than 16 KiB as JSON, or its pulling mode does not fit together or
 * has a password masked that is not known
 */
export function mergeSettings(settings: Settings, change: SettingsChange): Settings {
  const merged: Record<string, unknown> = { ...settings, ...change };
  const { pulling_mode = {} } = settings;
  const pull = change.pulling_mode;
  merged.pulling_mode =
    pull === null ? {} : defined({ ...pulling_mode, ...(pull && unmaskPullingMode(pull, pulling_mode)) });
  if (change.backup_encoder) merged.backup_encoder = { ...settings.backup_encoder, ...change.backup_encoder };
  const outcome: Settings = defined(merged);
  if (pull) checkPullingMode(outcome.pulling_mode ?? {});
  const size = new TextEncoder().encode(JSON.stringify(outcome)).length;
  if (size > MAX_SETTINGS_BYTES)
    throw new CodedError('bad_request', `The settings take ${size} bytes as JSON: ${MAX_SETTINGS_BYTES} are allowed.`);
  return outcome;
}

/** Without the keys that are null. */
const defined = (values: object): object =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined));
