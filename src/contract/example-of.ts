/** A JSON Schema, as far as examples are made from it. */
type Json = { readonly [key: string]: unknown };

const ID = '64b1f0a2c3d4e5f601234567';
const TIME = '2026-03-01T10:00:00.000Z';

/** What fields of these names look like. A name that is not here gets the plainest value that its schema allows. */
const TEXTS: Readonly<Record<string, string>> = {
  _id: ID,
  id: ID,
  name: 'Harbour cam',
  email: 'ada@example.com',
  password: 'correct horse battery staple',
  server: 'rtmp://ingest.example.net/static',
  key: 'lv_0d1e2f3a4b5c11eeb0a1c2d3e4f50617?password=9a8b7c6d',
  embed_url: 'https://live.example.net/embed/lv_0d1e2f3a4b5c11eeb0a1c2d3e4f50617',
  ll_embed_url: 'https://live.example.net/embed/lv_0d1e2f3a4b5c11eeb0a1c2d3e4f50617',
  embed_audio_url: 'https://live.example.net/embed/lv_0d1e2f3a4b5c11eeb0a1c2d3e4f50617?onlyAudio=true',
  hls_url: 'https://live.example.net/hls/64b1f0a2c3d4e5f600000001/lv_0d1e2f3a4b5c11eeb0a1c2d3e4f50617/index.m3u8',
  url: 'https://example.com/hooks/liveapi',
  event: 'stream-connected',
  template: 'custom',
  codec: 'h264',
  profile: 'High',
  level: '4.1',
  address: '192.0.2.10',
  published_from: '192.0.2.10',
  published_via: 'rtmp',
};

/**
 * A value that `schema` allows and that looks like the real thing: its own example or default where it has one, else made from
 * the names of its fields. `schemas` are the components that its references point to.
 */
export function exampleOf(schema: object, schemas: object = {}): unknown {
  return make(schema as Json, schemas as Json, '');
}

function make(schema: Json, schemas: Json, name: string): unknown {
  if (typeof schema.$ref === 'string')
    return make(schemas[schema.$ref.slice('#/components/schemas/'.length)] as Json, schemas, name);
  if (schema.example !== undefined) return schema.example;
  if (Array.isArray(schema.examples)) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  const choices = (schema.anyOf ?? schema.oneOf) as Json[] | undefined;
  if (choices) return make(choices.find(({ type }) => type !== 'null') ?? choices[0]!, schemas, name);
  if (Array.isArray(schema.allOf))
    return Object.assign({}, ...(schema.allOf as Json[]).map((part) => make(part, schemas, name)));
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== 'null') : schema.type;
  if (type === 'object') {
    const properties = Object.entries((schema.properties ?? {}) as Record<string, Json>);
    return Object.fromEntries(properties.map(([key, property]) => [key, make(property, schemas, key)]));
  }
  if (type === 'array') return schema.items && schema.maxItems !== 0 ? [make(schema.items as Json, schemas, name)] : [];
  if (schema.default !== undefined) return schema.default;
  if (type === 'string') return textOf(schema, name);
  if (type === 'integer' || type === 'number') return Math.max(1, Number(schema.minimum ?? 1));
  if (type === 'boolean') return true;
  return type === 'null' ? null : {};
}

function textOf(schema: Json, name: string): string {
  if (schema.format === 'date-time') return TIME;
  const text = TEXTS[name] ?? guess(name);
  return text.slice(0, Number(schema.maxLength ?? text.length)).padEnd(Number(schema.minLength ?? 0), 'x');
}

function guess(name: string): string {
  if (/(_at|_time|_since|^from|^to|^until)$/.test(name)) return TIME;
  if (/_id$|^(user|organization)$/.test(name)) return ID;
  if (/_?url$/.test(name)) return 'https://live.example.net/';
  return /secret|token/.test(name) ? 'shown-once' : 'text';
}
