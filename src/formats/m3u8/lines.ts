/** A line that says something. */
export interface Line {
  /** The tag without `#`, or null for a URI line. */
  readonly tag: string | null;
  /** What follows the tag's colon, or the URI. */
  readonly value: string;
}

/**
 * The tags and URIs of a playlist, comments and blank lines left out (RFC 8216bis 4.1). Throws an Error when the text does not
 * begin with EXTM3U, or holds a byte order mark or a control character.
 */
export function lines(text: string): Line[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f\ufeff]/.test(text))
    throw new Error('control character in a playlist');
  const found = text.split(/\r?\n/);
  if (found.shift() !== '#EXTM3U') throw new Error('a playlist begins with #EXTM3U');
  const result: Line[] = [];
  for (const line of found) {
    if (line === '' || (line.startsWith('#') && !line.startsWith('#EXT'))) continue;
    const colon = line.indexOf(':');
    if (!line.startsWith('#')) result.push({ tag: null, value: line });
    else if (colon < 0) result.push({ tag: line.slice(1), value: '' });
    else result.push({ tag: line.slice(1, colon), value: line.slice(colon + 1) });
  }
  return result;
}
