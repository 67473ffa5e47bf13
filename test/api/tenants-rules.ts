import type { Role } from '../../src/contract/index.ts';

/** What an id in a path names. */
export type Kind =
  | 'live stream'
  | 'platform'
  | 'sub-second stream'
  | 'webhook endpoint'
  | 'delivery'
  | 'event'
  | 'access token'
  | 'signing key'
  | 'organization'
  | 'member'
  | 'invitation'
  | 'session'
  /** A resource that does not exist yet: every id is missing. */
  | 'nothing';

/** Who may call a route and what it answers: written from the table of roles, not from the routes. */
export interface Rule {
  /** By default everybody who is known. */
  readonly role?: Role;
  /** Only people. */
  readonly session?: true;
  /** Everybody. */
  readonly open?: true;
  /** Of the ids in the path, in their order. */
  readonly ids?: readonly Kind[];
  /** An id that the caller does not reach is missing before the role is asked for. */
  readonly idFirst?: true;
  readonly body?: object;
  readonly query?: string;
  /** What who may and has an own id is answered; 200 by default. */
  readonly status?: number;
  /** What the wrong ids are answered, where that is not 404: the route does not look at them. */
  readonly anyId?: number;
  /** The newest state of the id's owner only: ids that are deleted are still known. */
  readonly remembersDeleted?: true;
}

const read = (...ids: Kind[]): Rule => ({ ids });
const live = 'live stream';
const hook = 'webhook endpoint';
const person = { session: true } as const;
const page = { open: true } as const;
const none = { token: 'x' };

