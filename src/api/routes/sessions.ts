import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError, isoTime } from '../../base/index.ts';
import { CurrentSession, PageQuery, SessionList, SignIn, Success } from '../../contract/index.ts';
import { allowOnly } from '../errors.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { audit, type PeopleOptions, startSession, toCurrentSession } from '../people.ts';
import { IdParams } from '../resource.ts';

/** /sessions: sign in, see where one is signed in, sign out. */
export const sessionRoutes: FastifyPluginAsyncTypebox<PeopleOptions> = async (app, options) => {
  const { store, cookie, guesses } = options;
  const config = { session: true, personal: true } as const;

  app.post(
    '/sessions',
    {
      config: { open: true },
      schema: {
        operationId: 'signIn',
        summary: 'Sign in: sets the session cookie',
        body: SignIn,
        response: { 200: CurrentSession },
      },
    },
    async (request, reply) => {
      const { password } = request.body;
      const email = request.body.email.trim().toLowerCase();
      const user = await guesses.check(request, reply, email, () => store.users.signIn(email, password));
      if (!user) {
        audit(request, 'signing in refused');
        throw new CodedError('unauthorized', 'The e-mail address or the password is wrong.');
      }
      audit(request, 'signed in', { user: user.id });
      return startSession(options, request, reply, user.id);
    },
  );

  app.get(
    '/sessions',
    {
      config,
      schema: {
        operationId: 'listSessions',
        summary: 'List your sessions, newest first',
        querystring: PageQuery,
        response: { 200: SessionList },
      },
    },
    async (request) => {
      const { page, limit } = pageOf(request.query);
      const rows = await store.sessions.list(request.principal.userId);
      const docs = rows.slice((page - 1) * limit, page * limit).map((row) => ({
        _id: row.id,
        current: row.id === request.principal.sessionId,
        user_agent: row.userAgent,
        address: row.address,
        creation_time: isoTime(row.createdMs),
        last_used_at: isoTime(row.lastUsedMs),
      }));
      return listAnswer(docs, rows.length, { page, limit });
    },
  );

  app.get(
    '/sessions/current',
    {
      config,
      schema: {
        operationId: 'getCurrentSession',
        summary: 'Who is signed in here, and the token for x-csrf-token',
        response: { 200: CurrentSession },
      },
    },
    async (request) => toCurrentSession(request.browserSession!),
  );

  app.delete(
    '/sessions/current',
    {
      config,
      schema: { operationId: 'signOut', summary: 'Sign out', response: { 200: Success } },
    },
    async (request, reply) => {
      await store.sessions.end(request.principal.userId, request.principal.sessionId!);
      cookie.clear(reply);
      audit(request, 'signed out');
      return { success: true };
    },
  );

  app.delete(
    '/sessions/:id',
    {
      config,
      schema: {
        operationId: 'endSession',
        summary: 'End one of your sessions',
        params: IdParams,
        response: { 200: Success },
      },
    },
    async (request) => {
      if (!(await store.sessions.end(request.principal.userId, request.params.id)))
        throw new CodedError('not_found', 'Session not found. GET /sessions lists yours.');
      audit(request, 'session ended', { session: request.params.id });
      return { success: true };
    },
  );

  allowOnly(app, '/sessions', ['GET', 'POST'], { config: { open: true } });
  allowOnly(app, '/sessions/current', ['GET', 'DELETE'], { config });
  allowOnly(app, '/sessions/:id', ['DELETE'], { config });
};
