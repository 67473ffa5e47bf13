import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Compile } from 'typebox/compile';

export type Schema = { readonly [key: string]: unknown };
interface Media {
  readonly schema: Schema;
  readonly example?: unknown;
}
interface Answer {
  readonly $ref?: string;
  readonly content?: Record<string, Media>;
}
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly security: readonly object[];
  readonly parameters?: readonly {
    in: 'path' | 'query' | 'header';
    name: string;
    required?: boolean;
    schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Record<string, Media> };
  readonly responses: Record<string, Answer>;
}
export interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, Schema>; responses: Record<string, Answer> };
}

export interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

export const routesOf = ({ paths }: Document): Route[] =>
  Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );

/** A schema without references: what a validator takes alone. */
export function inlined(value: unknown, document: Document): Schema {
  const walk = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(walk);
    if (typeof part !== 'object' || part === null) return part;
    const { $ref } = part as { $ref?: string };
    if (typeof $ref === 'string') return walk(document.components.schemas[$ref.replace('#/components/schemas/', '')]);
    return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, walk(inner)]));
  };
  return walk(value) as Schema;
}

/** Says what is wrong with a value, or null. Schemas are compiled once. */
export function checker(document: Document): (schema: Schema, value: unknown) => string | null {
  const compiled = new Map<Schema, ReturnType<typeof Compile>>();
  return (schema, value) => {
    let validator = compiled.get(schema);
    if (!validator) compiled.set(schema, (validator = Compile(inlined(schema, document))));
    if (validator.Check(value)) return null;
    const [first] = validator.Errors(value);
    return `${first?.instancePath || '/'} ${first?.message}`;
  };
}

/** The answer that the document has for a status, with references followed; undefined for a status that is not in it. */
export function answerFor({ responses }: Operation, status: number, document: Document): Answer | undefined {
  const answer = responses[status];
  return answer?.$ref ? document.components.responses[answer.$ref.replace('#/components/responses/', '')] : answer;
}

const HOSTILE = [
  '',
  ' ',
  '0',
  '-1',
  '1e999',
  'NaN',
  'null',
  'true',
  '__proto__',
  'constructor',
  '$gt',
  '{"$ne":null}',
  "' or 1=1 --",
  '\u0000',
  '\ud800',
  '../../etc/passwd',
  '%00',
  '%2e%2e%2f',
  'x'.repeat(300),
  '💥',
  '﷽'.repeat(30),
  '<script>alert(1)</script>',
  'http://169.254.169.254/latest',
  'rtmp://127.0.0.1/x',
  '9'.repeat(20),
  '2026-13-45T99:99:99Z',
  'a,b',
  '[]',
  '{}',
];

/** Values that a schema allows, mostly; and others, so that refusals are seen too. */
function valueFor(schema: Schema, ids: fc.Arbitrary<string>, depth = 0): fc.Arbitrary<unknown> {
  const odd = fc.oneof(
    fc.constantFrom<unknown>(...HOSTILE, null, 0, -1, 2 ** 53, 1.5, true),
    fc.jsonValue({ maxDepth: 2 }),
  );
  return fc.oneof({ weight: 8, arbitrary: fitting(schema, ids, depth) }, { weight: 1, arbitrary: odd });
}

function fitting(schema: Schema, ids: fc.Arbitrary<string>, depth: number): fc.Arbitrary<unknown> {
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  const choices = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined;
  if (choices) return fc.oneof(...choices.map((choice) => valueFor(choice, ids, depth)));
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'null') return fc.constant(null);
  if (schema.type === 'integer' || schema.type === 'number') {
    const min = Number(schema.minimum ?? -5);
    return fc.integer({ min, max: Math.min(Number(schema.maximum ?? 1000), Math.max(min, 1_000_000)) });
  }
  if (schema.type === 'array')
    return fc.array(valueFor((schema.items ?? {}) as Schema, ids, depth + 1), { maxLength: 3 });
  if (schema.type === 'object' && schema.properties && depth < 6) {
    const properties = Object.entries(schema.properties as Record<string, Schema>);
    return fc.record(
      Object.fromEntries(properties.map(([name, property]) => [name, valueFor(property, ids, depth + 1)])),
      {
        requiredKeys: (schema.required as string[] | undefined)?.filter(() => true) ?? [],
      },
    );
  }
  if (schema.type === 'object')
    return fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 });
  const plain = fc.string({ maxLength: 20, unit: 'grapheme' });
  return fc.oneof(
    plain,
    ids,
    fc.constantFrom('https://example.com/hook', 'rtmp://a.example.com/live', '2027-01-01T00:00:00.000Z'),
  );
}

export interface Request {
  readonly route: Route;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
}

