import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CodedError, isoTime } from '../../base/index.ts';
import {
  ChangedMember,
  type Member,
  MemberChange,
  MemberList,
  PageQuery,
  PasswordResetLink,
  RemovedMember,
} from '../../contract/index.ts';
import { type MemberRow, memberNotFound } from '../../store/index.ts';
import { allowOnly } from '../errors.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { audit, type PeopleOptions } from '../people.ts';
import { IdParams } from '../resource.ts';
import { passwordResetUrl } from './password-resets.ts';

/** /members: who belongs to the organization that the request is about, and with which role. */
export const memberRoutes: FastifyPluginAsyncTypebox<PeopleOptions> = async (app, options) => {
  const { organizations, passwordResets } = options.store;

  app.get(
    '/members',
    {
      schema: {
        operationId: 'listMembers',
        summary: 'List the members of the organization',
        querystring: PageQuery,
        response: { 200: MemberList },
      },
    },
    async (request) => {
      const page = pageOf(request.query);
      const { rows, total } = await organizations.members(request.principal.organizationId, page);
      return listAnswer(rows.map(toMember), total, page);
    },
  );

  app.patch(
    '/members/:id',
    {
      config: { session: true, role: 'admin' },
      schema: {
        operationId: 'updateMember',
        summary:
          "Change a member's role: ends the member's sessions, and access tokens made by the member that may do more",
        params: IdParams,
        body: MemberChange,
        response: { 200: ChangedMember },
      },
    },
    async (request, reply) => {
      const { principal, params, body } = request;
      const row = await organizations.setRole(principal, params.id, body.role);
      audit(request, 'role changed', { member: row.id, role: row.role, revokedTokens: row.revokedTokens });
      // One's own sessions have ended too: this browser goes on with a new one.
      if (row.id === principal.userId) await options.cookie.start(request, reply, row.id);
      return { ...toMember(row), revoked_tokens: row.revokedTokens };
    },
  );

  app.delete(
    '/members/:id',
    {
      config: { session: true },
      schema: {
        operationId: 'removeMember',
        summary: 'Remove a member with the access tokens that the member made, or leave the organization',
        params: IdParams,
        response: { 200: RemovedMember },
      },
    },
    async (request, reply) => {
      const { principal, params } = request;
      const { revokedTokens } = await organizations.removeMember(principal, params.id);
      audit(request, 'member removed', { member: params.id, revokedTokens });
      if (params.id === principal.userId) await options.cookie.start(request, reply, params.id);
      return { success: true, revoked_tokens: revokedTokens };
    },
  );

  app.post(
    '/members/:id/password_reset',
    {
      config: { session: true, role: 'admin' },
      schema: {
        operationId: 'createMemberPasswordReset',
        summary: 'Make a link with which a member chooses a new password, to be handed over',
        params: IdParams,
        response: { 200: PasswordResetLink },
      },
    },
    async (request) => {
      const { principal, params } = request;
      const member = await organizations.member(principal.organizationId, params.id);
      if (!member) throw memberNotFound();
      if (member.role === 'owner' && principal.role !== 'owner')
        throw new CodedError('forbidden', 'Only an owner makes such a link for an owner.');
      const { token, expiresMs } = await passwordResets.forMember(principal.organizationId, member.id);
      audit(request, 'password link made', { member: member.id });
      return { url: passwordResetUrl(options.addresses.publicUrl, token), expires_at: isoTime(expiresMs) };
    },
  );

  allowOnly(app, '/members', ['GET']);
  allowOnly(app, '/members/:id', ['PATCH', 'DELETE']);
  allowOnly(app, '/members/:id/password_reset', ['POST']);
};

const toMember = ({ id, email, name, role, joinedMs }: MemberRow): Member => ({
  _id: id,
  email,
  name,
  role,
  creation_time: isoTime(joinedMs),
});
