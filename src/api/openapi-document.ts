import { STATUS_CODES } from 'node:http';
import type { SwaggerTransform, SwaggerTransformObject } from '@fastify/swagger';
import { ErrorAnswer, EVENTS, exampleOf } from '../contract/index.ts';

/** A part of the document: JSON, whatever its kind. */
export type Json = { [key: string]: unknown };

/** How a schema carries its name through the plugin, which drops `$id`. */
const NAME = 'x-name';
/** How an operation carries the statuses that it may answer beside its own. */
const ERRORS = 'x-errors';
/** Marks what may be repeated with the same Idempotency-Key. */
const IDEMPOTENT = 'x-idempotent';

/** Who may call a route (`FastifyContextConfig`). */
interface Access {
  readonly open?: boolean;
  readonly session?: boolean;
}

/** What the first segments of a path belong to; the longest that fits counts. */
const TAG_OF: readonly (readonly [RegExp, string])[] = [
  [/^\/live_streams\/[^/]+\/platforms|^\/platform_templates/, 'Platforms'],
  [/^\/live_streams\/[^/]+\/(stats|health|broadcasts|epg)/, 'Stats'],
  [/^\/live_streams\/[^/]+\/(temporary_)?recordings/, 'Recordings'],
  [/^\/live_streams\/[^/]+\/events|^\/(events|updates|activity_logs|activity_events)/, 'Events'],
  [/^\/(usage|embed)/, 'Stats'],
  [/^\/signing_keys|^\/live_streams\/[^/]+\/playback_tokens/, 'Playback security'],
  [/^\/live_streams/, 'Live streams'],
  [/^\/videos/, 'Videos'],
  [/^\/sub_second_streams/, 'Sub-second streams'],
  [/^\/webhook_endpoints/, 'Webhooks'],
  [/^\/access_tokens/, 'Access tokens'],
  [/^\/(organizations|members|invitations)/, 'Organizations'],
  [/^\/(sessions|users|setup|password_resets)/, 'Sessions'],
];

/** What a route of the app says in the document: its own schema, named parts, who may call it, and how it may fail. */
export const describeRoute: SwaggerTransform = ({ schema, url, route }) => {
  const config = (route.config ?? {}) as Access;
  const castr = url.startsWith('/v2/');
  const path = castr ? url.slice(3) : url;
  const { operationId, summary, ...rest } = (schema ?? {}) as Json & { operationId?: string; summary?: string };
  return {
    url,
    schema: {
      tags: [TAG_OF.find(([pattern]) => pattern.test(path))?.[1] ?? 'Server'],
      ...(nameParts(rest) as Json),
      // Ids are unique in a document; the second dialect's say which they are.
      ...(operationId && {
        operationId: castr ? `castr${operationId[0]!.toUpperCase()}${operationId.slice(1)}` : operationId,
      }),
      ...(summary && { summary: castr ? `${summary} (Castr v2)` : summary }),
      security: securityOf(config),
      ...(route.method === 'POST' && !config.open && { [IDEMPOTENT]: true }),
      [ERRORS]: statusesOf(route.method, url, config, rest),
    },
  };
};

function securityOf({ open, session }: Access): Record<string, string[]>[] {
  if (open) return [];
  return session ? [{ session: [] }] : [{ token: [] }, { session: [] }];
}

/** Statuses beside the route's own: what the door in front of every handler may say, and what ids in a path may miss. */
function statusesOf(method: string | readonly string[], url: string, config: Access, schema: Json): number[] {
  const writes = method !== 'GET';
  const statuses = [429, 503];
  if (writes || schema.querystring || schema.params) statuses.push(400);
  if (writes) statuses.push(409, 413, 415);
  if (!config.open || writes) statuses.push(401, 403);
  // Of what a stranger may send, some carries a link's token, which may be unknown.
  if (url.includes(':') || (config.open && writes)) statuses.push(404);
  return statuses.sort();
}

/** A copy in which every schema that has an `$id` carries it where the plugin leaves it alone. */
function nameParts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(nameParts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) =>
      key === '$id' && typeof part === 'string' ? [NAME, part] : [key, nameParts(part)],
    ),
  );
}