/** Requests to every operation of the document, with ids out of `known` where something has to be found. */
export function requestOf(
  document: Document,
  known: readonly string[],
  skip: ReadonlySet<string>,
): fc.Arbitrary<Request> {
  const ids = fc.oneof(
    { weight: 6, arbitrary: fc.nat().map((n) => known[n % Math.max(1, known.length)] ?? '0'.repeat(24)) },
    { weight: 1, arbitrary: fc.stringMatching(/^[0-9a-f]{24}$/) },
    { weight: 1, arbitrary: fc.constantFrom(...HOSTILE) },
  );
  const routes = routesOf(document).filter(({ operation }) => !skip.has(operation.operationId));
  return fc.constantFrom(...routes).chain((route) => {
    const parameters = (route.operation.parameters ?? []).filter((one) => 'schema' in one);
    const paths = parameters.filter((one) => one.in === 'path').map((one) => one.name);
    const queries = parameters.filter((one) => one.in === 'query' && one.name !== 'for_s');
    const json = route.operation.requestBody?.content['application/json'];
    const bodies = json
      ? fc.oneof(
          {
            weight: 12,
            arbitrary: valueFor(inlined(json.schema, document), ids).map((value) => JSON.stringify(value)),
          },
          { weight: 1, arbitrary: fc.constantFrom(undefined, '', '{', '[]', 'null', '"x"', '{"a":'.repeat(40)) },
        )
      : fc.constantFrom(undefined, undefined, '{}', 'null');
    // Without an end there would be none.
    const endless = parameters.some(({ name }) => name === 'for_s');
    const query = fc.record(
      Object.fromEntries(queries.map(({ name, schema }) => [name, valueFor(inlined(schema, document), ids)])),
      { requiredKeys: [] },
    );
    const type = fc.constantFrom(
      'application/json',
      'application/json',
      'application/json',
      'application/x-www-form-urlencoded',
      'text/plain',
    );
    const idempotencyKey = fc.option(fc.constantFrom('a', 'b', 'ü', ' '.repeat(3), 'k'.repeat(300)), { freq: 5 });
    return fc
      .record({
        ids: fc.array(ids, { minLength: paths.length, maxLength: paths.length }),
        query,
        body: bodies,
        type,
        idempotencyKey,
      })
      .map(({ ids, query, body, type, idempotencyKey }) => {
        let path = route.path;
        for (const [i, name] of paths.entries()) path = path.replace(`{${name}}`, encode(ids[i]!));
        const given = Object.entries(query).map(
          ([name, value]) => `${name}=${encode(typeof value === 'string' ? value : JSON.stringify(value))}`,
        );
        if (endless) given.push('for_s=0');
        const url = given.length > 0 ? `${path}?${given.join('&')}` : path;
        const headers: Record<string, string> = {};
        if (body !== undefined && route.method !== 'GET') headers['content-type'] = type;
        if (idempotencyKey !== null && /^[\x20-\xff]*$/.test(idempotencyKey))
          headers['idempotency-key'] = idempotencyKey;
        return { route, url, headers, body: route.method === 'GET' ? undefined : body };
      });
  });
}

/** Escaped for a URL, lone surrogates too. An empty part would make it another path. */
const encode = (text: string): string => encodeURIComponent(text.toWellFormed()) || '%20';

/** The document's word on one answer: null, or what is wrong with it. */
export function judge(
  document: Document,
  check: ReturnType<typeof checker>,
  { method, path, operation }: Route,
  answer: { status: number; type: string; text: string },
): string | null {
  const at = `${method} ${path} answers ${answer.status}`;
  if (answer.status >= 500 && answer.status !== 501) return `${at}: ${answer.text.slice(0, 300)}`;
  const described = answerFor(operation, answer.status, document);
  if (!described) return `${at}, which the document does not know: ${answer.text.slice(0, 300)}`;
  if (answer.status === 204) return answer.text === '' ? null : `${at} with a body`;
  const type = answer.type.split(';')[0]!;
  const media = described.content?.[type];
  if (!media) return `${at} as ${type}, which the document does not know`;
  if (type !== 'application/json') return null;
  const wrong = check(media.schema, JSON.parse(answer.text));
  return wrong && `${at} with a body that its schema refuses: ${wrong} in ${answer.text.slice(0, 300)}`;
}

/** Ids in an answer, so that later requests find something. */
export function idsIn(text: string): string[] {
  return [...text.matchAll(/"_?id":"([^"]{1,64})"/g)].map(([, id]) => id!);
}

export const isHealthy = async (baseUrl: string): Promise<void> => {
  const answer = await fetch(`${baseUrl}/health/ready`);
  assert.equal(answer.status, 200, 'the server is healthy still');
  await answer.text();
};
