import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError, isoTime } from '../../base/index.ts';
import {
  CurrentSession,
  type Invitation,
  InvitationAccept,
  InvitationCreate,
  InvitationList,
  NewInvitation,
  PageQuery,
  Success,
} from '../../contract/index.ts';
import { type InvitationRow, readEmail } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { audit, type PeopleOptions, startSession } from '../people.ts';
import { IdParams } from '../resource.ts';

/** /invitations: bring people into the organization that the request is about. */
export const invitationRoutes: FastifyPluginAsyncTypebox<PeopleOptions> = async (app, options) => {
  const { mail, addresses, cookie } = options;
  const { invitations, organizations } = options.store;

  app.post(
    '/invitations',
    {
      config: { session: true, role: 'admin' },
      schema: {
        operationId: 'createInvitation',
        summary: 'Invite somebody: the link is e-mailed, or in the answer where no mail server is configured',
        body: InvitationCreate,
        response: { 200: NewInvitation },
      },
    },
    async (request, reply) => {
      const { principal, body } = request;
      const values = { email: readEmail(body.email), role: body.role ?? 'member' };
      if (mail) options.guesses.countInvitation(reply, principal.organizationId, values.email);
      const { row, token } = await invitations.create(principal, values);
      // Behind `#`, which browsers send to nobody.
      const url = `${addresses.publicUrl}/dashboard/invitation#${token}`;
      const organization = await organizations.get(principal.organizationId);
      const name = wordsOf(organization?.name ?? '');
      const text = `You are invited to join ${name}. The link is for you alone and works for seven days:\n\n${url}\n`;
      mail?.send({ to: row.email, subject: 'An invitation to LiveAPI', text });
      audit(request, 'invited', { invitation: row.id, role: row.role });
      // Only the mailbox proves whose address it is: whoever invites does not get to see what is mailed there.
      return { ...toInvitation(row), ...(mail === null && { url }), mailed: mail !== null };
    },
  );

  app.get(
    '/invitations',
    {
      schema: {
        operationId: 'listInvitations',
        summary: 'List the invitations that wait for an answer, newest first',
        querystring: PageQuery,
        response: { 200: InvitationList },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const { rows, total } = await invitations.list(request.principal.organizationId, page);
      return listAnswer(rows.map(toInvitation), total, page);
    },
  );

  app.delete(
    '/invitations/:id',
    {
      config: { session: true, role: 'admin' },
      schema: {
        operationId: 'revokeInvitation',
        summary: 'Take an invitation back',
        params: IdParams,
        response: { 200: Success },
      },
    },
    async (request) => {
      if (!(await invitations.revoke(request.principal.organizationId, request.params.id)))
        throw new CodedError('not_found', 'Invitation not found. GET /invitations lists those that wait.');
      audit(request, 'invitation taken back', { invitation: request.params.id });
      return { success: true };
    },
  );

  app.post(
    '/invitations/accept',
    {
      config: { open: true },
      schema: {
        operationId: 'acceptInvitation',
        summary: 'Accept an invitation: signed in, or as somebody new with a name and a password',
        body: InvitationAccept,
        response: { 200: CurrentSession },
      },
    },
    async (request, reply) => {
      const session = await cookie.read(request);
      const signedInAs = session?.user.id ?? null;
      const { userId, organizationId } = await invitations.accept({ ...request.body, signedInAs });
      audit(request, 'invitation accepted', { user: userId, organization: organizationId });
      return startSession(options, request, reply, userId);
    },
  );

  allowOnly(app, '/invitations', ['GET', 'POST']);
  allowOnly(app, '/invitations/accept', ['POST'], { config: { open: true } });
  allowOnly(app, '/invitations/:id', ['DELETE']);
};

/** A name in a mail to somebody who may not know us: nothing in it reads as an address or as lines of its own. */
const wordsOf = (name: string): string =>
  name
    .replace(/[^\p{L}\p{M}\p{N}&'()-]+/gu, ' ')
    .trim()
    .slice(0, 60) || 'an organization';

const toInvitation = (row: InvitationRow): Invitation => ({
  _id: row.id,
  email: row.email,
  role: row.role,
  invited_by: row.invitedBy,
  creation_time: isoTime(row.createdMs),
  expires_at: isoTime(row.expiresMs),
});
