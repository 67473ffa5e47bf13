import type {
  AccessToken,
  AccessTokenCreate,
  Broadcast,
  Delivery,
  DeliveryDetails,
  DeliveryQuery,
  Event,
  EventList,
  EventQuery,
  Invitation,
  KeyRotation,
  LiveStream,
  LiveStreamChange,
  Member,
  NewAccessToken,
  NewInvitation,
  NewWebhookEndpoint,
  Organization,
  PageQuery,
  Platform,
  PlatformChange,
  PlatformCreate,
  PlatformTemplate,
  PullTest,
  PullTestResult,
  Resend,
  Resent,
  Role,
  SecretRotation,
  Stats,
  SubSecondStream,
  SubSecondStreamChange,
  Success,
  WebhookEndpoint,
  WebhookEndpointChange,
  WebhookEndpointCreate,
  WebhookTest,
} from '../contract/index.ts';
import { type FollowOptions, followEvents } from './follow-events.ts';
import { everyEntry, type List } from './list.ts';
import { type CallOptions, type ClientOptions, createTransport } from './transport.ts';

type Page = Partial<PageQuery>;
type Entries<T> = AsyncGenerator<T, void, undefined>;

/** What the API can do with most of its resources. Every method takes a signal, a timeout and, where it creates, a key as its last argument. */
interface Resource<Item, Create, Change, Created = Item> {
  create(values?: Create, options?: CallOptions): Promise<Created>;
  get(id: string, options?: CallOptions): Promise<Item>;
  /** One page: 20 entries, unless the limit says otherwise (100 at most). */
  list(page?: Page, options?: CallOptions): Promise<List<Item>>;
  /** Every entry of all pages. */
  all(options?: CallOptions): Entries<Item>;
  update(id: string, change: Change, options?: CallOptions): Promise<Item>;
  delete(id: string, options?: CallOptions): Promise<Success>;
}

/** Rejects as `createTransport` says: ApiError, fetch's TypeError, or what ended the call. */
export interface Client {
  readonly liveStreams: Omit<Resource<LiveStream, LiveStreamChange, LiveStreamChange>, 'list'> & {
    list(query?: Page & { low_latency_playback?: boolean }, options?: CallOptions): Promise<List<LiveStream>>;
    /** A new password in the key, or in the backup encoder's. The old one goes on to work for `overlap_s`; with 0 the encoder is cut. */
    rotateKey(id: string, values?: Partial<KeyRotation>, options?: CallOptions): Promise<LiveStream>;
    /** Of the running broadcast; 404 while the live stream is offline. */
    stats(id: string, options?: CallOptions): Promise<Stats>;
    /** Looks at what a URL gives that it might be pulled from; takes up to ten seconds. */
    testPull(id: string, values: PullTest, options?: CallOptions): Promise<PullTestResult>;
    /** Its times on air, newest first. */
    broadcasts(id: string, page?: Page, options?: CallOptions): Promise<List<Broadcast>>;
  };
  readonly platforms: {
    create(liveStreamId: string, values: Partial<PlatformCreate>, options?: CallOptions): Promise<Platform>;
    update(liveStreamId: string, id: string, change: PlatformChange, options?: CallOptions): Promise<Platform>;
    delete(liveStreamId: string, id: string, options?: CallOptions): Promise<Success>;
    /** Connects to it anew, at once; 409 when nothing is pushed to it. */
    restart(liveStreamId: string, id: string, options?: CallOptions): Promise<Platform>;
    /** The services that are known. */
    templates(options?: CallOptions): Promise<List<PlatformTemplate>>;
  };
  readonly subSecondStreams: Resource<SubSecondStream, SubSecondStreamChange, SubSecondStreamChange>;
  readonly webhookEndpoints: Resource<
    WebhookEndpoint,
    WebhookEndpointCreate,
    WebhookEndpointChange,
    NewWebhookEndpoint
  > & {
    /** A new secret; deliveries are signed with the old one too for `overlap_s` (a day, when not given). */
    rotateSecret(id: string, values?: Partial<SecretRotation>, options?: CallOptions): Promise<NewWebhookEndpoint>;
    /** Sends a test event to this endpoint alone. */
    test(id: string, values?: WebhookTest, options?: CallOptions): Promise<WebhookEndpoint>;
    /** Sends anew what is over and lies in the range: all that is dead, when not given. */
    resend(id: string, range?: Partial<Resend>, options?: CallOptions): Promise<Resent>;
  };
  /** What was sent to a webhook endpoint, and what it answered. */
  readonly deliveries: {
    list(endpointId: string, query?: Partial<DeliveryQuery>, options?: CallOptions): Promise<List<Delivery>>;
    all(endpointId: string, query?: Partial<DeliveryQuery>, options?: CallOptions): Entries<Delivery>;
    get(endpointId: string, id: string, options?: CallOptions): Promise<DeliveryDetails>;
    resend(endpointId: string, id: string, options?: CallOptions): Promise<Delivery>;
  };
  readonly events: {
    get(id: string, options?: CallOptions): Promise<Event>;
    list(query?: Partial<EventQuery>, options?: CallOptions): Promise<EventList>;
    all(query?: Partial<EventQuery>, options?: CallOptions): Entries<Event>;
    follow(options?: FollowOptions): Entries<Event>;
  };
  /** Of the token's own environment; for tokens with the role admin. */
  readonly accessTokens: Pick<
    Resource<AccessToken, AccessTokenCreate, never, NewAccessToken>,
    'create' | 'list' | 'all'
  > & {
    /** Refused from the next request on. */
    revoke(id: string, options?: CallOptions): Promise<Success>;
  };
  /** What changes organizations, members and invitations needs a session: a token reads them. */
  readonly organizations: Pick<Resource<Organization, never, { name: string }>, 'get' | 'list' | 'all' | 'update'>;
  readonly members: Pick<Resource<Member, never, { role: Role }>, 'list' | 'all' | 'update' | 'delete'>;
  readonly invitations: Pick<
    Resource<Invitation, { email: string; role?: Role }, never, NewInvitation>,
    'create' | 'list' | 'all' | 'delete'
  >;
}

