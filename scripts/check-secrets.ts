// No secret is compared with === (S12): the time that takes tells how many characters were right. Reads src/ and web/ for
// comparisons of what is named like a secret with anything but a literal, and reports each one that has no allowance, a comment on
// its line or the one before: `open compare: <why it gives nothing away>`. Run alone it prints them and exits 1 if there are any.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One comparison that tells by its time. */
export interface OpenCompare {
  /** Path from the root. */
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

const SECRET = /secret|password|passphrase|token|digest|signature|cookie|csrf|hmac|credential|authorization/i;
/** What follows from a secret or stands beside it and says nothing about it: its id, its length, when it ends. */
const HARMLESS = /(?:Id|_id|Ids|Ms|_ms|At|Limit|Count|Url|length|size|kind|type|status|name|state)$/;
/** A word on either side of which the time says nothing: what is compared is there, or is not. */
const LITERAL =
  /^(?:undefined|null|true|false|void 0|-?\d[\w.]*|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`$]*`|typeof\b[\s\S]*)$/;
const ALLOWANCE = /\bopen compare: \S.{9,}/;

/** The text without comments; each character stays where it was. */
const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\/|(?<=^|[\s;{}(,])\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' '));

const OPENING = '([{';
const CLOSING = ')]}';
/** What ends an operand on the outside of its own brackets. */
const ENDS = /^(?:[;,]|&&|\|\||\?\?|\?(?![.?])|:|=>|[=!]==?|=(?!=)|return\b|throw\b|if\b|case\b)/;

/** The operand that ends at `end`, or the one that begins at `begin`. */
function operandBefore(text: string, end: number): string {
  let depth = 0;
  let at = end - 1;
  for (; at >= 0; at--) {
    if (CLOSING.includes(text[at]!)) depth++;
    else if (OPENING.includes(text[at]!) && depth-- === 0) break;
    if (depth > 0) continue;
    const ended = ENDS.exec(text.slice(at, at + 8));
    const wordGoesOn = ended && /^\w/.test(ended[0]) && /[\w$.]/.test(text[at - 1] ?? '');
    if (ended && !wordGoesOn && !(text[at] === '?' && /[?.]/.test(text[at + 1]!))) {
      at += ended[0].length - 1;
      break;
    }
  }
  return text.slice(at + 1, end).trim();
}

function operandAfter(text: string, begin: number): string {
  let depth = 0;
  let at = begin;
  for (; at < text.length; at++) {
    if (OPENING.includes(text[at]!)) depth++;
    else if (CLOSING.includes(text[at]!) && depth-- === 0) break;
    if (depth === 0 && ENDS.test(text.slice(at, at + 8))) break;
  }
  return text.slice(begin, at).trim();
}

/** Whether an operand is named like a secret: a name in it, and not only as the owner of something harmless. */
function isSecret(operand: string): boolean {
  if (/^typeof\b/.test(operand)) return false;
  const named = operand.replace(
    /\[(['"`])([^'"`\n]*)\1\]/g,
    (_, _quote, name: string) => `.${name.replace(/\W/g, '_')}`,
  );
  const names = named.replace(/'[^'\n]*'|"[^"\n]*"/g, '').match(/[\w$#]+(?:(?:\?\.|!?\.)[\w$#]+)*/g) ?? [];
  return names.some((chain) => {
    const name = chain.split('.').at(-1)!;
    return SECRET.test(name) && !HARMLESS.test(name) && !/^[A-Z][A-Z_]+$/.test(name);
  });
}

/** Every comparison in one file's text that has no allowance. */
function openCompares(file: string, source: string): OpenCompare[] {
  const text = withoutComments(source);
  const lines = source.split('\n');
  const found: OpenCompare[] = [];
  for (const { 0: operator, index } of text.matchAll(/(?<![=!<>])[=!]==?(?![=>])/g)) {
    const sides = [operandBefore(text, index), operandAfter(text, index + operator.length)];
    if (sides.some((side) => LITERAL.test(side)) || !sides.some(isSecret)) continue;
    const line = text.slice(0, index).split('\n').length;
    if (ALLOWANCE.test(lines[line - 1]!) || ALLOWANCE.test(lines[line - 2] ?? '')) continue;
    found.push({ file, line, text: `${sides[0]} ${operator} ${sides[1]}`.replace(/\s+/g, ' ').slice(0, 120) });
  }
  return found;
}

/** Checks the tree at `root` (the folder that holds src/ and web/), in file order. */
export function checkSecrets(root: string): OpenCompare[] {
  return ['src', 'web']
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(ts|tsx|mts|js|mjs)$/.test(name) && !name.includes('node_modules'))
        .map((name) => `${folder}/${name.split(sep).join('/')}`),
    )
    .sort()
    .flatMap((file) => openCompares(file, readFileSync(join(root, file), 'utf8')));
}

if (import.meta.main) {
  const found = checkSecrets(fileURLToPath(new URL('..', import.meta.url)));
  for (const { file, line, text } of found)
    console.log(
      `${file}:${line}: ${text}: compare in constant time (timingSafeEqual), or say why not: open compare: …`,
    );
  process.exit(found.length > 0 ? 1 : 0);
}
