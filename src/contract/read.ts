import { type Static, type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { CodedError } from '../base/index.ts';

/** What `readAs` looks at of a schema. */
interface Shape {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  /** Of two: what may stand here, and null. */
  readonly anyOf?: readonly Shape[];
}

export interface Reading {
  /** The values are texts (a form, a query, the environment): `"true"` stands for true, `"5"` for 5, JSON for a list. */
  readonly fromText?: boolean;
}

/**
 * Makes a function that reads a stranger's value as `schema` says: unknown keys are left out, defaults filled in, nothing
 * else changed. `undefined` and `null` read as an empty object.
 * @throws CodedError bad_request, naming the field and what is allowed there.
 */
export function readAs<T extends TSchema>(schema: T): (value: unknown, reading?: Reading) => Static<T> {
  const shape = schema as Shape;
  const validator = Compile(Type.Unsafe<Static<T>>(schema));
  return (value, reading = {}) => {
    const picked = pick(shape, value ?? {}, reading.fromText === true);
    if (validator.Check(picked)) return picked as Static<T>;
    const error = validator.Errors(picked)[0]!;
    const path = error.instancePath.split('/').slice(1);
    if (error.keyword === 'required') path.push(error.params.requiredProperties[0]!);
    throw new CodedError('bad_request', `${path.join('.') || 'The body'} must be ${allowed(shape, path)}.`);
  };
}

/** A copy of `value` with only what `shape` names. Building it anew is what keeps keys like `__proto__` out. */
function pick(shape: Shape, value: unknown, fromText: boolean): unknown {
  if (shape.anyOf && value !== null) shape = notNull(shape);
  // Postgres keeps no text with one, so SQLite is not given one either.
  if (typeof value === 'string' && value.includes('\0'))
    throw new CodedError('bad_request', 'A text holds a NUL character: leave it out.');
  if (fromText && typeof value === 'string') value = fromString(shape, value);
  const { items } = shape;
  if (items?.properties && Array.isArray(value)) return value.map((item) => pick(items, item, false));
  if (!shape.properties || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const picked: Record<string, unknown> = {};
  for (const key of Object.keys(shape.properties)) {
    const property = shape.properties[key]!;
    const given = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    if (given !== undefined) picked[key] = pick(property, given, fromText);
    else if (property.default !== undefined) picked[key] = property.default;
  }
  return picked;
}

const notNull = (shape: Shape): Shape => shape.anyOf?.find(({ type }) => type !== 'null') ?? shape;

/** What a text stands for where `shape` is wanted; the text itself when it stands for nothing of that kind. */
function fromString(shape: Shape, text: string): unknown {
  if (shape.type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (shape.type === 'integer') return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
  if (shape.type !== 'object' && shape.type !== 'array') return text;
  try {
    return JSON.parse(text);
  } catch {
    return shape.type === 'array' ? [text] : text;
  }
}

/** Says in words what may stand at `path`. */
function allowed(shape: Shape, path: readonly string[]): string {
  let at = shape;
  for (const key of path) at = notNull(at.properties?.[key] ?? at.items ?? at);
  if (at.enum) return `one of ${at.enum.join(', ')}`;
  if (at.type === 'boolean') return 'true or false';
  if (at.type === 'integer') return `a whole number${range(at)}`;
  if (at.type === 'array') return `a list${at.maxItems ? ` of at most ${at.maxItems} entries` : ''}`;
  if (at.type === 'object') return 'an object';
  const most = at.maxLength ? ` of at most ${at.maxLength} characters` : '';
  return at.minLength ? `a text of ${at.minLength} to ${at.maxLength} characters` : `a text${most}`;
}

function range({ minimum, maximum }: Shape): string {
  if (minimum === undefined) return '';
  return maximum === undefined || maximum === Number.MAX_SAFE_INTEGER
    ? ` from ${minimum} up`
    : ` from ${minimum} to ${maximum}`;
}
