// docs/reference/coverage.md: which numbers of the acceptance lists stand in the names of tests. `node scripts/coverage.ts` writes it; with
// `--check` (in `npm run check`) it fails where the page is not what would be written.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = new URL('../docs/reference/coverage.md', import.meta.url);

interface List {
  readonly title: string;
  /** The last number of each letter. */
  readonly letters: Readonly<Record<string, number>>;
}

const LISTS: readonly List[] = [
  { title: 'RTMP to HLS: situations that broke other servers', letters: { A: 8, B: 19, C: 21, D: 18, E: 15, F: 33 } },
  { title: 'RTMP: hostile input', letters: { R: 47 } },
  { title: 'HLS conformance', letters: { H: 84 } },
];

/** What cannot apply here, and why. */
const NOT_APPLICABLE: Readonly<Record<string, string>> = {
  C20: 'no hook of a customer decides about a publish: the store does, and webhooks are told afterwards',
  H68: 'segments are CMAF: there is no MPEG-TS',
};

/** What has no test of that name, in our words. */
const OPEN: Readonly<Record<string, string>> = {
  A07: 'PROXY protocol of load balancers in front of RTMP: not built',
  A08: 'IPv6: listened on and dialled; an address of two families of which one is dead is not tried',
  D16: 'multitrack of Enhanced RTMP: not built',
  D17: 'multitrack from OBS to a server of one’s own: not built',
  E02: 'B-frames of hardware encoders: those of x264 come out bit-exact; others are not recorded',
  R09: 'a peer that vanishes without FIN: silence is tested; packets that are dropped by a firewall are not',
  R36: 'publishers of 100 Mbit/s and of 1 kbit/s: bounds are tested (F30); such rates only in benches',
  R38: 'refusals take the same time: the answers are alike; their times are not compared',
  R40: 'two encoders that try again on one key: who has it keeps it (C16); not for five minutes',
  R42: 'deleted while live: cut at once; a revoked token and a suspended organization end no broadcast',
  R44: 'fuzz seeds of other projects: not brought here; our own mutations are',
};

/** Numbers by the tests that carry them: `R01`, `R01–R08`. */
const found = new Map<string, Set<string>>();
const add = (number: string, path: string) => found.set(number, (found.get(number) ?? new Set()).add(path));
for (const path of globSync('test/**/*.ts', { cwd: root }).sort()) {
  const text = readFileSync(`${root}/${path}`, 'utf8');
  const library = path.startsWith('test/conformance/') && !path.endsWith('.test.ts');
  // The library's checks become tests as they run; what it leaves to others it names in lines of their own.
  const names = library
    ? (text.match(/\w\('H\d\d/g) ?? [])
    : [
        ...text.matchAll(
          /\b(?:test|it|suite|describe)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1|(['"`])([A-HR]\d\d[ ,](?:\\.|(?!\3)[^\\])*)\3/g,
        ),
      ].map(([, , name, , row]) => name ?? row!);
  for (const name of names) {
    for (const [, letter, from, to] of name.matchAll(/\b([A-HR])(\d\d)–\1(\d\d)\b/g))
      for (let i = Number(from); i <= Number(to); i++) add(`${letter}${String(i).padStart(2, '0')}`, path);
    for (const [number] of name.matchAll(/\b[A-HR]\d\d\b/g)) add(number, path);
  }
}

const rows: string[] = [];
const sums: string[] = [];
const unexplained: string[] = [];
for (const { title, letters } of LISTS) {
  const counts = { covered: 0, not: 0, open: 0 };
  rows.push('', `## ${title}`, '', '| Number | |', '|---|---|');
  for (const [letter, last] of Object.entries(letters)) {
    for (let i = 1; i <= last; i++) {
      const number = `${letter}${String(i).padStart(2, '0')}`;
      const paths = [...(found.get(number) ?? [])].map((path) => `\`${path}\``);
      if (paths.length > 0) counts.covered++;
      else if (number in NOT_APPLICABLE) counts.not++;
      else counts.open++;
      const note = NOT_APPLICABLE[number] ?? OPEN[number];
      if (paths.length === 0 && note === undefined) unexplained.push(number);
      const kind = number in NOT_APPLICABLE ? 'not applicable' : '**open**';
      rows.push(`| ${number} | ${paths.length > 0 ? paths.join(' · ') : `${kind}: ${note}`} |`);
    }
  }
  const items = counts.covered + counts.not + counts.open;
  sums.push(`| ${title} | ${items} | ${counts.covered} | ${counts.not} | ${counts.open} |`);
}
const text = [
  '# What the acceptance lists ask for, and which tests show it',
  '',
  'Made from the names of the tests by `node scripts/coverage.ts`: a number stands in the name of each test that shows it. What is open is said in our own words; what cannot apply, with the reason.',
  '',
  '| List | Items | Covered | Not applicable | Open |',
  '|---|---|---|---|---|',
  ...sums,
  ...rows,
  '',
].join('\n');

if (unexplained.length > 0) {
  console.error(`numbers without a test and without a word in scripts/coverage.ts: ${unexplained.join(' ')}`);
  process.exitCode = 1;
} else if (!process.argv.includes('--check')) {
  writeFileSync(page, text);
  console.log(sums.join('\n'));
} else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/reference/coverage.md is not what the tests say: run node scripts/coverage.ts');
  process.exitCode = 1;
}
