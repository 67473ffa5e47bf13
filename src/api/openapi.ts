import { readFileSync } from 'node:fs';
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { describeDocument, describeRoute } from './openapi-document.ts';
import type { PublicAddresses } from './to-live-stream.ts';

/** Of the program. */
export const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Every group of operations, in the order in which the reference shows them. A route's group follows from its path. */
const TAGS = [
  { name: 'Live streams', description: 'What an encoder publishes to and viewers watch.' },
  { name: 'Platforms', description: 'Where else a live stream is pushed to.' },
  { name: 'Stats', description: 'What the running broadcast measures, and advice for the encoder.' },
  { name: 'Recordings', description: 'What is kept of a broadcast.' },
  { name: 'Videos', description: 'On-demand assets.' },
  { name: 'Sub-second streams', description: 'Live streams that are watched with less than a second of delay.' },
  { name: 'Events', description: 'The log of all that happened, by number, so that a gap can be filled.' },
  { name: 'Webhooks', description: 'Endpoints that events are delivered to, and the log of deliveries.' },
  { name: 'Access tokens', description: 'The credentials of programs: of one organization and environment each.' },
  { name: 'Organizations', description: 'Tenants, their members and invitations.' },
  { name: 'Sessions', description: 'People: sign-in for the dashboard, passwords, set-up.' },
  { name: 'Server', description: 'Health, metrics, and this document.' },
];

const INTRODUCTION = `Live streaming as an API, on your own machine.

Two dialects of one API: paths without a prefix answer as LiveAPI does, the same paths under \`/v2\` as Castr v2 does. Send an access
token by HTTP Basic: its id as the user name, its secret as the password. Unknown fields of a body are ignored. Lists answer
\`docs\`, \`total\`, \`limit\`, \`page\` and \`pages\`; times are ISO 8601 in UTC with milliseconds; every answer that is not a 2xx has the
shape of \`Error\`, and its \`message\` says what was wrong and what to do about it.

What changed from version to version: [changelog](changelog).`;

/**
 * Makes the OpenAPI 3.1 document from the schemas of every route that is registered after it: `app.swagger()`, once the app is
 * ready. A route that has no `operationId` and `summary` in its schema fails a test (S45).
 */
export function addOpenApi(app: FastifyInstance, { publicUrl }: PublicAddresses): void {
  const secure = publicUrl.startsWith('https:');
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'LiveAPI, self-hosted',
        version,
        description: INTRODUCTION,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } as { name: string },
      },
      servers: [{ url: publicUrl, description: 'This server.' }],
      tags: TAGS,
      components: {
        securitySchemes: {
          token: {
            type: 'http',
            scheme: 'basic',
            description: 'An access token: its id is the user name, its secret the password.',
          },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: secure ? '__Host-liveapi' : 'liveapi',
            description:
              'A session of the dashboard. `X-LiveAPI-Organization` and `X-LiveAPI-Environment` choose where it acts; requests that change something carry `X-CSRF-Token`.',
          },
        },
      },
    },
    stripBasePath: false,
    convertConstToEnum: false,
    transform: describeRoute,
    transformObject: describeDocument,
  });
}