/** Gives the plugin's document what it lacks: named components, error answers, descriptions and examples. */
export const describeDocument: SwaggerTransformObject = (given) => {
  if (!('openapiObject' in given)) throw new Error('OpenAPI: the plugin makes a document of an older kind');
  const document = given.openapiObject;
  const schemas: Json = {};
  const responses: Json = {};
  const paths = hoist(document.paths ?? {}, schemas) as Record<string, Record<string, Operation>>;
  const error = hoist(nameParts(ErrorAnswer), schemas);
  const webhooks = Object.fromEntries(Object.entries(EVENTS).map(([name, event]) => [name, webhookOf(name, event)]));
  for (const operation of Object.values(paths).flatMap((path) => Object.values(path))) {
    for (const status of operation[ERRORS] ?? []) {
      const name = STATUS_CODES[status]!.replaceAll(/\W/g, '');
      responses[name] = errorResponse(status, error);
      operation.responses[status] ??= { $ref: `#/components/responses/${name}` };
    }
    delete operation[ERRORS];
    if (operation[IDEMPOTENT])
      operation.parameters = [...(operation.parameters ?? []), { $ref: '#/components/parameters/IdempotencyKey' }];
    delete operation[IDEMPOTENT];
    for (const [status, response] of Object.entries(operation.responses)) {
      if (response.description === 'Default Response') response.description = STATUS_CODES[status]!;
      addExamples(response.content, schemas);
    }
    addExamples(operation.requestBody?.content, schemas);
    if (operation.requestBody && !needsBody(operation.requestBody.content, schemas))
      delete operation.requestBody.required;
  }
  const sorted = Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
  const parameters = { IdempotencyKey: IDEMPOTENCY_KEY };
  const components = { ...document.components, schemas: sorted, responses, parameters };
  return { ...document, paths, webhooks, components } as unknown as typeof document;
};

/** What a receiver gets of an event, and is expected to answer. */
function webhookOf(name: string, event: { description: string; payload: object; planned?: true }): Json {
  const own = { event: { type: 'string', const: name }, payload: nameParts(event.payload) };
  const schema = {
    allOf: [{ $ref: '#/components/schemas/Event' }, { type: 'object', properties: own }],
  };
  const description = event.planned ? `${event.description} Planned: nothing fires it yet.` : event.description;
  return {
    post: {
      operationId: `on-${name}`,
      summary: name,
      description,
      tags: ['Webhooks'],
      security: [],
      requestBody: { required: true, content: { 'application/json': { schema } } },
      responses: { '2XX': { description: 'It has arrived. Any other answer: it is sent again.' } },
    },
  };
}

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  description:
    'A text of your own, such as a UUID. Whoever repeats the request with it within 24 hours gets the answer of the first time; another request with it gets 409.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};

interface Operation extends Json {
  [IDEMPOTENT]?: true;
  parameters?: object[];
  [ERRORS]?: number[];
  requestBody?: { required?: boolean; content?: Content };
  responses: Record<string, { $ref?: string; description?: string; content?: Content }>;
}
type Content = Record<string, { schema?: unknown; example?: unknown; examples?: unknown }>;

function addExamples(content: Content | undefined, schemas: Json): void {
  for (const media of Object.values(content ?? {}))
    if (media.schema && media.example === undefined && media.examples === undefined)
      media.example = exampleOf(media.schema, schemas);
}

/** A body all of whose fields are optional may be left out. */
function needsBody(content: Content | undefined, schemas: Json): boolean {
  return Object.values(content ?? {}).some(({ schema }) => {
    const { $ref } = schema as { $ref?: string };
    const { required } = ($ref ? schemas[$ref.slice('#/components/schemas/'.length)] : schema) as {
      required?: unknown;
    };
    return required !== undefined;
  });
}

function errorResponse(status: number, schema: unknown): Json {
  const phrase = STATUS_CODES[status]!;
  const example = { statusCode: status, error: phrase, message: 'What was wrong, and what to do about it.' };
  const headers = [429, 503].includes(status) && {
    'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' } },
  };
  return { description: phrase, ...(headers && { headers }), content: { 'application/json': { schema, example } } };
}

/**
 * A copy in which every named part is a reference, and `schemas` has got the part itself.
 * @throws Error when two different schemas have one name.
 */
function hoist(value: unknown, schemas: Json): unknown {
  if (Array.isArray(value)) return value.map((part) => hoist(part, schemas));
  if (typeof value !== 'object' || value === null) return value;
  const { [NAME]: name, ...rest } = value as Json;
  const copy = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, hoist(part, schemas)]));
  if (typeof name !== 'string') return copy;
  if (schemas[name] && JSON.stringify(schemas[name]) !== JSON.stringify(copy))
    throw new Error(`OpenAPI: two different schemas are called ${name}`);
  schemas[name] = copy;
  return { $ref: `#/components/schemas/${name}` };
}
