import { CodedError } from '../../base/index.ts';

/** A decoded value. XML is its text, a typed object its members, an AMF3 byte array a Buffer of its own. */
export type AmfValue = null | undefined | boolean | number | string | Date | Buffer | AmfValue[] | AmfObject;

/** An object, ECMA array or dictionary. Decoded ones have no prototype: `__proto__` and `constructor` are keys like others. */
export interface AmfObject {
  [key: string]: AmfValue;
}

/** What can be encoded: also a Map, which becomes an ECMA array, the form that metadata has. */
export type AmfInput = AmfValue | AmfInput[] | ReadonlyMap<string, AmfInput> | { readonly [key: string]: AmfInput };

/** What a stranger's body may ask of the reader: nesting, keys of one object, bytes of one string, values in all. */
export const MAX_DEPTH = 32;
export const MAX_KEYS = 1024;
export const MAX_STRING_BYTES = 65_536;
const MAX_VALUES = 262_144;

/** @throws CodedError('rtmp_protocol'), whose message says what is wrong with the body. */
export function fail(reason: string): never {
  throw new CodedError('rtmp_protocol', `AMF: ${reason}`);
}

/** How much of a body's budget is spent; one for all readers of a body, so that AMF3 inside AMF0 is no way around it. */
export interface Spent {
  values: number;
  /** The deepest nesting below the object that is being read. */
  deepest: number;
}

interface Entry {
  readonly value: AmfValue;
  open: boolean;
  values: number;
  height: number;
}

/**
 * The objects that a reference may name. A reference counts as all that it stands for, in number and in depth, and must
 * not name an object that contains it: so the result is as harmless to walk as if it had been written out.
 */
export class References {
  readonly #entries: Entry[] = [];
  readonly #spent: Spent;

  constructor(spent: Spent) {
    this.#spent = spent;
  }

  /** Registers `value`, lets `fill` read its members, and returns it. */
  read<T extends AmfValue>(value: T, depth: number, fill: (value: T) => void): T {
    const spent = this.#spent;
    const entry: Entry = { value, open: true, values: spent.values, height: 0 };
    this.#entries.push(entry);
    const outer = spent.deepest;
    spent.deepest = depth;
    fill(value);
    entry.open = false;
    entry.values = spent.values - entry.values;
    entry.height = spent.deepest - depth;
    if (outer > spent.deepest) spent.deepest = outer;
    return value;
  }

  /** The value that reference `index` names, as if it stood at `depth`. */
  resolve(index: number, depth: number): AmfValue {
    const entry = this.#entries[index];
    if (entry === undefined) fail(`reference to object ${index} of ${this.#entries.length}`);
    if (entry.open) fail(`reference to object ${index} from inside itself`);
    spend(this.#spent, depth + entry.height, entry.values);
    return entry.value;
  }
}

/** Counts `values` more values, the deepest of them at `depth`. */
export function spend(spent: Spent, depth: number, values: number): void {
  if (depth > MAX_DEPTH) fail(`nested deeper than ${MAX_DEPTH}`);
  if (depth > spent.deepest) spent.deepest = depth;
  spent.values += values;
  if (spent.values > MAX_VALUES) fail(`more than ${MAX_VALUES} values`);
}

/** Without a prototype: whatever keys a stranger sends, they are keys. */
export function emptyObject(): AmfObject {
  return Object.create(null) as AmfObject;
}
