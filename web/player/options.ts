/** What the address of an embedded page asks for (`?autoplay=0&offlineText=…`). */
export interface EmbedOptions {
  /** Begin without being asked. */
  readonly autoplay: boolean;
  /** Begin without sound; null when the address says nothing. */
  readonly muted: boolean | null;
  readonly controls: boolean;
  /** What to say while the stream is off air; null for the page's own words. Plain text. */
  readonly offlineText: string | null;
}

const maxOfflineText = 200;

/** Reads the options from `location.search`. Unknown names and values that make no sense are ignored. */
export function readOptions(search: string): EmbedOptions {
  const raw = new Map(
    search
      .replace(/^\?/, '')
      .split('&')
      .map((pair) => {
        const equals = pair.indexOf('=');
        return equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
      }),
  );
  return {
    autoplay: readSwitch(raw.get('autoplay')) ?? true,
    muted: readSwitch(raw.get('muted')),
    controls: readSwitch(raw.get('controls')) ?? true,
    offlineText: readText(raw.get('offlineText')),
  };
}

function readSwitch(value: string | undefined): boolean | null {
  if (value === undefined) return null;
  if (/^(1|true|on|yes|)$/i.test(value)) return true;
  return /^(0|false|off|no)$/i.test(value) ? false : null;
}

/** Both ways of writing a space are in use: the usual escapes, and a bare `%` between words, which is no escape at all. */
function readText(value: string | undefined): string | null {
  if (!value) return null;
  const spaced = value.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced).trim().slice(0, maxOfflineText) || null;
  } catch {
    return spaced.replaceAll('%', ' ').trim().slice(0, maxOfflineText) || null;
  }
}
