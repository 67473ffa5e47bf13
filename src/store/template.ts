import type { Compilable, CompiledQuery } from 'kysely';

/** Stands for a value while its statement is compiled. */
class Slot {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * A statement that is compiled once, with the first values, and from then on only gets its parameters: to compile one costs more
 * than to run it. `build` must make the same statement whatever the values are, and put each in where a parameter goes, as it is.
 */
export function template<Values extends object, Row>(
  build: (values: Values) => Compilable<Row>,
): (values: Values) => Compilable<Row> {
  let compiled: CompiledQuery<Row> | null = null;
  return (values) => {
    compiled ??= build(new Proxy(values, { get: (_, name) => new Slot(String(name)) })).compile();
    const query = compiled;
    const parameters = query.parameters.map((parameter) =>
      parameter instanceof Slot ? values[parameter.name as keyof Values] : parameter,
    );
    return { compile: () => ({ ...query, parameters }) };
  };
}
