import { type Static, type TSchema, Type } from 'typebox';
import { listOf } from './answers.ts';
import { EventNameSchema } from './events.ts';
import type { Environment } from './live-stream.ts';

const optional = <T extends TSchema>(type: T) => Type.Optional(type);
const nullable = <T extends TSchema>(type: T, description: string) => Type.Union([type, Type.Null()], { description });
const MAX_EVENTS = 100;

const changes = {
  name: optional(Type.String({ maxLength: 255 })),
  events: optional(
    Type.Array(EventNameSchema, { maxItems: MAX_EVENTS, description: 'What it is told; absent or empty: everything.' }),
  ),
  enabled: optional(Type.Boolean({ description: 'false: nothing is sent, and what waits is given up.' })),
};
const url = Type.String({ minLength: 1, maxLength: 2048, description: 'Where events are posted to.' });

/** The body of POST /webhook_endpoints. */
export const WebhookEndpointCreate = Type.Object({ url, ...changes }, { $id: 'WebhookEndpointCreate' });
export type WebhookEndpointCreate = Static<typeof WebhookEndpointCreate>;

/** The body of PATCH /webhook_endpoints/{id}: only what changes. */
export const WebhookEndpointChange = Type.Object({ url: optional(url), ...changes }, { $id: 'WebhookEndpointChange' });
export type WebhookEndpointChange = Static<typeof WebhookEndpointChange>;

const fields = {
  _id: Type.String({ description: '24 hex digits.' }),
  url: Type.String(),
  name: Type.String(),
  events: Type.Array(EventNameSchema, { description: 'Empty: everything.' }),
  enabled: Type.Boolean(),
  failing_since: nullable(Type.String(), 'The first failure since the last success.'),
  disabled_reason: nullable(Type.String(), 'Why it was disabled for you.'),
  last_delivery: nullable(
    Type.Object({
      time: Type.String(),
      status: nullable(Type.Integer(), 'null: no whole answer came.'),
      error: nullable(Type.String(), 'Why it failed.'),
    }),
    'The newest attempt.',
  ),
  environment: Type.Unsafe<Environment>(Type.String({ enum: ['production', 'development'] })),
  organization: Type.String(),
  creation_time: Type.String(),
};

/** A webhook endpoint as the lists show it: never with its secret. */
export const WebhookEndpoint = Type.Object(fields, { $id: 'WebhookEndpoint' });
export type WebhookEndpoint = Static<typeof WebhookEndpoint>;

/** The answer to its creation and to the rotation of its secret. */
export const NewWebhookEndpoint = Type.Object(
  {
    ...fields,
    secret: Type.String({ description: 'whsec_…: what deliveries are signed with. Shown this once.' }),
  },
  { $id: 'NewWebhookEndpoint' },
);
export type NewWebhookEndpoint = Static<typeof NewWebhookEndpoint>;

export const WebhookEndpointList = listOf(WebhookEndpoint, 'WebhookEndpointList');
export type WebhookEndpointList = Static<typeof WebhookEndpointList>;

/** The body of POST /webhook_endpoints/{id}/rotate_secret. */
export const SecretRotation = Type.Object(
  {
    overlap_s: Type.Integer({
      minimum: 0,
      maximum: 604_800,
      default: 86_400,
      description: 'Seconds that deliveries are signed with the secret before, too.',
    }),
  },
  { $id: 'SecretRotation' },
);
export type SecretRotation = Static<typeof SecretRotation>;

/** The body of POST /webhook_endpoints/{id}/test. */
export const WebhookTest = Type.Object(
  { event: optional(EventNameSchema) },
  { $id: 'WebhookTest', description: 'By default webhook-test; another name sends an example of that event.' },
);
export type WebhookTest = Static<typeof WebhookTest>;

const state = Type.Unsafe<'pending' | 'retrying' | 'delivered' | 'dead'>(
  Type.String({
    enum: ['pending', 'retrying', 'delivered', 'dead'],
    description: 'pending: not tried yet. retrying: failed so far. dead: given up, see reason; may be resent.',
  }),
);

