import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ROLES, type Role } from '../../src/contract/index.ts';
import { type Answer, type Api, ask, Browser, invite, setUp, tokenOf } from './people.ts';
import { startApi } from './start-api.ts';
import { Objects, type Place } from './tenants-objects.ts';
import { type Kind, RULES, type Rule } from './tenants-rules.ts';

let api: Api;
let objects: Objects;
let owner: Browser;
let stranger: Browser;
let admin: Browser;
let member: Browser;

/** Somebody who calls routes, seen from outside: which headers they send and what they ought to be able to do. */
interface Actor {
  readonly name: string;
  headers(): Record<string, string>;
  /** Null: nobody that we know. */
  readonly role: Role | null;
  readonly kind: 'session' | 'token' | 'none';
  readonly environment: 'production' | 'development';
  /** Whose sessions "own" ones are. */
  readonly person: Browser;
}
let actors: Actor[];

before(async () => {
  api = await startApi();
  owner = await setUp(api);
  [owner.organization] = (await owner.ok('GET', '/organizations')).docs.map((doc: { _id: string }) => doc._id);
  admin = await invite(api, owner, 'admin@example.test', 'admin');
  member = await invite(api, owner, 'member@example.test', 'member');
  const development = await new Browser(api).use(owner.cookie);
  development.organization = owner.organization;
  development.environment = 'development';
  // Another organization, of somebody whom nobody in ours knows.
  const { _id } = await owner.ok('POST', '/organizations', { name: 'Theirs' });
  const inTheirs = await new Browser(api).use(owner.cookie);
  inTheirs.organization = _id;
  stranger = await invite(api, inTheirs, 'stranger@example.test', 'owner');
  await inTheirs.ok('DELETE', `/members/${(await owner.ok('GET', '/users/me'))._id}`);
  await owner.ok('POST', '/sessions', { email: 'alice@example.test', password: 'correct horse battery' });
  Object.assign(development, { cookie: owner.cookie, csrf: owner.csrf });
  stranger.organization = _id;
  objects = new Objects(api, { ours: owner, 'our other environment': development, theirs: stranger });

  const people = (name: string, role: Role, person: Browser): Actor => {
    return { name, role, kind: 'session', environment: 'production', person, headers: () => person.headers() };
  };
  const token = async (name: string, role: 'admin' | 'member', environment: Actor['environment']): Promise<Actor> => {
    const headers = await tokenOf(environment === 'production' ? owner : development, environment, role);
    return { name, role, kind: 'token', environment, person: owner, headers: () => headers };
  };
  actors = [
    people('owner', 'owner', owner),
    people('admin', 'admin', admin),
    people('member', 'member', member),
    await token('token prod', 'admin', 'production'),
    await token('token dev', 'admin', 'development'),
    await token('token of a member', 'member', 'production'),
    { name: 'none', role: null, kind: 'none', environment: 'production', person: owner, headers: () => ({}) },
  ];
});
after(async () => {
  await api.stop();
  api.remove();
});

const RANDOM = 'f00dfacef00dfacef00dface';
/** Kinds that an organization has, not an environment of it. */
const ENVIRONMENTLESS = new Set<Kind>(['organization', 'member', 'invitation', 'session', 'nothing']);
type Which = 'own' | 'other environment' | 'other organization' | 'deleted' | 'random' | 'no id';

/** What nobody of the organization may touch is made once, before the first request. */
const kept = new Map<string, Promise<string[] | null>>();
const keep = (key: string, make: () => Promise<string[] | null>): Promise<string[] | null> => {
  if (!kept.has(key)) kept.set(key, make());
  return kept.get(key)!;
};

/** The ids of each sort that a route is tried with; `fresh` for one whose own object does not outlive it. */
async function idsFor(kinds: readonly Kind[], actor: Actor, fresh: boolean): Promise<Map<Which, string[]>> {
  const ids = new Map<Which, string[]>();
  if (kinds.length === 0) return ids.set('no id', []);
  const random = kinds.map(() => RANDOM);
  ids.set('random', random);
  if (kinds[0] === 'nothing') return ids;
  const shared = ENVIRONMENTLESS.has(kinds[0]!);
  const places: Place[] = ['ours', 'our other environment'];
  const [own, other] = actor.environment === 'production' || shared ? places : places.toReversed();
  const whose = kinds[0] === 'session' ? ` ${actor.name}` : '';
  const make = (place: Place) => () => objects.make(kinds, place, actor.person);
  const at = (place: Place) => keep(`${kinds} ${place}${whose}`, make(place));
  ids.set('own', (await (fresh ? make(own!)() : at(own!)))!);
  ids.set('other organization', (await at('theirs'))!);
  if (!shared) ids.set('other environment', (await at(other!))!);
  const deleted = await keep(`${kinds} deleted${whose}`, () => objects.makeDeleted(kinds, actor.person));
  if (deleted) ids.set('deleted', deleted);
  return ids;
}

