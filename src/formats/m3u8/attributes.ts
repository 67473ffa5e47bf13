/** Seconds as a decimal-floating-point: milliseconds where they are exact, else microseconds, so that sums stay exact. */
export function seconds(us: number): string {
  return (us / 1e6).toFixed(us % 1000 === 0 ? 3 : 6);
}

/** A quoted-string (RFC 8216bis 4.2). It knows no escapes: what it must not contain is dropped, so no value ends its line. */
export function quoted(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed here
  return `"${text.replace(/["\u0000-\u001f\u007f-\u009f]/g, '')}"`;
}

const ATTRIBUTE = /\s*([A-Z0-9-]+)=(?:"([^"\r\n]*)"|([^",\s][^",]*))\s*(?:,|$)/y;

/** Reads an attribute-list (RFC 8216bis 4.2). Throws an Error that quotes the list when it breaks the grammar or repeats a name. */
export function parseAttributes(list: string): Map<string, string> {
  const attributes = new Map<string, string>();
  ATTRIBUTE.lastIndex = 0;
  while (ATTRIBUTE.lastIndex < list.length) {
    const match = ATTRIBUTE.exec(list);
    if (!match || attributes.has(match[1])) throw new Error(`not an attribute list: ${list}`);
    attributes.set(match[1], match[2] ?? match[3]);
  }
  return attributes;
}

/** A decimal-integer, at most 2^53 - 1. Throws an Error that names the tag or attribute. */
export function integer(text: string | undefined, name: string): number {
  const value = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new Error(`${name} is not a decimal integer: ${text}`);
  return value;
}

/** A decimal-floating-point of seconds, as microseconds. Throws an Error that names the tag or attribute. */
export function microseconds(text: string | undefined, name: string): number {
  if (text === undefined || !/^\d+(\.\d+)?$/.test(text)) throw new Error(`${name} is not a number of seconds: ${text}`);
  return Math.round(Number(text) * 1e6);
}
