import type { CurrentSession } from '../../src/contract/index.ts';

/** What the page's own address begins with: the server may be served below a path. */
export const base = new URL('..', location.href);

/** A refusal; its message is for people. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** One call of the API of this server, in the name of the session where there is one. @throws Refused */
export async function call<T>(method: string, path: string, body?: object, session?: CurrentSession): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(new URL(path, base), {
      method,
      headers: {
        'content-type': 'application/json',
        ...(session && { 'x-csrf-token': session.csrf_token }),
        ...(session && joined(session) && { 'x-liveapi-organization': joined(session)!._id }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
  } catch {
    throw new Refused(0, 'The server does not answer. Try again in a moment.');
  }
  const answered: unknown = await answer.json().catch(() => null);
  if (answer.ok) return answered as T;
  const { message } = (answered ?? {}) as { message?: string };
  throw new Refused(answer.status, message ?? `The server answered ${answer.status}. Try again in a moment.`);
}

/** The organization that the person joined last: the one that this page is about. */
export const joined = (session: CurrentSession) => session.organizations.at(-1);