/** A client that acts with one access token, in its organization and environment and nothing else; or as who is signed in. */
export function createClient(clientOptions: ClientOptions): Client {
  const call = createTransport(clientOptions);
  const at = (path: string, id: string) => `${path}/${encodeURIComponent(id)}`;

  function resource<Item extends object, Create, Change, Created = Item>(
    path: string,
  ): Resource<Item, Create, Change, Created> {
    const list = (query: Page = {}, options?: CallOptions) => call<List<Item>>('GET', path, { query }, options);
    return {
      create: (body, options) => call('POST', path, { body }, options),
      get: (id, options) => call('GET', at(path, id), {}, options),
      list,
      all: (options) => everyEntry((page) => list(page, options)),
      update: (id, body, options) => call('PATCH', at(path, id), { body }, options),
      delete: (id, options) => call('DELETE', at(path, id), {}, options),
    };
  }

  const tokens = resource<AccessToken, AccessTokenCreate, never, NewAccessToken>('/access_tokens');
  const listEvents: Client['events']['list'] = (query, options) => call('GET', '/events', { query }, options);
  const endpoint = (id: string) => at('/webhook_endpoints', id);
  const deliveries = (endpointId: string) => `${endpoint(endpointId)}/deliveries`;
  const listDeliveries: Client['deliveries']['list'] = (endpointId, query, options) =>
    call('GET', deliveries(endpointId), { query }, options);
  const platforms = (liveStreamId: string) => `${at('/live_streams', liveStreamId)}/platforms`;
  return {
    liveStreams: {
      ...resource<LiveStream, LiveStreamChange, LiveStreamChange>('/live_streams'),
      rotateKey: (id, body, options) => call('POST', `${at('/live_streams', id)}/rotate_key`, { body }, options),
      stats: (id, options) => call('GET', `${at('/live_streams', id)}/stats`, {}, options),
      testPull: (id, body, options) => call('POST', `${at('/live_streams', id)}/pull/test`, { body }, options),
      broadcasts: (id, query, options) => call('GET', `${at('/live_streams', id)}/broadcasts`, { query }, options),
    },
    platforms: {
      create: (liveStreamId, body, options) => call('POST', platforms(liveStreamId), { body }, options),
      update: (liveStreamId, id, body, options) => call('PATCH', at(platforms(liveStreamId), id), { body }, options),
      delete: (liveStreamId, id, options) => call('DELETE', at(platforms(liveStreamId), id), {}, options),
      restart: (liveStreamId, id, options) => call('POST', `${at(platforms(liveStreamId), id)}/restart`, {}, options),
      templates: (options) => call('GET', '/platform_templates', { query: { limit: 100 } }, options),
    },
    subSecondStreams: resource('/sub_second_streams'),
    webhookEndpoints: {
      ...resource<WebhookEndpoint, WebhookEndpointCreate, WebhookEndpointChange, NewWebhookEndpoint>(
        '/webhook_endpoints',
      ),
      rotateSecret: (id, body, options) => call('POST', `${endpoint(id)}/rotate_secret`, { body }, options),
      test: (id, body, options) => call('POST', `${endpoint(id)}/test`, { body }, options),
      resend: (id, body, options) => call('POST', `${endpoint(id)}/resend`, { body }, options),
    },
    deliveries: {
      list: listDeliveries,
      all: (endpointId, query, options) =>
        everyEntry((page) => listDeliveries(endpointId, { ...query, ...page }, options)),
      get: (endpointId, id, options) => call('GET', at(deliveries(endpointId), id), {}, options),
      resend: (endpointId, id, options) => call('POST', `${at(deliveries(endpointId), id)}/resend`, {}, options),
    },
    events: {
      get: (id, options) => call('GET', at('/events', id), {}, options),
      list: listEvents,
      all: (query, options) => everyEntry((page) => listEvents({ ...query, ...page }, options)),
      follow: (options) => followEvents(call, options),
    },
    accessTokens: { create: tokens.create, list: tokens.list, all: tokens.all, revoke: tokens.delete },
    organizations: resource('/organizations'),
    members: resource('/members'),
    invitations: resource('/invitations'),
  };
}
