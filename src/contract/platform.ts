import { type Static, type TSchema, Type } from 'typebox';

const optional = <T extends TSchema>(type: T) => Type.Optional(type);

export const BroadcastingStatus = Type.Unsafe<'online' | 'offline'>(Type.String({ enum: ['online', 'offline'] }));

const Metadata = Type.Object(
  { title: optional(Type.String({ maxLength: 1000 })), description: optional(Type.String({ maxLength: 2000 })) },
  { description: 'What the service is told of the broadcast. Kept.' },
);

const change = {
  name: optional(Type.String({ maxLength: 255, description: 'The host of the server when there is none.' })),
  template: Type.String({
    minLength: 1,
    maxLength: 64,
    description: 'custom, or the name of a service. youtube, facebook and twitch need no server.',
  }),
  server: optional(Type.String({ minLength: 1, maxLength: 2048, description: 'An rtmp:// or rtmps:// URL.' })),
  key: optional(Type.String({ maxLength: 512, description: 'The stream key there: a secret.' })),
  enabled: optional(Type.Boolean({ description: 'false: this target pauses, the others go on.' })),
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

/** A target that a live stream is pushed to. The key is shown: whoever reaches a platform may publish to it. */
export const Platform = Type.Object(
  {
    _id: Type.String({ description: '24 hex digits.' }),
    template: Type.String(),
    name: Type.String(),
    enabled: Type.Boolean(),
    server: Type.String(),
    key: Type.String({ description: 'A secret.' }),
    broadcasting_status: optional(BroadcastingStatus),
    metadata: optional(Metadata),
  },
  { $id: 'Platform' },
);
export type Platform = Static<typeof Platform>;

/** Where services take streams: the server of a platform whose template names one of them and that brings none. */
export const SERVICE_SERVERS: Readonly<Record<string, string>> = {
  youtube: 'rtmps://a.rtmps.youtube.com/live2',
  facebook: 'rtmps://live-api-s.facebook.com:443/rtmp/',
  twitch: 'rtmp://live.twitch.tv/app',
};
