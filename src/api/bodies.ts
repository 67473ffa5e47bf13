import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { CodedError } from '../base/index.ts';
import { readAs } from '../contract/index.ts';

/** Bodies that came as form fields: all their values are texts. */
const forms = new WeakSet<object>();

/**
 * Accepts the bodies that LiveAPI's clients are known to send: JSON, a form, and nothing at all under any content type. A
 * form that is really JSON is read as JSON: that is what `curl -d '{…}'` sends.
 */
export function addBodyParsers(app: FastifyInstance): void {
  const json = app.getDefaultJsonParser('error', 'error');
  const asText = { parseAs: 'string' } as const;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', asText, (request, body, done) => {
    if (body.length === 0) done(null);
    else json(request, body as string, done);
  });
  app.addContentTypeParser('application/x-www-form-urlencoded', asText, (request, body, done) => {
    if (/^\s*\{/.test(body as string)) json(request, body as string, done);
    else done(null, readForm(body as string));
  });
  app.addContentTypeParser('*', asText, (_request, body, done) => {
    if (body.length === 0) done(null);
    else done(new CodedError('unsupported_media_type', 'Send the body as application/json.'));
  });
}

/** Fields by their names; `settings[abr]=true` becomes a field of an object, `a[]=1&a[]=2` a list. */
function readForm(text: string): object {
  const form: Record<string, unknown> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    const [, first, second] = /^([^[]*)(?:\[([^\]]+)\])?/.exec(name)!;
    if (second === undefined) {
      form[first!] = name.endsWith('[]') ? [...((form[first!] as string[]) ?? []), value] : value;
      continue;
    }
    const inner = form[first!];
    const fields =
      typeof inner === 'object' ? (inner as Record<string, unknown>) : (form[first!] = Object.create(null));
    fields[second] = name.endsWith('[]') ? [...((fields[second] as string[]) ?? []), value] : value;
  }
  forms.add(form);
  return form;
}

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
