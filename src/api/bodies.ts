import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { CodedError } from '../base/index.ts';
import { readAs } from '../contract/index.ts';

const MAX_FORM_DEPTH = 4;
/** What a body may hold (S51): more is no request of this API, but work for whoever reads it. */
const MAX_DEPTH = 20;
const MAX_KEYS = 1000;

/** Bodies that came as form fields: all their values are texts. */
const forms = new WeakSet<object>();

/**
 * Accepts the bodies that LiveAPI's clients are known to send: JSON, a form, and nothing at all under any content type. A
 * form that is really JSON is read as JSON: that is what `curl -d '{…}'` sends.
 */
export function addBodyParsers(app: FastifyInstance): void {
  const asText = { parseAs: 'string' } as const;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', asText, async (_request: unknown, body: string) => readJson(body));
  app.addContentTypeParser('application/x-www-form-urlencoded', asText, async (_request: unknown, body: string) =>
    /^\s*\{/.test(body) ? readJson(body) : readForm(body),
  );
  app.addContentTypeParser('*', asText, async (_request: unknown, body: string) => {
    if (body.length > 0) throw new CodedError('unsupported_media_type', 'Send the body as application/json.');
  });
}

/** Keys such as `__proto__` do no harm here: the contract copies out what it names and nothing else. */
function readJson(text: string): unknown {
  if (text.length === 0) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new CodedError(
      'bad_request',
      'The body is not valid JSON: send an object such as {"name": "Harbour"}, or no body.',
    );
  }
  refuseHuge(body);
  return body;
}

/** Level by level, so that no depth is too much for the stack. */
function refuseHuge(body: unknown): void {
  let level = [body];
  for (let depth = 0, keys = 0; level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value !== 'object' || value === null) continue;
      if (depth === MAX_DEPTH)
        throw new CodedError('bad_request', `The body is nested deeper than ${MAX_DEPTH} levels.`);
      const children: unknown[] = Object.values(value);
      if (!Array.isArray(value)) keys += children.length;
      if (keys > MAX_KEYS) throw new CodedError('bad_request', `The body has more than ${MAX_KEYS} keys.`);
      for (const child of children) next.push(child);
    }
    level = next;
  }
}

type Fields = Record<string, unknown>;

/** Fields by their names: `settings[abr]=true` becomes a field of an object, `list[]=1&list[]=2` a list. */
function readForm(text: string): object {
  const form: Fields = Object.create(null);
  let keys = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    if (++keys > MAX_KEYS) throw new CodedError('bad_request', `The body has more than ${MAX_KEYS} fields.`);
    const path = name.match(/[^[\]]+/g) ?? [];
    const last = path.pop();
    if (last === undefined || path.length > MAX_FORM_DEPTH) continue;
    let fields = form;
    for (const key of path)
      fields = isFields(fields[key]) ? fields[key] : (fields[key] = Object.create(null) as Fields);
    const before = fields[last];
    if (!name.endsWith('[]')) fields[last] = value;
    else if (Array.isArray(before)) before.push(value);
    else fields[last] = [value];
  }
  forms.add(form);
  return form;
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads bodies, queries and parameters as their schemas say: JSON strictly, texts by what they stand for. */
export const contractCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const read = readAs(schema);
  return (value: unknown) => {
    try {
      const fromText = httpPart !== 'body' || (typeof value === 'object' && value !== null && forms.has(value));
      return { value: read(value, { fromText }) };
    } catch (error) {
      return { error: error as Error };
    }
  };
};