/** By method and path, without /v2. A route that is not in here fails the matrix. */
export const RULES: Readonly<Record<string, Rule>> = {
  'POST /live_streams': { body: { name: 'x' } },
  'GET /live_streams': {},
  'GET /live_streams/:id': read(live),
  'PATCH /live_streams/:id': { ids: [live], body: { name: 'changed' } },
  'DELETE /live_streams/:id': read(live),
  'POST /live_streams/:id/rotate_key': read(live),
  'GET /live_streams/:id/stats': { ids: [live], status: 404 },
  'GET /live_streams/:id/health': read(live),
  'POST /live_streams/:id/playback_tokens': { ids: [live], body: {} },
  'GET /live_streams/:id/still': { ids: [live], status: 404 },
  'GET /live_streams/:id/events': { ids: [live], remembersDeleted: true },
  'GET /live_streams/:id/broadcasts': { ids: [live], remembersDeleted: true },
  'GET /activity_logs/stream/:id': { ids: [live], remembersDeleted: true },
  'GET /activity_events/stream/:id': { ids: [live], remembersDeleted: true },
  'GET /live_streams/:id/epg': { ids: [live], status: 501 },
  'GET /live_streams/:id/recordings': read(live),
  'GET /live_streams/:id/temporary_recordings': read(live),
  'GET /live_streams/:id/temporary_recordings/:rid': { ids: [live, 'nothing'], status: 404 },
  'POST /live_streams/:id/temporary_recordings/:rid': { ids: [live, 'nothing'], status: 501, anyId: 501 },
  'POST /live_streams/:id/pull/test': { ids: [live], body: { url: 'rtmp://a.example/live/x' } },
  'POST /live_streams/:id/platforms': {
    ids: [live],
    body: { template: 'custom', server: 'rtmp://a.example/live', key: 'k' },
  },
  'PATCH /live_streams/:id/platforms/:pid': { ids: [live, 'platform'], body: { enabled: false } },
  'POST /live_streams/:id/platforms/:pid/restart': read(live, 'platform'),
  'DELETE /live_streams/:id/platforms/:pid': read(live, 'platform'),
  'GET /platform_templates': {},
  'POST /sub_second_streams': { body: {} },
  'GET /sub_second_streams': {},
  'GET /sub_second_streams/:id': read('sub-second stream'),
  'PATCH /sub_second_streams/:id': { ids: ['sub-second stream'], body: { name: 'changed' } },
  'DELETE /sub_second_streams/:id': read('sub-second stream'),
  'GET /videos': {},
  'POST /videos': { body: {}, status: 501 },
  'GET /videos/:id': { ids: ['nothing'], status: 404 },
  'PATCH /videos/:id': { ids: ['nothing'], body: {}, status: 404 },
  'DELETE /videos/:id': { ids: ['nothing'], status: 404 },
  'POST /videos/:id/uploads': { ids: ['nothing'], body: {}, status: 501, anyId: 501 },
  'GET /videos/:id/contents': { ids: ['nothing'], status: 404 },
  'DELETE /videos/:id/contents/:cid': { ids: ['nothing', 'nothing'], status: 404 },
  'POST /webhook_endpoints': { body: { url: 'https://hooks.example/x' } },
  'GET /webhook_endpoints': {},
  'GET /webhook_endpoints/:id': read(hook),
  'PATCH /webhook_endpoints/:id': { ids: [hook], body: { name: 'changed' } },
  'DELETE /webhook_endpoints/:id': read(hook),
  'POST /webhook_endpoints/:id/rotate_secret': { ids: [hook], body: {} },
  'POST /webhook_endpoints/:id/test': { ids: [hook], body: {} },
  'POST /webhook_endpoints/:id/resend': { ids: [hook], body: {} },
  'GET /webhook_endpoints/:id/deliveries': read(hook),
  'GET /webhook_endpoints/:id/deliveries/:did': read(hook, 'delivery'),
  // One that is still to be sent is not sent again.
  'POST /webhook_endpoints/:id/deliveries/:did/resend': { ids: [hook, 'delivery'], status: 409 },
  'GET /usage': {},
  // Only owners of the server's first organization, which this one is; others' are refused in usage.test.ts.
  'GET /status': { role: 'owner' },
  'POST /embed/beacon': {
    open: true,
    body: { playback_id: 'lv_x', play_id: '0123456789abcdef', event: 'play' },
    status: 204,
  },
  // Else it would not end.
  'GET /updates': { query: 'for_s=0' },
  'GET /events': {},
  'GET /events/:id': read('event'),
  'POST /access_tokens': { role: 'admin', body: {} },
  'GET /access_tokens': { role: 'admin' },
  'DELETE /access_tokens/:id': { role: 'admin', ids: ['access token'] },
  'POST /signing_keys': { role: 'admin', body: { algorithm: 'EdDSA' } },
  'GET /signing_keys': { role: 'admin' },
  'GET /signing_keys/:id': { role: 'admin', ids: ['signing key'] },
  'DELETE /signing_keys/:id': { role: 'admin', ids: ['signing key'] },
  'GET /organizations': {},
  'POST /organizations': { ...person, body: { name: 'Another' } },
  'GET /organizations/:id': { ids: ['organization'], idFirst: true },
  'PATCH /organizations/:id': { ...person, role: 'admin', ids: ['organization'], idFirst: true, body: { name: 'A' } },
  // It has live streams.
  'DELETE /organizations/:id': { ...person, role: 'owner', ids: ['organization'], idFirst: true, status: 409 },
  'GET /members': {},
  'PATCH /members/:id': { ...person, role: 'admin', ids: ['member'], body: { role: 'admin' } },
  'POST /members/:id/password_reset': { ...person, role: 'admin', ids: ['member'] },
  // Members may leave, so whom it is about is looked at first.
  'DELETE /members/:id': { ...person, role: 'admin', ids: ['member'], idFirst: true },
  'GET /invitations': {},
  'POST /invitations': { ...person, role: 'admin', body: { email: 'z@example.test' } },
  'DELETE /invitations/:id': { ...person, role: 'admin', ids: ['invitation'] },
  'POST /invitations/accept': { open: true, body: none, status: 404 },
  'GET /users/me': person,
  'PATCH /users/me': { ...person, body: { name: 'N' } },
  'GET /sessions': person,
  'POST /sessions': { open: true, body: { email: 'nobody@example.test', password: 'x' }, status: 401 },
  'GET /sessions/current': person,
  'DELETE /sessions/current': person,
  'DELETE /sessions/:id': { ...person, ids: ['session'] },
  'POST /password_resets': { open: true, body: { email: 'nobody@example.test' } },
  'POST /password_resets/accept': { open: true, body: { ...none, password: 'long enough' }, status: 404 },
  'GET /setup': page,
  'POST /setup': { open: true, body: { setup_token: 'x', email: 'x@y.z', password: 'long enough' }, status: 404 },
  'GET /health/live': page,
  'GET /health/ready': page,
  'GET /openapi.json': page,
  'GET /openapi.yaml': page,
  'GET /reference': page,
  'GET /reference/start.js': page,
  'GET /reference/scalar.js': page,
  'GET /changelog': page,
};
