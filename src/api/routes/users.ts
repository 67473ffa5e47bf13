import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError } from '../../base/index.ts';
import { CurrentSession, User, UserChange } from '../../contract/index.ts';
import { readEmail } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { audit, type PeopleOptions, startSession, toCurrentSession, toUser } from '../people.ts';

/** /users/me: the account of who has signed in. */
export const userRoutes: FastifyPluginAsyncTypebox<PeopleOptions> = async (app, options) => {
  const { users } = options.store;
  const config = { session: true, personal: true } as const;

  app.get(
    '/users/me',
    {
      config,
      schema: { operationId: 'getMe', summary: 'Your account', response: { 200: User } },
    },
    async (request) => toUser(request.browserSession!.user),
  );

  app.patch(
    '/users/me',
    {
      config,
      schema: {
        operationId: 'updateMe',
        summary: 'Change your name, or your e-mail and password: those end your other sessions',
        body: UserChange,
        response: { 200: CurrentSession },
      },
    },
    async (request, reply) => {
      const { name, password, current_password: current } = request.body;
      const { userId } = request.principal;
      const session = request.browserSession!;
      const email = request.body.email === undefined ? undefined : readEmail(request.body.email);
      if (email === undefined && password === undefined)
        return toCurrentSession({ ...session, user: await users.update(userId, { name }) });
      const right =
        current !== undefined &&
        (await options.guesses.check(request, reply, session.user.email ?? userId, () =>
          users.hasPassword(userId, current),
        ));
      if (!right)
        throw new CodedError('forbidden', 'A new e-mail or password needs your password as current_password.');
      await users.update(userId, { name, email, password });
      audit(request, 'e-mail or password changed');
      return startSession(options, request, reply, userId);
    },
  );

  allowOnly(app, '/users/me', ['GET', 'PATCH'], { config });
};
