/** A column of a table: its heading, and what stands in it. */
export type Column<T> = readonly [heading: string, cell: (row: T) => unknown];

/** Whether standard output gets data for programs instead of text for people. */
export interface OutputOptions {
  readonly json?: boolean;
}

/** Prints entries as a table, or as one JSON list. */
export function printTable<T>(rows: readonly T[], columns: readonly Column<T>[], { json }: OutputOptions): void {
  if (json) printJson(rows);
  else if (rows.length === 0) console.log('None.');
  else {
    const table = [
      columns.map(([heading]) => heading),
      ...rows.map((row) => columns.map(([, cell]) => text(cell(row)))),
    ];
    const widths = columns.map((_, i) => Math.max(...table.map((cells) => cells[i]!.length)));
    const line = (cells: readonly string[]) => cells.map((cell, i) => cell.padEnd(widths[i]!)).join('  ');
    for (const cells of table) console.log(line(cells).trimEnd());
  }
}

/** Prints one object: a line for each field that has a value, those of objects within by their paths; or JSON. */
export function printObject(value: object, { json }: OutputOptions): void {
  if (json) printJson(value);
  else {
    const lines = [...fieldsOf(value, '')];
    const width = Math.max(0, ...lines.map(([name]) => name.length));
    for (const [name, field] of lines) console.log(`${name.padEnd(width)}  ${text(field)}`);
  }
}

/** Prints a sentence for people; programs get the answer itself. */
export function printDone(sentence: string, answer: unknown, { json }: OutputOptions): void {
  if (json) printJson(answer);
  else console.log(text(sentence));
}

const printJson = (value: unknown): void => console.log(JSON.stringify(value, null, 2));

function* fieldsOf(value: object, path: string): Generator<[string, unknown]> {
  for (const [key, field] of Object.entries(value)) {
    const name = path ? `${path}.${key}` : key;
    if (typeof field === 'object' && field !== null && Object.keys(field).length > 0) yield* fieldsOf(field, name);
    else if (field !== undefined) yield [name, Array.isArray(field) ? 'none' : field];
  }
}

/** What others chose (names, encoders' messages) must not steer the terminal that it is shown in (S43). */
export function text(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  const plain = typeof value === 'object' ? JSON.stringify(value) : String(value);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return plain.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '�');
}
