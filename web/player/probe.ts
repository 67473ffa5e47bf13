/** Why the server does not show a stream to this viewer. */
export type Refusal = 'password' | 'domain' | 'country' | 'expired' | 'forbidden';

/** What a look at the playlists says of a stream. */
export type OnAir =
  | 'live'
  | 'starting' // parts, and no segment yet: hls.js calls such a playlist empty
  | 'ended' // its playlist is still there and says that nothing follows
  | 'recording' // complete, and meant to be played from its beginning
  | 'offline' // not found or out of reach: a viewer need not know which
  | 'refused';

export interface Look {
  readonly onAir: OnAir;
  readonly refusal: Refusal | null;
  /** It has captions, or sound in playlists of its own: what the light build of hls.js cannot play. */
  readonly manyTracks: boolean;
}

const timeoutMs = 15_000;
const offline: Look = { onAir: 'offline', refusal: null, manyTracks: false };

/** What the `code` of a refusal's JSON means; by its status where it has none that is known. */
const refusalOf = new Map<unknown, Refusal>([
  ['password_required', 'password'],
  ['password_wrong', 'password'],
  ['domain_blocked', 'domain'],
  ['token_expired', 'expired'],
  ['token_invalid', 'expired'],
  ['token_required', 'forbidden'],
  ['country_blocked', 'country'],
  ['forbidden', 'forbidden'],
  [401, 'password'],
  [403, 'forbidden'],
  [410, 'expired'],
]);

/**
 * Looks whether the stream behind `url`, a multivariant or a media playlist, is on air. Never rejects. The server may hold its
 * answer for some seconds while a broadcast is just beginning.
 */
export async function probe(url: string, signal: AbortSignal): Promise<Look> {
  try {
    const { text, from } = await fetchText(url, signal);
    if (!text.includes('#EXT-X-STREAM-INF')) return { ...offline, onAir: judge(text) };
    const variant = text.split('\n').find((line) => line.trim() !== '' && !line.startsWith('#'));
    if (!variant) return offline;
    const manyTracks =
      /^#EXT-X-MEDIA:.*TYPE=(SUBTITLES|AUDIO.*URI=)/m.test(text) || /^#EXT-X-MEDIA:.*URI=.*TYPE=AUDIO/m.test(text);
    const media = await fetchText(new URL(variant.trim(), from).href, signal);
    return { onAir: judge(media.text), refusal: null, manyTracks };
  } catch (error) {
    return error instanceof Refused ? { onAir: 'refused', refusal: error.refusal, manyTracks: false } : offline;
  }
}

class Refused extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal);
    this.refusal = refusal;
  }
}

function judge(playlist: string): OnAir {
  if (!playlist.startsWith('#EXTM3U')) return 'offline';
  if (!playlist.includes('#EXT-X-ENDLIST')) return playlist.includes('#EXTINF') ? 'live' : 'starting';
  return playlist.includes('#EXT-X-PLAYLIST-TYPE:') ? 'recording' : 'ended';
}

/** `from`: where it was found in the end, which addresses in it are relative to. */
async function fetchText(url: string, signal: AbortSignal): Promise<{ readonly text: string; readonly from: string }> {
  // Not AbortSignal.any(): the iPhones that need the native engine do not have it.
  const mine = new AbortController();
  const abort = () => mine.abort();
  const timer = setTimeout(abort, timeoutMs);
  signal.addEventListener('abort', abort);
  try {
    const answer = await fetch(url, { cache: 'no-store', credentials: 'omit', signal: mine.signal });
    if (answer.ok) return { text: await answer.text(), from: answer.url };
    const refusal = refusalOf.get(answer.status);
    if (!refusal) throw new Error(`HTTP ${answer.status}`);
    const { code } = (await answer.json().catch(() => ({}))) as { code?: unknown };
    throw new Refused((typeof code === 'string' && refusalOf.get(code)) || refusal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}
