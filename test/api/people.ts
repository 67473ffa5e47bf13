import assert from 'node:assert/strict';
import type { Environment, Role, TokenRole } from '../../src/contract/index.ts';
import { ADDRESSES, type startApi } from './start-api.ts';

export type Api = Awaited<ReturnType<typeof startApi>>;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the server sent
  readonly body: any;
}

export const PASSWORD = 'correct horse battery';
export const ORIGIN = new URL(ADDRESSES.publicUrl).origin;

/** One request with exactly these headers; a body travels as JSON. */
export async function ask(
  api: Pick<Api, 'baseUrl'>,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await fetch(api.baseUrl + path, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  const json = answer.headers.get('content-type')?.startsWith('application/json');
  return { status: answer.status, headers: answer.headers, text, body: json && text ? JSON.parse(text) : undefined };
}

/** A person in a browser: keeps the cookie and the token that goes with it. */
export class Browser {
  cookie = '';
  csrf = '';
  organization: string | undefined;
  environment: Environment | undefined;
  readonly #api: Pick<Api, 'baseUrl'>;

  constructor(api: Pick<Api, 'baseUrl'>) {
    this.#api = api;
  }

  headers(): Record<string, string> {
    return {
      ...(this.cookie && { cookie: this.cookie }),
      ...(this.csrf && { 'x-csrf-token': this.csrf }),
      ...(this.organization && { 'x-liveapi-organization': this.organization }),
      ...(this.environment && { 'x-liveapi-environment': this.environment }),
      origin: ORIGIN,
      'sec-fetch-site': 'same-origin',
    };
  }

  async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await ask(this.#api, method, path, body, { ...this.headers(), ...headers });
    const [set] = answer.headers.getSetCookie();
    if (set) this.cookie = set.split(';', 1)[0]!;
    if (answer.body?.csrf_token) this.csrf = answer.body.csrf_token;
    return answer;
  }

  /** @throws unless the answer is 200 */
  async ok(method: string, path: string, body?: unknown): Promise<Answer['body']> {
    const answer = await this.ask(method, path, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${answer.text}`);
    return answer.body;
  }

  /** A cookie that somebody has got hold of otherwise. */
  async use(cookie: string): Promise<this> {
    this.cookie = cookie;
    this.csrf = (await this.ok('GET', '/sessions/current')).csrf_token;
    return this;
  }
}

/** The first owner, signed in. */
export async function setUp(api: Api, email = 'alice@example.test'): Promise<Browser> {
  const browser = new Browser(api);
  const setup_token = await api.store.setup.issue();
  await browser.ok('POST', '/setup', { setup_token, email, password: PASSWORD, name: 'Alice' });
  return browser;
}

/** Somebody new who was invited and has accepted, signed in. */
export async function invite(api: Api, by: Browser, email: string, role: Role): Promise<Browser> {
  const { url } = await by.ok('POST', '/invitations', { email, role });
  const browser = new Browser(api);
  const token = new URL(url).hash.slice(1);
  await browser.ok('POST', '/invitations/accept', { token, name: email, password: PASSWORD });
  return browser;
}

/** The headers of a new access token of the organization that `by` looks at. */
export async function tokenOf(
  by: Browser,
  environment: Environment,
  role: TokenRole,
): Promise<{ authorization: string }> {
  const { _id, secret } = await by.ok('POST', '/access_tokens', { environment, role });
  return { authorization: `Basic ${Buffer.from(`${_id}:${secret}`).toString('base64')}` };
}
