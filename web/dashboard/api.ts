import type { Environment } from '../../src/contract/index.ts';

/** Where this module was loaded from, `{public_url}/dashboard/assets/…`: the server may be served below a path. */
const here: string = import.meta.url;

/** What every address of this server begins with; ends with a slash. */
export const root = new URL('../../', here);

/** A refusal of the API, or its silence (status 0); its message is for people. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** In whose name calls are made: set by the session, read by each call. */
export interface Seat {
  csrfToken: string;
  organization: string;
  environment: Environment;
}
export const seat: Seat = { csrfToken: '', organization: '', environment: 'production' };

/** Told when the server says that nobody is signed in any more. */
let onSignedOut: () => void = () => {};
export const whenSignedOut = (listener: () => void): void => {
  onSignedOut = listener;
};

/** The headers with which a request acts for the person, in the organization and environment that are chosen. */
export const seatHeaders = (): Record<string, string> => ({
  ...(seat.csrfToken && { 'x-csrf-token': seat.csrfToken }),
  ...(seat.organization && { 'x-liveapi-organization': seat.organization }),
  'x-liveapi-environment': seat.environment,
});

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

async function send(
  method: string,
  path: string,
  body: object | undefined,
  query: Query,
  signal?: AbortSignal,
): Promise<Response> {
  const url = new URL(path, root);
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  const headers = { ...seatHeaders(), ...(body && { 'content-type': 'application/json' }) };
  let answer: Response;
  try {
    answer = await fetch(url, { method, headers, signal: signal ?? null, body: body ? JSON.stringify(body) : null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused(0, 'The server does not answer. Try again in a moment.');
  }
  if (answer.ok) return answer;
  // Signing in is refused with 401 too, but then nobody was signed in.
  if (answer.status === 401 && seat.csrfToken) onSignedOut();
  const { message } = ((await answer.json().catch(() => null)) ?? {}) as { message?: string };
  throw new Refused(answer.status, message ?? `The server answered ${answer.status}. Try again in a moment.`);
}

const call = async <T>(method: string, path: string, body?: object, query: Query = {}): Promise<T> =>
  (await send(method, path, body, query)).json() as Promise<T>;

/** The API of this server in the name of who is signed in. Paths have no slash in front. @throws Refused */
export const api = {
  get: <T>(path: string, query?: Query) => call<T>('GET', path, undefined, query),
  post: <T>(path: string, body?: object) => call<T>('POST', path, body),
  patch: <T>(path: string, body: object) => call<T>('PATCH', path, body),
  delete: <T>(path: string) => call<T>('DELETE', path),
  /** What is not JSON. */
  blob: async (path: string): Promise<Blob> => (await send('GET', path, undefined, {})).blob(),
  /** An answer that goes on; ends with the signal. */
  stream: (path: string, query: Query, signal: AbortSignal) => send('GET', path, undefined, query, signal),
};

/** What to show of an error, whatever was thrown. */
export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
