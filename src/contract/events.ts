import { type Static, type TSchema, Type } from 'typebox';

const time = (description: string) => Type.String({ description });
const optional = <T extends TSchema>(type: T) => Type.Optional(type);

/** A live stream as events show it: what the API shows without ingest key, playback URLs and settings that are secrets. */
export const EventLiveStream = Type.Object(
  {
    _id: Type.String(),
    name: optional(Type.String()),
    enabled: optional(Type.Boolean()),
    broadcasting_status: optional(Type.String({ enum: ['online', 'offline'] })),
    settings: optional(Type.Unsafe<object>(Type.Object({}, { additionalProperties: true }))),
    user: optional(Type.String()),
    environment: optional(Type.String()),
    organization: optional(Type.String()),
    creation_time: optional(Type.String()),
  },
  { additionalProperties: true, description: 'Of a live stream that is gone: _id alone.' },
);
export type EventLiveStream = Static<typeof EventLiveStream>;

const EventPlatform = Type.Object(
  {
    _id: Type.String(),
    template: Type.String(),
    name: Type.String(),
    enabled: Type.Boolean(),
    server: Type.String({ description: 'Its end is masked: many services put their key there.' }),
  },
  { additionalProperties: true, description: 'A platform without its key.' },
);

const Broadcast = Type.Object(
  {
    _id: Type.String(),
    started_at: time('When the encoder was accepted.'),
    protocol: Type.String({ description: 'rtmp, rtmps or browser; pull-… when it is fetched from a URL.' }),
    address: Type.String({ description: "The encoder's address." }),
  },
  { description: 'One session on air, reconnects within the reconnect window included.' },
);

const Warning = Type.Object({
  code: Type.String({ description: 'Stable.' }),
  severity: Type.String({ enum: ['info', 'warning', 'error'] }),
  message: Type.String({ description: 'What to set, in plain words.' }),
});

const Endpoint = Type.Object({ _id: Type.String(), name: Type.String() });

const liveStream = (more: Record<string, TSchema> = {}) =>
  Type.Object({ ...EventLiveStream.properties, ...more }, { additionalProperties: true });
const reason = Type.String({ description: 'Why, as a stable word.' });
const video = Type.Object({ _id: Type.String() }, { additionalProperties: true });
const platform = (more: Record<string, TSchema> = {}) =>
  Type.Object({ stream: EventLiveStream, platform: EventPlatform, ...more });
const PlatformFailure = Type.Object({
  code: Type.String({ description: 'Stable; docs/guide/platforms.md lists them.' }),
  message: Type.String({ description: 'What is wrong and what to do.' }),
  severity: Type.String({
    enum: ['retrying', 'gave_up'],
    description: 'retrying: comes back by itself; gave_up: somebody has to change something.',
  }),
});
const Encoder = Type.Object({ protocol: Type.String(), address: Type.String() });

interface EventDefinition {
  readonly description: string;
  readonly payload: TSchema;
  /** Nothing fires it yet: the feature behind it is not here. */
  readonly planned?: true;
}

