import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CurrentSession, Setup, SetupState } from '../../contract/index.ts';
import { readEmail } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { audit, type PeopleOptions, startSession } from '../people.ts';

/** /setup: the first owner gets an e-mail and a password by the link that the server prints at its start (S49). */
export const setupRoutes: FastifyPluginAsyncTypebox<PeopleOptions> = async (app, options) => {
  const config = { open: true } as const;
  const { setup } = options.store;

  app.get(
    '/setup',
    {
      config,
      schema: {
        operationId: 'getSetup',
        summary: 'Whether nobody can sign in yet',
        response: { 200: SetupState },
      },
    },
    async () => ({ needed: await setup.needed() }),
  );

  app.post(
    '/setup',
    {
      config,
      schema: {
        operationId: 'completeSetup',
        summary: 'Give the first owner an e-mail and a password',
        body: Setup,
        response: { 200: CurrentSession },
      },
    },
    async (request, reply) => {
      const { setup_token: token, password, name = '' } = request.body;
      const { userId } = await setup.complete({ token, password, name, email: readEmail(request.body.email) });
      audit(request, 'set up', { user: userId });
      return startSession(options, request, reply, userId);
    },
  );

  allowOnly(app, '/setup', ['GET', 'POST'], { config });
};
