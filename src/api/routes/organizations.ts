import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Organization, OrganizationChange, OrganizationList, PageQuery, Success } from '../../contract/index.ts';
import type { OrganizationRow, Principal } from '../../store/index.ts';
import { organizationNotFound } from '../authentication.ts';
import { allowOnly } from '../errors.ts';
import { objectIdOf } from '../idempotency.ts';
import { listAnswer, pageOf } from '../paging.ts';
import { audit, type PeopleOptions, toOrganization } from '../people.ts';
import { IdParams } from '../resource.ts';

/** /organizations: those of who has signed in; an access token reads its own. */
export const organizationRoutes: FastifyPluginAsyncTypebox<PeopleOptions> = async (app, options) => {
  const { organizations } = options.store;

  /** As the one who asks sees it. @throws CodedError not_found */
  async function read({ organizationId, role }: Principal): Promise<OrganizationRow> {
    const row = await organizations.get(organizationId);
    if (!row) throw organizationNotFound();
    return { ...row, role };
  }

  app.get(
    '/organizations',
    {
      config: { personal: true },
      schema: {
        operationId: 'listOrganizations',
        summary: 'List your organizations',
        querystring: PageQuery,
        response: { 200: OrganizationList },
      },
    },
    async (request) => {
      const { page, limit } = pageOf(request.query);
      const rows = request.browserSession?.organizations ?? [await read(request.principal)];
      const docs = rows.slice((page - 1) * limit, page * limit).map(toOrganization);
      return listAnswer(docs, rows.length, { page, limit });
    },
  );

  app.post(
    '/organizations',
    {
      config: { session: true, personal: true },
      schema: {
        operationId: 'createOrganization',
        summary: 'Make an organization, of which you are the owner',
        body: OrganizationChange,
        response: { 200: Organization },
      },
    },
    async (request) => {
      const row = await organizations.create(request.principal.userId, request.body.name, objectIdOf(request));
      audit(request, 'organization made', { organization: row.id });
      return toOrganization(row);
    },
  );

  app.get(
    '/organizations/:id',
    {
      config: { organizationInPath: true },
      schema: {
        operationId: 'getOrganization',
        summary: 'Read an organization',
        params: IdParams,
        response: { 200: Organization },
      },
    },
    async (request) => toOrganization(await read(request.principal)),
  );

  app.patch(
    '/organizations/:id',
    {
      config: { organizationInPath: true, session: true, role: 'admin' },
      schema: {
        operationId: 'updateOrganization',
        summary: 'Rename an organization',
        params: IdParams,
        body: OrganizationChange,
        response: { 200: Organization },
      },
    },
    async (request) => {
      if (!(await organizations.rename(request.params.id, request.body.name))) throw organizationNotFound();
      audit(request, 'organization renamed');
      return toOrganization(await read(request.principal));
    },
  );

  app.delete(
    '/organizations/:id',
    {
      config: { organizationInPath: true, session: true, role: 'owner' },
      schema: {
        operationId: 'deleteOrganization',
        summary: 'Delete an organization that has no live streams any more',
        params: IdParams,
        response: { 200: Success },
      },
    },
    async (request) => {
      if (!(await organizations.delete(request.params.id))) throw organizationNotFound();
      audit(request, 'organization deleted');
      return { success: true };
    },
  );

  allowOnly(app, '/organizations', ['GET', 'POST'], { config: { personal: true } });
  allowOnly(app, '/organizations/:id', ['GET', 'PATCH', 'DELETE'], { config: { organizationInPath: true } });
};