/** Every event there is (liveapi-contract.md §2.7, and ours), when it fires and what its payload holds. */
export const EVENTS = {
  'stream-created': { description: 'A live stream was created.', payload: liveStream() },
  'stream-connected': {
    description: 'An encoder was accepted: the live stream is online.',
    payload: liveStream({ broadcast: Broadcast }),
  },
  'stream-disconnected': {
    description: 'The broadcast is over: the encoder left and did not come back within the reconnect window.',
    payload: liveStream({ broadcast: Broadcast, reason }),
  },
  'stream-status-toggle': {
    description: 'A live stream was enabled or disabled: `enabled` says which.',
    payload: liveStream(),
  },
  'stream-removed': { description: 'A live stream was deleted.', payload: liveStream() },
  'stream-platform-added': { description: 'A platform was added to a live stream.', payload: platform() },
  'stream-platform-connected': {
    description: 'A platform accepted the push: it is online there.',
    payload: platform(),
  },
  'stream-platform-disconnected': {
    description: 'The push to a platform ended; while the broadcast lasts it is tried again, unless somebody ended it.',
    payload: platform({ reason }),
  },
  'stream-platform-error': {
    description: 'A push fails: told once for each kind of failure, not for every attempt.',
    payload: platform({ error: PlatformFailure }),
  },
  'stream-platform-removed': { description: 'A platform was removed from a live stream.', payload: platform() },
  'recording-exported': {
    description: 'A recording was exported.',
    payload: Type.Object({}, { additionalProperties: true }),
    planned: true,
  },
  'video-created': { description: 'A video was created.', payload: video, planned: true },
  'video-downloaded': { description: "A video's input_url was fetched.", payload: video, planned: true },
  'video-ready': { description: 'A video can be played.', payload: video, planned: true },
  'video-removed': { description: 'A video was deleted.', payload: video, planned: true },
  'stream-reconnecting': {
    description: 'The encoder is gone and may come back until `until`; viewers wait.',
    payload: liveStream({ reason, until: time('End of the reconnect window.') }),
  },
  'stream-reconnected': {
    description: 'The encoder came back within the reconnect window.',
    payload: liveStream({ broadcast: Broadcast }),
  },
  'stream-publisher-switched': {
    description: 'The backup encoder took over, or the primary one took its place back; viewers go on watching.',
    payload: liveStream({
      broadcast: Broadcast,
      active: Type.String({ enum: ['primary', 'backup'], description: 'Which of the two feeds the live stream now.' }),
      from: Encoder,
      to: Encoder,
      reason,
    }),
  },
  'stream-warning': {
    description: 'The encoder does something that viewers suffer from.',
    payload: liveStream({ warning: Warning }),
  },
  'stream-warning-cleared': {
    description: 'What stream-warning told of is over.',
    payload: liveStream({ warning: Warning }),
  },
  'stream-key-rotated': { description: 'A live stream has a new key.', payload: liveStream() },
  'webhook-endpoint-failing': {
    description: 'Deliveries to another webhook endpoint have failed for an hour.',
    payload: Type.Object({ endpoint: Endpoint, failing_since: time('First failure.') }),
  },
  'webhook-endpoint-disabled': {
    description: 'A webhook endpoint was disabled: five days of nothing but failures, or it answered 410.',
    payload: Type.Object({ endpoint: Endpoint, failing_since: time('First failure.'), reason: Type.String() }),
  },
  'webhook-test': {
    description: 'Asked for by POST /webhook_endpoints/{id}/test, for that endpoint alone.',
    payload: Type.Object({ message: Type.String() }),
  },
} as const satisfies Record<string, EventDefinition>;

export type EventName = keyof typeof EVENTS;

export const EVENT_NAMES = Object.keys(EVENTS) as EventName[];

/** `EventName` as a schema. */
export const EventNameSchema = Type.Unsafe<EventName>(Type.String({ enum: EVENT_NAMES }));

/** An event as a webhook delivery's body and the API's lists show it: the contract's `{event, payload}` and our own beside it. */
export const Event = Type.Object(
  {
    event: EventNameSchema,
    payload: Type.Unsafe<object>(
      Type.Object({}, { additionalProperties: true, description: 'The affected object: see the list of events.' }),
    ),
    id: Type.String({ description: 'The same in every delivery of this event: what a receiver has seen, it skips.' }),
    sequence: Type.Union([Type.Integer(), Type.Null()], {
      description: 'Counts the events of its live stream from 1; null for events without one.',
    }),
    number: Type.Integer({ description: 'Counts the events of its environment from 1.' }),
    created_at: time('When it happened.'),
    test: optional(Type.Boolean({ description: 'true: made by a test, nothing happened.' })),
  },
  { $id: 'Event' },
);
export type Event = Static<typeof Event>;

const filters = {
  limit: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, default: 20 }),
  event: optional(EventNameSchema),
  live_stream: optional(Type.String({ maxLength: 64 })),
};

/** `?after=` pages upwards from a number; without it the newest come first, by page. */
export const EventQuery = Type.Object({
  after: optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  page: Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: 1 }),
  ...filters,
});
export type EventQuery = Static<typeof EventQuery>;

export const EventList = Type.Object(
  {
    docs: Type.Array(Event),
    total: Type.Integer(),
    limit: Type.Integer(),
    page: Type.Integer(),
    pages: Type.Integer(),
    last_number: Type.Integer({
      description: "The environment's newest number: a reader that has it has everything. 0 before the first event.",
    }),
  },
  { $id: 'EventList' },
);
export type EventList = Static<typeof EventList>;