/** What the rule says that this caller is answered. */
function expected(rule: Rule, actor: Actor, which: Which): number {
  if (rule.open) return rule.status ?? 200;
  if (actor.role === null) return 401;
  const may =
    ROLES.indexOf(actor.role) <= ROLES.indexOf(rule.role ?? 'member') && !(rule.session && actor.kind === 'token');
  const there =
    which === 'own' ||
    which === 'no id' ||
    (which === 'deleted' && rule.remembersDeleted === true && actor.environment === 'production');
  if (rule.idFirst && !there && !(rule.session && actor.kind === 'token' && rule.ids?.[0] !== 'organization'))
    return 404;
  if (!may) return 403;
  return there
    ? (rule.status ?? 200)
    : rule.ids?.includes('nothing') && which === 'random'
      ? rule.ids[0] === 'nothing'
        ? (rule.anyId ?? 404)
        : 404
      : 404;
}

test('S01–S08 the tenancy matrix: every route × every sort of id × every sort of caller', async (t) => {
  const routes = api.routes.filter(({ method, hidden }) => !hidden && method !== 'HEAD' && method !== 'OPTIONS');
  const ruleOf = (method: string, url: string) => `${method} ${url.replace(/^\/v2(?=\/)/, '')}`;
  const unknown = routes.map(({ method, url }) => ruleOf(method, url)).filter((name) => !(name in RULES));
  assert.deepEqual(unknown, [], 'routes that no rule says anything about: add them to tenants-rules.ts');
  const unused = Object.keys(RULES).filter((name) => !routes.some(({ method, url }) => ruleOf(method, url) === name));
  assert.deepEqual(unused, [], 'rules without a route');

  const wrong: string[] = [];
  let cells = 0;
  for (const { ids = [] } of Object.values(RULES)) for (const actor of actors) await idsFor(ids, actor, false);
  const before = await seenBy(stranger);
  for (const { method, url } of routes) {
    const rule = RULES[ruleOf(method, url)]!;
    for (const actor of actors) {
      const fresh = method !== 'GET' && expected(rule, actor, 'own') === 200;
      const ids = await idsFor(rule.ids ?? [], actor, fresh);
      let missing: Answer | null = null;
      for (const [which, values] of ids) {
        // Whatever ends a session ends one made for it.
        const headers =
          url.endsWith('/sessions/current') && method === 'DELETE' ? await anotherSession(actor) : actor.headers();
        let at = 0;
        const path = url.replaceAll(/:\w+/g, () => values[at++]!) + (rule.query ? `?${rule.query}` : '');
        // Somebody else each time: guesses at one account are slowed down.
        const body = url.endsWith('/sessions') ? { ...rule.body, email: `${cells}@example.test` } : rule.body;
        const answer = await ask(
          api,
          method,
          path,
          method === 'POST' || method === 'PATCH' ? body : undefined,
          headers,
        );
        cells++;
        const wanted = expected(rule, actor, which);
        if (which === 'random') missing = answer;
        const same = wanted !== 404 || which === 'own' || answer.text === missing?.text || rule.open;
        const foreign = actor.kind !== 'none' && /theirs \d/.test(answer.text);
        if (answer.status !== wanted || !same || foreign)
          wrong.push(
            `${method} ${url} · ${which} · ${actor.name}: ${answer.status} for ${wanted} ${answer.text.slice(0, 120)}`,
          );
      }
    }
  }
  assert.deepEqual(await seenBy(stranger), before, 'the other organization is as it was');
  t.diagnostic(`${cells} cells, ${wrong.length} wrong`);
  assert.deepEqual(wrong, []);
});

