/** What a look at the playlists says of a stream. */
export type OnAir =
  | 'live'
  | 'starting' // parts, and no segment yet: hls.js calls such a playlist empty
  | 'ended' // its playlist is still there and says that nothing follows
  | 'offline'; // not found, refused or out of reach: a viewer need not know which

const timeoutMs = 15_000;

/**
 * Looks whether the stream behind `url`, a multivariant or a media playlist, is on air. Never rejects. The server may hold its
 * answer for some seconds while a broadcast is just beginning.
 */
export async function probe(url: string, signal: AbortSignal): Promise<OnAir> {
  try {
    const text = await fetchText(url, signal);
    if (!text.includes('#EXT-X-STREAM-INF')) return judge(text);
    const variant = text.split('\n').find((line) => line.trim() !== '' && !line.startsWith('#'));
    return variant ? judge(await fetchText(new URL(variant.trim(), url).href, signal)) : 'offline';
  } catch {
    return 'offline';
  }
}

function judge(playlist: string): OnAir {
  if (!playlist.startsWith('#EXTM3U')) return 'offline';
  if (playlist.includes('#EXT-X-ENDLIST')) return 'ended';
  return playlist.includes('#EXTINF') ? 'live' : 'starting';
}

async function fetchText(url: string, signal: AbortSignal): Promise<string> {
  // Not AbortSignal.any(): the iPhones that need the native engine do not have it.
  const mine = new AbortController();
  const abort = () => mine.abort();
  const timer = setTimeout(abort, timeoutMs);
  signal.addEventListener('abort', abort);
  try {
    const answer = await fetch(url, { cache: 'no-store', credentials: 'omit', signal: mine.signal });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return await answer.text();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}
