import type { FastifyReply, FastifyRequest } from 'fastify';
import { CodedError, isoTime } from '../base/index.ts';
import type {
  CurrentSession as CurrentSessionAnswer,
  Organization as OrganizationAnswer,
  User as UserAnswer,
} from '../contract/index.ts';
import type { OrganizationRow, Principal, Store, UserRow } from '../store/index.ts';
import { addressOf, networkOf } from './address.ts';
import { GrowingDelay } from './growing-delay.ts';
import type { SessionCookie } from './session-cookie.ts';

/** What brings e-mails on their way; it answers at once and logs what fails. */
export interface MailPort {
  send(mail: { readonly to: string; readonly subject: string; readonly text: string }): void;
}

/** What the routes of people and organizations are registered with. */
export interface PeopleOptions {
  readonly store: Pick<
    Store,
    'users' | 'organizations' | 'invitations' | 'sessions' | 'passwordResets' | 'setup' | 'tokens'
  >;
  readonly cookie: SessionCookie;
  readonly guesses: Guesses;
  /** Null where no mail server is configured. */
  readonly mail: MailPort | null;
  readonly addresses: { readonly publicUrl: string };
}

const DAY_MS = 24 * 3600_000;

/**
 * The limits on guessing passwords. An account is delayed for the network that the guesses come from, so that a stranger's guesses do
 * not lock its owner out; for everybody only after many more, and by a minute at most. A network is delayed whatever the account.
 */
export class Guesses {
  readonly #accounts = new GrowingDelay({ free: 5, firstMs: 5000, maxMs: 60_000 });
  readonly #everywhere = new GrowingDelay({ free: 200, firstMs: 1000, maxMs: 60_000 });
  readonly #networks = new GrowingDelay({ free: 20, firstMs: 5000, maxMs: 900_000 });
  readonly #mails = new GrowingDelay({ free: 4, firstMs: DAY_MS, maxMs: DAY_MS, forgetMs: DAY_MS });
  readonly #invitations = new GrowingDelay({ free: 100, firstMs: 60_000, maxMs: 3600_000, forgetMs: DAY_MS });

  /**
   * Carries out `check`, which says whether the guess was right.
   * @throws CodedError too_many_requests, with Retry-After in the reply
   */
  async check<T>(request: FastifyRequest, reply: FastifyReply, account: string, check: () => Promise<T>): Promise<T> {
    const network = networkOf(request);
    const here = `${network} ${account}`;
    const delays = [
      [this.#networks, network],
      [this.#accounts, here],
      [this.#everywhere, account],
    ] as const;
    for (const [i, [delay, key]] of delays.entries()) {
      const wait = delay.attempt(key);
      if (wait === 0) continue;
      for (const [counted, its] of delays.slice(0, i)) counted.forgive(its);
      refuse(reply, wait);
    }
    const result = await check();
    if (result) {
      this.#accounts.forget(here);
      this.#everywhere.forgive(account);
      this.#networks.forgive(network);
    }
    return result;
  }

  /**
   * Counts an invitation that is mailed: five mails a day go to an address, and a hundred to whom an organization likes, then fewer.
   * @throws CodedError too_many_requests, with Retry-After in the reply
   */
  countInvitation(reply: FastifyReply, organizationId: string, address: string): void {
    const wait = this.#invitations.attempt(organizationId);
    if (wait > 0) refuse(reply, wait);
    const addressWait = this.#mails.attempt(address);
    if (addressWait === 0) return;
    this.#invitations.forgive(organizationId);
    refuse(reply, addressWait);
  }

  /** Counts an e-mail that somebody asks for: five a day go to an address. False when there were too many. */
  allowsMail(request: FastifyRequest, address: string): boolean {
    return this.#networks.attempt(networkOf(request)) === 0 && this.#mails.attempt(address) === 0;
  }
}

function refuse(reply: FastifyReply, waitS: number): never {
  reply.header('retry-after', waitS);
  throw new CodedError('too_many_requests', `Too many attempts: try again in ${waitS} seconds.`);
}

/** Signs a person in: a new session in the place of the browser's old one. */
export async function startSession(
  { store, cookie }: Pick<PeopleOptions, 'store' | 'cookie'>,
  request: FastifyRequest,
  reply: FastifyReply,
  userId: string,
): Promise<CurrentSessionAnswer> {
  const { csrfToken } = await cookie.start(request, reply, userId);
  const [user, organizations] = await Promise.all([store.users.get(userId), store.organizations.of(userId)]);
  return toCurrentSession({ csrfToken, user: user!, organizations });
}

export const toCurrentSession = (session: {
  readonly csrfToken: string;
  readonly user: UserRow;
  readonly organizations: readonly OrganizationRow[];
}): CurrentSessionAnswer => ({
  csrf_token: session.csrfToken,
  user: toUser(session.user),
  organizations: session.organizations.map(toOrganization),
});

export const toUser = ({ id, email, name, createdMs }: UserRow): UserAnswer => ({
  _id: id,
  email,
  name,
  creation_time: isoTime(createdMs),
});

export const toOrganization = ({ id, name, role, createdMs }: OrganizationRow): OrganizationAnswer => ({
  _id: id,
  name,
  role,
  creation_time: isoTime(createdMs),
});

/** One line for every change of who may do what (S18). */
export function audit(request: FastifyRequest, what: string, about: object = {}): void {
  const { userId, organizationId } = (request.principal as Principal | null) ?? {};
  request.log.info(
    { user: userId, organization: organizationId, address: addressOf(request), ...about },
    `api: ${what}`,
  );
}