const delivery = {
  _id: Type.String(),
  event_id: Type.String({ description: 'The webhook-id header; GET /events/{id}.' }),
  event: EventNameSchema,
  number: Type.Integer({ description: "The event's." }),
  state,
  reason: nullable(Type.String(), 'Why it is dead.'),
  attempt_count: Type.Integer(),
  next_attempt_at: nullable(Type.String(), 'null: it is over.'),
  first_attempt_at: nullable(Type.String(), 'null: not tried yet.'),
  finished_at: nullable(Type.String(), 'null: not over.'),
  resend_of: nullable(Type.String(), 'The delivery that this one repeats.'),
  creation_time: Type.String(),
};

/** One event on its way to one endpoint. Kept for 30 days. */
export const Delivery = Type.Object(delivery, { $id: 'Delivery' });
export type Delivery = Static<typeof Delivery>;

export const DeliveryList = listOf(Delivery, 'DeliveryList');
export type DeliveryList = Static<typeof DeliveryList>;

/** A delivery with what was sent and what was answered. */
export const DeliveryDetails = Type.Object(
  {
    ...delivery,
    body: Type.String({ description: 'What is posted, to the byte.' }),
    attempts: Type.Array(
      Type.Object({
        started_at: Type.String(),
        duration_ms: Type.Integer(),
        status: nullable(Type.Integer(), 'null: no whole answer came.'),
        error: nullable(Type.String(), 'Why it failed.'),
        request_headers: Type.Unsafe<Record<string, string>>(
          Type.Object({}, { additionalProperties: Type.String(), description: 'The signature is masked.' }),
        ),
        response_body: nullable(Type.String(), 'Its beginning.'),
      }),
    ),
  },
  { $id: 'DeliveryDetails' },
);
export type DeliveryDetails = Static<typeof DeliveryDetails>;

const time = (description: string) => optional(Type.String({ maxLength: 40, description }));
const filters = {
  state: optional(state),
  event: optional(EventNameSchema),
  from: time('Created at or after; ISO 8601.'),
  to: time('Created before; ISO 8601.'),
};

/** `GET /webhook_endpoints/{id}/deliveries`. */
export const DeliveryQuery = Type.Object({
  page: Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: 1 }),
  limit: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, default: 20 }),
  ...filters,
});
export type DeliveryQuery = Static<typeof DeliveryQuery>;

/** The body of POST /webhook_endpoints/{id}/resend. */
export const Resend = Type.Object(
  {
    ...filters,
    state: Type.Unsafe<'dead' | 'delivered'>(Type.String({ enum: ['dead', 'delivered'], default: 'dead' })),
  },
  { $id: 'Resend', description: 'Of deliveries that are over, those that are sent anew; by default all dead ones.' },
);
export type Resend = Static<typeof Resend>;

export const Resent = Type.Object(
  {
    resent: Type.Integer({ description: 'New deliveries.' }),
    more: Type.Boolean({
      description: 'There are more than one call resends (10,000): say it again from next_from on.',
    }),
    next_from: nullable(Type.String(), 'What to send as from with the next call; null: nothing is left.'),
  },
  { $id: 'Resent' },
);
export type Resent = Static<typeof Resent>;

/** One session on air, reconnects included, as GET /live_streams/{id}/broadcasts lists it. */
export const Broadcast = Type.Object(
  {
    _id: Type.String(),
    protocol: Type.String(),
    address: Type.String({ description: "The encoder's." }),
    started_at: Type.String(),
    ended_at: nullable(Type.String(), 'null: on air.'),
    reason: nullable(Type.String(), 'Why it ended.'),
  },
  { $id: 'Broadcast' },
);
export type Broadcast = Static<typeof Broadcast>;

export const BroadcastList = listOf(Broadcast, 'BroadcastList');
export type BroadcastList = Static<typeof BroadcastList>;