test('S01 what is no method of a route tells nobody anything, HEAD no more than GET', async (t) => {
  // The front page sends browsers on and is missing for all others.
  const others = api.routes.filter(({ method, url, hidden }) => (hidden || method === 'HEAD') && url !== '/');
  const some = actors.filter(({ name }) => ['owner', 'token prod', 'none'].includes(name));
  const wrong: string[] = [];
  for (const { method, url } of others) {
    const open = RULES[`GET ${url.replace(/^\/v2(?=\/)/, '')}`]?.open;
    for (const actor of some) {
      const { status } = await ask(api, method, url.replaceAll(/:\w+/g, RANDOM), undefined, actor.headers());
      const allowed =
        method === 'HEAD' && (open || (actor.role && !url.includes(':'))) ? [200, 403, 405] : [403, 404, 405];
      const fits =
        actor.role === null
          ? status === 401 || (open && allowed.includes(status)) || status === 405
          : allowed.includes(status);
      if (!fits) wrong.push(`${method} ${url} · ${actor.name}: ${status}`);
    }
  }
  t.diagnostic(`${others.length * some.length} cells, ${wrong.length} wrong`);
  assert.deepEqual(wrong, []);
});

test('S01 a part of one’s own and of another’s do not go together; a person reaches no foreign organization by the header', async () => {
  const ours = await objects.make(['live stream', 'platform'], 'ours', owner);
  const theirs = await objects.make(['live stream', 'platform'], 'theirs', owner);
  const hooks = await objects.make(['webhook endpoint', 'delivery'], 'ours', owner);
  const foreign = await objects.make(['webhook endpoint', 'delivery'], 'theirs', owner);
  const mixed: [string, string, object?][] = [
    ['PATCH', `/live_streams/${ours[0]}/platforms/${theirs[1]}`, { enabled: false }],
    ['DELETE', `/live_streams/${ours[0]}/platforms/${theirs[1]}`],
    ['DELETE', `/live_streams/${theirs[0]}/platforms/${ours[1]}`],
    ['GET', `/webhook_endpoints/${hooks[0]}/deliveries/${foreign[1]}`],
    ['POST', `/webhook_endpoints/${hooks[0]}/deliveries/${foreign[1]}/resend`],
  ];
  for (const [method, path, body] of mixed) assert.equal((await owner.ask(method, path, body)).status, 404, path);
  const { docs } = await owner.ok('GET', `/events?live_stream=${theirs[0]}`);
  assert.deepEqual(docs, [], 'S02 ids in queries');

  const answers = await Promise.all(
    [stranger.organization!, RANDOM, 'x'].map((organization) =>
      owner.ask('GET', '/live_streams', undefined, { 'x-liveapi-organization': organization }),
    ),
  );
  assert.deepEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
  assert.equal(answers[0]!.status, 404);
  assert.equal(
    (await owner.ask('GET', '/live_streams', undefined, { 'x-liveapi-environment': 'staging' })).status,
    400,
  );
});

test('S03 lists and their totals count what is the caller’s and nothing else', async () => {
  for (const path of ['/live_streams', '/sub_second_streams', '/webhook_endpoints', '/events', '/access_tokens']) {
    const { docs, total } = await stranger.ok('GET', `${path}?limit=100`);
    assert.equal(total, docs.length, path);
    const idOf = (doc: { _id?: string; id?: string }) => doc._id ?? doc.id!;
    const ours = new Set((await owner.ok('GET', `${path}?limit=100`)).docs.map(idOf));
    assert.ok(docs.length > 0 && docs.every((doc: { _id?: string; id?: string }) => !ours.has(idOf(doc))), path);
  }
});

/** What the other organization has, to be compared. */
async function seenBy(person: Browser): Promise<object> {
  const seen: Record<string, string> = {};
  for (const kind of [
    'live_streams',
    'sub_second_streams',
    'webhook_endpoints',
    'access_tokens',
    'members',
    'invitations',
  ])
    seen[kind] = (await person.ask('GET', `/${kind}?limit=100`)).text;
  seen.organization = (await person.ask('GET', `/organizations/${person.organization}`)).text;
  return seen;
}

async function anotherSession(actor: Actor): Promise<Record<string, string>> {
  if (actor.kind !== 'session') return actor.headers();
  const { _id } = await actor.person.ok('GET', '/users/me');
  const { secret } = await api.store.sessions.create(_id, { userAgent: '', address: '' });
  return (await new Browser(api).use(`__Host-liveapi=${secret}`)).headers();
}
