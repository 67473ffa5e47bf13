import assert from 'node:assert/strict';
import type { Api } from './people.ts';
import { type Browser, invite } from './people.ts';
import type { Kind } from './tenants-rules.ts';

/** Where an object is: an organization and an environment. */
export type Place = 'ours' | 'our other environment' | 'theirs';

/** Makes objects of all kinds, through the API, as the owner of the place. Their names tell where they are. */
export class Objects {
  readonly #api: Api;
  readonly #owners: Readonly<Record<Place, Browser>>;
  #count = 0;

  constructor(api: Api, owners: Readonly<Record<Place, Browser>>) {
    this.#api = api;
    this.#owners = owners;
  }

  /** The ids for a route's path: of one object, and of what it is a part of. */
  async make(kinds: readonly Kind[], place: Place, forWhom: Browser): Promise<string[]> {
    const owner = this.#owners[place];
    const name = `${place} ${++this.#count}`;
    const made = async (path: string, body: object): Promise<string> => (await owner.ok('POST', path, body))._id;
    const [kind, part] = kinds;
    switch (kind) {
      case 'live stream': {
        const id = await made('/live_streams', { name });
        if (part === undefined || part === 'nothing') return part ? [id, '0'.repeat(24)] : [id];
        const platform = { template: 'custom', server: 'rtmp://a.example/live', key: name, name };
        return [id, await made(`/live_streams/${id}/platforms`, platform)];
      }
      case 'sub-second stream':
        return [await made('/sub_second_streams', { name })];
      case 'webhook endpoint': {
        // At most twenty an environment: the one before goes.
        const { docs } = await owner.ok('GET', '/webhook_endpoints');
        if (docs.length > 10) await owner.ok('DELETE', `/webhook_endpoints/${docs[0]._id}`);
        const id = await made('/webhook_endpoints', { url: 'https://hooks.example/x', name });
        if (part === undefined) return [id];
        await owner.ok('POST', `/webhook_endpoints/${id}/test`, {});
        return [id, (await owner.ok('GET', `/webhook_endpoints/${id}/deliveries`)).docs[0]._id];
      }
      case 'event':
        await made('/live_streams', { name });
        return [(await owner.ok('GET', '/events')).docs[0].id];
      case 'access token':
        return [await made('/access_tokens', { name })];
      case 'signing key':
        return [await made('/signing_keys', { name, algorithm: 'EdDSA' })];
      case 'organization':
        return [owner.organization!];
      case 'invitation':
        return [await made('/invitations', { email: `i${this.#count}@example.test` })];
      case 'member': {
        const person = await invite(this.#api, owner, `m${this.#count}@example.test`, 'member');
        return [(await person.ok('GET', '/users/me'))._id];
      }
      case 'session': {
        // Sessions belong to people: ours is that of who asks.
        const { _id: userId } = await (place === 'ours' ? forWhom : owner).ok('GET', '/users/me');
        return [(await this.#api.store.sessions.create(userId, { userAgent: name, address: '' })).id];
      }
      default:
        return kinds.map(() => '0'.repeat(24));
    }
  }

  /** An object that was there. Null for kinds that nobody deletes. */
  async makeDeleted(kinds: readonly Kind[], forWhom: Browser): Promise<string[] | null> {
    const owner = this.#owners.ours;
    const paths: Partial<Record<Kind, string>> = {
      'live stream': '/live_streams',
      'sub-second stream': '/sub_second_streams',
      'webhook endpoint': '/webhook_endpoints',
      'access token': '/access_tokens',
      'signing key': '/signing_keys',
      invitation: '/invitations',
      member: '/members',
    };
    if (kinds[0] === 'organization') {
      const { _id } = await forWhom.ok('POST', '/organizations', { name: 'gone' });
      await forWhom.ok('DELETE', `/organizations/${_id}`);
      return [_id];
    }
    const ids = await this.make(kinds, 'ours', forWhom);
    if (kinds[0] === 'session') {
      await forWhom.ok('DELETE', `/sessions/${ids[0]}`);
      return ids;
    }
    const path = paths[kinds[0]!];
    if (!path) return null;
    assert.equal((await owner.ok('DELETE', `${path}/${ids[0]}`)).success, true);
    return ids;
  }
}
