import { type Static, type TSchema, Type } from 'typebox';
import { listOf } from './answers.ts';
import { CODECS, type Codec, PLATFORM_TEMPLATES } from './platform-templates.ts';

const optional = <T extends TSchema>(type: T) => Type.Optional(type);
const nullable = <T extends TSchema>(type: T) => Type.Union([type, Type.Null()]);
const choice = <T extends string>(values: readonly T[], description: string) =>
  Type.Unsafe<T>(Type.String({ enum: [...values], description }));
const time = (description: string) => Type.String({ format: 'date-time', description });

export const BroadcastingStatus = Type.Unsafe<'online' | 'offline'>(Type.String({ enum: ['online', 'offline'] }));

const Metadata = Type.Object(
  { title: optional(Type.String({ maxLength: 1000 })), description: optional(Type.String({ maxLength: 2000 })) },
  { description: 'What the service is told of the broadcast. Kept.' },
);

const audio = choice(
  ['keep', 'mute', 'silence'],
  'keep: as it is (the default); mute: none is sent; silence: silence instead, for services that want a sound track.',
);
const delay = Type.Integer({ minimum: 0, maximum: 60, description: 'Seconds by which it goes out later.' });
const codecs = Type.Array(Type.Unsafe<Codec>(Type.String({ enum: [...CODECS] })), {
  minItems: 1,
  maxItems: CODECS.length,
  description: 'What the service takes: h264 and aac everywhere. Nothing else is sent to it.',
  examples: [['h264', 'aac']],
});

const withServer = PLATFORM_TEMPLATES.filter(({ servers }) => servers.length > 0).map(({ template }) => template);

const change = {
  name: optional(Type.String({ maxLength: 255, description: 'The host of the server when there is none.' })),
  template: Type.String({
    minLength: 1,
    maxLength: 64,
    description: `custom, or the name of a service (GET /platform_templates). These need no server: ${withServer.join(', ')}.`,
  }),
  server: optional(
    Type.String({
      minLength: 1,
      maxLength: 2048,
      description: 'An rtmp:// or rtmps:// URL. Sent back with the mask that it was shown with, it stays.',
    }),
  ),
  key: optional(
    Type.String({
      maxLength: 512,
      description: 'The stream key there: a secret. Sent back with the mask that it was shown with, it stays.',
      examples: ['abcd-efgh-1234-5678'],
    }),
  ),
  enabled: optional(Type.Boolean({ description: 'false: this target pauses, the others go on.' })),
  audio: optional(audio),
  delay_s: optional(delay),
  codecs: optional(codecs),
  metadata: optional(Metadata),
};

/** The body of POST /live_streams/{id}/platforms. */
export const PlatformCreate = Type.Object(
  { ...change, template: Type.String({ ...change.template, default: 'custom' }) },
  { $id: 'PlatformCreate' },
);
export type PlatformCreate = Static<typeof PlatformCreate>;

/** The body of PATCH /live_streams/{id}/platforms/{pid}: all of it optional. */
export const PlatformChange = Type.Object(
  { ...change, template: optional(change.template) },
  { $id: 'PlatformChange' },
);
export type PlatformChange = Static<typeof PlatformChange>;

/** Why a platform or a pull is not online. */
export const ConnectionError = Type.Object({
  code: Type.String({ description: 'Stable.', examples: ['destination_unreachable'] }),
  message: Type.String({ description: 'What is wrong and what to do.', examples: ['The server does not answer.'] }),
  at: time('When it last happened.'),
});

const counter = (description: string) => Type.Integer({ description });

/** What stands in the status of every connection that we make: to a platform, or from a source. */
export const connectionStatus = {
  since: time('When this state began.'),
  attempt: counter('Tries since it last worked.'),
  next_retry: nullable(time('When it is tried again.')),
  last_error: nullable(ConnectionError),
  bitrate: Type.Number({ description: 'kbit/s, over the last ten seconds.' }),
  uptime_s: nullable(counter('Seconds since it connected; null while it is not connected.')),
};

export const severity = nullable(
  choice(['retrying', 'gave_up'], 'retrying: comes back by itself; gave_up: somebody has to change something.'),
);

/** How the push to a platform fares. An own addition: the contract has `broadcasting_status` alone. */
export const PlatformStatus = Type.Object(
  {
    state: choice(
      ['connecting', 'online', 'retrying', 'refused', 'stalled', 'offline'],
      'online: media goes out; refused: the service said no, tried again slowly; stalled: it takes nothing and is being restarted; offline: nothing is on air, or it is paused.',
    ),
    severity,
    ...connectionStatus,
    bytes_sent: counter('Of this broadcast.'),
    dropped: counter('Messages of this broadcast that the service was too slow for.'),
  },
  { $id: 'PlatformStatus', description: 'How the push fares: our own addition.' },
);
export type PlatformStatus = Static<typeof PlatformStatus>;

/** A target that a live stream is pushed to. What is secret in it is masked. */
export const Platform = Type.Object(
  {
    _id: Type.String({ description: '24 hex digits.' }),
    template: Type.String(),
    name: Type.String(),
    enabled: Type.Boolean(),
    server: Type.String({
      description: 'Keys in it are masked.',
      examples: ['rtmps://a.rtmps.youtube.com/live2'],
    }),
    key: Type.String({ description: 'Masked: **** and the last four characters.', examples: ['****5678'] }),
    broadcasting_status: optional(BroadcastingStatus),
    status: optional(PlatformStatus),
    audio,
    delay_s: delay,
    codecs,
    metadata: optional(Metadata),
  },
  { $id: 'Platform' },
);
export type Platform = Static<typeof Platform>;

/** What is known of a service that live streams are pushed to. */
export const PlatformTemplate = Type.Object(
  {
    template: Type.String({ examples: ['youtube'] }),
    name: Type.String({ examples: ['YouTube'] }),
    servers: Type.Array(Type.String(), {
      description:
        'The first is taken when a platform brings none; none here: it has to bring the one that the service shows.',
      examples: [['rtmps://a.rtmps.youtube.com/live2']],
    }),
    key_form: Type.String({ examples: ['xxxx-xxxx-xxxx-xxxx-xxxx'] }),
    key_help: Type.String({ description: 'Where to find the key.', examples: ['YouTube Studio, Create, Go live.'] }),
    codecs,
    max_bitrate: nullable(counter('kbit/s of video and audio; null where the service names none.')),
  },
  { $id: 'PlatformTemplate' },
);
export type PlatformTemplate = Static<typeof PlatformTemplate>;

export const PlatformTemplateList = listOf(PlatformTemplate, 'PlatformTemplateList');
