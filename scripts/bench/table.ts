/** One figure: what was measured, beside what, and the bar. */
export interface Row {
  readonly what: string;
  readonly measured: string;
  /** What ran beside it in the same rounds, or what it is compared with. */
  readonly beside?: string;
  readonly ratio?: string;
  readonly bar?: string;
  /** Absent: there is no bar. */
  readonly met?: boolean;
}

/** How long and how often to measure. */
export interface Effort {
  /** Seconds of one steady window. */
  readonly seconds: number;
  /** Rounds of paired measurements. */
  readonly rounds: number;
}

/** One bench: a file of its own, named in main.ts. */
export type Bench = (effort: Effort) => Promise<Row[]>;

/** Prints all rows in aligned columns. */
export function printTable(rows: readonly Row[]): void {
  const lines = rows.map((row) => [
    row.what,
    row.measured,
    row.beside ?? '',
    row.ratio ?? '',
    row.bar ?? '',
    row.met === undefined ? '' : row.met ? 'met' : 'MISSED',
  ]);
  const head = ['what', 'measured', 'beside', 'ratio', 'bar', ''];
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]!.length)));
  const print = (line: readonly string[]) =>
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    );
  print(head);
  print(widths.map((width) => '-'.repeat(width)));
  for (const line of lines) print(line);
}
